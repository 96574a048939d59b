"""An rspamd that answers as its script says.

Called by  the tests of checks.rspamd, and whoever needs an rspamd that lies.
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
    said = b""
    while b"\r\n\r\n" not in said:
        said += peer.recv(1 << 16)
    head, _, body = said.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /checkv2 HTTP/1.1", lines[0]
    (length,) = [int(line[16:]) for line in lines if line.startswith(b"Content-Length: ")]
    while len(body) < length:
        body += peer.recv(1 << 16)
    return lines[1:], body


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
