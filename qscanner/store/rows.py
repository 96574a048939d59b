"""From events to rows: what the database says after something happened.

Called by  local (reading the journal) and shared (at once), in a transaction of theirs.
Ends       with the rows changed; raises nothing of its own. An event that says nothing new changes
           nothing, so that a journal may be read again from its start.
Careful    whoever moves a recipient has looked before, in the same transaction: here is no judge.
"""

import calendar
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from qscanner.store.tables import audit, entry, message, recipient, rule, words
from qscanner.store.words import (
    OPEN,
    WHOLE,
    Arrived,
    Class,
    Entry,
    Event,
    Gone,
    Listed,
    Moved,
    State,
    Unlisted,
)

Record = Mapping[str, Any]
Records = Callable[[str], Record | None]
BATCH = 400  # rows at a time: SQLite had 999 parameters in a statement once
_CUT = 500  # characters of a text
_WORDS = 4000
_HELD_AGAIN = "it came again"
_COMES_BACK = (State.DELETED, State.EXPIRED)
_BANNED = frozenset({"name", "archive", "office", "pdf", "rtf", "html", "svg"})


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
                write_entry(connection, event.entry)
            case Unlisted():
                connection.execute(delete(entry).where(entry.c.id == event.id))
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
    _move(connection, [each for each in waiting.values() if isinstance(each, Moved)])


def _arrive(connection: Connection, arrived: Mapping[str, Arrived], records: Records) -> None:
    """Take in messages; what is there already may be held again, or for more."""
    if not arrived:
        return
    told = {digest: record for digest in arrived if (record := records(digest)) is not None}
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
    said = [
        {"message": ids[digest], "words": words_of(record)} for digest, (_, record) in new.items()
    ]
    connection.execute(insert(words), said)
    rules = [
        {"message": ids[digest], "rule": name}
        for digest, (_, record) in new.items()
        for name in dict.fromkeys(rules_of(record))
    ]
    if rules:
        connection.execute(insert(rule), rules)


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
    for digest, row in there.items():
        event, mine = arrived[digest], states[row.id]
        to = recipients_of(told[digest])
        more += [
            {"message": row.id, "at": event.at, **each} for each in to if each["place"] not in mine
        ]
        is_lost = event.is_fresh or row.is_gone
        back = (*_COMES_BACK, State.RELEASED) if is_lost else _COMES_BACK
        these = [each for each in to if mine.get(each["place"]) in back]
        if these:
            again.append(_held_again(event, these, mine))
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


# What a record says, as columns. Records are ours, but a disk may be damaged: what is odd is "".


def row_of(digest: str, event: Arrived, record: Record) -> dict[str, Any]:
    """Give the columns of a message."""
    envelope = _table(record.get("envelope"))
    sender, subject = clean(envelope.get("sender")), clean(record.get("subject"))
    why = clean(record.get("why"))
    found = ",".join(dict.fromkeys(findings_of(record)))
    score, octets = record.get("score"), record.get("octets")
    return {
        "digest": digest,
        "log_id": clean(record.get("id"))[:64],
        "since": since_of(record, event),
        "states": State.HELD.bit,
        "class": class_of(record).value,
        "sender": sender,
        "sender_key": sender.lower(),
        "sender_domain": domain_of(sender),
        "subject": subject,
        "score": float(score) if isinstance(score, int | float) else None,
        "octets": octets if isinstance(octets, int) else 0,
        "why": why,
        "action": clean(record.get("action"))[:16],
        "release": (clean(record.get("release")) or "admin")[:16],
        "rules": ",".join(rules_of(record)),
        "findings": clean(found, most=_WORDS),
        "ip": clean(_table(record.get("client")).get("ip")),
        "is_gone": False,
    }


def words_of(record: Record) -> str:
    """Give what a search for text looks through."""
    envelope = _table(record.get("envelope"))
    told = (record.get("subject"), envelope.get("sender"), record.get("why"))
    to = [each["address"] for each in recipients_of(record)[:BATCH]]
    return " ".join([*map(clean, told), *to]).lower()[:_WORDS]


def recipients_of(record: Record) -> list[dict[str, Any]]:
    """Give the columns of those who did not get it, and whose copy this is.

    Those for whom it is held or refused, or who got it without some parts; where there are none,
    those for whom it is discarded: a rule asked to keep it. Where it has no recipients, the
    message as a whole.
    """
    to = _table(record.get("envelope")).get("recipients")
    to = [_table(each) for each in to] if isinstance(to, list) else []
    first = ("quarantine", "reject", *(("accept",) if record.get("stripped") else ()))
    for actions in (first, ("discard",)):
        found = [
            {
                "place": place,
                "address": clean(each.get("address")),
                "address_key": clean(each.get("address")).lower(),
                "domain": domain_of(clean(each.get("address"))),
                "state": State.HELD.value,
            }
            for place, each in enumerate(to)
            if each.get("action") in actions
        ]
        if found:
            return found
    whole = {"place": WHOLE, "address": "", "address_key": "", "domain": ""}
    return [{**whole, "state": State.HELD.value}]


def class_of(record: Record) -> Class:
    """Give the class a record names; for those of the first version, what its findings say."""
    named = record.get("class")
    if named in {each.value for each in Class}:
        return Class(named)
    found, rules = findings_of(record), rules_of(record)
    if any("infected" in name or "virus" in name for name in rules):
        return Class.VIRUS
    if any(each.startswith("unscannable.") for each in found):
        return Class.UNSCANNABLE
    if any("spam" in name or name == "gtube" for name in rules):
        return Class.SPAM
    if any(each.partition(".")[0] in _BANNED for each in found):
        return Class.BANNED
    return Class.POLICY


def rules_of(record: Record) -> list[str]:
    """Give the rules that decided."""
    rules = record.get("rules")
    return [clean(each).replace(",", " ") for each in rules] if isinstance(rules, list) else []


def findings_of(record: Record) -> list[str]:
    """Give the ids of the findings."""
    found = record.get("findings")
    return [clean(_table(each).get("id")) for each in found] if isinstance(found, list) else []


def since_of(record: Record, event: Arrived) -> float:
    """Give when it was kept, in seconds since 1970."""
    try:
        return calendar.timegm(time.strptime(str(record.get("kept_at")), "%Y-%m-%dT%H:%M:%SZ"))
    except (ValueError, OverflowError):
        return event.at


def domain_of(address: str) -> str:
    """Give what stands behind the last @ of an address, in lower case."""
    return address.rpartition("@")[2].lower() if "@" in address else ""


def clean(text: object, *, most: int = _CUT) -> str:
    """Give text that both databases can hold: without NUL and surrogates, and cut."""
    if not isinstance(text, str):
        return ""
    text = text[:most].replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def open_bits() -> int:
    """Give the bits of the states that need the octets."""
    return sum(state.bit for state in OPEN)


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
