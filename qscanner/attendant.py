"""Has the injector run, restarts it, and tells it since when no virus scanner answers.

Called by  programs.daemon, at every turn of its loop.
Ends       raises nothing; it never waits, but for stop().
Careful    it is a part of the dispatcher: nothing here blocks. The injector is never killed: it
           might be told "queued" that very moment. It ends by itself when its socket closes.
"""

import contextlib
import os
import select
import socket
import time
from collections.abc import Callable
from typing import Protocol

from qscanner.log import Log

_RESTART_S = (1.0, 2.0, 5.0, 20.0, 60.0)


class Tally(Protocol):
    """What counts events: the metrics."""

    def event(self, name: str) -> None:
        """Count one."""


class Attendant:
    """The dispatcher's side: has the process run, and tells it of the dead scanner.

    `fork` gives the process id of a new one and our end of its socket.
    """

    def __init__(
        self, fork: Callable[[], tuple[int, socket.socket]], log: Log, tally: Tally
    ) -> None:
        self.log = log
        self._fork = fork
        self._tally = tally
        self._pid = 0
        self._sock: socket.socket | None = None
        self._dead_from = 0.0  # seconds since 1970: the latest time of a dead scanner
        self._dead_until = 0.0  # 0: still
        self._told: bytes = b""
        self._deaths = 0
        self._next_at = 0.0

    def look(self, *, dead_s: float, is_needed: Callable[[], bool]) -> None:
        """Do what there is to do; it never waits. `dead_s`: for how long no scanner answers."""
        self._note(dead_s)
        if self._pid and (ended := _ended(self._pid)):
            self._bury(ended)
        if not self._pid and time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + _RESTART_S[0]
            if is_needed():
                self._start()
        self._tell()

    def renew(self) -> None:
        """Have the process end when it has finished a letter; the next one has new settings."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def stop(self, *, within_s: float) -> None:
        """Have it end, and wait a moment for the letter that it is sending."""
        self.renew()
        if self._pid and not _ended(self._pid):
            watched = os.pidfd_open(self._pid)
            select.select([watched], [], [], within_s)
            os.close(watched)

    def _note(self, dead_s: float) -> None:
        is_known = self._dead_from and not self._dead_until
        if dead_s and not is_known:
            self._dead_from, self._dead_until = time.time() - dead_s, 0.0
        elif not dead_s and is_known:
            self._dead_until = time.time()

    def _start(self) -> None:
        try:
            self._pid, self._sock = self._fork()
        except OSError as error:
            self.log.trouble(f"cannot start the injector: {error.strerror}")
            self._next_at = time.monotonic() + _RESTART_S[-1]
            return
        self._sock.setblocking(False)
        self._told = b""

    def _tell(self) -> None:
        packet = b"dead %d %d" % (int(self._dead_from), int(self._dead_until))
        if self._sock is not None and packet != self._told:
            with contextlib.suppress(OSError):  # it is told at the next look, or buried
                self._sock.send(packet)
                self._told = packet

    def _bury(self, how: str) -> None:
        is_asked = self._sock is None
        self.renew()
        pid, self._pid = self._pid, 0
        if is_asked:
            return
        pause_s = _RESTART_S[min(self._deaths, len(_RESTART_S) - 1)]
        self._deaths += 1
        self._next_at = time.monotonic() + pause_s
        self.log.write({"event": "injector-died", "pid": pid, "how": how})
        self._tally.event("injector-died")


def _ended(pid: int) -> str:
    """Give how a child ended, "" where it has not."""
    done, status = os.waitpid(pid, os.WNOHANG)
    if not done:
        return ""
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"exit {code}"
