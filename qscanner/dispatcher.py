"""The dispatcher of the daemon: brings clients and workers together, and looks after the workers.

A visit: the client connects and says who it claims to be; it waits its turn; a worker is free, and
it hears "go" and its connection goes to that worker, which hears the question and answers. Only
then are descriptors in flight, so thousands may wait. The dispatcher keeps its own end of the
connection until the worker is done: if the worker dies, it is the dispatcher that says "later".

Called by  programs.daemon, which makes it, forks for it, and calls turn() until it is drained.
Ends       turn() raises nothing but what is a bug of ours.
Careful    everything here is non-blocking and short: all waiting is in one select. It never
           touches a message. A worker is told nothing and asked nothing while it works. What a
           worker says is data: it has read a stranger's mail.
"""

import math
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from qscanner import __version__, client, descriptors
from qscanner.codec import frames, orders, status
from qscanner.crashes import OFTEN, Crashes
from qscanner.health import Health
from qscanner.leaving import Leaving
from qscanner.lobby import Lobby, Tally, Visitor
from qscanner.log import Log
from qscanner.outcomes import Ending
from qscanner.settings import Settings

_TICK_S = 0.2
GRACE_S = 3.0  # for a worker to say by itself that its time is over
_BACK_OFF_S = (0.0, 0.0, 0.1, 0.5, 2.0, 5.0, 10.0)  # before the next worker, after crashes
_LONG_S = 1.0  # until there is a worker again: nobody is asked to wait for that
_CRASHED = "message could not be scanned now, try again later"
_STOPPING = "server is stopping, try again later"


@dataclass(eq=False, kw_only=True)
class Worker:
    """A worker: its process, our end of its socket, and whom it serves, until when."""

    pid: int
    sock: socket.socket
    visitor: Visitor | None = None
    since: float = 0.0
    until: float = math.inf
    digest: str = ""
    is_late: bool = False
    is_leaving: bool = False  # after what it is doing: another takes its place


