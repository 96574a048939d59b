"""The store of held mail, as commands and pages use it: look, move, release, expire, verify.

Called by  the admin's commands, and whatever reviews.
Ends       raises Unknown, Ambiguous, NotSo, OctetsGone for those who review; Later, DiskFull,
           Unusable as everywhere.
Careful    a release is a claim first (releasing), then the queue program, then released. Whoever
           is killed in between leaves the claim, for all to see: the message went out or did not,
           nobody can know, so nobody sends it again but a person who has looked (decisions.md).
           Not for a process that forks: open it behind the fork.
"""

import base64
import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from sqlalchemy import select

from qscanner.codec import envelope
from qscanner.inject import NotQueued
from qscanner.outcomes import QScannerError
from qscanner.settings import Quarantine, Settings
from qscanner.spool import Message
from qscanner.store import checking, expiry, search
from qscanner.store.checking import Problem
from qscanner.store.columns import Record, clean
from qscanner.store.database import Damaged
from qscanner.store.expiry import Expired
from qscanner.store.home import Home, Progress, silent
from qscanner.store.lists import Lists
from qscanner.store.local import Local, set_aside
from qscanner.store.moving import movable, moved
from qscanner.store.shared import Shared
from qscanner.store.tables import entry
from qscanner.store.words import (
    WHOLE,
    Audited,
    Entry,
    Filter,
    Held,
    Listed,
    Noted,
    OctetsGone,
    Recipient,
    State,
    Unknown,
    Unlisted,
    Who,
)

if TYPE_CHECKING:
    from qscanner.store.digests import Digests
    from qscanner.store.history import History

Inject = Callable[[Message, bytes], None]  # message and envelope; raises NotQueued
_SETTLED = (State.DELETED, State.EXPIRED)


