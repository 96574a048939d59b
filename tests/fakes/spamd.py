"""A spamd that answers as its script says: rightly, wrongly, slowly, or not at all.

Called by  the tests of checks.spam and learning, and whoever needs a spamd that lies.
"""

import re
import socket
import threading
from collections.abc import Callable

from tests.fakes.server import LIMIT_S, Script, drip, reset, serving

__all__ = ["serving"]


def answer(spam: bytes = b"False ; 0.1 / 5.0", rules: bytes = b"", length: int = -1) -> bytes:
    """Give an answer; `length` is the Content-length where it is to be a lie."""
    said = len(rules) if length < 0 else length
    return b"SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: %s\r\n\r\n%s" % (said, spam, rules)


def message(peer: socket.socket) -> bytes:
    """Read a question or an order to its end, and give the message in it."""
    head, body = _heard(peer)
    if not head.startswith(b"TELL "):
        assert head == b"SYMBOLS SPAMC/1.5\r\nContent-length: %d" % len(body), head
    return body


def _heard(peer: socket.socket) -> tuple[bytes, bytes]:
    said = b""
    while piece := peer.recv(1 << 16):
        said += piece
    head, _, body = said.partition(b"\r\n\r\n")
    return head, body


_ORDER = re.compile(
    rb"TELL SPAMC/1\.5\r\nContent-length: (\d+)\r\n(?:User: (\S+)\r\n)?"
    rb"(?:Message-class: (spam|ham)\r\nSet: local|Remove: local)"
)
DID_NOTHING = b"SPAMD/1.1 0 EX_OK\r\n\r\n\r\n"
DID_SET = b"SPAMD/1.1 0 EX_OK\r\nDidSet: local\r\n\r\n\r\n"
DID_REMOVE = b"SPAMD/1.1 0 EX_OK\r\nDidRemove: local\r\n\r\n\r\n"
NOT_ALLOWED = (
    b"SPAMD/1.0 69 Service Unavailable: "
    b"TELL commands are not enabled, set the --allow-tell switch.\r\n"
)


class School:
    """A spamd with --allow-tell and a database: `known` says as what it knows which message.

    `orders` are all that it was told: user, kind (None: to forget), message. With `is_learning`
    False it takes orders and does nothing, as where Bayes is off.
    """

    def __init__(self, *, is_learning: bool = True) -> None:
        self.known: dict[tuple[bytes, bytes], bytes] = {}
        self.orders: list[tuple[bytes, bytes | None, bytes]] = []
        self._is_learning = is_learning

    def __call__(self, peer: socket.socket, stop: threading.Event) -> None:
        """Take one order, as spamd 4.0.1 does."""
        head, body = _heard(peer)
        found = _ORDER.fullmatch(head)
        assert found, head
        assert int(found[1]) == len(body), head
        user, kind = found[2] or b"", found[3]
        self.orders.append((user, kind, body))
        before = self.known.get((user, body)) if self._is_learning else kind
        if before == kind:
            peer.sendall(DID_NOTHING)
        elif kind is None:
            del self.known[user, body]
            peer.sendall(DID_REMOVE)
        else:
            self.known[user, body] = kind
            peer.sendall(DID_SET)


def judging(judge: Callable[[bytes], bytes]) -> Script:
    """Answer what `judge` says of the message."""

    def script(peer: socket.socket, stop: threading.Event) -> None:
        peer.sendall(judge(message(peer)))

    return script


def saying(octets: bytes) -> Script:
    """Read everything, then say this and close."""
    return judging(lambda _: octets)


def saying_in_pieces(*pieces: bytes) -> Script:
    """Read everything, then say this with pauses."""

    def script(peer: socket.socket, stop: threading.Event) -> None:
        message(peer)
        for piece in pieces:
            peer.sendall(piece)
            stop.wait(0.05)

    return script


def dripping(octets: bytes) -> Script:
    """Say this an octet at a time."""

    def script(peer: socket.socket, stop: threading.Event) -> None:
        message(peer)
        drip(peer, octets, stop, every_s=0.1)

    return script


def early(octets: bytes) -> Script:
    """Say this after the first octets of the question, and go."""

    def script(peer: socket.socket, stop: threading.Event) -> None:
        peer.recv(10)
        peer.sendall(octets)

    return script


def staying(octets: bytes) -> Script:
    """Say this and keep the connection."""

    def script(peer: socket.socket, stop: threading.Event) -> None:
        message(peer)
        peer.sendall(octets)
        stop.wait(LIMIT_S)

    return script


def silent(peer: socket.socket, stop: threading.Event) -> None:
    """Read everything, say nothing, stay."""
    message(peer)
    stop.wait(LIMIT_S)


def not_reading(peer: socket.socket, stop: threading.Event) -> None:
    """Take the connection and nothing else."""
    stop.wait(LIMIT_S)


def closing(peer: socket.socket, stop: threading.Event) -> None:
    """Close at once."""


def closing_after_message(peer: socket.socket, stop: threading.Event) -> None:
    """Read everything and close."""
    message(peer)


def resetting(peer: socket.socket, stop: threading.Event) -> None:
    """Read a little and reset."""
    peer.recv(10)
    reset(peer)
