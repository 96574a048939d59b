"""qscannerd, the resident scanner: in the foreground, logs to stderr, needs no root.

Called by  daemontools, s6, runit, systemd; it forks its workers, the injector where there is
           something to send, and the clerk where there are books to keep.
Ends       0 when drained after SIGTERM; 2 where settings or policies cannot be used at the start.
Careful    SIGHUP swaps settings and policies all or nothing: a mistake is logged with its place,
           and the old ones stay in force. A change of a list file swaps the lists, and nothing
           that is edited beside them. Workers inherit nothing of the dispatcher's but their own
           socket.
"""

import argparse
import gc
import math
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn

from qscanner import __version__, clerk, config, fingerprint, injector, notify, rehearsal
from qscanner.alarm import Outage
from qscanner.attendant import CLERK, INJECTOR, Attendant
from qscanner.bench import Bench
from qscanner.changes import EVERY_S, Changes
from qscanner.codec.status import Load
from qscanner.dispatcher import Dispatcher, Worker
from qscanner.ledger import UNIT_OCTETS, Ledger
from qscanner.log import Log
from qscanner.metrics import Metrics
from qscanner.outcomes import QScannerError, Unusable
from qscanner.settings import Settings
from qscanner.warm import warm
from qscanner.worker import MESSAGES, work

_TURN_S = 0.5
_LISTS = "lists"  # why a load is done without being asked for
_FULL_LINE_EVERY_S = 60.0
_OWN_FDS = 100  # descriptors that are not for clients: workers, metrics, files
_FDS_A_WORKER = 2
_MANY_FDS = 1 << 20  # fs.nr_open of proc(5), by default
_USAGE_ERROR = 2
_LETTER_S = 5.0  # for a letter that is being sent when we end, and a batch of the clerk's


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """What every scan needs, as it was read: the settings, what is made of them, and marks."""

    settings: Settings
    rules: str  # the mark of all but the lists
    bench: Bench
    load: Load

    @classmethod
    def of(cls, settings: Settings) -> "_Loaded":
        """Load what the settings name. Raises Unusable (Problems)."""
        mark = fingerprint.of(settings)  # both before the rules are read: see there
        rules = fingerprint.of(settings, has_lists=False)
        bench = Bench.of(settings)
        load = Load(mark=mark, at=time.time(), rules=len(bench.policy.sentences))
        return cls(settings=settings, rules=rules, bench=bench, load=load)

    def refuse_other_rules(self) -> None:
        """Raise Unusable where the rule files are others than those that were loaded."""
        if fingerprint.of(self.settings, has_lists=False) != self.rules:
            raise Unusable("lists have changed, and rules, too: qscanner policy load")


