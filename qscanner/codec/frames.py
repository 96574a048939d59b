"""What the queue program and the scanning side say to each other, one packet each.

    client  hello     the address that the client claims, for a fair queue
    daemon  go        a worker is free; so many seconds until the answer at the latest
    client  question  the client's pid and environment, with two descriptors: message, envelope
    daemon  answer    how to end; with two descriptors where the real queue program is to be exec'd

Called by  the queue program in Python and in C (programs/queue.c), inprocess, and the daemon, over
           a SOCK_SEQPACKET socket: a packet arrives whole or not at all.
Ends       the decoders raise FrameError for anything that is not exactly what they expect.
Careful    the answer comes from a process that has read a stranger's mail, the question from any
           local user: they are data, never code.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from qscanner.outcomes import REPLIES, Ending

MAX_ANSWER_OCTETS = 8192
MAX_QUESTION_OCTETS = 1 << 16
MAX_HELLO_OCTETS = 256
_HELLO = b"qscanner hello 1"
_GO = b"qscanner go 1"
_QUESTION = b"qscanner question 1"
_ANSWER = b"qscanner answer 1"


class FrameError(Exception):
    """These octets are not the packet that was expected: cut, of another version, or rubbish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Who asks: the pid of the queue program (qmail's qp) and the environment it was given."""

    pid: int
    environment: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How the queue program is to end.

    `text` is what goes to the reply channel, with its letter; "" where qmail has words of its own.
    `program` is what to exec when the ending is ACCEPTED; message and envelope travel beside the
    answer as two descriptors. `error_text` is the setting that says where a text may go.
    """

    ending: Ending
    text: str = ""
    error_text: str = "auto"
    program: str = ""


def hello(claimed_ip: bytes) -> bytes:
    """Give the packet a client opens with."""
    return _packet(_HELLO, claimed_ip.replace(b"\0", b"")[: MAX_HELLO_OCTETS // 2])


def claimed_ip(packet: bytes) -> bytes:
    """Give the address of a hello. Raises FrameError."""
    (address,) = _fields(packet, _HELLO, 1)
    return address


def go(within_s: int) -> bytes:
    """Give the packet that invites a question."""
    return _packet(_GO, b"%d" % within_s)


def seconds(packet: bytes) -> int:
    """Give the seconds of a go. Raises FrameError."""
    (field,) = _fields(packet, _GO, 1)
    if not field.isdigit() or len(field) > len("86400"):
        raise FrameError("a go without a number of seconds")
    return int(field)


def ask(pid: int, environment: Mapping[bytes, bytes]) -> bytes:
    """Give the packet of a question; variables beyond 64 KiB are left out, as C does."""
    packet = bytearray(_packet(_QUESTION, b"%d" % pid))
    for name, value in environment.items():
        entry = name + b"=" + value + b"\0"
        if len(packet) + len(entry) <= MAX_QUESTION_OCTETS:
            packet += entry
    return bytes(packet)


def question(packet: bytes) -> Question:
    """Give the question of a packet. Raises FrameError."""
    pid, *entries = _fields(packet, _QUESTION)
    if not pid.isdigit() or len(pid) > len("4194304"):
        raise FrameError("a question without a pid")
    pairs = (entry.partition(b"=") for entry in entries)
    return Question(pid=int(pid), environment={name: value for name, _, value in pairs})


def encode(answer: Answer) -> bytes:
    """Give the packet of an answer. Raises FrameError where a field holds a NUL or is too long."""
    try:
        packet = _packet(
            _ANSWER,
            answer.ending.name.encode("ascii"),
            b"%d" % REPLIES[answer.ending].exit_without_text,
            answer.text.encode("ascii"),
            answer.error_text.encode("ascii"),
            answer.program.encode("utf-8", "surrogateescape"),
        )
    except UnicodeEncodeError as error:
        raise FrameError("a field of the answer cannot be written") from error
    if len(packet) > MAX_ANSWER_OCTETS:
        raise FrameError("an answer that is too long")
    return packet


def decode(packet: bytes) -> Answer:
    """Give the answer of a packet. Raises FrameError for anything but exactly an answer."""
    if len(packet) > MAX_ANSWER_OCTETS:
        raise FrameError("an answer that is too long")
    name, code, text, error_text, program = _fields(packet, _ANSWER, 5)
    try:
        answer = Answer(
            ending=Ending[name.decode("ascii")],
            text=text.decode("ascii"),
            error_text=error_text.decode("ascii"),
            program=program.decode("utf-8", "surrogateescape"),
        )
    except (KeyError, UnicodeDecodeError) as error:
        raise FrameError("a field of the answer is not what it should be") from error
    if code != b"%d" % REPLIES[answer.ending].exit_without_text:
        raise FrameError("the ending and the exit code of the answer tell different stories")
    return answer


def _packet(*fields: bytes) -> bytes:
    if any(b"\0" in field for field in fields):
        raise FrameError("a field holds a NUL")
    return b"".join(field + b"\0" for field in fields)


def _fields(packet: bytes, kind: bytes, count: int | None = None) -> list[bytes]:
    """Give the fields behind the kind, which must be that many. Raises FrameError."""
    first, *rest = packet.split(b"\0")
    if first != kind or not rest or rest[-1] or (count is not None and len(rest) != count + 1):
        raise FrameError("not a packet of this kind and version")
    if not rest[:-1]:
        raise FrameError("a packet without its fields")
    return rest[:-1]
