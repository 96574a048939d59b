"""The history of all messages: taken in from the files beside the quarantine, asked, forgotten.

Called by  store, which gives it to the commands and to whoever takes in every few seconds.
Ends       take() when all that waited is committed; raises Later, DiskFull, Unusable as the store.
Careful    a line is known by scan and host: one that is there already (of somebody who was killed
           between commit and unlink) adds nothing, to rows or to numbers. Forget only what was
           taken in before, or such a line would be new. A rule or a verdict that is rare among
           millions is found by the hours in which the numbers have it.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite

from qscanner.settings import History as Settings
from qscanner.store import history_columns as columns
from qscanner.store import history_files as files
from qscanner.store import history_numbers, search
from qscanner.store.columns import clean, domain_of
from qscanner.store.history_columns import Told
from qscanner.store.history_words import HOUR_S, Forgotten, Numbers, Passed, PassedTo, Sought
from qscanner.store.home import Home, Progress, silent
from qscanner.store.rows import BATCH
from qscanner.store.tables import counted, passed, passed_to

MIN_DIGITS = 8  # of the beginning of a digest: fewer are a process id
_LINES = 2000  # in a transaction
_WITHIN_S = 10.0  # for another who takes in
_HOURS = 100  # of numbers that are forgotten at a time
_DIGITS = frozenset("0123456789abcdef")
After = tuple[float, int]


class History:
    """The history that one database knows, and the folder in which this host writes its own."""

    def __init__(self, home: Home, folder: str) -> None:
        self._home, self._folder = home, folder

    def take(self, *, within_s: float = _WITHIN_S, progress: Progress = silent) -> int:
        """Take in what waits; give how many messages were new.

        What another one takes in at this moment is waited for, for so many seconds. `progress` is
        told after each transaction; what it raises leaves the rest for the next time.
        """
        count = 0

        def use(lines: Iterator[bytes]) -> None:
            nonlocal count
            found = filter(None, map(columns.told, lines))
            while some := list(itertools.islice(found, _LINES)):
                with self._home.writing() as connection:
                    count += _take(connection, some)
                progress(count, count)

        files.take(self._folder, use, within_s=within_s)
        return count

    def forget(self, settings: Settings, now: float, *, progress: Progress = silent) -> Forgotten:
        """Forget what the settings keep no longer, in small batches; give how much."""
        facts = hours = 0
        old = select(passed.c.id).where(passed.c.at < now - settings.keep)
        while True:
            with self._home.writing() as connection:
                asked = old.order_by(passed.c.at).limit(BATCH)
                ids = connection.execute(asked).scalars().all()
                connection.execute(delete(passed_to).where(passed_to.c.passed.in_(ids)))
                connection.execute(delete(passed).where(passed.c.id.in_(ids)))
            facts += len(ids)
            progress(facts, facts)
            if len(ids) < BATCH:
                break
        before = int(now - settings.counts) // HOUR_S
        old = select(counted.c.hour).where(counted.c.hour < before).distinct()
        while True:
            with self._home.writing() as connection:
                these = connection.execute(old.order_by(counted.c.hour).limit(_HOURS)).scalars()
                gone = these.all()
                connection.execute(delete(counted).where(counted.c.hour.in_(gone)))
            hours += len(gone)
            if len(gone) < _HOURS:
                return Forgotten(facts=facts, hours=hours)

    def find(self, text: str, *, limit: int = search.PAGE) -> list[Passed]:
        """Give the messages that a text names, newest first.

        It is the id of a scan, a digest or at least eight digits of its beginning, a Message-ID
        with or without angle brackets, or a qp: the first of these that names any.
        """
        text = clean(text.strip())
        with self._home.reading() as connection:
            for term in _named(text):
                if found := _page(connection, [term], None, limit):
                    return found
        return []

    def tries(self, digest: str, *, limit: int = search.PAGE) -> list[Passed]:
        """Give each time that a message came, the first one first."""
        with self._home.reading() as connection:
            return _page(connection, [passed.c.digest == digest], None, limit)[::-1]

    def search(self, wanted: Sought) -> Iterator[Passed]:
        """Give the messages that a filter finds, newest first, read page by page."""
        left, after = wanted.limit, None
        while left is None or left > 0:
            size = search.PAGE if left is None else min(left, search.PAGE)
            with self._home.reading() as connection:
                found = _found(connection, wanted, after, size)
            yield from found
            if len(found) < size:
                return
            after = (found[-1].at, found[-1].row)
            left = None if left is None else left - len(found)

    def numbers(self, since: float, until: float) -> Numbers:
        """Give the numbers of the hours from one time to another, and what is held now."""
        with self._home.reading() as connection:
            return history_numbers.between(connection, since, until)


def _take(connection: Connection, some: Sequence[Told]) -> int:
    """Take in lines, those that are there already left out; give how many were new."""
    new = {columns.key_of(line): line for line in some}
    for keys in _batches(list(new)):
        for key in _rows_of(connection, keys):
            del new[key]
    if not new:
        return 0
    connection.execute(insert(passed), [columns.row_of(line) for line in new.values()])
    to = [
        {"passed": row, **each}
        for keys in _batches(list(new))
        for key, row in _rows_of(connection, keys).items()
        for each in columns.recipients_of(new[key])
    ]
    if to:
        connection.execute(insert(passed_to), to)
    _count(connection, new.values())
    return len(new)


def _rows_of(
    connection: Connection, keys: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], int]:
    """Give the rows of those of the messages that have one."""
    of = passed.c
    asked = select(of.scan_id, of.host, of.id).where(of.scan_id.in_([scan for scan, _ in keys]))
    found = {(row.scan_id, row.host): row.id for row in connection.execute(asked)}
    return {key: found[key] for key in keys if key in found}


def _batches(keys: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    for start in range(0, len(keys), BATCH):
        yield keys[start : start + BATCH]


def _count(connection: Connection, lines: Any) -> None:
    """Add messages to the numbers of their hours."""
    sums: dict[tuple[int, str, str, str], list[int]] = {}
    for line in lines:
        for key in columns.counts_of(line):
            so_far = sums.setdefault(key, [0, 0])
            so_far[0] += 1
            so_far[1] += columns.octets_of(line)
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    added = dialect.insert(counted)
    of = counted.c
    upsert = added.on_conflict_do_update(
        index_elements=[of.hour, of.host, of.name, of.word],
        set_={
            "messages": of.messages + added.excluded.messages,
            "octets": of.octets + added.excluded.octets,
        },
    )
    connection.execute(
        upsert,
        [  # in one order, so that two hosts never wait for each other crosswise
            dict(zip(("hour", "host", "name", "word"), key, strict=True))
            | {"messages": messages, "octets": octets}
            for key, (messages, octets) in sorted(sums.items())
        ],
    )


def _named(text: str) -> Iterator[ColumnElement[bool]]:
    """Give what a text may mean, one question after the other."""
    of, low = passed.c, text.lower()
    yield of.scan_id == low
    if len(text) >= MIN_DIGITS and _DIGITS.issuperset(low):
        yield and_(of.digest >= low, of.digest < f"{low}g")
    if bare := columns.bare(text):
        yield of.message_id == bare
    if text.isdecimal() and text.isascii() and len(text) <= MIN_DIGITS:
        yield of.pid == int(text)


def _found(connection: Connection, wanted: Sought, after: After | None, size: int) -> list[Passed]:
    """Give the next messages behind a place in the order, at most so many."""
    terms = _asked(connection, wanted)
    found: list[Passed] = []
    for begin, end in _spans(connection, wanted, after):
        times = [passed.c.at >= begin] if begin is not None else []
        times += [passed.c.at < end] if end is not None else []
        found += _page(connection, [*terms, *times], after, size - len(found))
        if len(found) == size:
            break
    return found


def _asked(connection: Connection, wanted: Sought) -> list[ColumnElement[bool]]:
    of, terms = passed.c, list[ColumnElement[bool]]()
    if wanted.since is not None:
        terms.append(of.at >= wanted.since)
    if wanted.until is not None:
        terms.append(of.at < wanted.until)
    if wanted.verdict is not None:
        terms.append(of.verdict == clean(wanted.verdict))
    if wanted.rule is not None:
        position = func.instr if connection.dialect.name == "sqlite" else func.strpos
        rules = literal(",").concat(of.rules).concat(",")
        terms.append(position(rules, f",{clean(wanted.rule)},") > 0)
    if wanted.sender is not None:
        sender = clean(wanted.sender).lower()
        is_domain = sender.startswith("@")
        terms.append(of.sender_domain == sender[1:] if is_domain else of.sender_key == sender)
    if wanted.recipient is not None:
        address, to = clean(wanted.recipient).lower(), passed_to.c
        is_domain = address.startswith("@")
        theirs = to.domain == domain_of(address) if is_domain else to.address_key == address
        terms.append(search.has(connection, of.id, to.passed, theirs))
    return terms


def _spans(
    connection: Connection, wanted: Sought, after: After | None
) -> list[tuple[float | None, float | None]]:
    """Give the times in which to look, newest first: of what is rare, the hours that have it.

    Only where the numbers reach as far back as the facts: else they are kept for a shorter time.
    """
    words = [("verdict", wanted.verdict), ("rule", wanted.rule)]
    named = [(name, columns.word(word)) for name, word in words if word is not None]
    oldest = connection.execute(select(func.min(passed.c.at))).scalar()
    first = connection.execute(select(func.min(counted.c.hour))).scalar()
    if not named or oldest is None or first is None or first * HOUR_S > oldest:
        return [(None, None)]
    of = counted.c
    asked = select(of.hour).where(of.hour >= int(oldest) // HOUR_S)
    if after is not None:
        asked = asked.where(of.hour <= int(after[0]) // HOUR_S)
    if wanted.since is not None:
        asked = asked.where(of.hour >= int(wanted.since) // HOUR_S)
    asked = asked.where(tuple_(of.name, of.word).in_(named)).group_by(of.hour)
    asked = asked.having(func.count(of.name.distinct()) == len(named)).order_by(of.hour.desc())
    return _merged(connection.execute(asked).scalars())


def _merged(hours: Any) -> list[tuple[float | None, float | None]]:
    """Give hours, newest first, as spans of time: those that follow each other are one."""
    spans: list[tuple[float | None, float | None]] = []
    for hour in hours:
        begin, end = float(hour * HOUR_S), float((hour + 1) * HOUR_S)
        if spans and spans[-1][0] == end:
            spans[-1] = (begin, spans[-1][1])
        else:
            spans.append((begin, end))
    return spans


def _page(
    connection: Connection, terms: Sequence[ColumnElement[bool]], after: After | None, size: int
) -> list[Passed]:
    """Give messages, newest first."""
    of = passed.c
    asked = select(passed).where(*terms).order_by(of.at.desc(), of.id.desc()).limit(size)
    if after is not None:
        at, row = after
        asked = asked.where(of.at <= at, or_(of.at < at, and_(of.at == at, of.id < row)))
    rows = connection.execute(asked).all()
    to: dict[int, list[PassedTo]] = {row.id: [] for row in rows}
    theirs = select(passed_to).where(passed_to.c.passed.in_(to))
    for each in connection.execute(theirs.order_by(passed_to.c.passed, passed_to.c.place)):
        to[each.passed].append(
            PassedTo(
                place=each.place,
                address=each.address,
                action=each.action,
                rules=_split(each.rules),
            )
        )
    return [_one(row, tuple(to[row.id])) for row in rows]


def _one(row: Row[Any], to: tuple[PassedTo, ...]) -> Passed:
    known = dict(row._mapping)
    for derived in ("sender_key", "sender_domain"):
        del known[derived]
    known |= {"rules": _split(row.rules), "findings": _split(row.findings), "to": to}
    return Passed(row=known.pop("id"), **known)


def _split(words: str) -> tuple[str, ...]:
    return tuple(words.split(",")) if words else ()
