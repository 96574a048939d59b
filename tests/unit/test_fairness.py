"""Whose turn it is: round by user, and within a user round by address."""

from hypothesis import given
from hypothesis import strategies as st

from qscanner.fairness import Waiting

_Who = tuple[int, bytes, int]  # uid, address, number


def _filled(*who: _Who) -> Waiting[_Who]:
    waiting: Waiting[_Who] = Waiting()
    for one in who:
        waiting.put(one, uid=one[0], address=one[1])
    return waiting


def _all(waiting: Waiting[_Who]) -> list[_Who]:
    found = []
    while (one := waiting.take()) is not None:
        found.append(one)
    return found


def test_in_order_of_coming() -> None:
    """Of one user and address, first come is first served; then nobody is left."""
    waiting = _filled((1, b"a", 1), (1, b"a", 2), (1, b"a", 3))
    assert [number for _, _, number in _all(waiting)] == [1, 2, 3]
    assert waiting.take() is None
    assert len(waiting) == 0


def test_round_by_user() -> None:
    """A hundred of one user do not stand before the one of another."""
    waiting = _filled(*((1, b"a", number) for number in range(100)), (2, b"b", 0))
    assert [one[0] for one in _all(waiting)][:4] == [1, 2, 1, 1]


def test_round_by_address() -> None:
    """Nor do a hundred of one address, within the user."""
    waiting = _filled(*((1, b"a", number) for number in range(100)), (1, b"b", 0), (2, b"a", 0))
    assert [one[:2] for one in _all(waiting)][:4] == [(1, b"a"), (2, b"a"), (1, b"b"), (1, b"a")]


def test_a_lie_moves_only_within_the_user() -> None:
    """Whoever claims an address of its own for each message waits behind the other user's all."""
    waiting = _filled(
        *((1, b"%d" % number, number) for number in range(100)),
        *((2, b"a", number) for number in range(5)),
    )
    assert sum(one[0] == 2 for one in _all(waiting)[:10]) == 5


def test_who_goes() -> None:
    """One who waits no longer is not given; one who never waited is no mistake."""
    waiting = _filled((1, b"a", 1), (1, b"a", 2), (2, b"b", 1))
    waiting.drop((2, b"b", 1), uid=2, address=b"b")
    waiting.drop((1, b"a", 1), uid=1, address=b"a")
    waiting.drop((1, b"a", 1), uid=1, address=b"a")
    waiting.drop((9, b"z", 1), uid=9, address=b"z")
    waiting.drop((1, b"z", 1), uid=1, address=b"z")
    assert len(waiting) == 1
    assert _all(waiting) == [(1, b"a", 2)]


def test_older_than() -> None:
    """Those who have waited since before a moment, wherever they stand."""
    waiting = _filled((1, b"a", 5), (1, b"b", 1), (2, b"a", 3), (2, b"a", 9))
    found = waiting.older_than(4, since=lambda one: one[2])
    assert sorted(found) == [(1, b"b", 1), (2, b"a", 3)]
    assert len(waiting) == 4


_WHO = st.tuples(st.integers(0, 3), st.sampled_from([b"a", b"b"]), st.integers(0, 5))


@given(st.lists(st.tuples(_WHO, st.sampled_from(["put", "take", "drop"]))))
def test_nobody_is_lost(steps: list[tuple[_Who, str]]) -> None:
    """Whatever comes and goes, who is in is given exactly once, and the count is right."""
    waiting: Waiting[_Who] = Waiting()
    inside: list[_Who] = []
    for who, step in steps:
        if step == "put":
            waiting.put(who, uid=who[0], address=who[1])
            inside.append(who)
        elif step == "drop":
            waiting.drop(who, uid=who[0], address=who[1])
            if who in inside:
                inside.remove(who)
        else:
            one = waiting.take()
            assert (one is None) == (not inside)
            if one is not None:
                inside.remove(one)
        assert len(waiting) == len(inside)
    assert sorted(_all(waiting)) == sorted(inside)


def test_who_may_not_have_a_turn() -> None:
    """A user who may not go is passed over, keeps the place in the turn, and goes later."""
    waiting = _filled((1, b"", 1), (1, b"", 2), (2, b"", 1), (2, b"", 2))
    assert waiting.take(lambda uid: uid != 1) == (2, b"", 1)
    assert waiting.take(lambda _: False) is None
    assert _all(waiting) == [(1, b"", 1), (2, b"", 2), (1, b"", 2)]
