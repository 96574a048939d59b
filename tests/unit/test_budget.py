"""budget: what comes out of decoders is counted, and stops at each of the bounds."""

from dataclasses import replace

import pytest

from qscanner.budget import Budget, Meter, Sink, Spent
from qscanner.settings import MIB, Limits


@pytest.mark.parametrize(
    ("limits", "packed", "room", "id_"),
    [
        pytest.param(Limits(), 10, 1 * MIB, "limit.archive-ratio", id="ratio, above 1 MiB"),
        pytest.param(replace(Limits(), decoded=100), 10, 100, "limit.archive-octets", id="all"),
        pytest.param(
            replace(Limits(), message=50),
            10,
            50,
            "limit.archive-octets",
            id="as large as a message",
        ),
    ],
)
def test_bounds(limits: Limits, packed: int, room: int, id_: str) -> None:
    """The smallest bound stops, is told, and what came before it is kept."""
    sink = Sink(Meter(packed, Budget.of(limits)))
    assert sink.room() == room
    sink.take(bytes(room - 1))
    with pytest.raises(Spent) as spent:
        sink.take(b"ab")
    assert (spent.value.id, len(spent.value.content)) == (id_, room)


def test_members() -> None:
    """So many, and no more."""
    budget = Budget.of(replace(Limits(), members=2))
    assert [budget.take_member() for _ in range(3)] == [True, True, False]


def test_the_clock_is_asked() -> None:
    """With every piece."""
    budget = Budget.of(Limits())
    asked: list[int] = []
    budget.check_time = lambda: asked.append(1)
    Sink(Meter(10, budget)).take(b"a")
    assert asked == [1]
