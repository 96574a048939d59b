"""Which scanner servers are dead: whoever finds one dead spares the other workers the wait.

Called by  bench, which makes one before the workers are forked; checks.clamav and checks.spam,
           which say how a server did; metrics.
Ends       never with an error: without this memory every server is tried, as without a daemon.
Careful    it orders servers, it never takes one away: a dead one comes behind those that live, so
           no message fails that could have been scanned. A worker may write what it likes here;
           the worst that comes of it is another order, for 30 s.
"""

import mmap
import struct
import time
from collections.abc import Callable, Iterable, Sequence

from qscanner.codec.servers import Server

FIRST_S, LONGEST_S = 1.0, 30.0
_ENTRY = struct.Struct("dd")  # skipped until (monotonic clock), failures in a row
_MAX_FAILURES = 64.0


class Health:
    """The memory, shared by all processes that are forked after it was made."""

    def __init__(
        self, servers: Iterable[Server], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        known = dict.fromkeys(server.text for server in servers)
        self._places = {text: place * _ENTRY.size for place, text in enumerate(known)}
        self._clock = clock
        self._shared = mmap.mmap(-1, max(1, len(known)) * _ENTRY.size)

    def in_order(self, servers: Sequence[Server]) -> tuple[Server, ...]:
        """Give the servers to ask, in this order: those that live, then the dead ones.

        One whose time is over stands in its old place again, for this caller: the others go on
        without it until it is known how it did.
        """
        now = self._clock()
        live = [server for server in servers if self._is_to_be_tried(server, now)]
        return (*live, *(server for server in servers if server not in live))

    def _is_to_be_tried(self, server: Server, now: float) -> bool:
        until, failures = self._read(server)
        if not failures:
            return True
        if now < until <= now + LONGEST_S:
            return False
        self._write(server, now + _pause_s(failures), failures)
        return True

    def failed(self, server: Server) -> None:
        """Note that it could not be reached, or did not answer."""
        failures = min(self._read(server)[1] + 1, _MAX_FAILURES)
        self._write(server, self._clock() + _pause_s(failures), failures)

    def worked(self, server: Server) -> None:
        """Note that it answered."""
        if self._read(server)[1]:
            self._write(server, 0.0, 0.0)

    def up(self) -> dict[str, bool]:
        """Say of each server, by what the admin wrote, whether it answered when last asked."""
        return {
            text: not _ENTRY.unpack_from(self._shared, place)[1]
            for text, place in self._places.items()
        }

    def _read(self, server: Server) -> tuple[float, float]:
        place = self._places.get(server.text)
        if place is None:
            return 0.0, 0.0
        until, failures = _ENTRY.unpack_from(self._shared, place)
        return until, failures if 0 <= failures <= _MAX_FAILURES else 1.0  # never a NaN

    def _write(self, server: Server, until: float, failures: float) -> None:
        place = self._places.get(server.text)
        if place is not None:
            _ENTRY.pack_into(self._shared, place, until, failures)


def _pause_s(failures: float) -> float:
    """Give 1, 2, 4, 8, 16, 30, 30 ... seconds."""
    return min(LONGEST_S, FIRST_S * 2.0 ** int(failures - 1))
