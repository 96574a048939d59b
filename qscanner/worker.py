"""A worker of the daemon: one message at a time, with everything already loaded.

Called by  dispatcher, in a process forked for it; it never returns.
Ends       when the dispatcher is gone, or after its last message; whatever goes wrong with one
           message is "later" for that message.
Careful    it reads strangers' mail: no new privileges, bounded memory and processor time. Only the
           two descriptors of a client are ever taken, and all are given back after each message.
           Who can still cut a file short can kill us while we look at it (SIGBUS, mmap(2)): of
           callers that are not trusted, only sealed memory files are looked at in place.
"""

import contextlib
import os
import resource
import signal
import socket
import threading
import time
from dataclasses import dataclass
from typing import NoReturn

from qscanner import client, confine, descriptors, handover, reply
from qscanner.bench import Bench
from qscanner.codec import envelope, frames, orders
from qscanner.codec.frames import Answer, Question
from qscanner.deadline import Deadline
from qscanner.intake import IN_MEMORY_OCTETS, copy, memory_file, seal, unlinked_file
from qscanner.log import Log
from qscanner.model import Envelope, Finding
from qscanner.outcomes import BadEnvelope, Ending, Later, OutOfTime, QScannerError
from qscanner.report import Mail, Report
from qscanner.scan import scan, unseen
from qscanner.settings import Settings
from qscanner.spool import Message
from qscanner.warm import warm

