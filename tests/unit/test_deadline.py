"""One budget of time, on a clock that is handed in."""

import pytest

from qscanner.deadline import Deadline
from qscanner.outcomes import Ending, OutOfTime


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_remains_shrinks_with_the_clock() -> None:
    """The budget counts from the making, and all who ask share it."""
    clock = Clock()
    deadline = Deadline(10.0, clock=clock)
    assert deadline.remaining_s() == 10.0
    clock.now += 4
    assert deadline.remaining_s() == 6.0
    assert deadline.within(60.0) == 6.0
    assert deadline.within(2.5) == 2.5


@pytest.mark.parametrize("over_s", [0.0, 0.001, 5.0], ids=["exactly", "just", "long"])
def test_nothing_remains(over_s: float) -> None:
    """At the end and after it both ways of asking raise, and never give 0 or less."""
    clock = Clock()
    deadline = Deadline(3.0, clock=clock)
    clock.now += 3.0 + over_s
    with pytest.raises(OutOfTime) as caught:
        deadline.remaining_s()
    assert caught.value.ending is Ending.DEADLINE
    with pytest.raises(OutOfTime):
        deadline.within(1.0)


def test_the_real_clock_is_the_default() -> None:
    """Without a clock it runs by itself."""
    assert 0 < Deadline(5.0).remaining_s() <= 5.0
    with pytest.raises(OutOfTime):
        Deadline(-1.0).remaining_s()
