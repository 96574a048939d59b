"""The quarantine of one host: files and a journal, which are the truth, and an index in SQLite.

Called by  store, where `[quarantine] database` is empty.
Ends       each change when its line in the journal is on disk; then the index follows, here or in
           whoever looks next. Raises Later, DiskFull, Unusable, OctetsGone.
Careful    the line is the deed: whoever is killed behind it has done it, before it has not. The
           index remembers up to where it has read, in the transaction that follows the lines.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, delete, select

from qscanner.intake import as_ours
from qscanner.quarantine import given_to_owner
from qscanner.spool import Message
from qscanner.store import files, lists, lists_file, rows
from qscanner.store.columns import Record, open_bits
from qscanner.store.database import Database, sqlite
from qscanner.store.home import Progress, silent
from qscanner.store.journal import Journal
from qscanner.store.tables import audit, entry, known, message, recipient, rule, words
from qscanner.store.words import Arrived, Entry, Event, Gone, Listed, Moved, Noted, Unlisted

INDEX = "index.sqlite"
_READ_TO, _NUMBER = "journal", "journal-number"  # facts about what the index has read
_ALONE_S = 10.0


class Local:
    """Files, journal and index of one folder."""

    def __init__(self, folder: str, *, progress: Progress = silent) -> None:
        self.folder = folder
        self._progress = progress
        self._journal = Journal(folder)
        try:
            _made(os.path.join(folder, INDEX), folder)
            self.database = Database(sqlite(os.path.join(folder, INDEX)))
            with self.reading():
                pass
        except BaseException:
            self._journal.close()
            raise

    def close(self) -> None:
        """Give back files and locks."""
        self.database.close()
        self._journal.close()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection to the index, which knows all that has happened up to now."""
        with self.database.reading() as connection:
            self._journal.refresh()
            read_to = self.database.number(connection, _READ_TO)
            is_behind = read_to != self._journal.size or not self._is_of_this(connection, read_to)
        if is_behind:
            with self.writing():
                pass
        with self.database.reading() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection to the index, which knows all; no index changes meanwhile but this."""
        with self.database.writing() as connection:
            self._follow(connection)
            yield connection

    def write(self, connection: Connection, *events: Event) -> None:
        """Make events true: durable in the journal, then known to the index."""
        self._journal.append(*events)
        self._follow(connection)

    def _follow(self, connection: Connection) -> None:
        """Read on in the journal; where the index is of another one, begin anew.

        A new index begins with the files: those of the first version have no journal.
        """
        self._journal.refresh()
        start = self.database.number(connection, _READ_TO)
        if start is not None and not self._is_of_this(connection, start):
            self._clear(connection)
            start = None
        if start is None:
            self._take_over(connection)
            start = 0
        if start == self._journal.size:
            return
        read = _Read(self._journal, start)
        rows.apply(connection, read, self.record_of)
        self.database.set_number(connection, _READ_TO, read.at)
        if read.lists:
            self._write_lists(connection)

    def _is_of_this(self, connection: Connection, read_to: int) -> bool:
        """Say whether the index has read this journal, and no further than it goes."""
        number = self.database.number(connection, _NUMBER)
        return number == self._journal.number and read_to <= self._journal.size

    def _clear(self, connection: Connection) -> None:
        for table in (message, recipient, rule, words, audit, entry, known):
            connection.execute(delete(table))

    def _take_over(self, connection: Connection) -> None:
        """Take in all files, each as if it had just come."""
        digests = sorted(files.digests(self.folder))
        for start in range(0, len(digests), rows.BATCH):
            some = digests[start : start + rows.BATCH]
            told = [Arrived(at=0.0, digest=digest, is_fresh=False) for digest in some]
            rows.apply(connection, told, self.record_of)
            self._progress(start + len(some), len(digests))
        self.database.set_number(connection, _READ_TO, 0)
        self.database.set_number(connection, _NUMBER, self._journal.number)

    def rebuild(self) -> None:
        """Forget the index, and make it anew from files and journal."""
        with self.database.writing() as connection:
            self._clear(connection)
            self._follow(connection)
            self._write_lists(connection)

    def record_of(self, digest: str) -> Record | None:
        """Give what is known of a message."""
        return files.record(self.folder, digest)

    def message(self, digest: str) -> Message:
        """Give the octets of a message, to be closed. Raises OctetsGone."""
        return files.message(self.folder, digest)

    def remove(self, digests: Sequence[str]) -> int:
        """Remove the octets of those that nobody needs any more; give how many were removed.

        One that somebody keeps again, or packs, at this moment is left for the next time.
        """
        locked = [digest for digest in digests if self._journal.lock(digest)]
        try:
            with self.reading() as connection:
                needed = _needed(connection, locked)
            these = tuple(digest for digest in locked if digest not in needed)
            if these:
                files.remove(self.folder, these)
                with self.writing() as connection:
                    self.write(connection, Gone(at=time.time(), digests=these))
        finally:
            for digest in locked:
                self._journal.unlock(digest)
        return len(these)

    def pack(self, before: float) -> int:
        """Compress messages that were kept before a time; give how many."""
        count = 0
        for digest in files.plain(self.folder, before):
            if self._journal.lock(digest):
                try:
                    files.pack(self.folder, digest)
                finally:
                    self._journal.unlock(digest)
                count += 1
        return count

    def forget(self) -> None:
        """Write the journal anew, without lines about messages that the index has forgotten."""
        with self.database.writing() as connection:
            self._follow(connection)
            here = set(connection.execute(select(message.c.digest)).scalars())

            def is_kept(event: Event) -> bool:
                match event:
                    case Moved() | Arrived() | Noted():
                        return event.digest in here
                    case Gone():
                        return not here.isdisjoint(event.digests)
                    case Listed() | Unlisted():
                        return True

            self._journal.rewrite(is_kept, within_s=_ALONE_S)
            self.database.set_number(connection, _NUMBER, self._journal.number)
            self.database.set_number(connection, _READ_TO, self._journal.size)

    def strays(self) -> Iterator[tuple[str, str]]:
        """Give the names of files that the index does not know, or nobody can use, and why."""
        with self.reading() as connection:
            here = set(
                connection.execute(
                    select(message.c.digest).where(message.c.is_gone.is_(False))
                ).scalars()
            )
        for digest in files.digests(self.folder):
            if digest not in here:
                yield digest, "the index does not know it: rebuild"
        for name in files.halves(self.folder, time.time()):
            yield name, "belongs to no whole message: nobody was told that it is kept"
        lost = sum(event is None for event, _ in self._journal.events(0)) - 1
        if lost - (self._journal.number > 0) > 0:
            yield "journal", f"{lost} lines cannot be read: of somebody who was killed"

    def lists(self) -> lists.Lists:
        """Give who is allowed and blocked, for those who ask for each message."""
        return lists.Lists.of_folder(self.folder)

    def publish(self) -> None:
        """Do nothing: whoever follows the journal writes the file of the lists."""

    def _write_lists(self, connection: Connection) -> None:
        """Write what is allowed and blocked where policy looks: a file of its own."""
        found = connection.execute(select(entry))
        lists_file.write(self.folder, [Entry(**row._mapping) for row in found])


def set_aside(folder: str) -> str:
    """Give a damaged index another name, for whoever wants to look at it; give its path.

    Whoever has it open still can read what there is; the next one who opens makes a new one.
    Raises Later, DiskFull.
    """
    path = os.path.join(folder, INDEX)
    aside = f"{path}.damaged-{int(time.time())}"
    try:
        os.rename(path, aside)
        for ending in ("-wal", "-shm"):  # of no use without it, and poison for a new one
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path + ending)
    except OSError as error:
        raise as_ours(error, f"cannot give {path} another name") from error
    return aside


class _Read:
    """The events behind an offset; `at` is how far it came, `lists`: the lists were changed."""

    def __init__(self, journal: Journal, start: int) -> None:
        self._events = journal.events(start)
        self.at = start
        self.lists = False

    def __iter__(self) -> Iterator[Event | None]:
        for event, at in self._events:
            self.at = at
            self.lists = self.lists or isinstance(event, Listed | Unlisted)
            yield event


def _needed(connection: Connection, digests: Sequence[str]) -> set[str]:
    asked = select(message.c.digest).where(
        message.c.digest.in_(digests), message.c.states.op("&")(open_bits()) != 0
    )
    return set(connection.execute(asked).scalars())


def _made(path: str, folder: str) -> None:
    """Make an empty file for the index, of the folder's owner, where there is none."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        try:
            given_to_owner(fd, folder)
        finally:
            os.close(fd)
    except OSError as error:
        raise as_ours(error, f"cannot make {path}") from error
