"""Hostile messages by chance, through all that reads them; see scripts/fuzz.

Called by  scripts/fuzz.
Ends       0 when nothing was found; 1 when something was, which then stands in tests/corpus.
Careful    the cases run in a child: it may hang, die, or eat its memory. What it is at stands in
           a shared mapping, so that the parent knows the message that did it.
"""

import argparse
import contextlib
import cProfile
import faulthandler
import hashlib
import mmap
import os
import pstats
import random
import re
import resource
import select
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.dont_write_bytecode = True

import fuzz_atheris  # noqa: E402
import fuzz_mutate  # noqa: E402
import hostile  # noqa: E402

from qscanner.outcomes import QScannerError  # noqa: E402
from tests.fakes import mails, reading  # noqa: E402

CORPUS = hostile.ROOT / "tests" / "corpus"
_HANG_S = 10.0  # of CPU; tests/fakes/reading.py looks at it only when a case is over
_MEMORY = 1 << 30  # of address space that a case may take beyond what the child has
_MOST_RSS_KIB = 256 << 10
_SHRINK_S = 20.0
_ROOM = 8 << 20
_SAYS_S = 1.0
_TOLD = 1 << 16


@dataclass(slots=True, kw_only=True)
class Tally:
    """What one run counted. `failures`: what was wrong to (how often, the file)."""

    cases: int = 0
    children: int = 0
    shown: float = 0.0  # when it was last said how far it is
    failures: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, what: str, octets: bytes, *, may_shrink: bool = True) -> None:
        """Count a failure; the first of its kind is made small and kept."""
        count, file = self.failures.get(what, (0, ""))
        self.failures[what] = (count + 1, file or keep(what, octets, may_shrink=may_shrink))

    def show(self, left_s: float) -> None:
        """Say on a terminal how far it is, once a second."""
        if sys.stdout.isatty() and time.monotonic() - self.shown > _SAYS_S:
            self.shown = time.monotonic()
            kinds = f"{len(self.failures)} kinds of failure"
            print(f"\rfuzz: {self.cases} cases, {kinds}, {left_s:.0f} s left ", end="", flush=True)


def main() -> int:
    """Fuzz for some minutes, and tell what came of it."""
    parser = argparse.ArgumentParser(description="fuzz the readers")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--engine", choices=("own", "atheris"), default="own")
    parser.add_argument("--page", action="store_true", help="put the tail into docs/evasions.md")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else int.from_bytes(os.urandom(4))
    seeds = fuzz_mutate.seeds(_corpora())
    print(f"fuzz: {len(seeds)} seeds, --seed {seed}, engine {asked.engine}", flush=True)
    tally, begun = Tally(), time.monotonic()
    if asked.engine == "atheris":
        tally.cases = fuzz_atheris.run(seeds, tally.add, seconds=asked.minutes * 60)
    else:
        own(seeds, seed, tally, ends_at=begun + asked.minutes * 60)
    lines = list(_tail(tally, seed, time.monotonic() - begun))
    print("\n".join(lines))
    if asked.page:
        told = ["```", *lines, "```"]
        hostile.write("fuzz", "The fuzzer", told, command="scripts/fuzz --page")
    return 1 if tally.failures else 0


def _corpora() -> Path | None:
    """Give the corpora, or say aloud that there are none: it goes on with messages of our own."""
    try:
        return hostile.folder()
    except SystemExit as missing:
        print(f"{missing}; going on with messages of our own", file=sys.stderr)
        return None


def _tail(tally: Tally, seed: int, seconds: float) -> list[str]:
    lines = [
        f"fuzz: {tally.cases} cases in {seconds:.0f} s ({tally.cases / max(seconds, 1):.0f}/s), "
        f"{tally.children} children, --seed {seed}",
        f"fuzz: {len(tally.failures)} kinds of failure",
    ]
    for what, (count, file) in sorted(tally.failures.items(), key=lambda each: -each[1][0]):
        lines.append(f"  {count:6} x {what}  ->  tests/corpus/{file}")
    return lines


def judged(octets: bytes) -> str:
    """Read one message; give what was wrong, "" for nothing."""
    try:
        reading.read(octets)
    except reading.Wrong as wrong:
        return f"{wrong}: {_hottest(octets)}" if "slow" in str(wrong) else str(wrong)
    except MemoryError:
        return "MemoryError"
    except QScannerError as error:
        return f"{type(error).__name__} left a scan"
    except Exception as error:  # noqa: BLE001 - this is what we look for
        last = traceback.extract_tb(error.__traceback__)[-1]
        ours = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if "qscanner" in frame.filename
        ]
        at = ours[-1] if ours else last
        return f"{type(error).__name__} in {Path(at.filename).stem}.{at.name}:{at.lineno}"
    return ""