class Store:
    """One quarantine. Use it in a `with`, or close() it."""

    def __init__(self, home: Home, settings: Quarantine) -> None:
        self._home = home
        self._settings = settings

    @classmethod
    def open(cls, settings: Quarantine, *, progress: Progress = silent) -> "Store":
        """Open the quarantine of these settings; files of the first version are taken over.

        `progress` is told of that: it may take minutes, once.
        """
        if settings.database:
            return cls(Shared(settings), settings)
        return cls(Local(settings.dir, progress=progress), settings)

    def close(self) -> None:
        """Give back database, files and locks."""
        self._home.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def history(self) -> "History":
        """Give the history of all messages, which lies in the same database."""
        from qscanner.store.history import History  # a list of held mail does not wait for it

        return History(self._home, self._settings.dir)

    # Looking

    def search(self, wanted: Filter) -> Iterator[Held]:
        """Give the messages that a filter finds, newest first unless it says otherwise.

        They are read page by page: what is moved meanwhile may be seen as it was.
        """
        left, after = wanted.limit, None
        while left is None or left > 0:
            size = search.PAGE if left is None else min(left, search.PAGE)
            with self._home.reading() as connection:
                found = search.page(connection, wanted, after, size)
            yield from found
            if not found:
                return
            after = (found[-1].since, found[-1].row)
            left = None if left is None else left - len(found)

    def count(self, wanted: Filter) -> int:
        """Give how many messages a filter finds, whatever its limit."""
        with self._home.reading() as connection:
            return search.count(connection, wanted)

    def find(self, begin: str) -> Held:
        """Give the message whose id begins so, or whose id in the log this is.

        Raises Unknown, or Ambiguous with candidates.
        """
        with self._home.reading() as connection:
            return search.find(connection, begin)

    def message(self, held: Held) -> Message:
        """Give the octets of a message, to be closed by the caller. Raises OctetsGone."""
        try:
            return self._home.message(held.digest)
        except OctetsGone as error:
            raise OctetsGone.of(held, str(error)) from error

    def record(self, held: Held) -> Record:
        """Give all that was written down when it was kept. Raises OctetsGone."""
        if found := self._home.record_of(held.digest):
            return found
        raise OctetsGone.of(held, f"the record of {held.id} is missing or damaged")

    def envelope(self, held: Held, recipients: Iterable[Recipient]) -> bytes:
        """Give the envelope for some of its recipients, as qmail-queue(8) reads it.

        The original octets with the others left out: sender and addresses are never written anew.
        Raises OctetsGone where the record is damaged.
        """
        raw, count = self._raw(held)
        places = {one.place for one in recipients}
        if places == {WHOLE}:
            return raw
        return envelope.narrow(raw, tuple(place in places for place in range(count)))

    def envelope_to(self, held: Held, addresses: tuple[bytes, ...]) -> bytes:
        """Give an envelope with the original sender for other addresses. Raises BadEnvelope."""
        sender = self._raw(held)[0][1:].partition(b"\0")[0]
        return envelope.encode(sender, addresses)

    def _raw(self, held: Held) -> tuple[bytes, int]:
        """Give the envelope as it came, and how many recipients it has. Raises OctetsGone."""
        decoder = envelope.Decoder()
        try:
            raw = base64.b64decode(self.record(held)["envelope"]["octets"], validate=True)
            decoder.feed(raw)
            return raw, len(decoder.finish().recipients)
        except (KeyError, TypeError, ValueError, QScannerError) as error:
            raise OctetsGone(f"the record of {held.id} has no envelope") from error

    def audit(self, held: Held | None = None) -> Iterator[Audited]:
        """Give what was done with a message, or with all: in the order in which it was done."""
        with self._home.reading() as connection:
            yield from search.audited(connection, held.digest if held else None)

    # Moving

    def move(  # noqa: PLR0913 - what, whose, whereto; by whom and why
        self,
        held: Held,
        recipients: Iterable[Recipient] | None,
        to: State,
        *,
        by: Who,
        why: str = "",
        is_resolving: bool = False,
    ) -> Held:
        """Bring recipients (None: all for whom it can be done) into another state.

        Gives the message as it is then. Looks and changes at once, so that of several who try
        only one succeeds; the others get NotSo. What is `releasing` is moved on only by him who
        claimed it, or with `is_resolving` by a person, where he is not at work any more. What
        nobody needs any more is removed.
        """
        chosen = None if recipients is None else {one.place for one in recipients}
        with self._home.writing() as connection:
            now = search.one(connection, held.digest)
            these = movable(now, chosen, to, by, is_resolving=is_resolving)
            told = moved(now, these, to, at=time.time(), by=by, why=why)
            self._home.write(connection, told)
            after = search.one(connection, held.digest)
        if all(one.state in _SETTLED for one in after.recipients):
            self._home.remove([held.digest])
            with self._home.reading() as connection:
                return search.one(connection, held.digest)
        return after

    def release(  # noqa: PLR0913 - as move(), and how
        self,
        held: Held,
        recipients: Iterable[Recipient] | None,
        *,
        by: Who,
        inject: Inject,
        to: tuple[bytes, ...] = (),
        why: str = "",
    ) -> Held:
        """Claim, give to the queue program, and mark as released; give it as it is then.

        To the recipients themselves, or to the addresses `to` instead. Where the queue program
        did not take it (NotQueued, passed on), it is held again. Raises NotSo before anything
        was done. Any other trouble leaves it `releasing`: see the module's head.
        """
        message = self.message(held)
        try:
            self._raw(held)  # a damaged record is seen before anything is claimed
            claimed = self.move(held, recipients, State.RELEASING, by=by, why=why)
            mine = tuple(one for one in claimed.of(State.RELEASING) if one.claim == by)
            if recipients is not None:
                chosen = {one.place for one in recipients}
                mine = tuple(one for one in mine if one.place in chosen)
            octets = self.envelope_to(held, to) if to else self.envelope(held, mine)
            try:
                inject(message, octets)
            except NotQueued as error:
                if not error.is_unsure:
                    self.move(held, mine, State.HELD, by=by, why=f"not queued: {error}")
                raise
            return self.move(held, mine, State.RELEASED, by=by, why=why)
        finally:
            message.close()

    def note(self, held: Held, did: str, *, by: Who, why: str = "") -> None:
        """Write into the audit what was done with a message that changes no state of it."""
        event = Noted(at=time.time(), digest=held.digest, did=did, by=by.name, via=by.via, why=why)
        with self._home.writing() as connection:
            self._home.write(connection, event)

    def digests(self, settings: Settings) -> "Digests":
        """Give what writes digests of this quarantine, as these settings say."""
        from qscanner.store.digests import Digests

        return Digests(self._home, settings)

    # Keeping in order

    def expire(self, *, by: Who, now: float | None = None, progress: Progress = silent) -> Expired:
        """Let go of what is too old or finds no room, compress, forget: as the settings say."""
        at = time.time() if now is None else now
        return expiry.expire(self._home, self._settings, at, by=by, progress=progress)

    def follow(self) -> None:
        """Bring index and lists up to what has happened, here or on other hosts."""
        with self._home.reading():
            pass
        self._home.publish()

    def verify(self, *, progress: Progress = silent) -> Iterator[Problem]:
        """Give what is wrong, a problem at a time; every message is read."""
        return checking.verify(self._home, progress)

    @classmethod
    def rebuilt(cls, settings: Quarantine, *, progress: Progress = silent) -> tuple["Store", str]:
        """Make the index anew from files and journal; give the store.

        An index that is no database any more gets another name, which is given, too, else "".
        What was in it alone, the history, is lost then. Raises Unusable with PostgreSQL.
        """
        try:
            store = cls.open(settings, progress=progress)
            try:
                store._home.rebuild()
            except BaseException:
                store.close()
                raise
        except Damaged:
            aside = set_aside(settings.dir)
            return cls.open(settings, progress=progress), aside
        return store, ""

    # Allowed and blocked

    def write_entry(  # noqa: PLR0913 - what an entry says
        self,
        *,
        is_allowed: bool,
        sender: str,
        recipient: str = "",
        until: float | None,
        why: str,
        by: Who,
    ) -> Entry:
        """Allow or block a sender for a recipient, at once; give the entry.

        `sender` is an address or "@domain", `recipient` that or "" for all; `until` is seconds
        since 1970. It takes the place of one for the same two. Raises ValueError.
        """
        who, to = sender.lower(), recipient.lower()
        if not _is_named(who) or (to and not _is_named(to)):
            raise ValueError("an address, or @ and a domain")
        with self._home.writing() as connection:
            asked = select(entry.c.id).where(entry.c.sender == who, entry.c.recipient == to)
            same = connection.execute(asked).scalar()
            made = Entry(
                id=same or os.urandom(4).hex(),
                is_allowed=is_allowed,
                sender=who,
                recipient=to,
                until=until,
                why=why,
                by=f"{by.name} {by.via}",
                at=time.time(),
            )
            self._home.write(connection, Listed(entry=made))
        self._publish()
        return made

    def remove_entry(self, id: str, *, by: Who, why: str = "") -> None:
        """Take an entry back. Raises Unknown."""
        with self._home.writing() as connection:
            if not connection.execute(select(entry.c.id).where(entry.c.id == clean(id))).first():
                raise Unknown(f"no entry {id}")
            gone = Unlisted(at=time.time(), id=id, by=by.name, via=by.via, why=why)
            self._home.write(connection, gone)
        self._publish()

    def _publish(self) -> None:
        """Have scans of this host know at once; who may not write there leaves it to the clerk."""
        with contextlib.suppress(QScannerError):
            self._home.publish()

    def entries(self) -> list[Entry]:
        """Give all entries, also those whose time is over."""
        with self._home.reading() as connection:
            found = connection.execute(select(entry).order_by(entry.c.at, entry.c.id))
            return [Entry(**row._mapping) for row in found]

    def lists(self) -> Lists:
        """Give who is allowed and blocked, for those who ask for each message."""
        return self._home.lists()


def _is_named(text: str) -> bool:
    """Say whether an entry can be for this: there are no subdomains here, "@.example.org"."""
    _, at, domain = text.rpartition("@")
    return bool(at and domain.strip(".") and not domain.startswith("."))
