"""Three times and out; forgotten when it went well, and when there are too many."""

from qscanner.codec import orders
from qscanner.crashes import OFTEN, Crashes


def test_three_times() -> None:
    """The third crash is too often, not the second."""
    crashes = Crashes()
    assert [crashes.count("a") for _ in range(2)] == [1, 2]
    assert crashes.too_often() == ()
    assert crashes.count("a") == OFTEN == 3
    assert crashes.too_often() == ("a",)


def test_forgotten_when_it_went_well() -> None:
    """One that was scanned begins anew; one that is not scanned any more stays where it is."""
    crashes = Crashes()
    crashes.count("a")
    crashes.forget("a")
    crashes.forget("never seen")
    assert crashes.count("a") == 1
    for _ in range(3):
        crashes.count("b")
    crashes.forget("b")
    assert crashes.too_often() == ("b",)


def test_bounded() -> None:
    """The oldest are forgotten, and what is told to a worker fits into its packet."""
    crashes = Crashes()
    for number in range(5000):
        for _ in range(3):
            crashes.count(f"{number:064d}")
    told = crashes.too_often()
    assert told[-1] == f"{4999:064d}"
    assert len(orders.take(2**32 - 1, told)) <= orders.MAX_OCTETS
    assert crashes.count(f"{0:064d}") == 1
