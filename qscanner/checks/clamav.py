"""ClamAV: asks clamd through pyclamd whether a message is a virus.

Called by  scan (look), and clamav_probe, which finds out for `qscanner check` what it sees.
Ends       with a CheckResult, or CheckFailed naming every server and what went wrong with it.
Careful    pyclamd 0.4.0 takes silence for "clean" (EOF, reset, half a line), waits five times its
           timeout, and mixes up the answers of threads that share an object. Nothing of it that
           reads, writes or connects is used as it is: see the table in docs/scanners.md.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NoReturn

import pyclamd

from qscanner.checks.clamav_known import Known
from qscanner.codec import clamd
from qscanner.codec.clamd import Answer, NotAnAnswer, Said, Version
from qscanner.codec.servers import Server
from qscanner.codec.text import printable
from qscanner.conversation import BrokenOff, Conversation
from qscanner.deadline import Deadline
from qscanner.model import CheckResult, Finding, Outcome
from qscanner.outcomes import CheckFailed, OutOfTime
from qscanner.spool import Message, Octets

FOREIGN = (pyclamd.ConnectionError, pyclamd.BufferTooLongError, OSError)
_VERSION_WITHIN_S = 1.0
_NOT_LOOKED_AT = ("Heuristics.Limits.", "Heuristics.XZ.DicSizeLimit")
_ENCRYPTED = "Heuristics.Encrypted."
# What clamd says about the form of a file. Other Heuristics.* (W32.*, Worm.*, Trojan.*, Exploit.*,
# and those to come) are its hand-written detectors of real viruses.
_FORM = tuple(
    f"Heuristics.{kind}"
    for kind in (
        "APMPartitionIntersection",
        "Broken.",
        "GPTPartitionIntersection",
        "MBRPartition",
        "OLE2.ContainsMacros",
        "PDF.ObfuscatedNameObject",
        "Phishing.",
        "Structured.",
        "Zip.OverlappingFiles",
    )
)


class _Strict:
    """pyclamd's client with everything replaced that connects, sends, reads or judges.

    `within_s` is for each command as a whole. An object may be shared: what belongs to one
    question is kept apart by thread.
    """

    def __init__(self, server: Server, *, within_s: float) -> None:
        """Keep in mind whom to ask; connects to nobody, unlike pyclamd's."""
        self.server = server
        self.within_s = within_s
        self._mine = threading.local()

    def _init_socket(self) -> None:
        self._close_socket()
        self._mine.talk = Conversation(self.server, within_s=self.within_s)

    def _close_socket(self) -> None:
        talk: Conversation | None = getattr(self._mine, "talk", None)
        if talk is not None:
            talk.close()

    def _send_command(self, cmd: str) -> None:
        self._mine.talk.send(b"z" + cmd.encode("ascii") + b"\0")

    def _recv_response(self) -> str:
        octets = self._mine.talk.receive(max_octets=clamd.MAX_ANSWER_OCTETS)
        return clamd.line(octets).decode("ascii", "backslashreplace")

    def version(self) -> Version:
        """Ask for the version, as pyclamd's does. Raises CheckFailed."""
        with self._errors_mapped():
            text: str = super().version()  # type: ignore[misc]  # pyclamd has no types
            return clamd.parse_version(text.encode("ascii"))

    def ping(self) -> bool:
        """Give True where clamd says PONG, as pyclamd's does. Raises CheckFailed."""
        with self._errors_mapped():
            return bool(super().ping())  # type: ignore[misc]

    def scan_stream(self, stream: Octets, chunk_size: int = clamd.CHUNK_OCTETS) -> Answer:
        """Have the octets looked at by INSTREAM. Raises CheckFailed.

        Gives an Answer where pyclamd's gives None for "clean" and for no answer alike.
        """
        with self._errors_mapped():
            self._init_socket()
            self._send_command("INSTREAM")
            talk: Conversation = self._mine.talk
            is_sent = all(
                talk.send(clamd.instream(stream[place]))
                for place in clamd.places(len(stream), chunk_size)
            ) and talk.send(clamd.END)
            return self._judged(asked="stream", is_sent=is_sent)

    def scan_descriptor(self, fd: int) -> Answer:
        """Have the regular file behind a descriptor looked at by FILDES. Raises CheckFailed.

        clamd calls lseek() on what it gets, so the descriptor must not share its offset with
        anybody, and it answers OK for one it cannot read, so it must be open for reading.
        """
        self.begin_descriptor(fd)
        return self.finish_descriptor()

    def begin_descriptor(self, fd: int) -> None:
        """Ask as scan_descriptor does, and leave the answer for later. Raises CheckFailed."""
        with self._errors_mapped(is_over=False):
            self._init_socket()
            self._send_command("FILDES")
            self._mine.is_sent = self._mine.talk.send_descriptor(fd)

    def finish_descriptor(self) -> Answer:
        """Hear what begin_descriptor asked for, in the same thread. Raises CheckFailed."""
        with self._errors_mapped():
            return self._judged(asked="fd", is_sent=self._mine.is_sent)

    def give_up(self) -> None:
        """Hear nothing of what was begun."""
        self._close_socket()

    def _judged(self, *, asked: str, is_sent: bool) -> Answer:
        talk: Conversation = self._mine.talk
        octets = talk.receive(max_octets=clamd.MAX_ANSWER_OCTETS)
        answer = clamd.parse(octets, asked=asked)
        if answer.said is Said.ERROR:
            raise BrokenOff(f"{self.server.text}: {answer.text}")
        if answer.said is Said.CLEAN and (talk.was_reset or not is_sent):
            raise BrokenOff(f"{self.server.text}: said OK before it had everything")
        return answer

    @contextlib.contextmanager
    def _errors_mapped(self, *, is_over: bool = True) -> Iterator[None]:
        try:
            yield
        except NotAnAnswer as error:
            is_over = True
            raise BrokenOff(f"{self.server.text}: {error}") from error
        except FOREIGN as error:
            is_over = True
            said = printable(str(error), max_octets=200)
            raise BrokenOff(f"{self.server.text}: {said}") from error
        except BaseException:
            is_over = True
            raise
        finally:
            if is_over:
                self._close_socket()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        """Paths would go unescaped into the command line; nobody here reloads or stops clamd."""
        raise TypeError("only streams and descriptors are scanned")

    scan_file = multiscan_file = contscan_file = allmatchscan = _refuse
    stats = reload = shutdown = _recv_response_multiline = _parse_response = _refuse