@dataclass(kw_only=True)
class Dispatcher:
    """The state of the daemon: who waits, who works.

    `fork` gives a new worker. `size` workers are to be there, and at most `room` clients.
    """

    settings: Settings
    listening: socket.socket
    fork: Callable[[], Worker]
    tally: Tally
    log: Log
    size: int
    room: int = 1000
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    workers: list[Worker] = field(default_factory=list)
    crashes: Crashes = field(default_factory=Crashes)
    leaving: Leaving = field(default_factory=Leaving)
    health: Health = field(default_factory=lambda: Health(()))
    load: status.Load = field(default_factory=lambda: status.Load(mark="", at=0.0, rules=0))
    started_at: float = field(default_factory=time.time)
    spooled: Callable[[], int] = lambda: 0  # octets, of all clients together
    is_draining: bool = False
    _again: deque[Visitor] = field(default_factory=deque)  # their worker died before it began
    _trust: dict[int, bool] = field(default_factory=dict)  # uids that were asked for
    _in_a_row: int = 0  # crashes without a message that was answered
    _next_fork_at: float = 0.0
    _looked_at_time: float = 0.0

    def __post_init__(self) -> None:
        self.lobby = Lobby(
            settings=self.settings,
            listening=self.listening,
            selector=self.selector,
            tally=self.tally,
            log=self.log,
            room=self.room,
            state=self.state,
        )

    def open(self) -> None:
        """Begin to listen, with all workers there."""
        self._fill()
        self.lobby.open()

    @property
    def is_drained(self) -> bool:
        """Say whether nobody is left to be served."""
        is_busy = any(worker.visitor for worker in self.workers)
        return self.is_draining and not is_busy and not self.lobby and not self._again

    def turn(self, *, within_s: float) -> None:
        """Do what there is to do, waiting for it at most so long."""
        for key, _ in self.selector.select(within_s):
            key.data(key.fileobj)
        self.leaving.look()
        self._keep_time()
        self._fill()
        self._hand_out()

    def drain(self) -> None:
        """Let nobody in any more; those who have come are still served."""
        if not self.is_draining:
            self.is_draining = True
            self.lobby.close()

    def hurry(self) -> None:
        """Let nobody be served any more: all who have come hear "later"."""
        self.drain()
        self.lobby.empty(_STOPPING)
        self._put_off_again(math.inf, _STOPPING)
        for worker in [each for each in self.workers if each.visitor]:
            self._remove(worker)
            self.leaving.kill(worker.pid, lambda _how: None)
            assert worker.visitor
            self.lobby.put_off(worker.visitor, _STOPPING)
            worker.visitor = None

    def renew(self, settings: Settings, *, size: int, log: Log) -> None:
        """Take new settings: workers leave after what they are doing, new ones know the new."""
        self.settings = self.lobby.settings = settings
        self.log = self.lobby.log = log
        self.size = size
        self._trust.clear()
        self.dismiss()
        self._fill()

    def dismiss(self) -> None:
        """Have every worker leave after what it is doing."""
        for worker in list(self.workers):
            worker.is_leaving = True
            if worker.visitor is None:
                self._part_with(worker)

    def gauges(self) -> dict[str, float]:
        """Give the numbers of the moment."""
        busy = sum(worker.visitor is not None for worker in self.workers)
        return {
            "workers_busy": busy,
            "workers_idle": len(self.workers) - busy,
            "clients_waiting": len(self.lobby) + len(self._again),
            "spooled_octets": self.spooled(),
        }

    def state(self) -> status.State:
        """Say how the daemon is, for whoever asks."""
        gauges = self.gauges()
        return status.State(
            version=__version__,
            pid=os.getpid(),
            since=self.started_at,
            busy=int(gauges["workers_busy"]),
            idle=int(gauges["workers_idle"]),
            waiting=max(0, int(gauges["clients_waiting"]) - 1),  # but for the one who asks
            load=self.load,
        )

    # ---- workers

    def _fill(self) -> None:
        """Have as many workers as there are to be, not faster than they die.

        Those that leave after what they are doing do not count: nobody waits for the old ones
        after a reload.
        """
        while self._lacks_workers() and time.monotonic() >= self._next_fork_at:
            try:
                worker = self.fork()
            except OSError as error:
                self.log.trouble(f"cannot start a worker: {error.strerror}")
                self._next_fork_at = time.monotonic() + _BACK_OFF_S[-1]
                return
            self.workers.append(worker)
            worker.sock.setblocking(False)
            self.selector.register(
                worker.sock, selectors.EVENT_READ, lambda _, w=worker: self._hear(w)
            )

    def _lacks_workers(self) -> bool:
        staying = sum(not worker.is_leaving for worker in self.workers)
        return staying < self.size and len(self.workers) < 2 * self.size

    def _hand_out(self) -> None:
        """Bring together who waits and who is free."""
        if not self.workers and self._next_fork_at - time.monotonic() > _LONG_S:
            self.lobby.clear(_CRASHED)
            self._put_off_again(math.inf, _CRASHED)
        for worker in [each for each in self.workers if not each.visitor and not each.is_leaving]:
            if not self.lobby.waiting and not self._again:
                return
            if not _is_alive(worker):
                self._bury(worker)
                continue
            while (visitor := self._next()) is not None:
                if self._give(visitor, worker):
                    break

    def _next(self) -> Visitor | None:
        return self._again.popleft() if self._again else self.lobby.take(self._may_have_one_more)

    def _may_have_one_more(self, uid: int) -> bool:
        """Say whether a user may have another worker: one is always left for the others.

        But users whose word is believed bring many people's mail, and may have all.
        """
        staying = [each.visitor for each in self.workers if each.visitor and not each.is_leaving]
        if sum(visitor.uid == uid for visitor in staying) < max(1, self.size - 1):
            return True
        if uid not in self._trust:
            trusted = self.settings.queue.trusted_users
            self._trust[uid] = client.of(uid, {}, trusted).is_trusted
        return self._trust[uid]

    def _give(self, visitor: Visitor, worker: Worker) -> bool:
        """Give a client to a worker; say whether it was still there."""
        limit_s = self.settings.limits.time
        if not visitor.is_handed_on:
            try:
                visitor.sock.send(frames.go(math.ceil(limit_s)))
            except OSError:
                self.lobby.forget(visitor)
                return False
        order = orders.take(visitor.uid, self.crashes.too_often())
        worker.visitor, worker.since, worker.digest = visitor, time.monotonic(), ""
        worker.until = worker.since + limit_s + GRACE_S
        try:
            descriptors.say(worker.sock, order, (visitor.sock.fileno(),))
        except OSError:
            self._bury(worker)
        return True

    def _hear(self, worker: Worker) -> None:
        try:
            packet = worker.sock.recv(orders.MAX_OCTETS)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        try:
            word, told = orders.heard(packet) if packet else ("", "")
        except orders.OrderError:
            word, told = "", ""
        if word == "busy":
            worker.digest = str(told)
        elif word and isinstance(told, dict):
            self._is_free(worker, told, retires=word == "last")
        else:
            self._bury(worker)

    def _is_free(self, worker: Worker, facts: orders.Facts, *, retires: bool) -> None:
        visitor, worker.visitor, worker.until = worker.visitor, None, math.inf
        self._in_a_row = 0
        if worker.digest:
            self.crashes.forget(worker.digest)
        if visitor is not None:
            self.tally.message(facts, waited_s=worker.since - visitor.since)
            self.lobby.forget(visitor)
        if retires or worker.is_leaving:
            self._part_with(worker)

    def _part_with(self, worker: Worker) -> None:
        """Let an idle worker go: it ends when its socket closes."""
        self._remove(worker)
        self.leaving.let_go(worker.pid)

    def _remove(self, worker: Worker) -> None:
        self.workers.remove(worker)
        self.selector.unregister(worker.sock)
        worker.sock.close()

    def _bury(self, worker: Worker) -> None:
        """Part with a worker that has died, talks rubbish or is late: its client hears "later".

        Unless the worker had not begun: then the question lies where it was, for another one.
        """
        self._remove(worker)
        told: dict[str, str | bytes | int | float] = {"event": "worker-died", "pid": worker.pid}
        if worker.visitor is not None:
            times = self.crashes.count(worker.digest) if worker.digest else 0
            told |= {
                "event": "worker-crashed",
                "digest": worker.digest or "-",
                "times": times,
                "uid": worker.visitor.uid,
                "then": self._after_a_crash(worker, worker.visitor, times),
            }
        why = "longer than [limits] time, " if worker.is_late else ""
        self.leaving.kill(worker.pid, lambda how: self.log.write({**told, "how": why + how}))
        self.tally.event("hang" if worker.is_late else "crash")
        pause_s = _BACK_OFF_S[min(self._in_a_row, len(_BACK_OFF_S) - 1)]
        self._next_fork_at, self._in_a_row = time.monotonic() + pause_s, self._in_a_row + 1

    def _after_a_crash(self, worker: Worker, visitor: Visitor, times: int) -> str:
        """Put a client off, or hand it on; say what was done, and what will be."""
        if not worker.digest and not worker.is_late and not visitor.is_handed_on:
            visitor.is_handed_on = True  # no third try: whatever it is, it takes workers down
            self._again.append(visitor)
            return "another worker"
        ending = Ending.DEADLINE if worker.is_late else Ending.DEFERRED
        self.lobby.put_off(visitor, _CRASHED, ending=ending)
        return "not scanned any more" if times >= OFTEN else "later"

    def _put_off_again(self, since: float, words: str) -> None:
        """Put off those whom no other worker has taken, if they have been here since before."""
        for visitor in [each for each in self._again if each.since < since]:
            self._again.remove(visitor)
            self.lobby.put_off(visitor, words)

    # ---- time

    def _keep_time(self) -> None:
        """Send away who waits too long, and end what takes too long; a few times a second."""
        now = time.monotonic()
        if now - self._looked_at_time < _TICK_S:
            return
        self._looked_at_time = now
        self.lobby.look(now)
        self._put_off_again(now - self.settings.daemon.wait, _CRASHED)
        for worker in [each for each in self.workers if now > each.until]:
            worker.is_late = True
            self._bury(worker)


def _is_alive(worker: Worker) -> bool:
    """Say whether an idle worker has not just died: its end would be heard at the next turn."""
    try:
        return bool(worker.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return True
    except OSError:
        return False
