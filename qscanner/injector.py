"""The injector: the small process of the daemon that sends the letters of the outbox.

A worker cannot: a set-uid queue program fails under NO_NEW_PRIVS. So this process is forked by the
dispatcher, looks into the outbox every second, composes each letter, has the real queue program
queue it for nobody (the null sender), notes who was told, and removes the letter. It also writes
the alarm, when mail was put off for a dead scanner for too long.

Called by  programs.daemon, in the process that it forks; attendant looks after that one.
Ends       serve() when the dispatcher is gone; a letter that is being queued is finished first.
Careful    killed between the queue program's 0 and the note, a letter is sent once more, as the
           same message (its Message-ID and Date are the letter's). At any other time it is sent
           once. Nothing is sent through QMAILQUEUE: there is no way back to us. One process at a
           time: the folder is locked.
"""

import contextlib
import fcntl
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from qscanner import letters, outbox, rounds
from qscanner.alarm import Alarm
from qscanner.bench import own_name
from qscanner.codec import envelope
from qscanner.codec.text import readable
from qscanner.inject import NotQueued, inject
from qscanner.log import Log
from qscanner.outbox import Damaged, Kind, Letter
from qscanner.outcomes import QScannerError
from qscanner.policy.rules import Policy
from qscanner.qmailqueue import prove_usable
from qscanner.settings import Settings
from qscanner.spool import Message

