"""A small client of qscannerd, step by step: as many connections as wanted, as any user.

Called by  tests of the daemon, which want to do at each step what a good client would not.
Ends       every wait fails the test after LIMIT_S seconds.
Careful    who connects is what the kernel notes: the effective uid of that moment, so the tests
           change it for that moment only. They must not do so in threads.
"""

import contextlib
import os
import select
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from qscanner import descriptors
from qscanner.codec import frames
from qscanner.intake import memory_file, seal, write_all
from qscanner.outcomes import Ending
from tests.fakes import caller

LIMIT_S = 15.0


@dataclass(frozen=True, kw_only=True)
class Heard:
    """An answer, and the octets of the two files beside it."""

    ending: Ending
    text: str
    message: bytes
    envelope: bytes
    program: str
    error_text: str


class Guest:
    """One connection. `uid` is who connects, None whoever runs the tests."""

    def __init__(self, path: Path, *, uid: int | None = None, ip: bytes = b"192.0.2.7") -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ip = ip
        try:
            with _as(uid):
                self.sock.connect(str(path))
        except OSError:
            self.sock.close()
            raise

    def __enter__(self) -> "Guest":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sock.close()

    def close(self) -> None:
        """Go away."""
        self.sock.close()

    def hello(self) -> "Guest":
        """Say who we are."""
        self.sock.send(frames.hello(self.ip))
        return self

    def has_news(self, *, within_s: float = 0.0) -> bool:
        """Say whether the daemon has said something, or closed."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(within_s * 1000))

    def go(self) -> int:
        """Wait for our turn, and give the seconds that the daemon names."""
        return frames.seconds(self.packet())

    def packet(self) -> bytes:
        """Wait for one packet; b"" where the daemon closed."""
        assert self.has_news(within_s=LIMIT_S), "the daemon says nothing"
        try:
            return self.sock.recv(1 << 16)
        except ConnectionResetError:
            return b""

    def ask(
        self,
        message: bytes | int,
        envelope: bytes | int | None = None,
        *,
        environment: Mapping[bytes, bytes] | None = None,
    ) -> "Guest":
        """Ask about a message: octets, or a descriptor of whatever."""
        envelope = caller.envelope() if envelope is None else envelope
        told = {b"TCPREMOTEIP": self.ip} if environment is None else environment
        with _file(message) as first, _file(envelope) as second:
            self.say(frames.ask(os.getpid(), told), (first, second))
        return self

    def say(self, packet: bytes, fds: Sequence[int] = ()) -> None:
        """Say anything."""
        descriptors.say(self.sock, packet, fds)

    def answer(self) -> Heard:
        """Wait for the answer."""
        packet, fds = descriptors.hear(self.sock, max_octets=1 << 16, max_fds=2, within_s=LIMIT_S)
        assert packet, "the daemon closed without an answer"
        answer = frames.decode(packet)
        octets = [os.pread(fd, os.fstat(fd).st_size, 0) for fd in fds] or [b"", b""]
        descriptors.close(fds)
        return Heard(
            ending=answer.ending,
            text=answer.text,
            message=octets[0],
            envelope=octets[1],
            program=answer.program,
            error_text=answer.error_text,
        )

    def whole(self, message: bytes, envelope: bytes | None = None) -> Heard:
        """Make a whole visit."""
        self.hello().go()
        return self.ask(message, envelope).answer()


def visit(
    path: Path, message: bytes, envelope: bytes | None = None, *, uid: int | None = None
) -> Heard:
    """Make one whole visit as any user."""
    with Guest(path, uid=uid) as guest:
        return guest.whole(message, envelope)


@contextlib.contextmanager
def _file(content: bytes | int) -> Iterator[int]:
    if isinstance(content, int):
        yield content
        return
    fd = memory_file()
    try:
        write_all(fd, content)
        seal(fd)
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _as(uid: int | None) -> Iterator[None]:
    if uid is None:
        yield
        return
    ourselves = os.geteuid()
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(ourselves)
