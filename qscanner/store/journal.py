"""The journal: what happened to held mail, a line each, in one file beside the messages.

Files and journal are the truth; the database is an index of them that can be lost. Who keeps a
message appends one line and never waits for the index, which reads on from where it was.

Called by  keeping (one line per hold), local (moves, expiry), checking (everything anew).
Ends       append() when the line is on disk; raises DiskFull or Later.
Careful    lines are appended without a common lock: one write each, begun with a newline, so that
           half a line of one who was killed spoils nobody else's. A reader stops at the last
           newline. Who writes or removes the files of a message holds its lock: a range of one
           octet in this file, by digest (fcntl(2), OFD locks), which ends with its holder. The
           file may be another one by then (rewrite): who has the lock looks if it is still that.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import select
import struct
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

from qscanner.deadline import Deadline
from qscanner.intake import as_ours, write_all
from qscanner.outcomes import Later, OutOfTime
from qscanner.quarantine import given_to_owner
from qscanner.spool import sync_folder, write_durably
from qscanner.store.words import (
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

NAME = "journal"
_PIECE = 1 << 20  # octets that are read at a time
_FLOCK = struct.Struct("@hhqqi0q")  # fcntl(2): type, whence, start, length, pid
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_POLL_MS = 5
_KINDS: dict[str, type[Any]] = {
    "arrived": Arrived,
    "moved": Moved,
    "gone": Gone,
    "listed": Listed,
    "unlisted": Unlisted,
    "noted": Noted,
}
_WORDS = {kind: word for word, kind in _KINDS.items()}


class Journal:
    """The journal of one folder, open for as long as it is needed. Raises DiskFull or Later."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._path = os.path.join(folder, NAME)
        try:
            self._fd = self._opened()
        except OSError as error:
            raise as_ours(error, f"cannot keep mail in {folder}, or open its journal") from error

    def _opened(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return os.open(self._path, _FLAGS)
        fd = os.open(self._path, _FLAGS | os.O_CREAT, 0o600)
        try:
            given_to_owner(fd, self.folder)
            os.fchmod(fd, 0o640)
            os.fsync(fd)
            sync_folder(self.folder)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def close(self) -> None:
        """Give back the descriptor, and with it every lock."""
        os.close(self._fd)

    def refresh(self) -> bool:
        """Open the file anew where it has been written anew; say whether it was."""
        try:
            there = os.stat(self._path)
            mine = os.fstat(self._fd)
            if (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino):
                return False
        except FileNotFoundError:
            pass
        try:
            fd = self._opened()
        except OSError as error:
            raise as_ours(
                error, f"cannot keep mail in {self.folder}, or open its journal"
            ) from error
        os.close(self._fd)
        self._fd = fd
        return True

    @property
    def number(self) -> int:
        """Give the number of this journal: another one after each rewrite, 0 before the first."""
        found = _BEGUN.match(os.pread(self._fd, _FIRST_OCTETS, 0))
        return int(found[1]) if found else 0

    def rewrite(self, is_kept: Callable[[Event], bool], *, within_s: float) -> None:
        """Leave out events, for good. Raises Later where somebody keeps a message all the time.

        The caller sees to it that nobody else writes events but those who keep.
        """
        with self._alone(within_s):
            number = int.from_bytes(os.urandom(7), "big") + 1

            def write(fd: int) -> None:
                given_to_owner(fd, self.folder)
                write_all(fd, b'{"begun":%d}\n' % number)
                for one, _ in self.events(0):
                    if one is not None and is_kept(one):
                        write_all(fd, line(one) + b"\n")

            write_durably(self.folder, NAME, write)
        self.refresh()

    @contextlib.contextmanager
    def _alone(self, within_s: float) -> Iterator[None]:
        """Hold the locks of all messages at once."""
        deadline = Deadline(within_s)
        while True:
            try:
                fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _ALL)
                break
            except OSError:
                pass
            try:
                deadline.remaining_s()
            except OutOfTime as error:
                raise Later("the quarantine is too busy to write its journal anew") from error
            select.poll().poll(_POLL_MS)
        try:
            yield
        finally:
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _NONE)

    @property
    def size(self) -> int:
        """Give how many octets it has now."""
        return os.fstat(self._fd).st_size

    def append(self, *events: Event) -> None:
        """Write events, in one piece, and have them on disk. Raises DiskFull or Later."""
        octets = b"".join(b"\n" + line(event) + b"\n" for event in events)
        try:
            written = os.write(self._fd, octets)
            while written < len(octets):  # the disk is full, or soon will be: the next try says so
                written += os.write(self._fd, octets[written:])
            os.fdatasync(self._fd)
        except OSError as error:
            raise as_ours(error, f"cannot write the journal of {self.folder}") from error

    def events(self, start: int) -> Iterator[tuple[Event | None, int]]:
        """Give each event from an offset on, and the offset behind it; None for what is none.

        The last one is always None, with the offset behind the last whole line.
        """
        rest, at = b"", start
        while piece := os.pread(self._fd, _PIECE, at + len(rest)):
            *lines, rest = (rest + piece).split(b"\n")
            for octets in lines:
                at += len(octets) + 1
                if octets:
                    yield event(octets), at
        yield None, at  # where the last whole line ends

    @contextlib.contextmanager
    def locked(self, digest: str, *, within_s: float) -> Iterator[None]:
        """Hold the lock of one message. Raises Later where another has it for too long."""
        deadline = Deadline(within_s)
        while not self.lock(digest):
            try:
                deadline.remaining_s()
            except OutOfTime as error:
                raise Later(f"held message {digest[:12]} is being worked on") from error
            select.poll().poll(_POLL_MS)
        try:
            yield
        finally:
            self.unlock(digest)

    def lock(self, digest: str) -> bool:
        """Take the lock of one message if it is free; say whether it was.

        As long as any is held, the journal is not written anew.
        """
        try:
            fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _range(fcntl.F_WRLCK, digest))
        except OSError:
            return False
        return not self.refresh() or self.lock(digest)  # of a file that nobody else locks any more

    def unlock(self, digest: str) -> None:
        """Give the lock back."""
        fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, _range(fcntl.F_UNLCK, digest))


_BEGUN = re.compile(rb'\{"begun":(\d{1,18})\}\n')
_FIRST_OCTETS = 40
_ALL = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
_NONE = _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, 0, 0, 0)


def _range(kind: int, digest: str) -> bytes:
    place = int.from_bytes(hashlib.sha256(digest.encode("ascii")).digest()[:7], "big")
    return _FLOCK.pack(kind, os.SEEK_SET, place, 1, 0)


def line(event: Event) -> bytes:
    """Give an event as one line of ASCII, without its newline."""
    values = {each.name: getattr(event, each.name) for each in fields(event)}
    if isinstance(event, Listed):
        values = {each.name: getattr(event.entry, each.name) for each in fields(event.entry)}
    told = {"event": _WORDS[type(event)], **values}
    return json.dumps(told, default=_plain, separators=(",", ":")).encode("ascii")


def _plain(value: object) -> object:
    if isinstance(value, State):
        return value.value
    raise TypeError(value)


def event(octets: bytes) -> Event | None:
    """Give the event of a line, None where it is none: half a line, or damage."""
    try:
        told = json.loads(octets)
        kind = _KINDS[told.pop("event")]
        if kind is Listed:
            return Listed(entry=Entry(**told))
        values = {name: _read(name, value) for name, value in told.items()}
        made: Event = kind(**values)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return made


def _read(name: str, value: Any) -> Any:
    if name == "after":
        return State(value)
    if name == "before":
        return tuple(map(State, value))
    return tuple(value) if isinstance(value, list) else value
