"""Expiry: held mail that is too old for its class, or for which there is no room any more.

Called by  store.
Ends       with how much it did; raises Later and DiskFull, and then goes on where it was when it
           is called again.
Careful    in small batches, each a transaction of its own: new holds never wait. What is being
           released is left alone, however old it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select

from qscanner.settings import Quarantine
from qscanner.store import search
from qscanner.store.columns import open_bits
from qscanner.store.home import Home, Progress
from qscanner.store.moving import moved
from qscanner.store.rows import BATCH
from qscanner.store.tables import audit, message, recipient, rule, words
from qscanner.store.words import Class, Held, State, Who

_PACK_S = 3600.0  # plain so long: who looks at once finds a plain file
_DAY_S = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """How many messages expired, lost their octets, were compressed, were forgotten."""

    expired: int = 0
    removed: int = 0
    packed: int = 0
    forgotten: int = 0


def cutoffs(settings: Quarantine, now: float) -> dict[Class, float]:
    """Give for each class up to when a message is too old."""
    keep = settings.keep
    days = {
        Class.VIRUS: keep.virus,
        Class.BANNED: keep.banned,
        Class.SPAM: keep.spam,
        Class.UNSCANNABLE: keep.unscannable,
        Class.POLICY: keep.policy,
    }
    return {each: now - seconds for each, seconds in days.items() if seconds}


def too_old(settings: Quarantine, now: float) -> ColumnElement[bool]:
    """Give the question for messages with octets that are too old for their class."""
    of = message.c
    terms = [
        and_(of["class"] == each.value, of.since < cutoff)
        for each, cutoff in cutoffs(settings, now).items()
    ]
    latest = max(cutoffs(settings, now).values(), default=0.0)
    return and_(of.since < latest, of.is_gone.is_(False), or_(False, *terms))


def expire(
    home: Home, settings: Quarantine, now: float, *, by: Who, progress: Progress
) -> Expired:
    """Expire by age and by room, remove what nobody needs, compress, forget; give how much."""
    run = _Run(home, now, by, progress)
    run.through(too_old(settings, now), "older than its class is kept")
    if settings.room:
        run.down_to(settings.room)
    unneeded = State.DELETED.bit | State.EXPIRED.bit
    left = message.c.states.op("&")(~unneeded & 31) == 0
    run.through(and_(message.c.is_gone.is_(False), left), "")
    forgotten = _forget(home, now - settings.history) if settings.history else 0
    packed = home.pack(now - _PACK_S)
    return Expired(expired=run.expired, removed=run.removed, packed=packed, forgotten=forgotten)


class _Run:
    """One run of expire()."""

    def __init__(self, home: Home, now: float, by: Who, progress: Progress) -> None:
        self._home, self._now, self._by, self._progress = home, now, by, progress
        self.expired = self.removed = 0

    def through(self, term: ColumnElement[bool], why: str) -> None:
        """Expire all that the term finds, oldest first."""
        with self._home.reading() as connection:
            asked = select(func.count()).select_from(message).where(term)
            total = connection.execute(asked).scalar_one()
        self._walk(term, why, total, lambda octets: octets >= 0)

    def down_to(self, room: int) -> None:
        """Expire the oldest until what is left needs no more than so many octets."""
        here = message.c.is_gone.is_(False)
        with self._home.reading() as connection:
            asked = select(func.coalesce(func.sum(message.c.octets), 0)).where(here)
            excess = int(connection.execute(asked).scalar_one()) - room
        if excess > 0:
            self._walk(here, "no room for more", 0, lambda octets: octets < excess)

    def _walk(
        self, term: ColumnElement[bool], why: str, total: int, goes_on: Callable[[int], bool]
    ) -> None:
        """Take messages, oldest first, as long as it goes on with the octets taken so far."""
        after: tuple[float, int] | None = None
        octets = done = 0
        while goes_on(octets):
            with self._home.writing() as connection:
                found = _next(connection, term, after)
                if not found:
                    return
                after = (found[-1].since, found[-1].row)
                these = []
                for each in found:
                    if goes_on(octets) and not each.of(State.RELEASING):
                        these.append(each)
                        octets += each.octets
                self._expire(connection, these, why)
            self.removed += self._home.remove([each.digest for each in these])
            done += len(found)
            self._progress(done, max(total, done))

    def _expire(self, connection: Connection, these: Sequence[Held], why: str) -> None:
        events = [
            moved(each, to, State.EXPIRED, at=self._now, by=self._by, why=why)
            for each in these
            if (to := each.of(State.HELD))
        ]
        if events:
            self._home.write(connection, *events)
        self.expired += len(events)


def _next(
    connection: Connection, term: ColumnElement[bool], after: tuple[float, int] | None
) -> list[Held]:
    of = message.c
    asked = select(of.digest).where(term).order_by(of.since, of.id).limit(BATCH)
    if after is not None:
        since, row = after
        asked = asked.where(
            of.since >= since, or_(of.since > since, and_(of.since == since, of.id > row))
        )
    digests = search.light(connection, connection.execute(asked).scalars().all())
    found = search.these(connection, digests) if digests else []
    return sorted(found, key=lambda each: (each.since, each.row))


def _forget(home: Home, before: float) -> int:
    """Forget messages that came before a time and are gone: their rows, and what was done."""
    count = 0
    of = message.c
    asked = (
        select(of.id, of.digest)
        .where(of.is_gone.is_(True), of.since < before, of.states.op("&")(open_bits()) == 0)
        .limit(BATCH)
    )
    while True:
        with home.writing() as connection:
            found = connection.execute(asked).all()
            if not found:
                break
            ids, digests = [row.id for row in found], [row.digest for row in found]
            connection.execute(delete(audit).where(audit.c.digest.in_(digests)))
            connection.execute(delete(rule).where(rule.c.message.in_(ids)))
            connection.execute(delete(words).where(words.c.message.in_(ids)))
            connection.execute(delete(recipient).where(recipient.c.message.in_(ids)))
            connection.execute(delete(message).where(of.id.in_(ids)))
            count += len(found)
    if count:
        home.forget()
    return count
