"""A visit to the resident scanner: hello, go, question with two descriptors, answer.

Called by  the queue program, once both descriptors are spooled; programs/visit.h is the same in C.
Ends       ask() gives the answer, or None where the daemon is away and we may scan by ourselves;
           raises Later and OutOfTime.
Careful    as soon as the question is sent the daemon may have the message: whatever goes wrong
           from there on is "later", never a second scan. The daemon has read a stranger's mail:
           its answer is data, and 0 only counts for a question that was asked.
           The first stage loads this, so it speaks codec.frames without importing it.
"""

import _socket
import os
import select
import stat
import sys
import time

from qscanner.outcomes import REPLIES, Ending, Later, OutOfTime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Fields = list[bytes]

SOCKET = b"/run/qscanner/qscannerd.sock"
MAX_OCTETS = 1 << 16  # of a packet
WAIT_S = 90.0  # for a word of the daemon; its own bound is shorter
GRACE_S = 5.0  # for the answer, beyond the seconds that the daemon names
# client.py decides by these: told first, should the environment be larger than a packet.
TOLD_FIRST = frozenset(
    b"TCPREMOTEIP TCPREMOTEHOST TCPREMOTEINFO RELAYCLIENT SMTPAUTHUSER SMTP_AUTH_USER AUTHUSER"
    b" QMAILAUTHENTICATED DTLINE RPLINE".split()
)
_MAX_IP_OCTETS = 63
_RETRY_MS = 10
_FDS = 2
_FD_OCTETS = 4  # an int of C; array and struct would load more than they are worth
_MAX_SECONDS_DIGITS = 5
_CHANNELS = tuple(b"%d:%d" % (fd, code) for fd in range(2, 10) for code in (82, 88))


class Answer:
    """How to end, as codec.frames.Answer; `files` are message and envelope to exec with."""

    __slots__ = ("ending", "error_text", "files", "program", "text")

    def __init__(self, fields: "Fields", fds: "Iterable[int]") -> None:
        """Take the fields behind the kind. Raises Later where they cannot be an answer."""
        name, code, text, error_text, program = fields
        try:
            self.ending = Ending[name.decode("ascii")]
            self.text = text.decode("ascii")
            self.error_text = error_text.decode("ascii")
        except (KeyError, UnicodeDecodeError) as error:
            raise Later("qscannerd answered rubbish") from error
        self.program = os.fsdecode(program)
        self.files = tuple(fds)
        if code != b"%d" % REPLIES[self.ending].exit_without_text:
            raise Later("ending and exit code of the answer tell different stories")
        if error_text not in (b"auto", b"none", *_CHANNELS):
            self.error_text = "none"
        if not text.startswith(REPLIES[self.ending].letter.encode("ascii") or b"\0"):
            self.text = ""


def ask(message: int, envelope: int, environment: "Mapping[bytes, bytes]") -> Answer | None:
    """Show the daemon both files and give its answer; None where it is away.

    Raises Later, and OutOfTime where the daemon needs longer than the time that it named.
    """
    until = time.monotonic() + WAIT_S
    try:
        daemon = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    except OSError:
        return None
    try:
        path = environment.get(b"QSCANNER_SOCKET") or SOCKET
        if not _is_connected(daemon, path, until):
            return None
        return _converse(daemon, (message, envelope), environment, until)
    finally:
        daemon.close()


def _converse(
    daemon: _socket.socket,
    files: tuple[int, int],
    environment: "Mapping[bytes, bytes]",
    until: float,
) -> Answer | None:
    if not _say(daemon, _hello(environment), (), until):
        return None
    fields, _ = _hear(daemon, until, Later("qscannerd did not answer"))
    if _is_answer(fields):
        return _early(Answer(fields[1:], ()))
    within_s = _seconds(fields)
    if within_s is None:
        return None
    until = time.monotonic() + within_s + GRACE_S
    if not _say(daemon, _question(environment), files, until):
        raise Later("qscannerd does not take the message")
    late = OutOfTime("qscannerd did not answer in the time that it named")
    fields, fds = _hear(daemon, until, late)
    if not _is_answer(fields):
        raise Later("qscannerd went away with the question, or answered rubbish")
    return _whole(Answer(fields[1:], fds))


