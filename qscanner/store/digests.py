"""Digests: what is held for somebody and was not told before, as letters in the outbox.

The table `digested` says up to when each was told: by address in lower case, "" for the admin.
Some of its rows have names that no digest goes to: which round somebody has set about writing,
which each outbox has, and which was written to its end.

Called by  the daemon, every few seconds (turn); `qscanner quarantine digest` (all of it).
Ends       turn() and write() with how many letters they put; they raise Later, DiskFull, Unusable
           as the store and the outbox do, and then go on where they were when called again.
Careful    for each address: look, put the letter, move the mark, alone in one transaction, so that
           neither another host nor an admin by hand tells it too. Each round is one host's, and
           whoever is killed in it goes on with it: between letter and mark nothing is told twice,
           for the same round is the same letter, and the outbox knows it. What a host that does
           not come back could not tell, the next round tells.
"""

import hashlib
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Subquery,
    delete,
    func,
    insert,
    select,
    update,
)

from qscanner import outbox, rounds
from qscanner.outbox import MAX_ROWS, Kind, Letter
from qscanner.settings import Settings
from qscanner.store.home import Home
from qscanner.store.rows import BATCH
from qscanner.store.tables import digested, message, recipient
from qscanner.store.words import SHORT, WHOLE, State

ADMIN = ""
_BEGUN, _DONE = "begun", "done"  # no addresses of digests: those have an @
_BEGUN_BY = "begun by "
_DAY_S = 86400.0
_LOCK = 0x71736364  # "qscd": who writes digests into PostgreSQL holds it
_MAX_ADDRESS = 320  # characters of the key
_MAX_NAMED = 3  # recipients of one message
_REVIEW = "qscanner quarantine review"
_MINUTE = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """How many messages are new for an address in lower case, or ADMIN."""

    address: str
    messages: int


class Digests:
    """The digests of one quarantine; keeps in mind which round it is writing."""

    def __init__(self, home: Home, settings: Settings) -> None:
        self._home = home
        self._settings = settings
        self._folder = outbox.folder(settings.quarantine.dir)
        self._slot = 0  # the round that we are writing; 0: none
        self._begun = 0  # the latest that somebody writes, or has written
        self._left: list[str] | None = None  # whom it is still to tell

    def turn(self, now: float, *, within_s: float) -> int:
        """Write the letters of the round that is due, if one is; give how many were put.

        Where the time is not enough, the next call goes on. `now` is in seconds since 1970.
        """
        if not self._slot and not self._begin(now):
            return 0
        ends_at = time.monotonic() + within_s
        if self._left is None:
            self._left = [each.address for each in self.fresh(self._slot)]
        put = 0
        while self._left:
            put += self._tell(self._left[-1], self._slot)
            self._left.pop()
            if time.monotonic() >= ends_at:
                return put
        self._finish()
        return put

    def fresh(self, until: float) -> list[Fresh]:
        """Give for whom there is something new up to a time, by address; the admin first."""
        with self._home.reading() as connection:
            return _fresh(connection, self._settings, until)

    def letter(self, address: str, until: float) -> Letter | None:
        """Give the letter to an address, or to ADMIN, about what is new up to a time, if any."""
        with self._home.reading() as connection:
            return _letter(connection, self._settings, address.lower(), until)

    def write(self, addresses: Iterable[str], until: float) -> int:
        """Tell these at once what is new up to a time, round or not; give how many were put."""
        return sum(self._tell(each, until) for each in addresses)

    def _begin(self, now: float) -> bool:
        """Take the round that is due, unless another has; one that was ours is so again."""
        slot = rounds.latest(self._settings, now)
        if slot is None or slot <= self._begun:
            return False
        with self._home.writing() as connection:
            _alone(connection)
            done, ours = _mark(connection, _DONE), _begun_by(self._folder)
            if done is None:  # what the first one does not come to is not lost
                _move(connection, _DONE, slot - _DAY_S)
            is_new = (_mark(connection, _BEGUN) or 0.0) < slot
            if is_new:
                _move(connection, _BEGUN, slot)
                _move(connection, ours, slot)
            is_ours = is_new or (_mark(connection, ours) == slot and (done or 0.0) < slot)
        self._begun = slot
        self._slot = slot if is_ours else 0
        self._left = None
        return is_ours

    def _tell(self, address: str, until: float) -> bool:
        """Put the letter of one, and move its mark; say whether there was anything to put."""
        with self._home.writing() as connection:
            _alone(connection)
            letter = _letter(connection, self._settings, address, until)
            is_put = letter is not None and self._put(letter)
            _move(connection, address, until)
        return is_put

    def _put(self, letter: Letter) -> bool:
        return outbox.put(self._folder, letter)

    def _finish(self) -> None:
        """Move on those too for whom nothing was new; forget addresses of nobody's mail."""
        here = select(recipient.c.address_key)
        with self._home.writing() as connection:
            _alone(connection)
            later = update(digested).where(digested.c.until < self._slot)
            theirs = digested.c.address.not_like(f"{_BEGUN}%") | digested.c.address.contains("@")
            connection.execute(later.where(theirs).values(until=float(self._slot)))
            _move(connection, _DONE, self._slot)
            gone = digested.c.address.contains("@") & digested.c.address.not_in(here)
            connection.execute(delete(digested).where(gone))
        self._slot = 0


def _begun_by(folder: str) -> str:
    """Give the name for which round one outbox has: that of this host, at this place."""
    place = hashlib.sha256(f"{socket.gethostname()}:{folder}".encode()).hexdigest()
    return f"{_BEGUN_BY}{place[:16]}"


