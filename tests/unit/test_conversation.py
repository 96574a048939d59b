"""conversation: one deadline for everything, whatever the other side does."""

import os
import socket
import threading
import time

import pytest

from qscanner import conversation
from qscanner.codec.servers import Server
from qscanner.conversation import BrokenOff, Conversation, NotReached, Silent
from tests.fakes.server import TRANSPORTS, drip, nobody, reset, serving, until_gone

WITHIN_S = 0.5


def echo(peer: socket.socket, stop: threading.Event) -> None:
    """Say what was said, in capitals."""
    said = b""
    while piece := peer.recv(1000):
        said += piece
    peer.sendall(said.upper())


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_conversation(transport: str) -> None:
    """Everything arrives, both ways, and the socket is closed in the end, twice if need be."""
    octets = os.urandom(2_000_000).hex().encode()
    with serving(echo, transport) as server:
        with Conversation(server, within_s=10) as talk:
            assert talk.send(octets)
            talk.finish_sending()
            assert talk.receive(max_octets=len(octets)) == octets.upper()
            assert not talk.was_reset
        talk.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_too_much_is_said(transport: str) -> None:
    """More than max_octets is refused, not kept."""
    with serving(echo, transport) as server, Conversation(server, within_s=5) as talk:
        talk.send(b"x" * 101)
        talk.finish_sending()
        with pytest.raises(BrokenOff, match="more than 100 octets"):
            talk.receive(max_octets=100)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_one_deadline(transport: str) -> None:
    """An octet now and then does not keep a wait alive; neither does a peer that never reads."""

    def dripping(peer: socket.socket, stop: threading.Event) -> None:
        drip(peer, b"x" * 100, stop, every_s=0.1)

    began = time.monotonic()
    with (
        serving(dripping, transport) as server,
        Conversation(server, within_s=WITHIN_S) as talk,
        pytest.raises(Silent),
    ):
        talk.receive(max_octets=1000)
    with (
        serving(until_gone, transport) as server,
        Conversation(server, within_s=WITHIN_S) as talk,
        pytest.raises(Silent),
    ):
        talk.send(b"x" * 50_000_000)
    assert time.monotonic() - began < 2 * WITHIN_S + 1


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_reset_is_told(transport: str) -> None:
    """What was said before a reset is given, and that it was one."""

    def rude(peer: socket.socket, stop: threading.Event) -> None:
        peer.recv(1)
        peer.sendall(b"no")
        if transport != "unix":  # there, octets that nobody read make it a reset
            stop.wait(0.1)
            reset(peer)

    with serving(rude, transport) as server, Conversation(server, within_s=5) as talk:
        talk.send(b"x" * 10)
        assert talk.receive(max_octets=10) == b"no"
        assert talk.was_reset


def test_speaking_first_ends_sending() -> None:
    """A server that answers before it has heard everything is heard."""

    def rude(peer: socket.socket, stop: threading.Event) -> None:
        peer.sendall(b"enough")
        until_gone(peer, stop)

    with serving(rude) as server, Conversation(server, within_s=5) as talk:
        while talk.send(b"x" * 1000):
            pass


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_nobody(transport: str) -> None:
    """Where nobody listens, that is known at once, and the server is named."""
    server = nobody(transport)
    with pytest.raises(NotReached) as failure:
        Conversation(server, within_s=5)
    assert str(failure.value).startswith(server.text)


def test_full_backlog_of_a_unix_socket(tmp_path: os.PathLike[str]) -> None:
    """A full backlog is waited for, and not for ever; when there is room, we are in."""
    path = f"{tmp_path}/socket"
    server = Server(kind="unix", path=path, text=f"unix:{path}")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        began = time.monotonic()
        with pytest.raises(NotReached, match="not connected within"):
            Conversation(server, within_s=0.3)
        assert 0.2 < time.monotonic() - began < 1.5
        accepting = threading.Timer(0.2, lambda: listener.accept()[0].close())
        accepting.start()
        Conversation(server, within_s=5).close()
        accepting.join()


def test_slow_name_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name service that does not answer costs the time for connecting, and no more."""
    stop = threading.Event()
    real = socket.getaddrinfo

    def slow(host: str, port: int, *, type: int, flags: int) -> object:
        if flags & socket.AI_NUMERICHOST:
            return real(host, port, type=type, flags=flags)
        stop.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    server = Server(kind="tcp", host="scanner.example", port=1, text="tcp:scanner.example:1")
    began = time.monotonic()
    with pytest.raises(NotReached, match="not connected within"):
        Conversation(server, within_s=0.3)
    assert time.monotonic() - began < 1.5
    stop.set()


def test_a_name_is_resolved() -> None:
    """A host name leads to whichever of its addresses answers."""
    with serving(echo, "tcp") as server:
        named = Server(kind="tcp", host="localhost", port=server.port, text="tcp:localhost")
        with Conversation(named, within_s=5) as talk:
            assert talk.send(b"x")


def test_connecting_is_bounded() -> None:
    """However long an answer may take, connecting has its own bound."""
    assert conversation.CONNECT_WITHIN_S <= 5
