"""Was the machine quiet while we measured? What others took of the CPUs, and the load averages.

Called by  bench, soak.
Careful    it refuses nothing: it says what the numbers are worth. What the kernel does for us in
           threads of its own (writing to the disk) counts as others.
"""

import os
import time
from dataclasses import dataclass, field

from bench_site import cpu_s

_MANY = 0.03  # of all CPUs: more than this and others are in the numbers
_HIGH_LOAD = 0.5  # at the begin, when nothing of ours has run
_IDLE = (3, 4)  # idle and iowait among the fields of /proc/stat
_STEAL = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    at: float
    busy_s: float
    stolen_s: float
    ours_s: float


def _look() -> _Look:
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(word) / os.sysconf("SC_CLK_TCK") for word in file.readline().split()[1:9]]
    stolen = ticks[_STEAL]
    busy = sum(ticks) - sum(ticks[n] for n in _IDLE) - stolen
    return _Look(at=time.monotonic(), busy_s=busy, stolen_s=stolen, ours_s=cpu_s(os.getpid()))


@dataclass(slots=True, kw_only=True)
class Watch:
    """Begins when it is made; facts() while the servers are still up, so that they are ours."""

    load: float = field(default_factory=lambda: os.getloadavg()[0])
    begun: _Look = field(default_factory=_look)

    def facts(self) -> dict[str, float]:
        """Give the load before and after, and the shares (0 to 1) of others and of the host."""
        now, begun = _look(), self.begun
        whole_s = (now.at - begun.at) * (os.cpu_count() or 1)
        others_s = now.busy_s - begun.busy_s - (now.ours_s - begun.ours_s)
        return {
            "load_before": round(self.load, 2),
            "load_after": round(os.getloadavg()[0], 2),
            "seconds": round(now.at - begun.at, 1),
            "others": round(max(0.0, others_s / whole_s), 3),
            "stolen": round(max(0.0, (now.stolen_s - begun.stolen_s) / whole_s), 3),
        }


def told(facts: dict[str, float]) -> str:
    """Give the line about the machine, with a warning where it was not quiet."""
    line = (
        f"load {facts['load_before']} before, {facts['load_after']} after {facts['seconds']:.0f} s"
        f"; of the CPUs others took {facts['others']:.1%}, the host {facts['stolen']:.1%}"
    )
    is_busy = max(facts["others"], facts["stolen"]) > _MANY or facts["load_before"] > _HIGH_LOAD
    return f"{line}\nWARNING: the machine was not quiet: believe no wall time" if is_busy else line
