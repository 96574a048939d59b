"""Has a small process of the daemon run, restarts it, and tells it what it has to know.

Called by  programs.daemon, at every turn of its loop, for the injector and the clerk.
Ends       raises nothing; it never waits, but for stop().
Careful    it is a part of the dispatcher: nothing here blocks. The process is never killed: it
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

INJECTOR, CLERK = "injector", "clerk"
_RESTART_S = (1.0, 2.0, 5.0, 20.0, 60.0)


class Tally(Protocol):
    """What counts events: the metrics."""

    def event(self, name: str) -> None:
        """Count one."""


class Attendant:
    """The dispatcher's side of a process called `name`.

    `fork` gives the process id of a new one and our end of its socket.
    """

    def __init__(
        self, name: str, fork: Callable[[], tuple[int, socket.socket]], log: Log, tally: Tally
    ) -> None:
        self.log = log
        self._name = name
        self._fork = fork
        self._tally = tally
        self._pid = 0
        self._sock: socket.socket | None = None
        self._told: bytes = b""
        self._deaths = 0
        self._next_at = 0.0

    def look(self, *, is_needed: Callable[[], bool], word: bytes = b"") -> None:
        """Do what there is to do; it never waits. `word` is what the process has to know now."""
        if self._pid and (ended := _ended(self._pid)):
            self._bury(ended)
        if not self._pid and time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + _RESTART_S[0]
            if is_needed():
                self._start()
        self._tell(word)

    def renew(self) -> None:
        """Have the process end after what it is doing; the next one has new settings."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def stop(self, *, within_s: float) -> None:
        """Have it end, and wait a moment for what it is doing."""
        self.renew()
        if self._pid and not _ended(self._pid):
            watched = os.pidfd_open(self._pid)
            select.select([watched], [], [], within_s)
            os.close(watched)

    def _start(self) -> None:
        try:
            self._pid, self._sock = self._fork()
        except OSError as error:
            self.log.trouble(f"cannot start the {self._name}: {error.strerror}")
            self._next_at = time.monotonic() + _RESTART_S[-1]
            return
        self._sock.setblocking(False)
        self._told = b""

    def _tell(self, word: bytes) -> None:
        if self._sock is not None and word != self._told:
            with contextlib.suppress(OSError):  # it is told at the next look, or buried
                self._sock.send(word)
                self._told = word

    def _bury(self, how: str) -> None:
        is_asked = self._sock is None
        self.renew()
        pid, self._pid = self._pid, 0
        if is_asked:
            return
        pause_s = _RESTART_S[min(self._deaths, len(_RESTART_S) - 1)]
        self._deaths += 1
        self._next_at = time.monotonic() + pause_s
        if self._name == CLERK:
            self.log.write({"event": "clerk-died", "pid": pid, "how": how})
            self._tally.event("clerk-died")
        else:
            self.log.write({"event": "injector-died", "pid": pid, "how": how})
            self._tally.event("injector-died")


def _ended(pid: int) -> str:
    """Give how a child ended, "" where it has not."""
    done, status = os.waitpid(pid, os.WNOHANG)
    if not done:
        return ""
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"exit {code}"