NAME = "q-injector"  # in /proc/PID/comm: at most 15 octets
_TICK_MS = 1000
_WITHIN_S = 60.0  # for the queue program, which syncs
_HOUR_S = 3600.0
_TOO_LATE_S = 7 * 86400.0  # then a letter is of no use to anybody
_ALARMS = (Kind.ALARM, Kind.ALARM_OVER)
_FIRST_S, _LONGEST_S = 10.0, 3600.0  # between tries of one letter
_OURS = ("QMAILQUEUE", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC")  # not for the program


def is_needed(settings: Settings, policy: Policy) -> bool:
    """Say whether there is anything to send: now, or when a rule, an alarm or a round asks."""
    has_rules = any(rule.notify for rule in policy.rules) or rounds.is_asked(settings)
    is_there = os.path.isdir(outbox.folder(settings.quarantine.dir))
    return bool(settings.notices.admin) or has_rules or is_there


def serve(control: socket.socket, settings: Settings, log: Log) -> NoReturn:
    """Send what is in the outbox until the dispatcher closes `control`."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the dispatcher decides
    with contextlib.suppress(OSError), open("/proc/self/comm", "w", encoding="ascii") as comm:
        comm.write(NAME)
    host = settings.queue.host or own_name()
    office = Office(settings=settings, log=log, host=host, environment=environment())
    poll = select.poll()
    poll.register(control, select.POLLIN)
    while True:
        if poll.poll(_TICK_MS):
            packet = control.recv(100)
            if not packet:
                os._exit(0)
            office.alarm.hear(packet)
        office.turn(time.time(), is_over=lambda: _is_over(control))


def environment() -> dict[str, str]:
    """Give what of our environment is for the queue program: all but what is ours."""
    return {name: value for name, value in os.environ.items() if name not in _OURS}


def _is_over(control: socket.socket) -> bool:
    """Say whether the dispatcher has closed its end, also while words of its lie there."""
    poll = select.poll()
    poll.register(control, select.POLLHUP)
    return bool(poll.poll(0))


class Rates:
    """Who was told something within the last hour; `per_hour` None: as many as there are."""

    def __init__(
        self, told: list[tuple[float, bytes]], *, per_hour: int | None, per_address: int
    ) -> None:
        self._told = deque(told)
        self._per_hour = per_hour
        self._per_address = per_address

    def allowed(self, to: tuple[bytes, ...], *, now: float) -> tuple[bytes, ...]:
        """Give those who may be told something now."""
        while self._told and self._told[0][0] < now - _HOUR_S:
            self._told.popleft()
        count: dict[bytes, int] = {}
        for when, address in self._told:
            if when > now:  # the clock was set back
                continue
            count[address.lower()] = count.get(address.lower(), 0) + 1
        free = [each for each in to if count.get(each.lower(), 0) < self._per_address]
        if self._per_hour is None:
            return tuple(free)
        return tuple(free[: max(0, self._per_hour - len(self._told))])

    def note(self, to: tuple[bytes, ...], *, now: float) -> None:
        """Note that they were told."""
        self._told.extend((now, each) for each in to)


@dataclass(kw_only=True)
class _Wait:
    """A letter that could not be queued now: how often it was tried, and when it is next."""

    tries: int = 0
    next_at: float = 0.0


@dataclass(kw_only=True)
class Office:
    """The injector's side: one outbox, and what is done with its letters."""

    settings: Settings
    log: Log
    host: str
    environment: Mapping[str, str]
    alarm: Alarm = field(default_factory=Alarm)
    within_s: float = _WITHIN_S
    _lock: int = -1
    _rates: dict[bool, Rates] = field(default_factory=dict)  # of digests, and of all others
    _waits: dict[str, _Wait] = field(default_factory=dict)
    _dropped: int = 0  # notices, since the last letter to the admin
    _swept_at: float = 0.0
    _is_in_trouble: bool = False  # which was logged

    @property
    def folder(self) -> str:
        """Give the path of the outbox."""
        return outbox.folder(self.settings.quarantine.dir)

    def turn(self, now: float, *, is_over: Callable[[], bool] = lambda: False) -> None:
        """Write the alarm if it is time, and send what can be sent; `now` is since 1970."""
        try:
            self._put_alarm(now)
            if not self._is_ours():
                return
            if now - self._swept_at > _HOUR_S:
                self._swept_at = now
                outbox.sweep(self.folder, now=now)
            names = outbox.waiting(self.folder)
            self._waits = {name: self._waits[name] for name in names if name in self._waits}
            for name in names:
                if is_over():
                    return
                if not self._send(name, now):
                    return
        except (QScannerError, OSError) as error:
            self._trouble(str(error))

    def _put_alarm(self, now: float) -> None:
        for letter in self.alarm.letters(self.settings, now=now):
            outbox.put(self.folder, letter)

    def _is_ours(self) -> bool:
        """Take the lock of the outbox, once it is there; say whether we have it."""
        if self._lock >= 0:
            return True
        if not os.path.isdir(self.folder):
            return False
        outbox.make(self.folder)
        fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # the one before us finishes a letter
            os.close(fd)
            return False
        self._lock = fd
        return True

    def _send(self, name: str, now: float) -> bool:
        """Send one letter if it is its time; False where the queue takes none now."""
        if now < self._waits.get(name, _Wait()).next_at <= now + _LONGEST_S:  # clocks are set back
            return True
        try:
            letter = outbox.read(self.folder, name)
        except FileNotFoundError:
            return True
        except Damaged as error:
            self._fail(name, str(error))
            return True
        if not self._may_go(letter):
            self._fail(name, "a digest for somebody who gets none by [digest]")
            return True
        known = outbox.told(self.folder, letter)
        to = tuple(each for each in letter.to if each not in known)
        allowed = self._allowed(letter, to, now)
        if len(allowed) < len(to):
            self._drop(letter, len(to) - len(allowed))
        is_taken = not allowed or self._queue(name, letter, allowed, now)
        if is_taken:
            outbox.remove(self.folder, name)
            self._waits.pop(name, None)
        return is_taken

    def _may_go(self, letter: Letter) -> bool:
        """Say whether the settings know whom a digest is for: who can write here writes them.

        A worker that was taken over could else have words of its own sent to the world.
        """
        if letter.kind is not Kind.DIGEST:
            return True
        chosen = self.settings
        admin = chosen.notices.admin.lower().encode() if rounds.for_admin(chosen) else b""
        return all(to.lower() == admin or rounds.is_for(chosen, readable(to)) for to in letter.to)

    def _allowed(self, letter: Letter, to: tuple[bytes, ...], now: float) -> tuple[bytes, ...]:
        """Give those whom the rates allow to be told; an alarm has none."""
        rates = self._rates_of(letter.kind, now)
        return to if rates is None else rates.allowed(to, now=now)

    def _rates_of(self, kind: Kind, now: float) -> Rates | None:
        """Give the rates for a kind of letters, which know who was told before a restart.

        Digests have their own, without a limit for all together: they are written by the clock,
        and go to nobody but who is named in the settings.
        """
        if kind in _ALARMS:
            return None
        is_digest, chosen = kind is Kind.DIGEST, self.settings.notices
        if is_digest not in self._rates:
            kinds = [each for each in Kind if (each is Kind.DIGEST) == is_digest]
            self._rates[is_digest] = Rates(
                outbox.recently(self.folder, since=now - _HOUR_S, kinds=kinds),
                per_hour=None if is_digest else chosen.per_hour,
                per_address=chosen.per_address,
            )
        return self._rates[is_digest]

    def _drop(self, letter: Letter, count: int) -> None:
        self._dropped += count
        self.log.write(
            {
                "event": "notice-dropped",
                "kind": letter.kind.value,
                "about": letter.about,
                "to": count,
                "dropped": self._dropped,
            }
        )

    def _queue(self, name: str, letter: Letter, to: tuple[bytes, ...], now: float) -> bool:
        """Have the queue program take it, and note who was told; False where it is for later."""
        composed = letters.compose(
            letter, self.settings.notices, to=to, host=self.host, dropped=self._dropped
        )
        message = Message.of_octets(composed)
        program = self.settings.queue.program
        try:
            prove_usable(program, sys.argv[0])
            raw = envelope.encode(b"", to)
            inject(program, message.fd, raw, within_s=self.within_s, environment=self.environment)
        except (NotQueued, QScannerError) as error:
            is_permanent = isinstance(error, NotQueued) and error.is_permanent
            return self._not_queued(name, letter, str(error), now, is_permanent=is_permanent)
        finally:
            message.close()
        self._is_in_trouble = False
        if (rates := self._rates_of(letter.kind, now)) is not None:
            rates.note(to, now=now)
        if "dropped" in letters.VALUES[letter.kind]:
            self._dropped = 0
        told = {"kind": letter.kind.value, "about": letter.about, "to": len(to)}
        self.log.write({"event": "notice-sent", **told})
        try:
            outbox.remember(self.folder, letter, to)
        except QScannerError as error:  # it is sent all the same, and is not to be sent again
            self._trouble(str(error))
        return True

    def _not_queued(
        self, name: str, letter: Letter, why: str, now: float, *, is_permanent: bool
    ) -> bool:
        """Put a letter aside for good, or for a while; False where it is the queue's trouble."""
        if is_permanent or now - letter.at > _TOO_LATE_S:
            self._fail(name, why)
            return True
        wait = self._waits.setdefault(name, _Wait())
        wait.next_at = now + min(_LONGEST_S, _FIRST_S * 2.0**wait.tries)
        wait.tries = min(wait.tries + 1, 10)
        self._trouble(why)
        return False

    def _fail(self, name: str, why: str) -> None:
        outbox.fail(self.folder, name)
        self.log.write({"event": "notice-failed", "letter": name, "why": why})

    def _trouble(self, why: str) -> None:
        """Log that letters wait, once until one was sent."""
        if not self._is_in_trouble:
            self._is_in_trouble = True
            self.log.write({"event": "notices-wait", "why": why})
