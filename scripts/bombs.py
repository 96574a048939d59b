"""What the worst messages cost: CPU seconds and memory of each, in a child of its own.

Called by  scripts/bombs.
Ends       0; 1 where one takes more than 3 s of CPU or 256 MiB, or is accepted without a word of
           a bound that was hit (those that are marked so), or its scan has a bug.
Careful    memory is the child's peak, the interpreter and all libraries included, since that is
           what a worker takes; the message itself too.
"""

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.dont_write_bytecode = True

import bombs_made  # noqa: E402
import hostile  # noqa: E402

from qscanner.bench import Bench  # noqa: E402
from qscanner.model import Action  # noqa: E402

_MOST_S = 3.0
_MOST_MIB = 256
_KILLED_S = 60
_MEMORY = 2048 << 20  # address space: what [limits] memory allows by default
_TOLD = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one message took, and what became of it."""

    name: str
    octets: int
    cpu_s: float
    mib: float
    fate: str
    bounds: str

    @property
    def is_fine(self) -> bool:
        """Whether it is below what a message may take."""
        return self.cpu_s <= _MOST_S and self.mib <= _MOST_MIB and not self.fate.startswith("BUG")


def main() -> int:
    """Scan all of them, print a row for each, write the section."""
    parser = argparse.ArgumentParser(description="what the worst messages cost")
    parser.add_argument("--only", default="", help="those whose name contains this")
    parser.add_argument("--no-page", action="store_true", help="leave docs/evasions.md alone")
    asked = parser.parse_args()
    made = {**bombs_made.ALL, **_files()}
    chosen = hostile.bench()
    hostile.look(b"Subject: warm\n\n", chosen)
    costs: list[Cost] = []
    left_out: list[str] = []
    print(f"{'':40} {'kB':>7} {'CPU s':>6} {'MiB':>4}  fate")
    for name, make in made.items():
        if asked.only in name:
            try:
                cost = _cost(name, make, chosen)
            except FileNotFoundError as missing:
                left_out.append(name)
                print(f"{name[:40]:40} LEFT OUT: {missing.filename} is not installed")
                continue
            costs.append(cost)
            mark = "" if cost.is_fine else "  <-- TOO MUCH"
            row = f"{name[:40]:40} {cost.octets // 1000:7} {cost.cpu_s:6.2f} {cost.mib:4.0f}"
            print(f"{row}  {cost.fate}  {cost.bounds}{mark}", flush=True)
    bad = [cost for cost in costs if not cost.is_fine]
    said = (
        f"{len(costs)} messages, {len(bad)} above {_MOST_S:g} s of CPU or {_MOST_MIB} MiB (of the "
        f"whole process); the worst: {max(cost.cpu_s for cost in costs):.2f} s, "
        f"{max(cost.mib for cost in costs):.0f} MiB"
    )
    said += f"; left out, since a program is missing: {', '.join(left_out)}" if left_out else ""
    print(said)
    if not asked.no_page and not asked.only:
        hostile.write("bombs", "Bombs", [f"{said}.", "", *_table(costs)], command="scripts/bombs")
    return 1 if bad else 0


def _table(costs: list[Cost]) -> list[str]:
    return hostile.table(
        ("message", "kB", "CPU s", "MiB", "fate", "findings of bounds"),
        [
            (
                *(each.name, each.octets // 1000, f"{each.cpu_s:.2f}", f"{each.mib:.0f}"),
                *(each.fate, each.bounds),
            )
            for each in costs
        ],
    )


def _files() -> dict[str, Callable[[], bytes]]:
    """Give the archives of the corpora that are made to hurt, each attached to a message."""
    corpora = hostile.folder()
    files = hostile.files(corpora, "files-own-archives")
    files += [
        file
        for file in hostile.files(corpora, "files-tika", "files-libarchive", "files-clamav")
        if any(word in file.name for word in ("droste", "quine", "oom", "bomb", "zipzip"))
    ]
    return {
        f"file {file.name.rpartition('__')[2]}": lambda file=file: _attached(file)  # type: ignore[misc]
        for file in files
    }


def _attached(file: Path) -> bytes:
    return bombs_made.attached(file.name.rpartition("__")[2], file.read_bytes())


def _cost(name: str, make: Callable[[], bytes], chosen: Bench) -> Cost:
    """Make the message in one process and scan it in another, so that only the scan is counted."""
    octets = make()
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        _child(theirs, octets, chosen)
    os.close(theirs)
    told = b""
    while piece := os.read(ours, _TOLD):
        told += piece
    os.close(ours)
    _, status, _ = os.wait4(pid, 0)
    fate, bounds, cpu, kib = (told.decode() or f"BUG: status {status}\t\t0\t0").split("\t")
    return Cost(
        name=name,
        octets=len(octets),
        cpu_s=float(cpu),
        mib=int(kib) / 1024,
        fate=fate,
        bounds=bounds,
    )


def _child(told: int, octets: bytes, chosen: Bench) -> None:
    """Scan, tell fate, bounds, CPU seconds and KiB, and end the process."""
    try:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (_KILLED_S, _KILLED_S))
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")  # begin to measure the peak anew: proc(5)
        begun = time.process_time()
        fate, report = hostile.fate(octets, chosen)
        cpu = time.process_time() - begun
        found = report.facts.findings if report else ()
        ids = dict.fromkeys(f.id for f in found if f.id.startswith(("limit.", "unscannable.")))
        if report and report.verdict.action is Action.ACCEPT and ids:
            fate = hostile.Fate(word="BUG", rules=("accepted behind a bound",))
        line = f"{fate}\t{', '.join(ids)}\t{cpu}\t{_peak_kib()}".replace("*", "")
        os.write(told, line.encode())
    finally:
        os._exit(0)


def _peak_kib() -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        peak = next(line for line in file if line.startswith("VmHWM:"))
    return int(peak.split()[1])


sys.exit(main())