def _early(answer: Answer) -> Answer:
    if REPLIES[answer.ending].exit_without_text == 0:
        raise Later("qscannerd decided before it was asked")
    return answer


def _whole(answer: Answer) -> Answer:
    if answer.ending is Ending.ACCEPTED and not (
        len(answer.files) == _FDS
        and all(stat.S_ISREG(os.fstat(fd).st_mode) for fd in answer.files)
    ):
        raise Later("qscannerd accepted the message without handing it over")
    return answer


def _is_connected(daemon: _socket.socket, path: bytes, until: float) -> bool:
    """Connect, and say whether somebody listens. A full backlog is tried again, not waited for.

    Raises Later where it stays full.
    """
    daemon.setblocking(False)
    while True:
        try:
            daemon.connect(path)
        except BlockingIOError:
            if time.monotonic() > until:
                raise Later("qscannerd has too many callers") from None
            select.poll().poll(_RETRY_MS)
        except OSError:
            return False
        else:
            return True


def _is_ready(daemon: _socket.socket, event: int, until: float) -> bool:
    poll = select.poll()
    poll.register(daemon.fileno(), event)
    return bool(poll.poll(max(0.0, until - time.monotonic()) * 1000))


def _say(daemon: _socket.socket, packet: bytes, fds: tuple[int, ...], until: float) -> bool:
    rights = (
        _socket.SOL_SOCKET,
        _socket.SCM_RIGHTS,
        b"".join(fd.to_bytes(_FD_OCTETS, sys.byteorder) for fd in fds),
    )
    while _is_ready(daemon, select.POLLOUT, until):
        try:
            daemon.sendmsg([packet], [rights] if fds else [], _socket.MSG_NOSIGNAL)
        except BlockingIOError:
            continue
        except OSError:
            return False
        return True
    return False


def _hear(daemon: _socket.socket, until: float, late: Exception) -> "tuple[Fields, list[int]]":
    """Give the fields of the next packet, none where the daemon closed or said something torn."""
    room = _socket.CMSG_SPACE(_FDS * _FD_OCTETS)
    while _is_ready(daemon, select.POLLIN, until):
        try:
            packet, rights, flags, _ = daemon.recvmsg(MAX_OCTETS, room, _socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            continue
        except OSError:
            return [], []
        if flags & (_socket.MSG_TRUNC | _socket.MSG_CTRUNC) or packet[-1:] != b"\0":
            return [], []
        return packet[:-1].split(b"\0"), _descriptors(rights)
    raise late


def _descriptors(rights: "Iterable[tuple[int, int, bytes]]") -> list[int]:
    return [
        int.from_bytes(octets[at : at + _FD_OCTETS], sys.byteorder)
        for level, kind, octets in rights
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS)
        for at in range(0, len(octets), _FD_OCTETS)
    ]


def _is_answer(fields: "Fields") -> bool:
    return len(fields) == 6 and fields[0] == b"qscanner answer 1"  # noqa: PLR2004 - with its kind


def _seconds(fields: "Fields") -> int | None:
    """Give the seconds of a go, None where it is none."""
    if len(fields) != 2 or fields[0] != b"qscanner go 1" or not fields[1].isdigit():  # noqa: PLR2004
        return None
    return int(fields[1]) if len(fields[1]) <= _MAX_SECONDS_DIGITS else None


def _hello(environment: "Mapping[bytes, bytes]") -> bytes:
    ip = environment.get(b"TCPREMOTEIP", b"")
    return b"qscanner hello 1\0%s\0" % (ip if len(ip) <= _MAX_IP_OCTETS else b"")


def _question(environment: "Mapping[bytes, bytes]") -> bytes:
    """Give the packet; variables for which there is no room are left out."""
    packet = bytearray(b"qscanner question 1\0%d\0" % os.getpid())
    for name in sorted(environment, key=lambda name: name not in TOLD_FIRST):
        entry = b"%s=%s\0" % (name, environment[name])
        if len(packet) + len(entry) <= MAX_OCTETS:
            packet += entry
    return bytes(packet)
