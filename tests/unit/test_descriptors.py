"""Packets with descriptors: whole or not at all, and nothing that stays open with us."""

import fcntl
import os
import socket
import tempfile
from collections.abc import Callable, Iterator

import pytest

from qscanner import descriptors
from qscanner.intake import memory_file, seal
from qscanner.outcomes import Later, OutOfTime

_Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[_Pair]:
    """Give both ends of a connection."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        yield one, other


def _open() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_there_and_back(pair: _Pair) -> None:
    """Octets and descriptors arrive together; the descriptors are closed on exec."""
    with tempfile.TemporaryFile() as file:
        file.write(b"content")
        file.flush()
        descriptors.say(pair[0], b"packet", (file.fileno(), file.fileno()))
        packet, fds = descriptors.hear(pair[1], max_octets=100, max_fds=2, within_s=1)
    assert (packet, len(fds)) == (b"packet", 2)
    assert [os.pread(fd, 10, 0) for fd in fds] == [b"content"] * 2
    assert not any(os.get_inheritable(fd) for fd in fds)
    descriptors.close(fds)


def test_the_end(pair: _Pair) -> None:
    """b"" is the end of the conversation."""
    pair[0].close()
    assert descriptors.hear(pair[1], max_octets=9, max_fds=1, within_s=1) == (b"", ())


def test_nothing_in_time(pair: _Pair) -> None:
    """Nobody waits longer than it says; also where no time is left at all."""
    for within_s in (0.05, 0.0, -1.0):
        with pytest.raises(OutOfTime):
            descriptors.hear(pair[1], max_octets=9, max_fds=1, within_s=within_s)


def test_broken_off(pair: _Pair) -> None:
    """A reset, which the kernel says when something of ours was not read."""
    pair[1].send(b"unread")
    pair[0].close()
    with pytest.raises(Later, match="broke off"):
        descriptors.hear(pair[1], max_octets=9, max_fds=1, within_s=1)


@pytest.mark.parametrize(("wanted", "count"), [(1, 2), (1, 3), (2, 3), (2, 4), (2, 100)])
def test_too_many_descriptors(pair: _Pair, wanted: int, count: int) -> None:
    """More than wanted: Later, and all of those that arrived are closed."""
    with tempfile.TemporaryFile() as file:
        before = _open()
        descriptors.say(pair[0], b"packet", [file.fileno()] * count)
        with pytest.raises(Later, match="not arrive whole"):
            descriptors.hear(pair[1], max_octets=100, max_fds=wanted, within_s=1)
        assert _open() == before


def test_too_long(pair: _Pair) -> None:
    """A packet that is longer than wanted is no packet."""
    pair[0].send(b"x" * 101)
    with pytest.raises(Later, match="not arrive whole"):
        descriptors.hear(pair[1], max_octets=100, max_fds=1, within_s=1)


def _pipe() -> int:
    reading, writing = os.pipe()
    os.close(writing)
    return reading


def _unlinked(flags: int) -> int:
    with tempfile.NamedTemporaryFile() as file:
        return os.open(file.name, flags)


FILES: list[tuple[str, Callable[[], int], bool]] = [
    ("memory", memory_file, True),
    ("file-to-read", lambda: _unlinked(os.O_RDONLY), True),
    ("file-to-read-and-write", lambda: _unlinked(os.O_RDWR), True),
    ("file-to-write", lambda: _unlinked(os.O_WRONLY), False),
    ("path-only", lambda: _unlinked(os.O_PATH), False),
    ("pipe", _pipe, False),
    ("folder", lambda: os.open("/", os.O_RDONLY), False),
    ("device", lambda: os.open("/dev/null", os.O_RDONLY), False),
    ("socket", lambda: socket.socket().detach(), False),
]


@pytest.mark.parametrize(("make", "is_one"), [f[1:] for f in FILES], ids=[f[0] for f in FILES])
def test_is_file(make: Callable[[], int], is_one: bool) -> None:
    """Only what can be read and never blocks."""
    fd = make()
    try:
        assert descriptors.is_file(fd) is is_one
    finally:
        os.close(fd)


def test_is_sealed() -> None:
    """Sealed is what nobody can write, shrink or let grow: all three, and a memory file."""
    for fd in (memory_file(), _unlinked(os.O_RDWR), _pipe()):
        assert not descriptors.is_sealed(fd)
        os.close(fd)
    partly, wholly = memory_file(), memory_file()
    fcntl.fcntl(partly, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW)
    assert not descriptors.is_sealed(partly)
    seal(wholly)
    assert descriptors.is_sealed(wholly)
    os.close(partly)
    os.close(wholly)
