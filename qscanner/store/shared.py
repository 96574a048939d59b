"""The quarantine of several hosts: everything in one PostgreSQL database, messages too.

Called by  store and keeping, where `[quarantine] database` names one.
Ends       each change when the transaction is committed. Raises Later where the database is away
           or slow, DiskFull where it has no room, Unusable where an admin must act, OctetsGone.
Careful    the same transaction locks, looks and changes: a message by an advisory lock while it is
           kept or removed, its row while its recipients move.
"""

import contextlib
import functools
import json
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from qscanner import quarantine
from qscanner.outcomes import Unusable
from qscanner.settings import Quarantine
from qscanner.spool import Message
from qscanner.store import lists_file, rows
from qscanner.store.columns import Record, open_bits
from qscanner.store.database import Database, postgresql
from qscanner.store.lists import NAME, Lists
from qscanner.store.tables import body, entry, message
from qscanner.store.words import Arrived, Entry, Event, Gone, Listed, OctetsGone, Unlisted

_LEVEL = 1  # a sender waits for it
_LISTS = "lists"  # the name of their version in the table of facts


class Shared:
    """One PostgreSQL database as quarantine."""

    def __init__(self, settings: Quarantine) -> None:
        self.database = Database(postgresql(settings.database, _password(settings)))
        self._folder = settings.dir
        self._published = -1  # the version of the lists in the file

    def close(self) -> None:
        """Give back the connections."""
        self.database.close()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection to look with."""
        with self.database.reading() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection whose changes are all made at the end, or none."""
        with self.database.writing() as connection:
            yield connection

    def write(self, connection: Connection, *events: Event) -> None:
        """Make events true, with this transaction."""
        rows.apply(connection, events, _records(connection))
        if any(isinstance(event, Listed | Unlisted) for event in events):
            version = self.database.number(connection, _LISTS) or 0
            self.database.set_number(connection, _LISTS, version + 1)

    def record_of(self, digest: str) -> Record | None:
        """Give what is known of a message."""
        with self.reading() as connection:
            return _records(connection)(digest)

    def message(self, digest: str) -> Message:
        """Give the octets of a message, to be closed. Raises OctetsGone."""
        asked = select(body.c.octets).where(body.c.digest == digest)
        with self.reading() as connection:
            packed = connection.execute(asked).scalar()
        if packed is None:
            raise OctetsGone(f"the octets of {digest[:12]} were removed")
        try:
            return Message.of_octets(zlib.decompress(packed))
        except zlib.error as error:
            raise OctetsGone(f"the octets of {digest[:12]} are damaged: {error}") from error

    def remove(self, digests: Sequence[str]) -> int:
        """Remove the octets of those that nobody needs any more; give how many were removed."""
        asked = select(message.c.digest).where(
            message.c.digest.in_(digests), message.c.states.op("&")(open_bits()) == 0
        )
        with self.writing() as connection:
            for digest in sorted(digests):
                _lock(connection, digest)
            these = tuple(connection.execute(asked).scalars())
            connection.execute(delete(body).where(body.c.digest.in_(these)))
            self.write(connection, Gone(at=time.time(), digests=these))
        return len(these)

    def pack(self, before: float) -> int:  # noqa: ARG002 - they are packed from the start
        """Give 0: there is nothing to do."""
        return 0

    def forget(self) -> None:
        """Do nothing: what the database forgot is written down nowhere else."""

    def strays(self) -> Iterator[tuple[str, str]]:
        """Give the messages without a row."""
        known = select(message.c.digest)
        with self.reading() as connection:
            asked = select(body.c.digest).where(body.c.digest.not_in(known))
            for digest in connection.execute(asked).scalars():
                yield digest, "the index does not know it"

    def rebuild(self) -> None:
        """Refuse: the database is the truth here."""
        raise Unusable(
            "with PostgreSQL there is no index to rebuild: the database is all there is"
        )

    def publish(self) -> None:
        """Write the file of the lists in the folder of this host, where that is there.

        A scan reads the file: it never waits for the database.
        """
        if not os.path.isdir(self._folder):
            return
        with self.reading() as connection:
            version = self.database.number(connection, _LISTS) or 0
            is_there = os.path.exists(os.path.join(self._folder, NAME))
            if version == self._published and is_there:
                return
            found = [Entry(**row._mapping) for row in connection.execute(select(entry))]
        lists_file.write(self._folder, found)
        self._published = version

    def lists(self) -> Lists:
        """Give who is allowed and blocked, for those who ask for each message."""

        def version() -> object:
            with self.reading() as connection:
                return self.database.number(connection, _LISTS) or 0

        def read() -> Iterable[Entry]:
            with self.reading() as connection:
                return [Entry(**row._mapping) for row in connection.execute(select(entry))]

        return Lists(version, read)


def keep(settings: Quarantine, digest: str, octets: Message, record: Mapping[str, Any]) -> bool:
    """Make message and record durable in the database, as keeping.keep() says."""
    home = _home(settings)
    packed = zlib.compress(memoryview(octets.octets), _LEVEL)
    with home.writing() as connection:
        _lock(connection, digest)
        before = _records(connection)(digest)
        if before is None:
            text = json.dumps(record)
            connection.execute(insert(body).values(digest=digest, octets=packed, record=text))
        elif not quarantine.held_for(record) <= quarantine.held_for(before):
            text = json.dumps(quarantine.joined(before, record))
            connection.execute(update(body).where(body.c.digest == digest).values(record=text))
        home.write(connection, Arrived(at=time.time(), digest=digest, is_fresh=before is None))
    return before is None or not quarantine.held_for(record) <= quarantine.held_for(before)


@functools.lru_cache(maxsize=1)
def _home(settings: Quarantine) -> Shared:
    """Give the database, looked at once: it holds no connection between two messages."""
    return Shared(settings)


def _lock(connection: Connection, digest: str) -> None:
    """Have nobody else keep or remove this message until the end of the transaction."""
    number = int(digest[:15].rjust(15, "0"), 16)
    connection.execute(select(func.pg_advisory_xact_lock(number)))


def _records(connection: Connection) -> Callable[[str], Record | None]:
    def record(digest: str) -> Record | None:
        text = connection.execute(select(body.c.record).where(body.c.digest == digest)).scalar()
        found = json.loads(text) if text else None
        return found if isinstance(found, dict) else None

    return record


def _password(settings: Quarantine) -> str:
    if not settings.password_file:
        return ""
    try:
        with open(settings.password_file, encoding="utf-8") as file:
            return file.readline().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"quarantine.password_file cannot be read: {error}") from error
