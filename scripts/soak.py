"""The soak: mail of all kinds, while everything is killed; in the end all of it is accounted for.

Called by  scripts/soak.
Ends       0 when no promise was broken, 1 when any was; bounded by --minutes and a minute more.
Careful    it kills only what it started itself, each by its pid. Everything is on loopback.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

sys.dont_write_bytecode = True

import bench_quiet  # noqa: E402
from bench_memory import OTHERS, comm, private_mb  # noqa: E402
from bench_site import UNCACHED, Site, Tools, below, build, pause, work_folder  # noqa: E402
from soak_client import Running, call  # noqa: E402
from soak_ledger import Entry, Ledger  # noqa: E402
from soak_mails import Sent, Source  # noqa: E402
from soak_tell import RELOADS, Outcome, Sample, adds_up, failed_by_reload  # noqa: E402

from tests.real import servers  # noqa: E402

_ANSWER_WITHIN_S = 60.0
_PHASES = (("calm", 0.1), ("kills", 0.6), (RELOADS, 0.2), ("calm again", 0.1))
_SWEEP_S = 0.5
_SAMPLE_S = 2.0
# What is killed how often, in seconds between two.
_KILLS = {"worker": 0.7, "client": 0.5, "dispatcher": 9.0, "clamd": 13.0}
_RELOAD_S = 0.6


@dataclass(slots=True, kw_only=True)
class Kept:
    """A process that is started again whenever it dies, for as long as the block lasts."""

    start: Callable[[], "subprocess.Popen[bytes]"]
    process: "subprocess.Popen[bytes]"
    starts: int = 1
    failed: list[str] = field(default_factory=list)
    is_over: bool = False

    def keep(self) -> None:
        """Watch over it; run in a thread."""
        while not self.is_over:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.1)
            if self.process.poll() is not None and not self.is_over:
                try:
                    self.process = self.start()
                    self.starts += 1
                except AssertionError as error:  # tried again, as a supervisor does
                    self.failed.append(str(error)[-400:])

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal."""
        self.process.send_signal(number)


@contextlib.contextmanager
def kept(
    start: Callable[[], "subprocess.Popen[bytes]"], first: "subprocess.Popen[bytes]"
) -> Iterator[Kept]:
    """Keep a process up for the block, and end it then."""
    one = Kept(start=start, process=first)
    watching = threading.Thread(target=one.keep)
    watching.start()
    try:
        yield one
    finally:
        one.is_over = True
        watching.join()
        one.process.terminate()
        try:
            one.process.wait(20)
        except subprocess.TimeoutExpired:
            one.process.kill()
            one.process.wait()


@dataclass(slots=True, kw_only=True)
class Soak:
    """One soak: what runs, what was heard, what was done to whom."""

    site: Site
    tools: Tools
    programs: list[Path]
    source: Source
    ledger: Ledger
    chance: random.Random
    clamd: Kept
    daemon: Kept
    running: Running = field(default_factory=Running)
    done: Counter[str] = field(default_factory=Counter)
    curve: list[Sample] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)
    trouble: list[str] = field(default_factory=list)

    def phase(self, name: str, seconds: float, abreast: int) -> None:
        """Send for so many seconds, with what belongs to the phase beside it."""
        until = time.monotonic() + seconds
        beside = {"kills": [self._kill_things], RELOADS: [self._reload]}.get(name, [])
        work: list[Callable[[float], None]] = [*beside, partial(self._sample, name), self._sweep]
        work += [
            partial(self._send, name, program=str(self.programs[n % 2])) for n in range(abreast)
        ]
        jobs = [threading.Thread(target=self._noting_trouble, args=(each, until)) for each in work]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()

    def _noting_trouble(self, job: Callable[[float], None], until: float) -> None:
        try:
            job(until)
        except Exception as bug:  # noqa: BLE001 - a bug of the soak must not pass for a success
            self.trouble.append(f"the soak itself: {bug!r} in {job}")

    def _next(self) -> Sent:
        with self.lock:
            sent = self.source.next()
            self.ledger.note(sent)
            return sent

    def _send(self, phase: str, until: float, *, program: str) -> None:
        env = self.site.environment()
        while time.monotonic() < until:
            sent = self._next()
            told, was_killed = call(
                program, env, sent, running=self.running, within_s=_ANSWER_WITHIN_S
            )
            entry = Entry(sent=sent, phase=phase, told=told, was_killed=was_killed)
            with self.lock:
                self.ledger.entries.append(entry)

    def _kill_things(self, until: float) -> None:
        now = time.monotonic()
        due = {what: now + self.chance.uniform(0, every) for what, every in _KILLS.items()}
        while (now := time.monotonic()) < until:
            for what, when in due.items():
                if now >= when:
                    self._kill(what)
                    due[what] = now + _KILLS[what] * self.chance.uniform(0.5, 1.5)
            pause(0.02)

    def _kill(self, what: str) -> None:
        self.done[f"{what}s killed"] += 1
        if what == "clamd":
            self.clamd.kill()
        elif what == "dispatcher":
            self.daemon.kill()
        elif what == "client":
            if pids := sorted(self.running.pids):
                self.running.kill(self.chance.choice(pids))
        elif pids := self._workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.chance.choice(pids), signal.SIGKILL)

    def _workers(self) -> list[int]:
        pid = self.daemon.process.pid
        return [each for each in below(pid) if each != pid]

    def _reload(self, until: float) -> None:
        while time.monotonic() < until:
            self.daemon.kill(signal.SIGHUP)
            self.done["reloads"] += 1
            pause(_RELOAD_S)

    def _sweep(self, until: float) -> None:
        while time.monotonic() < until:
            pause(_SWEEP_S)
            with self.lock:
                self.ledger.sweep()
                self.ledger.forget_bodies()

    def _sample(self, phase: str, until: float) -> None:
        while time.monotonic() < until:
            sizes = [
                size
                for pid in self._workers()
                if not comm(pid).startswith(OTHERS) and (size := private_mb(pid))
            ]
            at, count = time.monotonic() - self.begun, len(self.ledger.entries)
            self.curve.append(Sample(at=at, phase=phase, messages=count, sizes=sizes))
            pause(min(_SAMPLE_S, max(0.0, until - time.monotonic())))


