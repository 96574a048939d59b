"""Looking for held messages: a filter as a question to the database, and rows as values.

Called by  store.
Ends       with Held values, page by page; raises Unknown, Ambiguous.
Careful    200,000 messages: a list is read in the order of an index and stops at its limit; what
           is rare is looked for by its own index. Pages go on by (since, id), never by counting.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
)

from qscanner.codec.text import without_surrogates
from qscanner.store.columns import clean, domain_of
from qscanner.store.rows import ROWS
from qscanner.store.tables import audit, message, recipient, rule, words
from qscanner.store.words import (
    SHORT,
    Ambiguous,
    Audited,
    Class,
    Filter,
    Held,
    Recipient,
    State,
    Unknown,
    Who,
)

PAGE = 200
_CANDIDATES = 10
_MANY = 2000
_DIGITS = frozenset("0123456789abcdef")
After = tuple[float, int]


def page(connection: Connection, wanted: Filter, after: After | None, size: int) -> list[Held]:
    """Give the next messages behind a place in the order, at most so many; none at the end."""
    asked = _asked(connection, wanted)
    since, row = message.c.since, message.c.id
    if wanted.is_oldest_first:
        asked = asked.order_by(since, row)
    else:
        asked = asked.order_by(since.desc(), row.desc())
    if after is not None:
        at, behind = after
        beyond = since > at if wanted.is_oldest_first else since < at
        tie = row > behind if wanted.is_oldest_first else row < behind
        bound = since >= at if wanted.is_oldest_first else since <= at
        asked = asked.where(bound, or_(beyond, and_(since == at, tie)))
    found = connection.execute(asked.limit(size)).all()
    count = len(light(connection, [each.digest for each in found]))
    return _held(connection, found[:count])


def light(connection: Connection, digests: Sequence[str]) -> Sequence[str]:
    """Give as many of these, in their order, as have so many recipients that memory holds them.

    That is one at least.
    """
    asked = select(message.c.digest, func.count()).join(
        recipient, recipient.c.message == message.c.id
    )
    asked = asked.where(message.c.digest.in_(digests)).group_by(message.c.digest)
    of = {row.digest: int(row[1]) for row in connection.execute(asked)}
    left = ROWS
    for place, digest in enumerate(digests):
        left -= of.get(digest, 0)
        if left < 0:
            return digests[: max(1, place)]
    return digests


def count(connection: Connection, wanted: Filter) -> int:
    """Give how many messages a filter finds; its limit does not matter."""
    asked = _asked(connection, wanted).with_only_columns(func.count(message.c.id))
    return int(connection.execute(asked).scalar_one())


def one(connection: Connection, digest: str) -> Held:
    """Give the message with this digest, and lock its row where a database can. Raises Unknown."""
    asked = select(message).where(message.c.digest == digest).with_for_update()
    found = _held(connection, connection.execute(asked).all())
    if not found:
        raise Unknown(f"nothing is known of {digest[:SHORT]}")
    return found[0]


def these(connection: Connection, digests: Sequence[str]) -> list[Held]:
    """Give the messages with these digests, and lock their rows."""
    asked = select(message).where(message.c.digest.in_(digests)).order_by(message.c.id)
    return _held(connection, connection.execute(asked.with_for_update()).all())


def find(connection: Connection, begin: str) -> Held:
    """Give the message whose digest begins so, or whose id in the log is this.

    Raises Unknown, or Ambiguous with some candidates.
    """
    asked = select(message).order_by(message.c.since.desc()).limit(_CANDIDATES)
    if begin and _DIGITS.issuperset(begin.lower()):
        low = begin.lower()
        is_digest = and_(message.c.digest >= low, message.c.digest < f"{low}g")
        found = connection.execute(asked.where(is_digest)).all()
    else:
        found = []
    if not found:
        found = connection.execute(asked.where(message.c.log_id == _word(begin))).all()
    held = _held(connection, found)
    if not held:
        raise Unknown(f'no held message has an id that begins with "{begin}"')
    if len(held) > 1:
        raise Ambiguous(f'several ids begin with "{begin}"', tuple(held))
    return held[0]


def audited(connection: Connection, digest: str | None) -> Iterator[Audited]:
    """Give what was done with a message, or with all, in the order in which it was done."""
    asked = select(audit).order_by(audit.c.id)
    if digest is not None:
        asked = asked.where(audit.c.digest == digest)
    for row in connection.execution_options(yield_per=PAGE).execute(asked):
        yield Audited(
            at=row.at,
            digest=row.digest,
            place=row.place,
            address=row.address,
            before=State(row.before) if row.before else None,
            after=State(row.after) if row.after else None,
            by=row.by,
            via=row.via,
            why=row.why,
            did=row.did,
        )


def _asked(connection: Connection, wanted: Filter) -> Select[Any]:
    of, terms = message.c, list[ColumnElement[bool]]()
    if wanted.since is not None:
        terms.append(of.since >= wanted.since)
    if wanted.until is not None:
        terms.append(of.since < wanted.until)
    if wanted.class_ is not None:
        terms.append(of["class"] == wanted.class_.value)
    if wanted.score is not None:
        terms.append(of.score >= wanted.score)
    if wanted.digests is not None:
        terms.append(of.digest.in_(wanted.digests))
    if wanted.sender is not None:
        terms.append(_is_sender(_word(wanted.sender).lower()))
    if wanted.rule is not None:
        named = _word(wanted.rule)
        terms.append(has(connection, message.c.id, rule.c.message, rule.c.rule == named))
    if wanted.text is not None:
        position = func.instr if connection.dialect.name == "sqlite" else func.strpos
        said = select(words.c.message).where(
            position(words.c.words, _word(wanted.text).lower()) > 0
        )
        terms.append(of.id.in_(said))
    return select(message).where(*terms, *_of_recipients(connection, wanted))


def _word(text: str) -> str:
    """Give what somebody typed, in any encoding, as the rows have it."""
    return clean(without_surrogates(text))


def has(
    connection: Connection, id: Column[int], of: Column[int], *terms: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Ask for rows whose id stands in such a row of another table, in the way that is faster.

    Few rows are collected first; of many, the next message in the list soon has one.
    """
    some = select(of).where(*terms).limit(_MANY).subquery()
    if connection.execute(select(func.count()).select_from(some)).scalar_one() < _MANY:
        return id.in_(select(of).where(*terms))
    return exists().where(of == id, *terms)


