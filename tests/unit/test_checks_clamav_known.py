"""checks.clamav_known: what is remembered of a clamd, for how long, and what follows from it."""

import pytest

from qscanner.checks.clamav_known import SIGHT_S, VERSION_S, Known
from qscanner.codec.servers import parse

A, B = parse("tcp:127.0.0.1:1"), parse("tcp:127.0.0.1:2")
MIB = 1 << 20


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Give a clock of our own."""
    return Clock()


def test_version_is_asked_once_a_minute(clock: Clock) -> None:
    """For each server by itself."""
    known, asked = Known(clock=clock), iter(range(10))

    def ask() -> str:
        return f"clamav/{next(asked)}"

    assert [known.version(A, ask), known.version(A, ask), known.version(B, ask)] == [
        "clamav/0",
        "clamav/0",
        "clamav/1",
    ]
    clock.now += VERSION_S
    assert known.version(A, ask) == "clamav/0"
    clock.now += 0.1
    assert known.version(A, ask) == "clamav/2"


def test_sight(clock: Clock) -> None:
    """Who sees 5 MiB sees less, who is blind at 8 is so above; in between nothing is known."""
    known = Known(clock=clock)
    assert known.sees(A, MIB) is None
    known.note_sight(A, 5 * MIB, sees=True)
    known.note_sight(A, 8 * MIB, sees=False)
    assert [known.sees(A, size * MIB) for size in (1, 5, 6, 7, 8, 9)] == [
        True,
        True,
        None,
        None,
        False,
        False,
    ]
    assert known.sees(B, MIB) is None
    clock.now += SIGHT_S + 0.1
    assert [known.sees(A, size * MIB) for size in (1, 9)] == [None, None]


def test_the_latest_word_counts(clock: Clock) -> None:
    """clamd was started with other limits: what was proven since then stands alone."""
    known = Known(clock=clock)
    known.note_sight(A, 5 * MIB, sees=False)
    known.note_sight(A, 6 * MIB, sees=True)
    assert [known.sees(A, size * MIB) for size in (5, 6, 7)] == [True, True, None]
    known.note_sight(A, 4 * MIB, sees=False)
    assert [known.sees(A, size * MIB) for size in (3, 4, 6)] == [None, False, False]