class Daemon:
    """The running daemon: its settings in force, its dispatcher, and what signals asked for.

    `messages`: so many a worker scans, then a fresh one takes over.
    """

    def __init__(
        self, file: str, *, ready_fd: int | None = None, messages: int = MESSAGES
    ) -> None:
        """Load and bind everything. Raises Unusable."""
        self._file = file
        self._ready_fd = ready_fd
        self._messages = messages
        self._loaded = _Loaded.of(config.load(file))
        self._bench, self._load = self._loaded.bench, self._loaded.load
        self._log = Log(self._settings.log.to)
        self._stops, self._reload = 0, ""
        self._changes = Changes(self._settings.policy.dir)
        self._looked_at = time.monotonic()
        self._wake_read, self._wake_write = socket.socketpair()
        self._metrics = Metrics(self._settings.daemon.metrics)
        self._door = notify.listening(self._settings.daemon.socket, os.environ)
        self._dispatcher = Dispatcher(
            settings=self._settings,
            listening=self._door.sock,
            fork=self._fork,
            tally=self._metrics,
            log=self._log,
            size=_workers(self._settings),
            room=_room(_workers(self._settings)),
            load=self._load,
            health=self._bench.known.health,
        )
        self._outage = Outage()
        self._injector, self._clerk = (
            Attendant(name, fork, self._log, self._metrics)
            for name, fork in ((INJECTOR, self._fork_injector), (CLERK, self._fork_clerk))
        )
        self._ledger = self._opened_ledger()
        self._said_full_at = -math.inf

    @property
    def _settings(self) -> Settings:
        return self._bench.settings

    def run(self) -> None:
        """Serve until SIGTERM, then until nobody waits."""
        self._heed_signals()
        warm(self._bench, self._log, is_worker=False)
        _freeze()
        dispatcher = self._dispatcher
        dispatcher.open()
        self._metrics.open(dispatcher)
        self._say_ready()
        while not dispatcher.is_drained:
            dispatcher.turn(within_s=_TURN_S)
            self._look_at_files()
            self._look_after_the_others()
            if self._reload:
                why, self._reload = self._reload, ""
                self._take_new_settings(why)
            self._stop()
        dispatcher.dismiss()
        for each in (self._clerk, self._injector):
            each.stop(within_s=_LETTER_S)
        self._log.write({"event": "stopped"})

    def _look_after_the_others(self) -> None:
        """Have injector and clerk run."""
        word = self._outage.word(self._metrics.dead_s())
        self._injector.look(is_needed=self._has_letters, word=word)
        self._clerk.look(is_needed=lambda: clerk.is_needed(self._settings))

    def _stop(self) -> None:
        """Do what SIGTERM asks for, and a second one."""
        dispatcher, waiting = self._dispatcher, len(self._dispatcher.lobby)
        if self._stops and not dispatcher.is_draining:
            notify.tell("STOPPING=1", os.environ)
            self._log.write({"event": "stopping", "waiting": waiting})
            self._door.remove()  # before the last are let in: nobody comes in between
            dispatcher.drain()
        if self._stops > 1 and not dispatcher.is_drained:
            busy = int(dispatcher.gauges()["workers_busy"])
            self._log.write({"event": "hurrying", "waiting": waiting, "busy": busy})
            dispatcher.hurry()

    def _heed_signals(self) -> None:
        for end in (self._wake_read, self._wake_write):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        self._dispatcher.selector.register(self._wake_read, 1, lambda _: self._wake_read.recv(99))
        signal.signal(signal.SIGTERM, self._heed)
        signal.signal(signal.SIGINT, self._heed)
        signal.signal(signal.SIGHUP, self._heed)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake the select

    def _heed(self, number: int, _: object) -> None:
        if number == signal.SIGHUP:
            self._reload = "SIGHUP"
        else:
            self._stops += 1

    def _say_ready(self) -> None:
        notify.tell("READY=1", os.environ)
        notify.tell_s6(self._ready_fd)
        self._log.write(
            {
                "event": "ready",
                "version": __version__,
                "pid": os.getpid(),
                "workers": self._dispatcher.size,
                "rules": len(self._bench.policy.sentences),
                "settings": self._file,
                "mark": self._load.mark,
            }
        )

    def _look_at_files(self) -> None:
        """Look at lists and ledger, every second."""
        if (now := time.monotonic()) - self._looked_at < EVERY_S:
            return
        self._looked_at = now
        if self._changes.are_there():
            self._reload = self._reload or _LISTS
        if self._ledger and self._ledger.has_refused():
            self._metrics.event("spool-full")
            if now - self._said_full_at >= _FULL_LINE_EVERY_S:
                self._said_full_at = now
                octets, limit = self._ledger.octets(), _bound(self._settings)
                self._log.write({"event": "spool-full", "octets": octets, "limit": limit})

    def _opened_ledger(self) -> Ledger | None:
        """Make the ledger; a daemon without one scans, but nothing bounds what is spooled."""
        try:
            ledger = Ledger(self._settings.daemon.socket, _bound(self._settings))
        except OSError as error:
            why = f"{error.filename}: {error.strerror}"
            self._log.trouble(f"[limits] spooled is not in force: {why}")
            return None
        self._dispatcher.spooled = ledger.octets
        return ledger

    def _take_new_settings(self, why: str) -> None:
        """Swap settings and policies, all or nothing."""
        notify.tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}", os.environ)
        tries = self._load.tries + 1
        try:
            loaded = self._loaded_anew(why)
        except QScannerError as error:
            self._load = replace(self._load, tries=tries, is_latest=False)
            self._log.trouble(str(error))
            then = "the old settings stay in force"
            self._log.write({"event": "reload-failed", "why": why, "then": then})
            self._metrics.event("reload-failed")
        else:
            self._loaded, self._load = loaded, replace(loaded.load, tries=tries)
            self._come_into_force(loaded.bench)
            rules, mark = self._load.rules, self._load.mark
            self._log.write({"event": "reloaded", "why": why, "rules": rules, "mark": mark})
            self._metrics.event("reload")
        self._dispatcher.load = self._load
        notify.tell("READY=1", os.environ)

    def _loaded_anew(self, why: str) -> "_Loaded":
        """Load everything; or the lists alone, with settings and rules that are in force.

        Raises Unusable: also where rules were edited meanwhile, which nobody has asked for yet.
        """
        if why != _LISTS:
            return self._proven(_Loaded.of(config.load(self._file)))
        self._loaded.refuse_other_rules()
        loaded = _Loaded.of(self._loaded.settings)
        self._loaded.refuse_other_rules()  # edited while they were read
        return self._proven(loaded)

    @staticmethod
    def _proven(loaded: "_Loaded") -> "_Loaded":
        """Give what was loaded, once the tests beside its rules pass, where settings want that."""
        rehearsal.must_pass(loaded.bench.policy, loaded.settings)
        return loaded

    def _come_into_force(self, bench: Bench) -> None:
        old, new = self._settings.daemon, bench.settings.daemon
        if (old.socket, old.metrics) != (new.socket, new.metrics):
            self._log.trouble("[daemon] socket and metrics count from the next start on")
            new = replace(new, socket=old.socket, metrics=old.metrics)
            bench = replace(bench, settings=replace(bench.settings, daemon=new))
        if bench.settings.policy.dir != self._settings.policy.dir:
            self._changes = Changes(bench.settings.policy.dir)
        self._bench = bench
        if self._ledger:
            self._ledger.bound(_bound(bench.settings))
        self._log = self._injector.log = self._clerk.log = Log(bench.settings.log.to)
        for each in (self._injector, self._clerk):
            each.renew()
        warm(bench, self._log, is_worker=False)
        _freeze()
        self._dispatcher.health = bench.known.health
        self._dispatcher.renew(bench.settings, size=_workers(bench.settings), log=self._log)

    def _fork(self) -> Worker:
        parent, bench, messages = os.getpid(), self._bench, self._messages

        def serve(theirs: socket.socket) -> None:
            work(theirs, bench, self._log, parent=parent, messages=messages)

        pid, ours = self._forked(serve, "worker")
        return Worker(pid=pid, sock=ours)

    def _has_letters(self) -> bool:
        return injector.is_needed(self._settings, self._bench.policy)

    def _fork_injector(self) -> tuple[int, socket.socket]:
        def serve(theirs: socket.socket) -> None:
            injector.serve(theirs, self._settings, self._log)

        return self._forked(serve, "injector")

    def _fork_clerk(self) -> tuple[int, socket.socket]:
        def serve(theirs: socket.socket) -> None:
            clerk.serve(theirs, self._settings, self._log)

        return self._forked(serve, "clerk")

    def _forked(
        self, serve: Callable[[socket.socket], None], what: str
    ) -> tuple[int, socket.socket]:
        """Give a child that serves at the other end of the socket, and nothing of ours open."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid:
            theirs.close()
            return pid, ours
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _close_all_but(theirs.fileno())
            serve(theirs)
        except BaseException as bug:  # noqa: BLE001 - a fork must never return into the dispatcher
            self._log.trouble(f"{what}: {bug!r}")
        os._exit(1)


def _freeze() -> None:
    """Let workers share what is loaded, for as long as nobody writes to it."""
    gc.unfreeze()  # what an earlier load has left can go
    gc.collect()
    gc.freeze()


def _room(workers: int) -> int:
    """Raise our limit of descriptors as far as we may, and give how many clients that allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        hard = _MANY_FDS
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(1, hard - _OWN_FDS - _FDS_A_WORKER * workers)