def _is_sender(sender: str) -> ColumnElement[bool]:
    if sender.startswith("@"):
        return message.c.sender_domain == sender[1:]
    return message.c.sender_key == sender


def _of_recipients(connection: Connection, wanted: Filter) -> list[ColumnElement[bool]]:
    terms = list[ColumnElement[bool]]()
    if wanted.domain is not None:
        domain = _word(wanted.domain).lower().removeprefix("@")
        to = has(connection, message.c.id, recipient.c.message, recipient.c.domain == domain)
        terms.append(or_(message.c.sender_domain == domain, to))
    if wanted.recipient is not None:
        address = _word(wanted.recipient).lower()
        is_theirs = (
            recipient.c.domain == domain_of(address)
            if address.startswith("@")
            else recipient.c.address_key == address
        )
        theirs = [is_theirs]
        if wanted.state is not None:
            theirs.append(recipient.c.state == wanted.state.value)
        terms.append(has(connection, message.c.id, recipient.c.message, *theirs))
    if wanted.state is not None:
        terms.append(message.c.states.op("&")(wanted.state.bit) != 0)
    return terms


def _held(connection: Connection, found: Sequence[Row[Any]]) -> list[Held]:
    to: dict[int, list[Recipient]] = {row.id: [] for row in found}
    asked = select(recipient).where(recipient.c.message.in_(to))
    for row in connection.execute(asked.order_by(recipient.c.message, recipient.c.place)):
        to[row.message].append(_recipient(row))
    return [_one(row, tuple(to[row.id])) for row in found]


def _recipient(row: Row[Any]) -> Recipient:
    claim = Who(name=row.claim_by, via=row.claim_via or "") if row.claim_by is not None else None
    return Recipient(
        place=row.place,
        address=row.address,
        state=State(row.state),
        at=row.at,
        claim=claim,
    )


def _one(row: Row[Any], to: tuple[Recipient, ...]) -> Held:
    present = {each.state for each in to}
    order = (State.RELEASING, *(state for state in State if state is not State.RELEASING))
    return Held(
        id=row.digest[:SHORT],
        digest=row.digest,
        state=next((state for state in order if state in present), State.EXPIRED),
        class_=Class(row._mapping["class"]),
        sender=row.sender,
        recipients=to,
        rules=tuple(row.rules.split(",")) if row.rules else (),
        since=row.since,
        subject=row.subject,
        score=row.score,
        octets=row.octets,
        why=row.why,
        action=row.action,
        release=row.release,
        findings=tuple(row.findings.split(",")) if row.findings else (),
        ip=row.ip,
        log_id=row.log_id,
        is_gone=row.is_gone,
        row=row.id,
    )
