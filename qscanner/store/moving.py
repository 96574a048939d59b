"""Which recipients of a held message may go into another state, and the event that says so.

Called by  store and expiry, within the transaction that has locked the message.
Ends       raises NotSo where somebody else was first, or is at work.
Careful    what is `releasing` is moved on by him who claimed it; by another only where a person
           says so, and he is not at work any more.
"""

from collections.abc import Iterable, Sequence

from qscanner.store.words import FROM, Held, Moved, NotSo, Recipient, State, Who


def movable(
    held: Held, chosen: set[int] | None, to: State, by: Who, *, is_resolving: bool
) -> tuple[Recipient, ...]:
    """Give the recipients that are to be moved: those at the chosen places, None: all that can.

    Raises NotSo where one of those cannot be.
    """
    these = tuple(
        one
        for one in held.recipients
        if (one.state in FROM[to] if chosen is None else one.place in chosen)
    )
    if not these:
        is_now = " and ".join(dict.fromkeys(one.state.value for one in held.recipients))
        raise NotSo(f"{held.id}: it is {is_now}, not {_or(FROM[to])}", held)
    for one in these:
        name = one.address or "all"
        if one.state not in FROM[to]:
            raise NotSo(f"{held.id}: the copy of {name} is {one.state.value} already", held)
        if one.state is State.RELEASING and one.claim != by:
            if not is_resolving:
                raise NotSo(f"{held.id}: somebody else releases the copy of {name}", held)
            if one.claim and one.claim.is_at_work:
                raise NotSo(f"{held.id}: {one.claim.via} is still at work on it", held)
    return these


def _or(states: Iterable[State]) -> str:
    return " or ".join(state.value for state in states)


def moved(  # noqa: PLR0913 - what an event says
    held: Held, these: Sequence[Recipient], to: State, *, at: float, by: Who, why: str
) -> Moved:
    """Give the event of these recipients' going into a state; `at` is seconds since 1970."""
    return Moved(
        at=at,
        digest=held.digest,
        places=tuple(one.place for one in these),
        addresses=tuple(one.address for one in these),
        before=tuple(one.state for one in these),
        after=to,
        by=by.name,
        via=by.via,
        why=why,
    )