def _close_all_but(keep: int) -> None:
    """Close what a worker must not hold: a client's connection that stays open there would make
    the client wait for ever. The objects behind them are never touched again in a worker."""
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd > 2 and fd != keep:  # noqa: PLR2004 - 0, 1 and 2 stay
            try:
                os.close(fd)
            except OSError:
                continue


def _bound(settings: Settings) -> int:
    """Give how many octets may be spooled: never less than one message."""
    limits = settings.limits
    return max(limits.spooled, limits.message + UNIT_OCTETS)


def _workers(settings: Settings) -> int:
    return settings.daemon.workers or 2 * (os.cpu_count() or 1)


def main() -> NoReturn:
    """Run the daemon. The one place that catches everything."""
    parser = argparse.ArgumentParser(prog="qscannerd", description="The resident scanner.")
    parser.add_argument("--config", metavar="FILE", help="settings file")
    parser.add_argument("--ready-fd", type=int, metavar="N", help="s6: a line here when ready")
    options = parser.parse_args()
    try:
        Daemon(config.find(options.config, os.environ), ready_fd=options.ready_fd).run()
    except QScannerError as error:
        Log("stderr").trouble(str(error))
        sys.exit(_USAGE_ERROR)
    except Exception as bug:  # noqa: BLE001 - the supervisor starts us again
        Log("stderr").bug(bug)
        sys.exit(1)
    sys.exit(0)


if __name__ == "__main__":
    main()
