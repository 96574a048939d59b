"""A scripted qscannerd: takes visits on a real SOCK_SEQPACKET socket and says what it is told to.

Called by  tests of the two queue programs.
Ends       with the block; a script that does not end by then fails the test.
Careful    the packets are written by hand here, not with codec.frames: they are there to disagree
           with us, and most of them are wrong on purpose.
"""

import array
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.server import until_gone

LIMIT_S = 15.0
MARK = b"X-Qscanner: mx.example.com the fake daemon\n"


@dataclass(kw_only=True)
class Taken:
    """What a client handed over: the fields of its question and the octets of both files."""

    fields: list[bytes]
    message: bytes
    envelope: bytes


class Visit:
    """One client at the daemon's end. Each step is one packet."""

    def __init__(self, peer: socket.socket, stop: threading.Event, program: str) -> None:
        self.peer = peer
        self.stop = stop
        self.program = program
        self.hello: list[bytes] = []
        self.taken: Taken | None = None

    def hear_hello(self) -> None:
        """Take the first packet."""
        self.hello = self.peer.recv(1 << 17).split(b"\0")

    def say(self, *fields: bytes, fds: Sequence[int] = ()) -> None:
        """Send a packet of fields that each end in NUL."""
        self.raw(b"".join(field + b"\0" for field in fields), fds)

    def raw(self, packet: bytes, fds: Sequence[int] = ()) -> None:
        """Send a packet as it is."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.peer.sendmsg([packet], rights)

    def go(self, seconds: bytes = b"30") -> None:
        """Take the hello, and invite the question."""
        self.hear_hello()
        self.say(b"qscanner go 1", seconds)

    def take(self) -> Taken:
        """Take the question with its two files."""
        packet, rights, _, _ = self.peer.recvmsg(1 << 17, 1024, socket.MSG_CMSG_CLOEXEC)
        if not packet:
            raise ConnectionResetError("the client went away instead of asking")
        fds = array.array("i", rights[0][2])
        assert len(fds) == 2, f"{len(fds)} descriptors beside the question"
        message, envelope = (os.pread(fd, os.fstat(fd).st_size, 0) for fd in fds)
        for fd in fds:
            os.close(fd)
        fields = packet.split(b"\0")[:-1]
        self.taken = Taken(fields=fields, message=message, envelope=envelope)
        return self.taken

    def answer(
        self,
        ending: bytes,
        code: bytes,
        *,
        text: bytes = b"",
        channel: bytes = b"auto",
        program: str | None = None,
        fds: Sequence[int] = (),
    ) -> None:
        """Say how to end."""
        path = (self.program if program is None else program).encode()
        self.say(b"qscanner answer 1", ending, code, text, channel, path, fds=fds)

    def accept(self, *, program: str | None = None) -> None:
        """Hand back the message below our line, and the envelope, both at the end of the file."""
        assert self.taken
        fds = [memory_file(MARK + self.taken.message), memory_file(self.taken.envelope)]
        self.answer(b"ACCEPTED", b"0", program=program, fds=fds)
        for fd in fds:
            os.close(fd)

    def wait(self) -> None:
        """Say nothing until the client is gone."""
        until_gone(self.peer, self.stop)


Script = Callable[[Visit], None]


@dataclass(kw_only=True)
class Daemon:
    """Where it listens, and the visits that it had."""

    path: Path
    visits: list[Visit] = field(default_factory=list)

    @property
    def taken(self) -> list[Taken]:
        """Give what was handed over."""
        return [one.taken for one in self.visits if one.taken]


def memory_file(octets: bytes) -> int:
    """Give a memory file whose offset is at its end."""
    fd = os.memfd_create("fake")
    os.write(fd, octets)
    return fd


@contextlib.contextmanager
def listening(folder: Path, *, backlog: int = 128) -> Iterator[tuple[socket.socket, Path]]:
    """Give a socket that listens for any user in the folder, and its path; nobody accepts."""
    path = folder / "qscannerd.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(backlog)
        try:
            yield listener, path
        finally:
            path.unlink()


@contextlib.contextmanager
def serving(script: Script, folder: Path, program: Path) -> Iterator[Daemon]:
    """Run the script for each visit, until the block ends. `program` is what answers name."""
    stop = threading.Event()
    threads: list[threading.Thread] = []
    with listening(folder) as (listener, path):
        daemon = Daemon(path=path)

        def accept() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                peer.settimeout(LIMIT_S)
                daemon.visits.append(Visit(peer, stop, str(program)))
                threads.append(threading.Thread(target=_run, args=(script, daemon.visits[-1])))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield daemon
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(LIMIT_S)
            for thread in threads:
                thread.join(LIMIT_S)
            assert not any(thread.is_alive() for thread in threads), "a script does not end"


def _run(script: Script, visit: Visit) -> None:
    with visit.peer, contextlib.suppress(OSError):
        script(visit)


# ---- what a good daemon does


def accepts(visit: Visit) -> None:
    """Take the message and let it pass."""
    visit.go()
    visit.take()
    visit.accept()
    visit.wait()
