"""What a worker remembers of its clamds: their version for a minute, how far they see for ten.

Called by  bench, which makes one for each process that scans; clamav and clamav_sight.
Ends       raises nothing but what the question raises that is asked where nothing is known.
Careful    only what was proven is remembered. Who sees the test string behind 5 MB sees it behind
           4 MB as well, and who is blind behind 5 MB is so behind 6 MB; nothing else follows.
"""

import time
from collections.abc import Callable

from qscanner.codec.servers import Server
from qscanner.health import Health

VERSION_S, SIGHT_S = 60.0, 600.0


class Known:
    """The memory of one process; `clock` gives seconds that never go back.

    `health` is the memory that all processes share; by default of no server at all.
    """

    def __init__(
        self, health: Health | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.health = health or Health(())
        self._clock = clock
        self._versions: dict[str, tuple[float, str]] = {}
        self._seen: dict[str, tuple[float, int]] = {}
        self._blind: dict[str, tuple[float, int]] = {}

    def version(self, server: Server, ask: Callable[[], str]) -> str:
        """Give the version of a server as `ask` gave it in the last minute, or asks now."""
        at, version = self._versions.get(server.text, (0.0, ""))
        if not version or self._clock() - at > VERSION_S:
            version = ask()
            self._versions[server.text] = (self._clock(), version)
        return version

    def sees(self, server: Server, octets: int) -> bool | None:
        """Say whether a server looks at all of a message of that size; None: not known."""
        now = self._clock()
        at, most = self._seen.get(server.text, (0.0, -1))
        if octets <= most and now - at <= SIGHT_S:
            return True
        at, least = self._blind.get(server.text, (0.0, octets + 1))
        if octets >= least and now - at <= SIGHT_S:
            return False
        return None

    def note_sight(self, server: Server, octets: int, *, sees: bool) -> None:
        """Remember what was proven of a server with a message of that size.

        The latest word counts: whoever was proven to see so far is not blind there any more.
        """
        if sees:
            self._seen[server.text] = (self._clock(), octets)
            if octets >= self._blind.get(server.text, (0.0, octets + 1))[1]:
                del self._blind[server.text]
        else:
            self._blind[server.text] = (self._clock(), octets)
            if octets <= self._seen.get(server.text, (0.0, -1))[1]:
                del self._seen[server.text]
