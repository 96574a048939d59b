"""The program qmail runs as $QMAILQUEUE: message on fd 0, envelope on fd 1, exit code out.

Called by  qmail-smtpd, qmail-inject, qmail-local, qmail-send: anything that links qmail.c.
Ends       by becoming the real qmail-queue, or with a number from outcomes.REPLIES.
Careful    fd 1 is an input: a print() here makes Python exit with 120, whatever we returned.
           Stage one (spool) runs while the sender is still typing: nothing heavy is loaded there.
"""

import _signal  # type: ignore[import-not-found]  # signal itself imports enum
import os
import sys
import time

from qscanner import intake, qmailqueue, reply, visit
from qscanner.codec import envelope
from qscanner.outcomes import REPLIES, CutShort, DiskFull, Ending, Later, OutOfTime, QScannerError

TYPE_CHECKING = False  # typing would cost the first stage more than all else that it does
if TYPE_CHECKING:
    from typing import NoReturn

    from qscanner.codec.frames import Answer

_LIFETIME_S = 86400  # qmail-queue.c: a day for a sender that dribbles, then 52
_CHUNK = 1 << 16
_SPOOL = "/var/spool/qscanner/tmp"  # as in queue.c; another one is in $QSCANNER_SPOOL or settings


class _Ended(Exception):
    """The message found its end: leave with this exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def main() -> "NoReturn":
    """The one place that catches everything: a bug of ours is a delay, never a lost message."""
    code = REPLIES[Ending.BUG].exit_without_text
    try:
        run()
    except _Ended as ended:
        code = ended.code
    except QScannerError as error:
        code = REPLIES[error.ending].exit_without_text
        _complain(str(error))
    except MemoryError:
        code = REPLIES[Ending.OUT_OF_MEMORY].exit_without_text
        _complain("out of memory: raise the softlimit of the program that starts qscanner-queue")
    except OSError as error:  # no process, no descriptor to be had: the next try may do better
        code = REPLIES[Ending.DEFERRED].exit_without_text
        _complain(f"cannot go on: {error}")
    except Exception as bug:  # noqa: BLE001
        _complain(f"bug: {bug!r}")
    finally:
        os._exit(code)  # not sys.exit: nothing may run, or flush, after this


def run() -> "NoReturn":
    """One message from fd 0 and fd 1 to its end. Leaves by exec or by an exception."""
    proven = reply.prove(os.environb)
    caller, is_away = _caller()
    _guard_descriptors()
    qmailqueue.refuse_a_loop(os.environb)
    _signal.signal(_signal.SIGALRM, _die_of_age)
    for number in (_signal.SIGINT, _signal.SIGCHLD):  # the caller's, or Python's, are not ours
        _signal.signal(number, _signal.SIG_DFL)
    _signal.alarm(_LIFETIME_S)
    socket = os.environb.get(b"QSCANNER_SOCKET") or visit.SOCKET
    message = intake.receive(0, _spool_folder, socket=socket)
    octets = _read_envelope(1)
    _signal.alarm(0)

    answer = None if is_away else visit.ask(message, _memory_file(octets), os.environb)
    if answer is None:
        _scan_by_ourselves(message, octets, proven, caller)
    if answer.ending is Ending.ACCEPTED:
        _become(answer.program, answer.files, caller)
    _end(answer, proven)


def _caller() -> tuple[int, bool]:
    """Give the pid of our caller, and whether queue.c found the daemon away and became us.

    It says so with our pid, which is its own; whoever else says so only skips the daemon.
    """
    pid, _, caller = os.environb.get(qmailqueue.AWAY, b"").partition(b":")
    if pid == b"%d" % os.getpid() and caller.isdigit():
        return int(caller), True
    return os.getppid(), False


def _scan_by_ourselves(
    message: int, octets: bytes, proven: frozenset[int], caller: int
) -> "NoReturn":
    """The daemon is away: load everything, and scan in a child."""
    begun = time.monotonic()
    from qscanner import confine

    limits = confine.lift()
    from qscanner import inprocess

    answer, outgoing = inprocess.ask(message, octets, proven=proven, begun=begun)
    if outgoing is not None:
        confine.restore(limits)
        _become(answer.program, outgoing, caller)
    _end(answer, proven)


def _become(program: str, files: tuple[int, ...], caller: int) -> "NoReturn":
    if os.getppid() != caller:  # its next try would deliver a second copy
        raise Later("the program that called us is gone; the message was not queued")
    message, envelope = files
    qmailqueue.become(program, message, envelope)


def _end(answer: "visit.Answer | Answer", proven: frozenset[int]) -> "NoReturn":
    where = reply.channel(answer.error_text, proven, os.environb)
    raise _Ended(reply.answer(answer.ending, answer.text, where))


def _memory_file(octets: bytes) -> int:
    fd = intake.memory_file()
    intake.write_all(fd, octets)
    intake.seal(fd)
    return fd


def _guard_descriptors() -> None:
    """See to it that 0 and 1 are the caller's and that 2 exists, before anything is opened.

    Otherwise a file of ours would get a low number, and a log line could land in the message.
    """
    for fd in (0, 1):
        try:
            os.fstat(fd)
        except OSError as error:
            raise CutShort(f"descriptor {fd} is closed: not called as qmail-queue") from error
    try:
        os.fstat(2)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _die_of_age(*_: object) -> "NoReturn":
    raise OutOfTime("the caller took more than a day to send the message")


def _spool_folder() -> str:
    """Give the folder for large messages; settings are read early only for these."""
    folder = os.environ.get("QSCANNER_SPOOL") or _SPOOL
    if folder != _SPOOL or os.path.isdir(folder):
        return folder
    from qscanner import inprocess

    return inprocess.settings().queue.spool


def _read_envelope(fd: int) -> bytes:
    """Read up to the envelope's last NUL, as qmail-queue does, and give its octets.

    Raises CutShort, BadEnvelope, AddressTooLong or DiskFull.
    """
    decoder, size = envelope.Decoder(), 0
    while not decoder.is_done:
        try:
            octets = os.read(fd, _CHUNK)
        except OSError as error:
            raise CutShort(f"cannot read descriptor {fd}: {error.strerror}") from error
        if not octets:
            break
        decoder.feed(octets)
        size += len(octets)
        if size > intake.MEMORY_ONLY_OCTETS:
            raise DiskFull("the envelope is too large")
    return decoder.raw


def _complain(text: str) -> None:
    """Tell the admin, on stderr or where the settings say, if they could be read.

    Trouble with that is swallowed: it must not change the ending.
    """
    if os.environb.get(b"ERROR_FD") == b"2":  # our caller reads fd 2 for the client
        return
    try:
        from qscanner.log import Log

        loaded = sys.modules.get("qscanner.inprocess")
        Log(loaded.where_to_log() if loaded else "stderr").trouble(text)
    except Exception:  # noqa: BLE001, S110
        pass


if __name__ == "__main__":
    sys.exit(main())