CRASHES = "unscannable.crashes-scanner"
MESSAGES = 5000  # then a fresh one takes over
_QUESTION_WITHIN_S = 10.0
_IDLE_S = 3600.0
_GROWTH_OCTETS = 256 << 20
_MAX_ENVELOPE_OCTETS = 128 << 20
_FDS = 2
_GONE = Ending.CUT_SHORT  # the client, before it asked


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What one client's visit came to: what to answer, and the facts for the metrics.

    `is_spent`: something went wrong that may have left traces in this process.
    """

    answer: Answer
    fds: tuple[int, ...] = ()
    facts: orders.Facts
    digest: str = "-"
    is_spent: bool = False


def work(
    control: socket.socket, bench: Bench, log: Log, *, parent: int, messages: int = MESSAGES
) -> NoReturn:
    """Serve clients until the dispatcher closes `control`, but no more than `messages`.

    `parent` is the dispatcher's pid.
    """
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the dispatcher decides
    limits = bench.settings.limits
    confine.scanner(memory_octets=limits.memory, cpu_s=limits.time, parent=parent)
    warm(bench, log, is_worker=True)  # pages that it writes to become its own now, not later
    served, least = 0, 0
    while True:
        packet, fds = _next_order(control)
        if not packet:
            os._exit(0)
        _allow_cpu(limits.time)
        with socket.socket(fileno=fds[0]) as visitor:
            visit = _Visit(
                visitor=visitor,
                control=control,
                order=orders.taken(packet),
                bench=bench,
                log=log,
            )
            facts = visit.serve()
        served += 1
        least = least or _memory()
        is_grown = _memory() > least + _GROWTH_OCTETS
        retires = served >= messages or is_grown or visit.is_spent
        control.send(orders.done(facts, retires=retires))
        if retires:
            os._exit(0)


def _next_order(control: socket.socket) -> tuple[bytes, tuple[int, ...]]:
    """Wait for work, however long there is none."""
    while True:
        try:
            return descriptors.hear(
                control, max_octets=orders.MAX_OCTETS, max_fds=1, within_s=_IDLE_S
            )
        except OutOfTime:
            continue


@dataclass(kw_only=True)
class _Visit:
    """One client, from its question to our answer; `limits.time` counts from here on."""

    visitor: socket.socket
    control: socket.socket
    order: orders.Take
    bench: Bench
    log: Log
    is_spent: bool = False

    def __post_init__(self) -> None:
        self._deadline = Deadline(self.bench.settings.limits.time)

    def serve(self) -> orders.Facts:
        """Take one question, scan, and answer. Gives the facts of it."""
        begun = time.monotonic()
        outcome = self._outcome()
        try:
            descriptors.say(self.visitor, frames.encode(outcome.answer), outcome.fds)
        except OSError as error:  # it has gone away: it did not hear "yes", so nothing is lost
            self._miss(outcome, error)
        finally:
            descriptors.close(outcome.fds)
        self.is_spent = outcome.is_spent or threading.active_count() > 1
        took_s = time.monotonic() - begun
        return {**outcome.facts, "s": took_s, "ending": _word(outcome.answer.ending)}

    def _miss(self, outcome: _Outcome, error: OSError) -> None:
        self.log.write(
            {
                "event": "client-gone",
                "digest": outcome.digest,
                "uid": self.order.uid,
                "ending": _word(outcome.answer.ending),
                "why": error.strerror or str(error),
            }
        )

    def _outcome(self) -> _Outcome:
        fds: list[int] = []
        try:
            fds, packet = self._asked()
            return self._looked(self._mail(packet, fds)) if packet else self._later(_GONE)
        except QScannerError as error:
            self.log.trouble(f"uid {self.order.uid}: {error}")
            return self._later(error.ending)
        except MemoryError:
            self.log.trouble("out of memory while scanning: raise [limits] memory")
            return self._later(Ending.OUT_OF_MEMORY, is_spent=True)
        except Exception as bug:  # noqa: BLE001 - the worker's main(): a bug is "later"
            self.log.bug(bug)
            return self._later(Ending.BUG, is_spent=True)
        finally:
            descriptors.close(fds)
            self._take_question_off()

    def _take_question_off(self) -> None:
        """Leave nothing unread: the client would hear "reset" instead of our answer."""
        with contextlib.suppress(OSError):
            self.visitor.recv(1, socket.MSG_DONTWAIT)

    def _later(self, ending: Ending, *, is_spent: bool = False) -> _Outcome:
        channel = self.bench.settings.queue.error_text
        answer = Answer(ending=ending, text=reply.line(ending, None), error_text=channel)
        return _Outcome(answer=answer, facts={}, is_spent=is_spent)

    def _asked(self) -> tuple[list[int], bytes]:
        """Hear the question, and leave it there: another can begin if we die before we do."""
        packet, fds = descriptors.hear(
            self.visitor,
            max_octets=frames.MAX_QUESTION_OCTETS,
            max_fds=_FDS,
            within_s=self._deadline.within(_QUESTION_WITHIN_S),
            is_left=True,
        )
        return list(fds), packet

    def _mail(self, packet: bytes, fds: list[int]) -> Mail:
        """Make the mail of a question. Raises Later, BadEnvelope, CutShort, AddressTooLong."""
        try:
            asked: Question = frames.question(packet)
        except frames.FrameError as error:
            raise Later(f"a client asked in another language: {error}") from error
        if len(fds) != _FDS or not all(map(descriptors.is_file, fds)):
            raise Later("a client asked without its message and envelope")
        settings = self.bench.settings
        who = client.of(self.order.uid, asked.environment, settings.queue.trusted_users)
        if not who.is_trusted and not descriptors.is_sealed(fds[0]):
            _replace(fds, settings)
        return Mail(
            message=Message.of(fds[0]), envelope=_envelope(fds[1]), client=who, pid=asked.pid
        )

    def _looked(self, mail: Mail) -> _Outcome:
        bench = self.bench
        try:
            self.control.send(orders.busy(mail.digest))
            self._take_question_off()
            if mail.digest in self.order.not_to_scan:
                why = Finding(id=CRASHES, detail="it took scanners down")
                report = unseen(mail, bench, why, is_safe=False)
            else:
                report = scan(mail, bench, self._deadline)
            settled = handover.settle(mail, report, bench.settings, self.log, host=bench.host)
        finally:
            mail.message.release()
        return _Outcome(
            answer=settled.answer,
            fds=settled.outgoing or (),
            facts=_facts(report),
            digest=mail.digest,
        )


def _replace(fds: list[int], settings: Settings) -> None:
    """Put a copy of our own in the place of a message that its owner could still change."""
    size = os.fstat(fds[0]).st_size
    if size > settings.limits.memory:
        raise MemoryError("no room for a copy of the message")
    folder = settings.queue.spool
    mine = (unlinked_file(folder) if size > IN_MEMORY_OCTETS else None) or memory_file()
    theirs, fds[0] = fds[0], mine
    try:
        copy(theirs, mine, 0, size)
        seal(mine)
    finally:
        os.close(theirs)


def _envelope(fd: int) -> Envelope:
    size = os.fstat(fd).st_size
    if size > _MAX_ENVELOPE_OCTETS:
        raise BadEnvelope(f"an envelope of {size} octets")
    decoder = envelope.Decoder()
    decoder.feed(os.pread(fd, size, 0))
    return decoder.finish()


def _word(ending: Ending) -> str:
    """Give an ending as docs/log.md has it."""
    return ending.name.lower().replace("_", "-")


def _facts(report: Report) -> orders.Facts:
    """Give what the metrics count of one message."""
    facts = report.facts
    told: orders.Facts = {
        "verdict": report.verdict.action.value,
        "rules": ",".join(report.verdict.rules[:5]),
        "octets": facts.octets,
        "scan_s": report.ms / 1000,
    }
    for name, check in (("virus", facts.virus), ("spam", facts.spam)):
        if check is not None:
            told[name] = check.outcome.value
            told[f"{name}_s"] = check.ms / 1000
    return told


def _allow_cpu(seconds: float) -> None:
    """Give the next message processor time of its own: RLIMIT_CPU counts from the start."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + seconds) + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _memory() -> int:
    """Give the octets of memory that are ours alone (proc(5), statm: resident less shared)."""
    with open("/proc/self/statm", "rb") as file:
        _, resident, shared, *_ = file.read().split()
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
