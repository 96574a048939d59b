"""A clamd that answers as its script says: rightly, wrongly, slowly, or not at all.

Called by  the tests of checks.clamav, and whoever needs a clamd that lies.
"""

import array
import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable

from tests.fakes.server import Script, drip, reset, serving, until_gone

__all__ = ["serving"]

VERSION = b"ClamAV 1.4.6/27402/Sun Nov 22 09:30:10 2026\0"
Judge = Callable[[bytes], bytes]


def command(peer: socket.socket) -> bytes:
    """Read a command up to its NUL, octet by octet: what follows belongs to somebody else."""
    said = b""
    while not said.endswith(b"\0"):
        octet = peer.recv(1)
        if not octet:
            raise ConnectionResetError("the peer has gone")
        said += octet
    return said[:-1].removeprefix(b"z")


def exactly(peer: socket.socket, count: int) -> bytes:
    """Read that many octets."""
    said = b""
    while len(said) < count:
        piece = peer.recv(count - len(said))
        if not piece:
            raise ConnectionResetError("the peer has gone")
        said += piece
    return said


def content(peer: socket.socket, asked: bytes) -> bytes:
    """Read what is to be scanned, by INSTREAM or FILDES."""
    if asked == b"FILDES":
        return _descriptor(peer)
    chunks = []
    while (length := struct.unpack("!L", exactly(peer, 4))[0]) > 0:
        chunks.append(exactly(peer, length))
    return b"".join(chunks)


def _descriptor(peer: socket.socket) -> bytes:
    fds = array.array("i")
    _, ancillary, _, _ = peer.recvmsg(1, socket.CMSG_SPACE(fds.itemsize))
    fds.frombytes(ancillary[0][2])
    with os.fdopen(fds[0], "rb", closefd=True) as file:
        os.lseek(fds[0], 0, os.SEEK_SET)  # as the real one does
        return file.read()


def prefixed(answer: bytes, asked: bytes) -> bytes:
    """Give the answer as clamd prefixes it for a descriptor, where it was asked for one."""
    return answer.replace(b"stream:", b"fd[9]:") if asked == b"FILDES" else answer


def judging(judge: Judge) -> Script:
    """Answer what `judge` says of the octets; VERSION and PING as clamd does."""

    def script(peer: socket.socket, stop: threading.Event) -> None:
        asked = command(peer)
        if asked == b"VERSION":
            peer.sendall(VERSION)
        elif asked == b"PING":
            peer.sendall(b"PONG\0")
        else:
            peer.sendall(prefixed(judge(content(peer, asked)), asked))

    return script


def always(answer: bytes) -> Judge:
    """Give a judge with one opinion."""
    return lambda _: answer


def saying(answer: bytes) -> Script:
    """Read everything, then say this and close."""
    return judging(always(answer))


def saying_in_pieces(*pieces: bytes) -> Script:
    """Read everything, then say this with pauses."""

    def script(peer: socket.socket, stop: threading.Event) -> None:
        asked = command(peer)
        content(peer, asked)
        for piece in pieces:
            peer.sendall(prefixed(piece, asked))
            stop.wait(0.05)

    return script


def staying(answer: bytes) -> Script:
    """Say this and keep the connection."""

    def script(peer: socket.socket, stop: threading.Event) -> None:
        asked = command(peer)
        content(peer, asked)
        peer.sendall(prefixed(answer, asked))
        until_gone(peer, stop)

    return script


def dripping(answer: bytes) -> Script:
    """Say this an octet at a time."""

    def script(peer: socket.socket, stop: threading.Event) -> None:
        content(peer, command(peer))
        drip(peer, answer, stop, every_s=0.1)

    return script


def early(answer: bytes) -> Script:
    """Say this after two chunks of INSTREAM, unread octets or not, as at StreamMaxLength."""

    def script(peer: socket.socket, stop: threading.Event) -> None:
        if command(peer) == b"FILDES":
            return
        for _ in range(2):
            exactly(peer, struct.unpack("!L", exactly(peer, 4))[0])
        peer.sendall(answer)

    return script


def refusing_descriptors(judge: Judge, refusal: bytes) -> Script:
    """Answer FILDES with `refusal`, and INSTREAM as `judging` does."""
    judged = judging(judge)

    def script(peer: socket.socket, stop: threading.Event) -> None:
        start = peer.recv(8, socket.MSG_PEEK)
        if start.startswith(b"zFILDES"):
            content(peer, command(peer))
            peer.sendall(refusal)
        else:
            judged(peer, stop)

    return script


def silent(peer: socket.socket, stop: threading.Event) -> None:
    """Read everything, say nothing, stay."""
    content(peer, command(peer))
    until_gone(peer, stop)


def not_reading(peer: socket.socket, stop: threading.Event) -> None:
    """Take the connection and nothing else."""
    until_gone(peer, stop)


def closing(peer: socket.socket, stop: threading.Event) -> None:
    """Close at once."""


def closing_after_command(peer: socket.socket, stop: threading.Event) -> None:
    """Close when the command was read."""
    command(peer)


def closing_mid_message(peer: socket.socket, stop: threading.Event) -> None:
    """Close inside a chunk."""
    command(peer)
    exactly(peer, 8)


def closing_after_message(peer: socket.socket, stop: threading.Event) -> None:
    """Read everything and close: pyclamd took this for clean."""
    content(peer, command(peer))


def resetting(peer: socket.socket, stop: threading.Event) -> None:
    """Read everything and reset."""
    with contextlib.suppress(OSError):
        content(peer, command(peer))
        reset(peer)
