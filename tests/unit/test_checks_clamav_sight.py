"""checks.clamav_sight: an OK to a large message counts only where clamd sees so far."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from qscanner.checks import clamav_sight
from qscanner.checks.clamav_known import Known
from qscanner.codec import servers
from qscanner.health import Health
from qscanner.model import Outcome
from qscanner.spool import Message

_EICAR_IN_BASE64 = b"WDVPIVAlQEFQWzRcUFpYNTQoUF4pN0NDKTd9JEVJQ0FS"


@contextlib.contextmanager
def clamd(
    sees_octets: int, over: bytes, asked: list[int] | None = None
) -> Iterator[servers.Server]:
    """Give a clamd that looks at so many octets, and answers `over` to more.

    `asked` gets the size of everything that it is shown.
    """
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
            if asked is not None:
                asked.append(len(octets) >> 20)
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


def of_mib(size: int) -> Message:
    return Message.of_octets(b"Subject: x\n\n" + b"x" * (size << 20))


@pytest.mark.parametrize(
    ("over", "outcomes"),
    [
        pytest.param(b"OK", [Outcome.CLEAN, Outcome.UNSCANNABLE], id="blind-above-4-mib"),
        pytest.param(b"Heuristics.Limits.Exceeded FOUND", [Outcome.CLEAN] * 2, id="says-so"),
    ],
)
def test_the_proof_is_remembered(over: bytes, outcomes: list[Outcome]) -> None:
    """A second message of that size, or on the same side of it, costs one scan and not two."""
    asked: list[int] = []
    known = Known()
    with clamd(4 << 20, over, asked) as server:
        for size, times in ((3, 2), (5, 2), (3, 1), (5, 1)):
            before = len(asked)
            with contextlib.closing(of_mib(size)) as message:
                result = clamav_sight.look(message, [server], within_s=15, known=known)
            is_reported = size == 5 and over != b"OK"
            assert len(asked) - before == (1 if is_reported else times)
            want = Outcome.UNSCANNABLE if is_reported else outcomes[size == 5]
            assert result.outcome is want


def test_each_server_proves_it_for_itself() -> None:
    """The proof is asked of the one that said OK: that another one sees proves nothing."""
    seen_by_other: list[int] = []
    with clamd(4 << 20, b"OK") as blind, clamd(64 << 20, b"OK", seen_by_other) as other:
        known = Known(Health((blind, other)))
        with contextlib.closing(of_mib(5)) as message:
            result = clamav_sight.look(message, [blind, other], within_s=15, known=known)
            assert result.outcome is Outcome.UNSCANNABLE
            assert seen_by_other == []
            known.health.failed(blind)
            result = clamav_sight.look(message, [blind, other], within_s=15, known=known)
            assert result.outcome is Outcome.CLEAN
