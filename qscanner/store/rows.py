"""From events to rows: what the database says after something happened.

Called by  local (reading the journal) and shared (at once), in a transaction of theirs.
Ends       with the rows changed; raises nothing of its own. An event that says nothing new changes
           nothing, so that a journal may be read again from its start.
Careful    whoever moves a recipient has looked before, in the same transaction: here is no judge.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from qscanner.store.columns import (
    Record,
    clean,
    recipients_of,
    row_of,
    rules_of,
    since_of,
    words_of,
)
from qscanner.store.tables import audit, entry, message, recipient, rule, words
from qscanner.store.words import (
    WHOLE,
    Arrived,
    Entry,
    Event,
    Gone,
    Listed,
    Moved,
    Noted,
    State,
    Unlisted,
)

Records = Callable[[str], Record | None]
BATCH = 400  # messages at a time: SQLite had 999 parameters in a statement once
ROWS = 20_000  # recipients in memory at a time: strangers say how many a message has
_HELD_AGAIN = "it came again"
_COMES_BACK = (State.DELETED, State.EXPIRED)


def apply(connection: Connection, events: Iterable[Event | None], records: Records) -> None:
    """Carry out events in their order; `records` gives what the files know of a message."""
    waiting: dict[str, Arrived | Moved] = {}  # of one kind, each of another message
    for event in events:
        if not _goes_with(event, waiting):
            _carry_out(connection, waiting, records)
            waiting = {}
        match event:
            case Arrived() | Moved():
                waiting[event.digest] = event
            case Gone():
                _go(connection, event)
            case Listed():
                _list(connection, event.entry)
            case Unlisted():
                _unlist(connection, event)
            case Noted():
                _note(connection, event.digest, event.did, event)
            case None:
                pass
    _carry_out(connection, waiting, records)


def _goes_with(event: Event | None, waiting: Mapping[str, Arrived | Moved]) -> bool:
    """Say whether an event can be carried out together with those that wait."""
    if not isinstance(event, Arrived | Moved) or len(waiting) == BATCH or event.digest in waiting:
        return False
    return not waiting or type(event) is type(next(iter(waiting.values())))


def _carry_out(
    connection: Connection, waiting: Mapping[str, Arrived | Moved], records: Records
) -> None:
    _arrive(connection, {k: v for k, v in waiting.items() if isinstance(v, Arrived)}, records)
    some, room = list[Moved](), ROWS
    for each in waiting.values():
        if isinstance(each, Moved):
            some.append(each)
            room -= len(each.places)
        if room <= 0:
            _move(connection, some)
            some, room = [], ROWS
    _move(connection, some)


def _arrive(connection: Connection, arrived: Mapping[str, Arrived], records: Records) -> None:
    """Take in messages; what is there already may be held again, or for more."""
    told: dict[str, Record] = {}
    room = ROWS
    for digest in arrived:
        if (record := records(digest)) is not None:
            told[digest] = record
            room -= len(recipients_of(record))
        if room <= 0:
            _take_in(connection, arrived, told)
            told, room = {}, ROWS
    if told:
        _take_in(connection, arrived, told)


def _take_in(
    connection: Connection, arrived: Mapping[str, Arrived], told: Mapping[str, Record]
) -> None:
    asked = select(message.c.digest, message.c.id, message.c.is_gone)
    there = {
        row.digest: row for row in connection.execute(asked.where(message.c.digest.in_(told)))
    }
    if there:
        _come_again(connection, there, arrived, told)
    new = {
        digest: (arrived[digest], record) for digest, record in told.items() if digest not in there
    }
    if new:
        _insert(connection, new)


def _insert(connection: Connection, new: Mapping[str, tuple[Arrived, Record]]) -> None:
    connection.execute(insert(message), [row_of(digest, *each) for digest, each in new.items()])
    asked = select(message.c.digest, message.c.id).where(message.c.digest.in_(new))
    ids = {row.digest: row.id for row in connection.execute(asked)}
    recipients = [
        {"message": ids[digest], "at": since_of(record, event), **each}
        for digest, (event, record) in new.items()
        for each in recipients_of(record)
    ]
    connection.execute(insert(recipient), recipients)
    _describe(connection, {ids[digest]: record for digest, (_, record) in new.items()})


def _describe(connection: Connection, by_row: Mapping[int, Record]) -> None:
    """Write the words and the rules of messages that have none."""
    said = [{"message": row, "words": words_of(record)} for row, record in by_row.items()]
    connection.execute(insert(words), said)
    rules = [
        {"message": row, "rule": name}
        for row, record in by_row.items()
        for name in dict.fromkeys(rules_of(record))
    ]
    if rules:
        connection.execute(insert(rule), rules)


def _describe_anew(connection: Connection, again: Mapping[int, tuple[Arrived, Record]]) -> None:
    """Have the rows of messages say what the latest records do; their time begins anew."""
    for row, (event, record) in again.items():
        told = row_of(event.digest, event, record)
        told["since"] = max(event.at, told["since"])  # or it would be too old already
        kept = {name: value for name, value in told.items() if name not in ("states", "is_gone")}
        connection.execute(update(message).where(message.c.id == row).values(**kept))
    for table in (words, rule):
        connection.execute(delete(table).where(table.c.message.in_(again)))
    _describe(connection, {row: record for row, (_, record) in again.items()})


def _come_again(
    connection: Connection,
    there: Mapping[str, Any],
    arrived: Mapping[str, Arrived],
    told: Mapping[str, Record],
) -> None:
    """Hold again for whom it was given up, and for whom it was not held before."""
    ids = [row.id for row in there.values()]
    asked = select(recipient.c.message, recipient.c.place, recipient.c.state)
    states: dict[int, dict[int, State]] = {row: {} for row in ids}
    for row, place, state in connection.execute(asked.where(recipient.c.message.in_(ids))):
        states[row][place] = State(state)
    again, more = [], []
    anew: dict[int, tuple[Arrived, Record]] = {}
    for digest, row in there.items():
        event, mine = arrived[digest], states[row.id]
        to = recipients_of(told[digest])
        new = [each for each in to if each["place"] not in mine]
        more += [{"message": row.id, "at": event.at, **each} for each in new]
        is_lost = event.is_fresh or row.is_gone
        back = (*_COMES_BACK, State.RELEASED) if is_lost else _COMES_BACK
        these = [each for each in to if mine.get(each["place"]) in back]
        if these:
            again.append(_held_again(event, these, mine))
        if these or new:
            anew[row.id] = (event, told[digest])
    if anew:
        _describe_anew(connection, anew)
    if more:
        connection.execute(insert(recipient), more)
        _sum_up(connection, list({each["message"] for each in more}))
    _move(connection, again)
    # The octets are there: who keeps writes them where they are missing.
    if gone := [row.id for row in there.values() if row.is_gone]:
        connection.execute(update(message).where(message.c.id.in_(gone)).values(is_gone=False))


def _held_again(event: Arrived, to: list[dict[str, Any]], states: dict[int, State]) -> Moved:
    return Moved(
        at=event.at,
        digest=event.digest,
        places=tuple(each["place"] for each in to),
        addresses=tuple(each["address"] for each in to),
        before=tuple(states[each["place"]] for each in to),
        after=State.HELD,
        by="qscanner",
        via="",
        why=_HELD_AGAIN,
    )


def _move(connection: Connection, moved: Sequence[Moved]) -> None:
    """Move recipients of messages, each of them once."""
    if not moved:
        return
    asked = select(message.c.digest, message.c.id)
    by_digest = asked.where(message.c.digest.in_([each.digest for each in moved]))
    ids = {row.digest: row.id for row in connection.execute(by_digest)}
    places = [
        {
            "row": ids[each.digest],
            "which": place,
            "state": each.after.value,
            "at": each.at,
            "claim_by": each.by if each.after is State.RELEASING else None,
            "claim_via": each.via if each.after is State.RELEASING else None,
        }
        for each in moved
        if each.digest in ids
        for place in each.places
    ]
    if places:
        theirs = update(recipient).where(
            recipient.c.message == bindparam("row"), recipient.c.place == bindparam("which")
        )
        connection.execute(theirs, places)
        _sum_up(connection, list(ids.values()))
    lines = [line for each in moved for line in _audit_lines(each)]
    if lines:
        connection.execute(insert(audit), lines)


def _audit_lines(moved: Moved) -> list[dict[str, Any]]:
    common = {
        "at": moved.at,
        "digest": moved.digest,
        "after": moved.after.value,
        "by": clean(moved.by),
        "via": clean(moved.via),
        "why": clean(moved.why),
        "did": "",
    }
    each = zip(moved.places, moved.addresses, moved.before, strict=True)
    return [
        {"place": place, "address": clean(address), "before": before.value, **common}
        for place, address, before in each
    ]


def _sum_up(connection: Connection, rows: Sequence[int]) -> None:
    """Write the states of recipients into the rows of their messages."""
    bits = dict.fromkeys(rows, 0)
    asked = select(recipient.c.message, recipient.c.state).distinct()
    for row, state in connection.execute(asked.where(recipient.c.message.in_(rows))):
        bits[row] |= State(state).bit
    changed = update(message).where(message.c.id == bindparam("row"))
    values = [{"row": row, "states": value} for row, value in bits.items()]
    connection.execute(changed, values)


def _go(connection: Connection, gone: Gone) -> None:
    for start in range(0, len(gone.digests), BATCH):
        digests = gone.digests[start : start + BATCH]
        connection.execute(
            update(message).where(message.c.digest.in_(digests)).values(is_gone=True)
        )


def _note(connection: Connection, digest: str, did: str, event: Noted | Unlisted) -> None:
    """Write down what was done that is no change of a state."""
    _did(
        connection, digest=digest, did=did, at=event.at, by=event.by, via=event.via, why=event.why
    )


def _did(connection: Connection, *, digest: str, did: str, at: float, **said: str) -> None:
    line = {"place": WHOLE, "address": "", "before": None, "after": "", "did": clean(did)}
    told = {name: clean(text) for name, text in said.items()}
    connection.execute(insert(audit).values(digest=digest, at=at, **line, **told))


def _list(connection: Connection, one: Entry) -> None:
    write_entry(connection, one)
    name, _, via = one.by.partition(" ")
    _did(connection, digest="", did=one.told, at=one.at, by=name, via=via, why=one.why)


def _unlist(connection: Connection, event: Unlisted) -> None:
    found = connection.execute(select(entry).where(entry.c.id == event.id)).first()
    if found is not None:
        _note(connection, "", f"took back: {Entry(**found._mapping).told}", event)
    connection.execute(delete(entry).where(entry.c.id == event.id))


def write_entry(connection: Connection, one: Entry) -> None:
    """Write an entry of the lists, in the place of one with its id."""
    connection.execute(delete(entry).where(entry.c.id == one.id))
    connection.execute(
        insert(entry).values(
            id=one.id,
            is_allowed=one.is_allowed,
            sender=clean(one.sender),
            recipient=clean(one.recipient),
            until=one.until,
            why=clean(one.why),
            by=clean(one.by),
            at=one.at,
        )
    )
