"""The memory of the workers over 20,000 mixed messages: twice, as shipped and without retirement.

Called by  bench --curve.
Ends       with the curve, or fails the bench where a message does not end as it should.
Careful    it is read while nobody works, every 200 messages. What a worker holds swings by a third
           with what it saw last (the allocator gives back late), so every look comes after the
           same few messages, "after 1,000" is the median over all workers of five looks around
           it, and the end is that of the last five. Without retirement the daemon is started with
           another `messages` of programs.daemon.Daemon: no setting has it.
"""

import subprocess
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import bench_mixed
from bench_memory import private_mb, resident_mb, workers
from bench_tell import Told, line
from bench_world import World

MESSAGES = 20_000
EARLY = 1000
STEP = 200
LEAST = 2 * EARLY
_LOOKS = 5
_SETTLING = 48
_ABREAST = 8
_NEVER = 1_000_000_000
_SEED = 7
_FLAT = 1.10
_STEP_WITHIN_S = 300
_WIDTH = 60
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """After so many messages: MB of each worker by pid, and of the dispatcher."""

    messages: int
    private: dict[int, float]
    resident: dict[int, float]
    dispatcher: float


@dataclass(slots=True, kw_only=True)
class Curve:
    """All looks of one play."""

    name: str
    looks: list[Look] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def retired(self) -> int:
        """Give how many workers were gone from one look to the next."""
        return sum(len(old.private.keys() - new.private) for old, new in pairwise(self.looks))

    def ends(self, what: str) -> tuple[list[float], list[float]]:
        """Give what all workers had in the looks around the first thousand, and in the last."""
        at = EARLY // STEP - _LOOKS // 2
        early, late = self.looks[at : at + _LOOKS], self.looks[-_LOOKS:]
        return _sizes(early, what), _sizes(late, what)

    def goal(self, what: str) -> str:
        """Give the line of the goal for "private" or "resident" memory."""
        early, late = self.ends(what)
        first = median(early)
        found = (median(late) / first, min(late) / first, max(late) / first)
        last = self.looks[-1].messages
        words = f"{what} memory of a worker, {self.name}: after {last} : after {EARLY}"
        return line(words, found, _FLAT, above=False)


def _sizes(looks: list[Look], what: str) -> list[float]:
    return [size for look in looks for size in getattr(look, what).values()]


def tell(world: World, *, messages: int) -> Told:
    """Play both and give them."""
    mixed = bench_mixed.write(world.folder, _SEED)
    plays = (("as shipped", 0), ("no retirement", _NEVER))
    curves = [_play(world, name, mixed, total=messages, retire=retire) for name, retire in plays]
    title = f"memory of the workers over {messages} mixed messages, {_ABREAST} at once, MB"
    return Told(
        text="\n\n".join([title, *(_shown(curve) for curve in curves)]),
        goals=[each.goal(what) for each in curves for what in ("private", "resident")],
        facts={each.name: _facts(each) for each in curves},
    )


def _play(world: World, name: str, mixed: bench_mixed.Lists, *, total: int, retire: int) -> Curve:
    site, curve = world.site, Curve(name=name)
    settling = bench_mixed.settling(world.folder)
    with site.daemon(messages=retire) as daemon:
        curve.looks.append(_look(0, daemon))
        begun = time.monotonic()
        for first in range(0, total, STEP):
            site.emptied()
            _feed(world, mixed, runs=STEP, first=first)
            _feed(world, settling, runs=_SETTLING, first=total + first)
            curve.looks.append(_look(first + STEP, daemon))
        curve.seconds = time.monotonic() - begun
    return curve


def _look(messages: int, daemon: int) -> Look:
    pids = sorted(workers(daemon))
    private = {pid: size for pid in pids if (size := private_mb(pid))}
    resident = {pid: size for pid in pids if (size := resident_mb(pid))}
    return Look(
        messages=messages, private=private, resident=resident, dispatcher=private_mb(daemon)
    )


def _feed(world: World, lists: bench_mixed.Lists, *, runs: int, first: int) -> None:
    codes, files = lists
    tools, envelope = world.tools, world.folder / "envelope"
    command = [str(tools.feed), codes, f"{runs}+{first}", str(_ABREAST), files, str(envelope)]
    said = subprocess.run(
        [*command, str(tools.c_client)],
        env=world.site.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_STEP_WITHIN_S,
        check=False,
    )
    if said.returncode:
        log = Path(world.site.log).read_text(errors="replace")[-1500:]
        raise SystemExit(f"curve: {said.stderr.decode(errors='replace')[-600:]}\n{log}")


def _shown(curve: Curve) -> str:
    sent, rate = curve.looks[-1].messages, curve.looks[-1].messages / curve.seconds
    bars, least, most = _bars(curve.looks)
    lines = [
        f"{curve.name}: {sent} messages in {curve.seconds:.0f} s ({rate:.0f} a second), "
        f"{curve.retired} workers retired",
        f"  {bars}  private, median of the workers, {least:.1f} to {most:.1f}",
        "",
        f"  {'messages':>8}{'dispatcher':>12}   workers: private (resident)",
    ]
    wanted = {0, EARLY, *(sent * n // 4 for n in (1, 2, 3, 4))}
    for look in (each for each in curve.looks if each.messages in wanted):
        cells = "".join(
            f"{size:8.2f} ({look.resident.get(pid, 0):.1f})" for pid, size in look.private.items()
        )
        lines.append(f"  {look.messages:8}{look.dispatcher:12.2f}{cells}")
    for what in ("private", "resident"):
        early, late = (
            f"{median(found):.2f} ({min(found):.2f} to {max(found):.2f})"
            for found in curve.ends(what)
        )
        lines.append(f"  {what:8}, median: around {EARLY} {early}, at the end {late}")
    return "\n".join(lines)


def _bars(looks: list[Look]) -> tuple[str, float, float]:
    """Give the curve as a line of bars, and what the lowest and the highest stand for."""
    wide = -(-len(looks) // _WIDTH)
    pieces = [looks[n : n + wide] for n in range(0, len(looks), wide)]
    middles = [median(_sizes(piece, "private")) for piece in pieces]
    least, most = min(middles), max(middles)
    step = (most - least) / (len(_BARS) - 1) or 1.0
    return "".join(_BARS[round((each - least) / step)] for each in middles), least, most


def _facts(curve: Curve) -> dict[str, Any]:
    return {
        "seconds": round(curve.seconds, 1),
        "retired": curve.retired,
        **{
            what: [round(median(found), 2) for found in curve.ends(what)]
            for what in ("private", "resident")
        },
        "looks": [
            {
                "messages": look.messages,
                "private": {pid: round(size, 2) for pid, size in look.private.items()},
                "resident": {pid: round(size, 2) for pid, size in look.resident.items()},
                "dispatcher": round(look.dispatcher, 2),
            }
            for look in curve.looks
        ],
    }