def _hottest(octets: bytes) -> str:
    """Give the function of ours that most of the time is spent in, by reading once more."""
    profile = cProfile.Profile()
    with contextlib.suppress(Exception):
        profile.runcall(reading.read, octets)
    spent: dict[str, float] = {}
    for (file, _, function), (_, _, own_s, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        for caller in [(file, 0, function)] if "qscanner" in file else callers:
            if "qscanner" in caller[0]:
                name = f"{Path(caller[0]).stem}.{caller[2]}"
                spent[name] = spent.get(name, 0.0) + own_s / (
                    1 if "qscanner" in file else len(callers)
                )
    return max(spent, key=spent.__getitem__, default="?")


def keep(what: str, octets: bytes, *, may_shrink: bool) -> str:
    """Write a message that broke something into tests/corpus, smaller where that is easy."""
    if may_shrink:
        octets = _shrunk(octets, what)
    octets = octets.replace(mails.EICAR, b"harmless")  # scanners know it, also in a repository
    kind = re.sub(r"[^a-z0-9]+", "-", re.sub(r":\d+$", "", what).lower()).strip("-")[:60]
    name = f"{kind}-{hashlib.sha256(octets).hexdigest()[:8]}.eml"
    CORPUS.mkdir(exist_ok=True)
    (CORPUS / name).write_bytes(octets)
    return name


def _shrunk(octets: bytes, what: str) -> bytes:
    """Take pieces out for as long as the same thing goes wrong, at most for 20 seconds."""
    ends_at = time.monotonic() + _SHRINK_S
    piece = max(1, len(octets) // 2)
    while piece and time.monotonic() < ends_at:
        at = 0
        while at < len(octets) and time.monotonic() < ends_at:
            less = octets[:at] + octets[at + piece :]
            if _in_child(lambda less=less: judged(less) == what):  # type: ignore[misc]
                octets = less
            else:
                at += piece
        piece //= 2
    return octets


def _in_child(question: Callable[[], bool]) -> bool:
    """Ask in a child of bounded memory and time: no answer is no."""
    pid = os.fork()
    if pid == 0:
        try:
            _bound()
            resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
            os._exit(0 if question() else 1)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _bound() -> None:
    with open("/proc/self/statm", encoding="ascii") as file:
        has = int(file.read().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_AS, (has + _MEMORY, has + _MEMORY))


def own(seeds: list[bytes], seed: int, tally: Tally, *, ends_at: float) -> None:
    """Mutate and read in children, until the time is over."""
    shared = mmap.mmap(-1, _ROOM)
    while time.monotonic() < ends_at:
        tally.children += 1
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(ours)
            _child(theirs, shared, seeds, random.Random(f"{seed}.{tally.children}"))
        os.close(theirs)
        has_ended = _follow(ours, pid, shared, tally, ends_at=ends_at)
        os.close(ours)
        if not has_ended:
            os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if has_ended and code:
            tally.add(f"the process ended with {code}", _current(shared), may_shrink=False)
    if sys.stdout.isatty():
        print()


def _follow(told: int, pid: int, shared: mmap.mmap, tally: Tally, *, ends_at: float) -> bool:
    """Count what a child tells; give whether it ended by itself.

    It hangs where it takes 10 s of CPU for one case: on a busy machine the clock says nothing.
    """
    buffer, begun_s = b"", _cpu_s(pid)
    while (left_s := ends_at - time.monotonic()) > 0:
        if not select.select([told], [], [], min(_SAYS_S, left_s))[0]:
            if _cpu_s(pid) - begun_s > _HANG_S:
                tally.add(f"hang: {_HANG_S:.0f} s", _current(shared), may_shrink=False)
                return False
            continue
        got = os.read(told, _TOLD)
        if not got:
            return True
        begun_s = _cpu_s(pid)
        *whole, buffer = (buffer + got).split(b"\n")
        tally.cases += len(whole)
        for line in filter(None, whole):
            tally.add(line.decode(), _current(shared), may_shrink=True)
        tally.show(left_s)
    return False


def _cpu_s(pid: int) -> float:
    """Give the CPU seconds that a process has taken: utime and stime of proc(5)."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _current(shared: mmap.mmap) -> bytes:
    (length,) = struct.unpack_from("<I", shared, 0)
    return bytes(shared[4 : 4 + length])


def _child(told: int, shared: mmap.mmap, seeds: list[bytes], rng: random.Random) -> None:
    """Read one case after the other; a line for each, empty for a good one. Ends the process.

    After a failure it stops: the parent needs the case, and memory may be in disorder.
    """
    faulthandler.enable()  # a decoder in C that dies says where, on stderr
    try:
        _bound()
        while True:
            octets = fuzz_mutate.mutated(rng, rng.choice(seeds), seeds)
            shared[4 : 4 + len(octets)] = octets
            struct.pack_into("<I", shared, 0, len(octets))
            what = judged(octets)
            if not what and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > _MOST_RSS_KIB:
                what = f"memory: more than {_MOST_RSS_KIB >> 10} MiB resident"
            os.write(told, what.encode("ascii", "replace").replace(b"\n", b" ") + b"\n")
            if what:
                os._exit(0)
    finally:
        os._exit(3)


if __name__ == "__main__":
    sys.exit(main())