def _alone(connection: Connection) -> None:
    """Have nobody else write digests until the end of the transaction; with SQLite nobody can."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _mark(connection: Connection, address: str) -> float | None:
    asked = select(digested.c.until).where(digested.c.address == address)
    found: float | None = connection.execute(asked).scalar()
    return found


def _move(connection: Connection, address: str, until: float) -> None:
    """Move a mark on, never back."""
    before = _mark(connection, address)
    if before is None:
        connection.execute(insert(digested).values(address=address, until=float(until)))
    elif before < until:
        mine = update(digested).where(digested.c.address == address)
        connection.execute(mine.values(until=float(until)))


def _start(connection: Connection, until: float) -> float:
    """Give since when those are told who were never told before.

    A day, or since the last round was written: a day may have 25 hours, or no daemon.
    """
    return min(until - _DAY_S, _mark(connection, _DONE) or until)


# What is new: recipients in state `held` who are so since their mark.


def _is_new(since: ColumnElement[float] | float, until: float) -> ColumnElement[bool]:
    of = recipient.c
    return (of.state == State.HELD.value) & (of.at >= since) & (of.at < until)


def _is_told(settings: Settings) -> ColumnElement[bool]:
    """Say of which messages recipients are told."""
    of = message.c
    return of["class"].in_(settings.digest.classes) & (of.release != "nobody")


def _fresh(connection: Connection, settings: Settings, until: float) -> list[Fresh]:
    found = []
    if rounds.for_admin(settings) and (count := _count(connection, settings, ADMIN, until)):
        found.append(Fresh(address=ADMIN, messages=count))
    of, start = recipient.c, _start(connection, until)
    marks = connection.execute(select(func.min(digested.c.until))).scalar()
    floor = start if marks is None else min(start, marks)  # what is older is passed over at once
    since = func.coalesce(digested.c.until, start)
    # Not the column itself: SQLite would go through all rows by their address, ten times slower.
    address = of.address_key.concat("").label("whose")
    asked = (
        select(address, func.count(of.message.distinct()))
        .join(message, message.c.id == of.message)
        .outerjoin(digested, digested.c.address == of.address_key)
        .where(_is_new(floor, until), of.at >= since, _is_told(settings), of.place != WHOLE)
        .group_by(address)
        .order_by(address)
    )
    for whose, count in connection.execute(asked):
        if _is_usable(whose) and rounds.is_for(settings, whose):
            found.append(Fresh(address=whose, messages=count))
    return found


def _is_usable(address: str) -> bool:
    """Say whether an address is whole, and can be written to."""
    return len(address) <= _MAX_ADDRESS and "\ufffd" not in address


def _theirs(
    connection: Connection, settings: Settings, address: str, until: float
) -> tuple[float, Callable[..., Select[Any]]]:
    """Give since when an address is to be told, and how to ask for what."""
    since = _mark(connection, address)
    since = _start(connection, until) if since is None else since
    terms = [_is_new(since, until)]
    if address != ADMIN:
        terms += [recipient.c.address_key == address, _is_told(settings)]
    return (
        since,
        lambda *what: (
            select(*what)
            .select_from(recipient.join(message, message.c.id == recipient.c.message))
            .where(*terms)
        ),
    )


def _count(connection: Connection, settings: Settings, address: str, until: float) -> int:
    _, asked = _theirs(connection, settings, address, until)
    count = func.count(recipient.c.message.distinct())
    return int(connection.execute(asked(count)).scalar_one())


def _letter(
    connection: Connection, settings: Settings, address: str, until: float
) -> Letter | None:
    since, asked = _theirs(connection, settings, address, until)
    at = func.max(recipient.c.at).label("at")
    newest = (
        asked(message.c.id, at).group_by(message.c.id).order_by(at.desc(), message.c.id.desc())
    )
    ids = newest.limit(MAX_ROWS).subquery()
    full = select(message, ids.c.at).join(ids, ids.c.id == message.c.id)
    found = connection.execute(full.order_by(ids.c.at.desc(), message.c.id.desc())).all()
    if not found:
        return None
    more = 0
    if len(found) == MAX_ROWS:
        more = _count(connection, settings, address, until) - MAX_ROWS
    to = _named(connection, ids, since, until) if address == ADMIN else {}
    return Letter(
        about=f"digest-{int(until)}" if address else f"digest-{int(until)}-admin",
        kind=Kind.DIGEST,
        to=((address or settings.notices.admin).encode(),),
        at=until,
        values={
            "address": address,
            "review": "" if address else _REVIEW,
            "more": str(more),
            "since": outbox.clock(since),
            "until": outbox.clock(until),
        },
        rows=tuple(_row(each, to.get(each.id, "")) for each in found),
    )


def _named(connection: Connection, ids: Subquery, since: float, until: float) -> dict[int, str]:
    """Give for messages whose copies are new."""
    of = recipient.c
    asked = select(of.message, of.address).join(ids, ids.c.id == of.message)
    found: dict[int, list[str]] = {}
    more: Counter[int] = Counter()  # strangers say how many there are
    asked = asked.where(_is_new(since, until)).order_by(of.message, of.place)
    for row, address in connection.execute(asked.execution_options(yield_per=BATCH)):
        shown = found.setdefault(row, [])
        if len(shown) < _MAX_NAMED:
            shown.append(address or "-")
        else:
            more[row] += 1
    return {
        row: ", ".join(shown) + (f" +{more[row]}" if row in more else "")
        for row, shown in found.items()
    }


def _row(found: Row[Any], to: str) -> dict[str, str]:
    return {
        "time": time.strftime(_MINUTE, time.localtime(found.at)),
        "sender": found.sender or "<>",
        "subject": found.subject,
        "why": found.why,
        "class": found._mapping["class"],
        "score": "" if found.score is None else f"{found.score:g}",
        "octets": str(found.octets),
        "id": found.digest[:SHORT],
        "to": to,
    }