def main() -> int:
    """Set up, play the phases, tell."""
    options = _options()
    watch = bench_quiet.Watch()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(work_folder())
        soak = _soak(stack, folder, options)
        for name, share in _PHASES:
            soak.phase(name, options.minutes * 60 * share, options.abreast)
            print(f"{name}: done", file=sys.stderr)
        outcome, quiet = _outcome(soak), watch.facts()
        print(
            f"scripts/soak: {options.minutes:g} minutes, {options.abreast} at once, "
            f"client: {options.client}, seed {options.seed}\n{bench_quiet.told(quiet)}\n"
        )
        print(outcome.text())
        if options.json:
            facts = outcome.facts() | {"machine": quiet}
            options.json.write_text(json.dumps(facts, indent=1) + "\n")
        if outcome.mistakes:
            print(soak.site.log.read_text(errors="replace")[-3000:], file=sys.stderr)
    return 1 if outcome.mistakes else 0


def _soak(stack: contextlib.ExitStack, folder: Path, options: argparse.Namespace) -> Soak:
    tools = build(folder)
    first = stack.enter_context(servers.clamd(UNCACHED))
    site = Site(folder / "site", tools.fake_queue, clamd=first.unix.path)
    site.settings(away="scan")
    conf = Path(first.unix.path).with_name("clamd.conf")

    def clamd() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            ["/usr/sbin/clamd", "-c", str(conf)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    os.kill(first.pid, signal.SIGKILL)  # its place is taken by one that we keep
    clients = {"c": [tools.c_client] * 2, "python": [tools.python_client] * 2}
    clients["both"] = [tools.c_client, tools.python_client]
    ledger = Ledger(queue_dir=site.queue_dir, quarantine=site.quarantine)
    return Soak(
        site=site,
        tools=tools,
        programs=clients[options.client],
        source=Source(options.seed),
        ledger=ledger,
        chance=random.Random(options.seed),
        clamd=stack.enter_context(kept(clamd, clamd())),
        daemon=stack.enter_context(kept(site.start, site.start())),
    )


def _outcome(soak: Soak) -> Outcome:
    """Look for every message, and give what the soak came to."""
    ledger = soak.ledger
    ledger.look()
    mistakes = [*ledger.mistakes(), *soak.trouble, *soak.daemon.failed, *soak.clamd.failed]
    reloaded = soak.site.log.read_bytes().count(b" event=reloaded ")
    if soak.done["reloads"] and not reloaded:
        mistakes.append("no reload came into force")
    if failed := failed_by_reload(ledger):
        mistakes.append(f"{failed} messages were told later while settings were reloaded")
    if not adds_up(ledger.row("")):
        mistakes.append("the table does not add up")
    starts = {
        "reloads in force": reloaded,
        "dispatcher starts": soak.daemon.starts,
        "clamd starts": soak.clamd.starts,
    }
    return Outcome(
        ledger=ledger,
        phases=[name for name, _ in _PHASES],
        done={**soak.done, **starts},
        curve=soak.curve,
        mistakes=mistakes,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--abreast", type=int, default=8)
    parser.add_argument("--client", choices=("c", "python", "both"), default="both")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