class UnixClamd(_Strict, pyclamd.ClamdUnixSocket):  # type: ignore[misc]  # pyclamd has no types
    """clamd behind a unix socket."""


class NetworkClamd(_Strict, pyclamd.ClamdNetworkSocket):  # type: ignore[misc]
    """clamd behind TCP, IPv6 as well."""


def client(server: Server, *, within_s: float) -> UnixClamd | NetworkClamd:
    """Give the client for the server; `within_s` seconds is what one command may take."""
    kind = UnixClamd if server.kind == "unix" else NetworkClamd
    return kind(server, within_s=within_s)


class Begun:
    """A question that a clamd has: it looks while we do something else."""

    def __init__(self, server: Server, asked: UnixClamd | NetworkClamd) -> None:
        """Take whom was asked; begin() makes these."""
        self.server = server
        self.at = time.monotonic()
        self._asked = asked

    def answer(self) -> Answer:
        """Wait for the answer, in the thread that began. Raises CheckFailed."""
        return self._asked.finish_descriptor()

    def give_up(self) -> None:
        """Let the answer be. A second time, or after answer(), this does nothing."""
        self._asked.give_up()


def begin(
    message: Message, servers: Sequence[Server], *, within_s: float, known: Known
) -> Begun | None:
    """Pass the message's descriptor to the first server, for ask() to hear the answer.

    None where that cannot be: it is not on a unix socket, or has trouble, which ask() will tell.
    """
    first = known.health.in_order(servers)[0] if servers else None
    if first is None or first.kind != "unix":
        return None
    asked = client(first, within_s=within_s / len(servers))
    try:
        with _own_description(message.fd) as fd:
            asked.begin_descriptor(fd)
    except CheckFailed:
        return None
    return Begun(first, asked)


def look(
    message: Message,
    servers: Sequence[Server],
    *,
    within_s: float,
    max_octets: int | None = None,
    known: Known | None = None,
) -> CheckResult:
    """Ask the servers in their order, until one answers, whether the message is a virus.

    A server gets an even share of what remains of `within_s` seconds, so one that is stuck leaves
    time for the next. A message of more than `max_octets`, where that is given, is unscannable
    without being asked about: clamd says OK to what is above its own limits.

    Outcomes: FOUND with the name; UNSCANNABLE with the finding `unscannable.clamav-too-large`,
    `unscannable.clamav-limit` or `archive.encrypted` for what clamd did not look into; CLEAN, with
    the finding `clamav.heuristic` where clamd only dislikes the form (macros, a broken image, a
    link that looks like phishing): it looked at everything, found no virus, and policy may judge
    the form. Raises CheckFailed where no server gave an answer.

    `known` is what this process remembers: dead servers are asked last, versions hold a minute.
    """
    if max_octets is not None and message.size > max_octets:
        return _too_large(f"larger than {max_octets} octets")
    return ask(message, servers, within_s=within_s, known=known or Known())[0]


