"""policy.marks: what detecting rules leave, and the questions about it."""

import pytest

from qscanner.policy.evidence import NO_MARKS, Evidence, Marks
from qscanner.policy.marks import Mark, Tagged, Total, marks
from tests.fakes.facts import TODAY, facts

BULK = Tagged(name="when.tag", tags=frozenset({"bulk", "list"}))
EIGHT = Total(name="total", at_least=8.0)


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ((), NO_MARKS),
        (((2.5, ""), (-1.0, "a"), (0.0, "b")), Marks(total=1.5, tags=frozenset("ab"))),
        (((0.1, ""),) * 10, Marks(total=1.0)),
        (((0.7, ""), (0.1, "")), Marks(total=0.8)),
    ],
    ids=["nothing", "sum", "ten tenths", "two"],
)
def test_marks(given: tuple[tuple[float, str], ...], want: Marks) -> None:
    """Sums come out as an admin counts them."""
    assert marks(given) == want


@pytest.mark.parametrize(
    ("mark", "left", "want", "why"),
    [
        (BULK, Marks(tags=frozenset({"bulk", "x"})), True, "tagged bulk"),
        (BULK, Marks(tags=frozenset({"x"})), False, "tagged x"),
        (BULK, NO_MARKS, False, "nothing is tagged"),
        (EIGHT, Marks(total=8.0), True, "the total is 8"),
        (EIGHT, Marks(total=7.9), False, "the total is 7.9"),
    ],
)
def test_questions(mark: Mark, left: Marks, want: bool, why: str) -> None:
    """Of marks alone, or of the evidence that carries them."""
    given = Evidence(facts(), TODAY, marks=left)
    assert mark.holds_of(left) is mark.holds(given) is want
    assert mark.because(given) == why
