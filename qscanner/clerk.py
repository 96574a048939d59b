"""The clerk: the small process of the daemon that keeps the books of the quarantine.

Whoever scans writes files and lines, and never waits for a database. This process brings the index
up to them every few seconds and takes in the history, so that nobody who asks waits either; it
writes digests when they are due, and lets go of what is too old or finds no room.

Called by  programs.daemon, in the process that it forks; attendant looks after that one.
Ends       serve() when the dispatcher is gone: in the middle of long work at its next step, each
           of which is whole by itself.
Careful    it opens the store behind the fork, and gives it back when anything is wrong with it.
           What fails is logged once, until it works again: nothing that is held depends on it.
"""

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from qscanner import rounds
from qscanner.log import Log
from qscanner.outcomes import QScannerError
from qscanner.settings import Settings
from qscanner.store.history_words import Forgotten
from qscanner.store.words import StoreError, Who

if TYPE_CHECKING:  # SQLAlchemy is loaded by the process that needs it, behind the fork
    from qscanner.store.digests import Digests
    from qscanner.store.home import Progress
    from qscanner.store.store import Store

NAME = "q-clerk"  # in /proc/PID/comm: at most 15 octets
_TICK_MS = 2000
_FIRST_S = 60.0  # after the start, before anything expires
_AGAIN_S = 10.0  # after trouble
_DIGEST_S = 2.0  # then other things have their turn
_TAKE_S = 5.0  # for another who takes the history in


@contextlib.contextmanager
def _told(wrong: list[str]) -> Iterator[None]:
    """Put what goes wrong into a list, and go on."""
    try:
        yield
    except (QScannerError, StoreError) as error:
        wrong.append(str(error))


class Over(Exception):
    """The dispatcher has gone: leave what is not begun."""


def is_needed(settings: Settings) -> bool:
    """Say whether there are books to keep, and a quarantine that is there."""
    chosen = settings.quarantine
    is_wanted = chosen.expire_every or settings.history.keep or rounds.is_asked(settings)
    return bool(chosen.database) or bool(is_wanted and os.path.isdir(chosen.dir))


def serve(control: socket.socket, settings: Settings, log: Log) -> NoReturn:
    """Keep the books until the dispatcher closes `control`."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the dispatcher decides
    with contextlib.suppress(OSError), open("/proc/self/comm", "w", encoding="ascii") as comm:
        comm.write(NAME)
    poll = select.poll()
    poll.register(control, select.POLLIN | select.POLLHUP)
    clerk = Clerk(settings=settings, log=log)
    with contextlib.suppress(Over):
        while not (poll.poll(_TICK_MS) and _is_over(control)):
            clerk.turn(time.time(), is_over=lambda: bool(poll.poll(0)) and _is_over(control))
    clerk.close()
    os._exit(0)


def _is_over(control: socket.socket) -> bool:
    """Say whether the dispatcher has closed its end; what it says means nothing here."""
    try:
        return not control.recv(100, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


@dataclass(kw_only=True)
class Clerk:
    """One quarantine, and when what is done next."""

    settings: Settings
    log: Log
    by: Who = field(default_factory=lambda: Who.here("clerk"))
    _store: "Store | None" = None
    _digests: "Digests | None" = None
    _expires_at: float = 0.0
    _tries_at: float = 0.0
    _trouble: str = ""  # which was logged

    def turn(self, now: float, *, is_over: Callable[[], bool] = lambda: False) -> None:
        """Do what it is time for; `now` is since 1970. Raises Over."""
        if now < self._tries_at <= now + _AGAIN_S:  # else the clock was set back
            return
        wrong: list[str] = []
        with _told(wrong):
            self._work(now, is_over, wrong)
        if wrong:
            self._fail(now, "; ".join(dict.fromkeys(wrong)))
        else:
            self._trouble = ""

    def close(self) -> None:
        """Give back the store."""
        if self._store is not None:
            store, self._store, self._digests = self._store, None, None
            store.close()

    def _fail(self, now: float, why: str) -> None:
        self.close()
        self._tries_at = now + _AGAIN_S
        if why != self._trouble:
            self._trouble = why
            self.log.write({"event": "clerk-waits", "why": why})

    def _work(self, now: float, is_over: Callable[[], bool], wrong: list[str]) -> None:
        """Do each thing, whatever becomes of the others: `wrong` gets what could not be done."""

        def step(_done: int, _total: int) -> None:
            if is_over():
                raise Over

        store = self._opened()
        store.follow()
        with _told(wrong):
            store.history.take(within_s=_TAKE_S, progress=step)
        is_taken = not wrong
        with _told(wrong):
            self._digest(store, now)
        with _told(wrong):
            self._expire(store, now, step, is_taken=is_taken)

    def _opened(self) -> "Store":
        if self._store is None:
            from qscanner.store.store import Store

            self._store = Store.open(self.settings.quarantine)
        return self._store

    def _digest(self, store: "Store", now: float) -> None:
        self._digests = self._digests or store.digests(self.settings)
        put = self._digests.turn(now, within_s=_DIGEST_S)
        if put:
            self.log.write({"event": "digests-written", "letters": put})

    def _expire(self, store: "Store", now: float, step: "Progress", *, is_taken: bool) -> None:
        every_s = self.settings.quarantine.expire_every
        self._expires_at = self._expires_at or now + min(_FIRST_S, every_s)
        if not every_s or now < self._expires_at <= now + every_s:
            return
        done = store.expire(by=self.by, now=now, progress=step)
        gone = Forgotten()
        if is_taken:  # else a line that waits would be new again
            gone = store.history.forget(self.settings.history, now, progress=step)
        self._expires_at = now + every_s
        if done.expired or done.removed or done.forgotten or gone.facts:
            told = {"expired": done.expired, "removed": done.removed}
            more = {"forgotten": done.forgotten, "facts": gone.facts}
            self.log.write({"event": "expired", **told, **more})
