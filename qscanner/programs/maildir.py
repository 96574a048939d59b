"""A tiny queue program: qmail-queue's contract, delivery into one Maildir. Needs no qmail.

Called by  qscanner-queue as `[queue] program`, or any caller of qmail-queue(8): message on fd 0,
           envelope on fd 1, no arguments; $QSCANNER_MAILDIR is the absolute path of the Maildir.
Ends       0 only when the message is durable in new/ (fsync of file and folder); else the numbers
           of outcomes.REPLIES, with one line on fd 2.
Careful    fd 1 is an input. The message is read before the envelope, as qmail-queue does, but the
           lines from the envelope go on top: so it is spooled first, in tmp/, without a name.

Delivery follows maildir(5); the lines on top are those of qmail-local(8), one per recipient.
"""

import contextlib
import errno
import os
import signal
import socket
import time
from typing import NoReturn, Protocol

from qscanner.codec.envelope import Decoder
from qscanner.codec.text import printable
from qscanner.model import Envelope
from qscanner.outcomes import (
    REPLIES,
    CutShort,
    DiskFull,
    Ending,
    OutOfTime,
    QScannerError,
    Unusable,
)

DEATH_S = 86400  # qmail-queue.c: DEATH, the seconds after which it ends itself
_CHUNK = 1 << 16
_MAX_SHOWN = 4096  # octets of one address in a line of ours
_NOT_USABLE = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP}


class Files(Protocol):
    """The file operations of a delivery: the module `os`, or what fails at the k-th of them."""

    def open(self, path: str, flags: int, mode: int = ..., /) -> int: ...
    def read(self, fd: int, max_octets: int, /) -> bytes: ...
    def write(self, fd: int, octets: bytes, /) -> int: ...
    def lseek(self, fd: int, position: int, whence: int, /) -> int: ...
    def fsync(self, fd: int, /) -> None: ...
    def close(self, fd: int, /) -> None: ...
    def link(self, of: str, to: str, /) -> None: ...
    def unlink(self, path: str, /) -> None: ...


def deliver(maildir: str, *, message_fd: int, envelope_fd: int, files: Files) -> str:
    """Read message and envelope to their ends, deliver durably, give the file's path in new/.

    Raises Unusable (no such Maildir), CutShort, BadEnvelope, AddressTooLong, DiskFull.
    """
    if not os.path.isabs(maildir):
        raise Unusable("QSCANNER_MAILDIR is not set to the absolute path of a Maildir")
    path = os.path.join(maildir, "tmp", _unique_name())
    spooled = _spool(message_fd, f"{path}.in", files)
    envelope = _envelope(envelope_fd, files)
    fd = _create(path, files)
    try:
        _write_all(fd, _lines(envelope), files)
        _copy(spooled, fd, files)
        files.fsync(fd)
        files.close(fd)
        return _publish(path, os.path.join(maildir, "new"), files)
    except OSError as error:
        _remove(path, files)
        raise DiskFull(f"the message cannot be delivered: {error}") from error


def _unique_name() -> str:
    """Give a name by maildir(5): time, microseconds, pid, host; `/` and `:` of the host octal."""
    now = time.time_ns()
    host = socket.gethostname().replace("/", "\\057").replace(":", "\\072") or "localhost"
    return f"{now // 10**9}.M{now // 1000 % 10**6}P{os.getpid()}.{host}"


def _spool(message_fd: int, path: str, files: Files) -> int:
    """Copy the message into a file that has no name any more; give its descriptor."""
    fd = _create(path, files)
    try:
        files.unlink(path)
        while octets := _read(message_fd, files):
            _write_all(fd, octets, files)
    except OSError as error:
        raise DiskFull(f"the message cannot be written in tmp/: {error.strerror}") from error
    return fd


def _create(path: str, files: Files) -> int:
    try:
        return files.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in _NOT_USABLE:
            raise Unusable(f"QSCANNER_MAILDIR cannot be written: {error}") from error
        raise DiskFull(f"a file cannot be made in tmp/: {error.strerror}") from error


def _read(fd: int, files: Files) -> bytes:
    try:
        return files.read(fd, _CHUNK)
    except OSError as error:
        raise CutShort(f"fd {fd} cannot be read: {error.strerror}") from error


def _envelope(fd: int, files: Files) -> Envelope:
    decoder = Decoder()
    while not decoder.is_done and (octets := _read(fd, files)):
        decoder.feed(octets)
    return decoder.finish()


def _lines(envelope: Envelope) -> bytes:
    """Give Return-Path and a Delivered-To per recipient, printable whatever the addresses hold."""
    shown = [printable(to, max_octets=_MAX_SHOWN) for to in envelope.recipients]
    sender = printable(envelope.sender, max_octets=_MAX_SHOWN)
    lines = [f"Return-Path: <{sender}>", *(f"Delivered-To: {to}" for to in shown)]
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _copy(of: int, to: int, files: Files) -> None:
    files.lseek(of, 0, os.SEEK_SET)
    while octets := files.read(of, _CHUNK):
        _write_all(to, octets, files)
    files.close(of)


def _write_all(fd: int, octets: bytes, files: Files) -> None:
    while octets:
        octets = octets[files.write(fd, octets) :]


def _publish(path: str, folder: str, files: Files) -> str:
    """Give the file its name in the folder and make the name durable; a link never replaces."""
    target = f"{folder}/{os.path.basename(path)}"
    fd = files.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    files.link(path, target)
    try:
        files.fsync(fd)
    except OSError:
        _remove(target, files)  # the sender will come again: it must not be there twice
        raise
    _remove(path, files)
    return target


def _remove(path: str, files: Files) -> None:
    """Remove what is not needed; what stays in tmp/ is swept by the mail readers (maildir(5))."""
    with contextlib.suppress(OSError):
        files.unlink(path)


def _on_alarm(_signal: int, _frame: object) -> NoReturn:
    raise OutOfTime(f"the caller took longer than {DEATH_S} s")


def _run() -> Ending:
    signal.signal(signal.SIGALRM, _on_alarm)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    signal.alarm(DEATH_S)
    maildir = os.environ.get("QSCANNER_MAILDIR", "")
    deliver(maildir, message_fd=0, envelope_fd=1, files=os)
    return Ending.ACCEPTED


def main() -> NoReturn:
    """The one place that catches everything: a bug of ours is a delay, never a lost message."""
    try:
        ending, why = _run(), ""
    except QScannerError as error:
        ending, why = error.ending, str(error)
    except MemoryError:
        ending, why = Ending.OUT_OF_MEMORY, "out of memory"
    except Exception as bug:  # noqa: BLE001
        ending, why = Ending.BUG, f"bug: {bug!r}"
    if why:
        with contextlib.suppress(OSError):
            os.write(2, f"qscanner-maildir: {printable(why, max_octets=500)}\n".encode("ascii"))
    os._exit(REPLIES[ending].exit_without_text)  # not sys.exit: nothing may run, or flush, after


if __name__ == "__main__":
    main()
