"""An rspamd that answers as its script says.

Called by  the tests of checks.rspamd and learning, and whoever needs an rspamd that lies.
"""

import json
import socket
import threading
from collections.abc import Callable

from tests.fakes.server import Script, serving

__all__ = ["serving"]


def answer(
    action: str = "no action", score: object = 0.1, required: object = 15.0, **more: object
) -> bytes:
    """Give an answer as rspamd 3 gives it."""
    said = {"is_skipped": False, "score": score, "required_score": required, "action": action}
    body = json.dumps({**said, "symbols": {}, **more}).encode()
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def question(peer: socket.socket) -> tuple[list[bytes], bytes]:
    """Read a question to its end; give its header lines, and the message in it."""
    first, lines, body = _heard(peer)
    assert first == b"POST /checkv2 HTTP/1.1", first
    return lines, body


def _heard(peer: socket.socket) -> tuple[bytes, list[bytes], bytes]:
    said = b""
    while b"\r\n\r\n" not in said:
        said += peer.recv(1 << 16)
    head, _, body = said.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    (length,) = [int(line[16:]) for line in lines if line.startswith(b"Content-Length: ")]
    while len(body) < length:
        body += peer.recv(1 << 16)
    return lines[0], lines[1:], body


def judging(judge: Callable[[list[bytes], bytes], bytes]) -> Script:
    """Answer what `judge` says of the header lines and the message."""

    def script(peer: socket.socket, stop: threading.Event) -> None:
        peer.sendall(judge(*question(peer)))

    return script


def saying(octets: bytes) -> Script:
    """Read everything, then say this and close."""
    return judging(lambda _lines, _message: octets)


def early(octets: bytes) -> Script:
    """Say this before anything was read, and close."""

    def script(peer: socket.socket, stop: threading.Event) -> None:
        peer.sendall(octets)

    return script


SUCCESS = b'{"success":true}'


def saying_of(status: bytes, body: bytes = b"") -> bytes:
    """Give an answer of a controller: status is like b"404 no classifiers defined"."""
    head = b"HTTP/1.1 %s\r\nConnection: close\r\nServer: rspamd/3.4\r\n" % status
    return head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def failing(code: int, words: bytes) -> bytes:
    """Give an answer as the controller of rspamd 3.4 words trouble."""
    return saying_of(b"%d %s" % (code, words), b'{"error":"%s"}' % words)


class Controller:
    """A controller that learns: `known` says as what it knows which message.

    `orders` are all that it was told: password, kind, message.
    """

    def __init__(self, password: bytes = b"") -> None:
        self.known: dict[bytes, bytes] = {}
        self.orders: list[tuple[bytes, bytes, bytes]] = []
        self._password = password

    def __call__(self, peer: socket.socket, stop: threading.Event) -> None:
        """Take one order, as rspamd 3.4 does."""
        first, lines, body = _heard(peer)
        kind = {b"POST /learnspam HTTP/1.1": b"spam", b"POST /learnham HTTP/1.1": b"ham"}[first]
        given = [line[10:] for line in lines if line.startswith(b"Password: ")]
        self.orders.append((b"".join(given), kind, body))
        if self._password and given != [self._password]:
            peer.sendall(failing(401, b"Unauthorized"))
        elif self.known.get(body) == kind:
            words = b"<x@y> has been already learned as %s, ignore it" % kind
            peer.sendall(failing(404, words))
        else:
            self.known[body] = kind
            peer.sendall(saying_of(b"200 OK", SUCCESS))


def controlling(octets: bytes) -> Script:
    """Read an order to its end, then say this and close."""

    def script(peer: socket.socket, stop: threading.Event) -> None:
        _heard(peer)
        peer.sendall(octets)

    return script
