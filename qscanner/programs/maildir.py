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
import os
import signal
from typing import NoReturn

from qscanner.codec.envelope import Decoder
from qscanner.codec.text import printable
from qscanner.maildir import Files, create, lines, publish, remove, unique_name, write_all
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


def deliver(maildir: str, *, message_fd: int, envelope_fd: int, files: Files) -> str:
    """Read message and envelope to their ends, deliver durably, give the file's path in new/.

    Raises Unusable (no such Maildir), CutShort, BadEnvelope, AddressTooLong, DiskFull.
    """
    if not os.path.isabs(maildir):
        raise Unusable("QSCANNER_MAILDIR is not set to the absolute path of a Maildir")
    path = os.path.join(maildir, "tmp", unique_name())
    spooled = _spool(message_fd, f"{path}.in", files)
    envelope = _envelope(envelope_fd, files)
    fd = create(path, files, what="QSCANNER_MAILDIR")
    try:
        write_all(fd, lines(envelope), files)
        _copy(spooled, fd, files)
        files.fsync(fd)
        files.close(fd)
        return publish(path, os.path.join(maildir, "new"), files)
    except OSError as error:
        remove(path, files)
        raise DiskFull(f"the message cannot be delivered: {error}") from error


def _spool(message_fd: int, path: str, files: Files) -> int:
    """Copy the message into a file that has no name any more; give its descriptor."""
    fd = create(path, files, what="QSCANNER_MAILDIR")
    try:
        files.unlink(path)
        while octets := _read(message_fd, files):
            write_all(fd, octets, files)
    except OSError as error:
        raise DiskFull(f"the message cannot be written in tmp/: {error.strerror}") from error
    return fd


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


def _copy(of: int, to: int, files: Files) -> None:
    files.lseek(of, 0, os.SEEK_SET)
    while octets := files.read(of, _CHUNK):
        write_all(to, octets, files)
    files.close(of)


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
