"""The program qmail runs as $QMAILQUEUE: message on fd 0, envelope on fd 1, exit code out.

Called by  qmail-smtpd, qmail-inject, qmail-local, qmail-send: anything that links qmail.c.
Ends       by becoming the real qmail-queue, or with a number from outcomes.REPLIES.
Careful    fd 1 is an input: a print() here makes Python exit with 120, whatever we returned.
           Stage one (spool) runs while the sender is still typing: nothing heavy is loaded there.
"""

import contextlib
import os
import signal
import sys
import time
from typing import NoReturn

from qscanner import confine, qmailqueue, reply, spool
from qscanner.codec import envelope
from qscanner.outcomes import REPLIES, CutShort, Ending, Later, OutOfTime, QScannerError

_LIFETIME_S = 86400  # qmail-queue.c: a day for a sender that dribbles, then 52
_CHUNK = 1 << 16


class _Ended(Exception):
    """The message found its end: leave with this exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def main() -> NoReturn:
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
    except Exception as bug:  # noqa: BLE001
        _complain(f"bug: {bug!r}")
    finally:
        os._exit(code)  # not sys.exit: nothing may run, or flush, after this


def run() -> NoReturn:
    """One message from fd 0 and fd 1 to its end. Leaves by exec or by an exception."""
    caller, proven = os.getppid(), reply.prove(os.environb)
    _guard_descriptors()
    limits = confine.lift()
    qmailqueue.refuse_a_loop(os.environb)
    signal.signal(signal.SIGALRM, _die_of_age)
    signal.alarm(_LIFETIME_S)
    message = spool.receive(0, _spool_folder)
    octets = _read_envelope(1)
    signal.alarm(0)
    begun = time.monotonic()

    # The resident scanner will be asked here first. Where it is away, we scan by ourselves.
    from qscanner import inprocess

    answer, outgoing = inprocess.ask(message, octets, proven=proven, begun=begun)
    if outgoing is not None:
        if os.getppid() != caller:  # its next try would deliver a second copy
            raise Later("the program that called us is gone; the message was not queued")
        confine.restore(limits)
        qmailqueue.become(answer.program, *outgoing)
    where = reply.channel(answer.error_text, proven, os.environb)
    raise _Ended(reply.answer(answer.ending, answer.text, where))


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


def _die_of_age(*_: object) -> NoReturn:
    raise OutOfTime("the caller took more than a day to send the message")


def _spool_folder() -> str:
    """Give the folder for large messages; settings are read early only for these."""
    folder = os.environ.get("QSCANNER_SPOOL")
    if folder:
        return folder
    from qscanner import inprocess

    return inprocess.settings().queue.spool


def _read_envelope(fd: int) -> bytes:
    """Read up to the envelope's last NUL, as qmail-queue does, and give its octets.

    Raises CutShort, BadEnvelope or AddressTooLong.
    """
    decoder = envelope.Decoder()
    while not decoder.is_done:
        try:
            octets = os.read(fd, _CHUNK)
        except OSError as error:
            raise CutShort(f"cannot read descriptor {fd}: {error.strerror}") from error
        if not octets:
            break
        decoder.feed(octets)
    return decoder.finish().raw


def _complain(text: str) -> None:
    """Tell the admin, on stderr or where the settings say, if they could be read.

    Trouble with that is swallowed: it must not change the ending.
    """
    with contextlib.suppress(Exception):
        from qscanner.log import Log

        loaded = sys.modules.get("qscanner.inprocess")
        Log(loaded.where_to_log() if loaded else "stderr").trouble(text)


if __name__ == "__main__":
    sys.exit(main())