def ask(
    message: Message,
    servers: Sequence[Server],
    *,
    within_s: float,
    known: Known,
    begun: Begun | None = None,
) -> tuple[CheckResult, Server]:
    """Give what look() gives, and the server that said so. Raises CheckFailed.

    `begun` is what begin() gave for this message: the question that one server has already.
    """
    try:
        return _ask(message, servers, within_s=within_s, known=known, begun=begun)
    finally:
        if begun:
            begun.give_up()


def _ask(
    message: Message,
    servers: Sequence[Server],
    *,
    within_s: float,
    known: Known,
    begun: Begun | None,
) -> tuple[CheckResult, Server]:
    began, deadline = begun.at if begun else time.monotonic(), Deadline(within_s)
    reasons: list[str] = []
    for place, server in enumerate(known.health.in_order(servers)):
        try:
            share = Deadline(deadline.remaining_s() / (len(servers) - place))
            is_asked = begun is not None and begun.server == server
            result = _result(scan(message, server, share, begun if is_asked else None))
        except OutOfTime as late:
            reasons.append(str(late))
        except CheckFailed as failure:
            known.health.failed(server)
            reasons.append(str(failure))
        else:
            known.health.worked(server)
            version = known.version(server, partial(_scanner, server, deadline))
            ms = (time.monotonic() - began) * 1000
            return replace(result, scanners=(version,), ms=ms), server
    raise CheckFailed("clamav: " + ("; ".join(reasons) or "no server is set"))


def scan(message: Message, server: Server, within: Deadline, begun: Begun | None = None) -> Answer:
    """Have one server look at the message. Raises CheckFailed, and OutOfTime.

    On a unix socket the descriptor is passed, if it has not begun with it; where clamd cannot take
    it (AppArmor, an old clamd, another user's file) the octets are sent instead.
    """
    if begun is not None:
        with contextlib.suppress(BrokenOff):
            return begun.answer()
    elif server.kind == "unix":
        with contextlib.suppress(BrokenOff), _own_description(message.fd) as fd:
            return client(server, within_s=within.remaining_s()).scan_descriptor(fd)
    return client(server, within_s=within.remaining_s()).scan_stream(message.octets)


@contextlib.contextmanager
def _own_description(fd: int) -> Iterator[int]:
    """Open the file behind `fd` once more: read-only, with an offset of its own.

    clamd sets the offset of what it gets to 0, at a time of its choosing. A clamd that was given
    up as too slow would do so while the real queue program reads: a message queued in part twice.
    """
    try:
        own = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise BrokenOff(f"fd {fd} cannot be opened again") from error
    try:
        yield own
    finally:
        os.close(own)


def _scanner(server: Server, deadline: Deadline) -> str:
    """Give "clamav/1.4.6/27402", or less where clamd does not tell (EnableVersionCommand no)."""
    try:
        version = client(server, within_s=deadline.within(_VERSION_WITHIN_S)).version()
    except (CheckFailed, OutOfTime):
        return "clamav"
    return "/".join(part for part in ("clamav", version.engine, version.database) if part)


def _too_large(detail: str) -> CheckResult:
    finding = Finding(id="unscannable.clamav-too-large", detail=detail)
    return CheckResult(outcome=Outcome.UNSCANNABLE, detail=detail, findings=(finding,))


def _result(answer: Answer) -> CheckResult:
    match answer.said:
        case Said.CLEAN:
            return CheckResult(outcome=Outcome.CLEAN)
        case Said.FOUND:
            return _named(answer.text)
        case Said.TOO_LARGE:
            return _too_large("larger than clamd's StreamMaxLength")
        case Said.ERROR:
            raise CheckFailed(f"clamd: {answer.text}")


def _named(name: str) -> CheckResult:
    """Give what a `FOUND` line means: not every name in it is a virus's."""
    outcome, kind = Outcome.FOUND, "virus.clamav"
    if name.startswith(_NOT_LOOKED_AT):
        outcome, kind = Outcome.UNSCANNABLE, "unscannable.clamav-limit"
    elif name.startswith(_ENCRYPTED):
        outcome, kind = Outcome.UNSCANNABLE, "archive.encrypted"
    elif name.startswith(_FORM):
        outcome, kind = Outcome.CLEAN, "clamav.heuristic"
    return CheckResult(
        outcome=outcome,
        detail=name,
        names=(name,) if outcome is Outcome.FOUND else (),
        findings=(Finding(id=kind, detail=name),),
    )
