"""checks.clamav_sight: an OK to a large message counts only where clamd sees so far."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from qscanner.checks import clamav_sight
from qscanner.codec import servers
from qscanner.model import Outcome
from qscanner.spool import Message

_EICAR_IN_BASE64 = b"WDVPIVAlQEFQWzRcUFpYNTQoUF4pN0NDKTd9JEVJQ0FS"


@contextmanager
def clamd(sees_octets: int, over: bytes) -> Iterator[servers.Server]:
    """Give a clamd that looks at so many octets, and answers `over` to more."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listening.accept()
                except OSError:
                    return
                with peer:
                    peer.sendall(answer(peer))

        def answer(peer: socket.socket) -> bytes:
            command = peer.recv(10)
            if not command.startswith(b"zINSTREAM"):
                return b"ClamAV 1.4.6/27000/Mon Nov 23 10:00:00 2026\0"
            octets = bytearray()
            with peer.makefile("rb") as file:
                while size := struct.unpack("!I", file.read(4))[0]:
                    octets += file.read(size)
            if len(octets) > sees_octets:
                return b"stream: " + over + b"\0"
            return b"stream: " + (b"Eicar FOUND" if _EICAR_IN_BASE64 in octets else b"OK") + b"\0"

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield servers.parse(f"tcp:127.0.0.1:{listening.getsockname()[1]}")
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.mark.parametrize(
    ("size", "over", "outcome"),
    [
        pytest.param(1 << 20, b"OK", Outcome.CLEAN, id="small-needs-no-proof"),
        pytest.param(3 << 20, b"OK", Outcome.CLEAN, id="large-and-seen"),
        pytest.param(5 << 20, b"OK", Outcome.UNSCANNABLE, id="large-and-blind"),
        pytest.param(
            5 << 20,
            b"Heuristics.Limits.Exceeded.MaxFileSize FOUND",
            Outcome.UNSCANNABLE,
            id="large-and-says-so",
        ),
    ],
)
def test_ok_counts_only_where_clamd_sees(size: int, over: bytes, outcome: Outcome) -> None:
    """What clamd did not look at is never clean."""
    message = Message.of_octets(b"Subject: x\n\n" + b"x" * size)
    with clamd(4 << 20, over) as server:
        result = clamav_sight.look(message, [server], within_s=15)
    assert result.outcome is outcome
    message.close()
    if outcome is Outcome.UNSCANNABLE:
        assert [found.id for found in result.findings] == [clamav_sight.BLIND]
