"""Scanning without a daemon: a forked child under limits does everything that touches the mail.

Called by  the queue program, after both descriptors are spooled.
Ends       with the child's answer; whatever else the child does (crash, hang, rubbish) raises.
Careful    a child that kept the reply channel open would hold the SMTP session: it closes 0, 1
           and every proven pipe, and it dies with its parent. The parent only ever reads one
           packet of at most 8 kB from it.
"""

import functools
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, replace
from typing import NoReturn

from qscanner import client, config, confine, descriptors, handover, qmailqueue, reply, slots
from qscanner.bench import Bench
from qscanner.codec import envelope, frames
from qscanner.codec.frames import Answer
from qscanner.deadline import Deadline
from qscanner.log import Log
from qscanner.outcomes import Ending, Later, QScannerError
from qscanner.report import Mail
from qscanner.scan import scan
from qscanner.settings import Settings
from qscanner.spool import Message

_SLOTS_PER_CPU = 2
_SLOT_WITHIN_S = 20.0
_GRACE_S = 2.0  # for the child to say by itself that its time is over
_FDS = 2


@functools.cache
def settings() -> Settings:
    """Give the settings of this run, read once. Raises Unusable (Problems) with every mistake."""
    return config.load(config.find(None, os.environ))


def ask(
    message: int, raw_envelope: bytes, *, proven: frozenset[int], begun: float
) -> tuple[Answer, tuple[int, int] | None]:
    """Scan in a child and give its answer, with the descriptors to exec with if it accepts.

    `begun` is when the envelope was whole (time.monotonic()). Raises Later, OutOfTime, Unusable.
    """
    chosen = settings()
    if chosen.queue.daemon_away == "defer":
        raise Later("the daemon is away, and [queue] daemon_away says defer")
    left_s = chosen.limits.time - (time.monotonic() - begun)
    deadline = Deadline(left_s)
    places = _SLOTS_PER_CPU * (os.cpu_count() or 1)
    slot = slots.take(
        chosen.queue.spool, places, within_s=min(_SLOT_WITHIN_S, deadline.remaining_s())
    )
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent, child = os.getpid(), _Child(os.fork())
    if child.pid == 0:
        ours.close()
        _be_the_child(
            theirs,
            _Job(
                message=message,
                raw_envelope=raw_envelope,
                proven=proven,
                deadline=deadline,
                parent=parent,
            ),
        )
    theirs.close()
    try:
        answer, outgoing = _hear(ours, child, within_s=deadline.remaining_s() + _GRACE_S)
        # What we exec and where we write is the settings' word, not that of the scanning process.
        program, error_text = chosen.queue.program, chosen.queue.error_text
        return replace(answer, program=program, error_text=error_text), outgoing
    finally:
        child.end()
        os.close(slot)


class _Child:
    """The scanning process. It is reaped once, so that no stranger's pid is ever killed."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._is_reaped = False

    def wait(self) -> str:
        """Give how the child ended, as " (signal 11)", for the log; it is killed if it did not."""
        os.kill(self.pid, signal.SIGKILL)  # changes nothing for one that is ending already
        _, status = os.waitpid(self.pid, 0)
        self._is_reaped = True
        if os.WIFSIGNALED(status):
            return f" (signal {os.WTERMSIG(status)}); perhaps [limits] memory is too small"
        return f" (exit {os.WEXITSTATUS(status)})"

    def end(self) -> None:
        """Be sure that it is gone: all it had to do was done before it answered."""
        if not self._is_reaped:
            self.wait()


def _hear(
    ours: socket.socket, child: _Child, *, within_s: float
) -> tuple[Answer, tuple[int, int] | None]:
    packet, fds = descriptors.hear(
        ours, max_octets=frames.MAX_ANSWER_OCTETS + 1, max_fds=_FDS, within_s=within_s
    )
    if not packet:
        raise Later(f"the scanning process died{child.wait()}")
    try:
        answer = frames.decode(packet)
    except frames.FrameError as error:
        raise Later(f"the scanning process answered rubbish: {error}") from error
    if answer.ending is not Ending.ACCEPTED:
        return answer, None
    if len(fds) != _FDS:
        raise Later("the scanning process accepted the message without handing it over")
    return answer, (fds[0], fds[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What the child is to do: the spooled descriptors, the caller's pipes, the time, our pid."""

    message: int
    raw_envelope: bytes
    proven: frozenset[int]
    deadline: Deadline
    parent: int


def _be_the_child(theirs: socket.socket, job: _Job) -> NoReturn:
    """Answer once and end. Whatever goes wrong here is an ending of the kind "later"."""
    chosen = settings()
    log = Log(where_to_log())
    code = 1
    try:
        fds: tuple[int, ...] = ()
        try:
            _let_go(job.proven, is_reply=chosen.queue.error_text.startswith("2:"))
            limits = chosen.limits
            confine.scanner(memory_octets=limits.memory, cpu_s=limits.time, parent=job.parent)
            answer, fds = _work(job, chosen, log)
        except QScannerError as error:
            log.trouble(str(error))
            answer = Answer(ending=error.ending, text=reply.line(error.ending, None))
        except OSError as error:  # no descriptors, no threads: the machine's trouble, not a bug
            log.trouble(f"cannot scan now: {error}")
            answer = Answer(ending=Ending.DEFERRED, text=reply.line(Ending.DEFERRED, None))
        except MemoryError:
            log.trouble("out of memory while scanning: raise [limits] memory or the softlimit")
            answer = Answer(ending=Ending.OUT_OF_MEMORY)
        except Exception as bug:  # noqa: BLE001 - the child's main(): a bug is "later"
            log.bug(bug)
            answer = Answer(ending=Ending.BUG)
        descriptors.say(theirs, frames.encode(answer), fds)
        code = 0
    finally:
        os._exit(code)


def where_to_log() -> str:
    """Give where log lines may go: never to fd 2 where that is the reply channel."""
    try:
        chosen = settings()
    except QScannerError:
        return "stderr"
    return "syslog" if chosen.queue.error_text.startswith("2:") else chosen.log.to


def _let_go(proven: frozenset[int], *, is_reply: bool) -> None:
    """Give up the caller's pipes; /dev/null takes the low numbers, so that no file gets them.

    `is_reply` says that stderr is the reply channel: then no library's words may land there.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    kept = set[int]() if is_reply else {2}
    for fd in {0, 1, 2, *proven} - kept:
        os.dup2(nothing, fd, inheritable=False)
    os.close(nothing)


def _work(job: _Job, chosen: Settings, log: Log) -> tuple[Answer, tuple[int, ...]]:
    qmailqueue.prove_usable(chosen.queue.program, sys.argv[0])
    bench = Bench.of(chosen)
    decoder = envelope.Decoder()
    decoder.feed(job.raw_envelope)
    mail = Mail(
        message=Message.of(job.message),
        envelope=decoder.finish(),
        client=client.of(os.getuid(), os.environb, chosen.queue.trusted_users),
        pid=job.parent,
    )
    report = scan(mail, bench, job.deadline)
    settled = handover.settle(mail, report, chosen, log, host=bench.host)
    return settled.answer, settled.outgoing or ()
