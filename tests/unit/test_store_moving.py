"""store.moving: who may move whom, and what is written down of it."""

import pytest

from qscanner.store.moving import movable, moved
from qscanner.store.words import Class, Held, NotSo, Recipient, State, Who

ANN = Who(name="ann", via="test@elsewhere:1:1")
BOB = Who(name="bob", via="test@elsewhere:2:2")
HELD, RELEASING = State.HELD, State.RELEASING


def message(*states: State, claim: Who | None = None) -> Held:
    """Give a message with a recipient in each of these states."""
    return Held(
        id="abc",
        digest="abcdef",
        state=states[0],
        class_=Class.SPAM,
        sender="",
        recipients=tuple(
            Recipient(place=place, address=f"{place}@y", state=state, at=0.0, claim=claim)
            for place, state in enumerate(states)
        ),
        rules=(),
        since=0.0,
    )


@pytest.mark.parametrize(
    ("states", "chosen", "to", "places"),
    [
        ((HELD, State.DELETED, HELD), None, RELEASING, [0, 2]),
        ((HELD, HELD), {1}, State.DELETED, [1]),
    ],
    ids=["all that can", "those that are named"],
)
def test_who_is_moved(
    states: tuple[State, ...], chosen: set[int] | None, to: State, places: list[int]
) -> None:
    """Those who can be, or those who are named."""
    found = movable(message(*states), chosen, to, ANN, is_resolving=False)
    assert [one.place for one in found] == places


@pytest.mark.parametrize(
    ("states", "chosen", "to", "words"),
    [
        ((State.DELETED, State.DELETED), None, RELEASING, "it is deleted, not held"),
        ((HELD, State.RELEASED), {1}, State.DELETED, "the copy of 1@y is released already"),
        ((HELD,), None, State.RELEASED, "it is held, not releasing"),
    ],
    ids=["nobody", "one that is named", "out of turn"],
)
def test_who_is_not(
    states: tuple[State, ...], chosen: set[int] | None, to: State, words: str
) -> None:
    """It says why, and gives the message as it is."""
    with pytest.raises(NotSo, match=words) as caught:
        movable(message(*states), chosen, to, ANN, is_resolving=False)
    assert caught.value.found.id == "abc"


def test_a_claim() -> None:
    """Only he who claimed it moves it on; another with a word, and not while he is at work."""
    claimed = message(RELEASING, claim=ANN)
    assert movable(claimed, None, State.RELEASED, ANN, is_resolving=False)
    with pytest.raises(NotSo, match="somebody else"):
        movable(claimed, None, State.RELEASED, BOB, is_resolving=False)
    assert movable(claimed, None, State.HELD, BOB, is_resolving=True)
    mine = message(RELEASING, claim=Who.here("test"))
    with pytest.raises(NotSo, match="still at work"):
        movable(mine, None, State.HELD, BOB, is_resolving=True)


def test_the_event() -> None:
    """Places, addresses and states side by side; by whom, when and why."""
    held = message(HELD, HELD)
    told = moved(held, held.recipients[1:], State.DELETED, at=5.0, by=ANN, why="w")
    assert (told.places, told.addresses, told.before) == ((1,), ("1@y",), (HELD,))
    assert (told.at, told.by, told.via, told.why) == (5.0, "ann", ANN.via, "w")
