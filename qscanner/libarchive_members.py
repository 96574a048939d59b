"""Members of 7z, rar, cab, iso and others, of zstd and others: what a child with libarchive says.

Called by  archives, zip_members.
Ends       with Members and Findings, or raises NotThere, Spent, what the clock raises, and
           MemoryError where no process is to be had.
Careful    the child is killed, and waited for, as soon as nobody wants to hear the rest. What it
           says is a stranger's, like what it read.
"""

import contextlib
import json
import os
import select
import signal
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace

from qscanner.budget import Budget, Member, Meter, Sink, Spent
from qscanner.codec import names as naming
from qscanner.codec.text import readable, without_surrogates
from qscanner.libarchive_reader import (
    DATA,
    END,
    FILE_END,
    FRAME,
    NAMES,
    NotThere,
    Options,
    is_about_locks,
    library,
    run,
)
from qscanner.model import Finding

__all__ = ["NotThere", "Options", "members", "octets_of_zip", "version"]

_SHOWN = 200
_SILENT_S = 60.0


def version() -> str | None:
    """Give the version of libarchive, like "3.6.2"; None where it cannot be loaded."""
    try:
        number = library().version_number()
    except NotThere:
        return None
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def members(
    content: bytes, kind: str, options: Options, budget: Budget
) -> Iterator[Member | Finding]:
    """Give the members of an archive of this kind, or the one of a stream.

    Raises NotThere; a Finding `archive.unreadable` says that libarchive finds no archive.
    """
    library()
    if budget.tries <= 0:
        yield Finding(id="limit.archive-members", detail=f"{kind}: too many archives")
        return
    told: dict[str, Finding] = {}
    with _Child(content, options, budget) as child:
        try:
            for member in child.members(Meter(len(content) - options.at, budget)):
                if not budget.take_member():
                    told["limit"] = Finding(id="limit.archive-members", detail=kind)
                    break
                _tell(member, kind, told)
                yield member
        except Spent as spent:
            told["limit"] = Finding(id=spent.id, detail=kind)
            yield replace(child.this, content=spent.content, is_hidden=True)
        except _Trouble as trouble:
            told[trouble.id] = Finding(id=trouble.id, detail=f"{kind}: {trouble}")
    yield from told.values()


def octets_of_zip(content: bytes, password: bytes, meter: Meter) -> bytes | None:
    """Give the octets of the only member of a zip, None where they cannot be had.

    Raises NotThere, Spent.
    """
    library()
    budget = meter.budget
    if budget.tries <= 0:
        return None
    options = Options(format="zip_seekable", password=password)
    with _Child(content, options, budget) as child:
        try:
            member = next(child.members(meter), None)
        except _Trouble:
            return None
    return member.content if member and not member.is_encrypted | member.is_unreadable else None


def _tell(member: Member, kind: str, told: dict[str, Finding]) -> None:
    """Note once for an archive that a member is encrypted or unreadable, with its name."""
    detail = member.names[0][:_SHOWN] if member.names else kind
    if member.is_encrypted:
        told.setdefault("archive.encrypted", Finding(id="archive.encrypted", detail=detail))
    elif member.is_unreadable:
        told.setdefault("archive.unreadable", Finding(id="archive.unreadable", detail=detail))


class _Trouble(Exception):
    """The archive cannot be read on, and why; `id` of the finding."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.id = "archive.encrypted" if is_about_locks(reason) else "archive.unreadable"


class _Child:
    """The process that reads one archive, as long as the `with` lasts."""

    def __init__(self, content: bytes, options: Options, budget: Budget) -> None:
        self._content, self._options, self._budget = content, options, budget
        self._pid = self._pipe = -1
        self._poll = select.poll()
        self.this = Member(names=(), is_stream=bool(options.filter))

    def __enter__(self) -> "_Child":
        self._budget.tries -= 1
        try:
            self._pipe, theirs = os.pipe()
        except OSError as error:
            raise MemoryError("no pipe to be had") from error
        try:
            with (
                warnings.catch_warnings()
            ):  # of threads: the child uses nothing that they may hold
                warnings.simplefilter("ignore", DeprecationWarning)
                parent, self._pid = os.getpid(), os.fork()
            if not self._pid:
                run(self._content, self._options, theirs, parent)
        except OSError as error:  # not the message's doing: the next try may find room
            os.close(self._pipe)
            raise MemoryError("no process to be had") from error
        finally:
            os.close(theirs)
        self._poll.register(self._pipe, select.POLLIN)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._pipe)
        if self._pid > 0:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)

    def members(self, meter: Meter) -> Iterator[Member]:
        """Give what comes. Raises _Trouble, Spent."""
        sink = Sink(meter)
        for kind, size in self._frames():
            if kind == DATA:
                self._take(size, sink)
                continue
            octets = self._read(size)
            if kind == NAMES:
                sink = Sink(meter)
                names = naming.forms(dict.fromkeys(map(without_surrogates, json.loads(octets))))
                self.this = replace(self.this, names=names)
            elif kind == FILE_END:
                yield self._ended(sink.content(), json.loads(octets))
            else:
                raise _Trouble(readable(octets))

    def _ended(self, content: bytes, said: dict[str, bool]) -> Member:
        is_whole = said["whole"]
        is_locked = said["locked"] and not (is_whole and self._options.password)
        return replace(
            self.this,
            content=content if is_whole or not is_locked else b"",
            is_encrypted=is_locked,
            is_unreadable=not is_whole and not is_locked,
            is_hidden=self._options.is_hidden or is_locked or not is_whole,
        )

    def _frames(self) -> Iterator[tuple[bytes, int]]:
        while True:
            kind, size = FRAME.unpack(self._read(FRAME.size))
            if kind == END:
                return
            yield kind, size

    def _take(self, size: int, sink: Sink) -> None:
        while size:
            piece = self._some(size)
            size -= len(piece)
            sink.take(piece)

    def _read(self, size: int) -> bytes:
        octets = b""
        while len(octets) < size:
            octets += self._some(size - len(octets))
        return octets

    def _some(self, most: int) -> bytes:
        """Give up to so many octets from the child. Raises _Trouble where it says no more."""
        gives_up_at = time.monotonic() + _SILENT_S
        while not self._poll.poll(1000):
            self._budget.check_time()
            if time.monotonic() > gives_up_at:
                raise _Trouble("no answer in time")
        piece = os.read(self._pipe, most)
        if not piece:
            raise _Trouble("the reader crashed, or found no end")
        return piece
