"""What a soak came to, in words and as JSON: the table of the phases, and whether it adds up.

Called by  soak.
Careful    "later" is all that was neither taken nor refused: also what was sent cut short, on
           purpose, and what a killed client was about to hand over.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from soak_ledger import Ledger

RELOADS = "reloads"
_ENDS = ("queued", "held", "refused", "later")
_LINES = 20
_MISTAKES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """At a moment: seconds, the phase, messages so far, private MB of each worker."""

    at: float
    phase: str
    messages: int
    sizes: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that is told of a soak. `done`: what was killed or reloaded, how often."""

    ledger: Ledger
    phases: Sequence[str]
    done: Mapping[str, int]
    curve: Sequence[Sample]
    mistakes: Sequence[str]

    def text(self) -> str:
        """Give everything for people to read."""
        whole = self.ledger.row("")
        is_sum = adds_up(whole)
        parts = [
            self._table(),
            f"sent {whole['sent']} = queued + held + refused + later {_total(whole)}: "
            f"{'yes' if is_sum else 'NO'}",
            self._reloads(),
            ", ".join(f"{what} {count}" for what, count in self.done.items()),
            self._codes(),
            self._memory(),
            "\n".join(self.mistakes[:_MISTAKES]) or "nothing lost, nothing twice, nothing wrong",
        ]
        return "\n\n".join(parts)

    def facts(self) -> dict[str, Any]:
        """Give all numbers."""
        return {
            "phases": {name: self.ledger.row(name) for name in self.phases},
            "all": self.ledger.row(""),
            "adds_up": adds_up(self.ledger.row("")),
            "failed_by_reload": failed_by_reload(self.ledger),
            "done": dict(self.done),
            "mistakes": list(self.mistakes),
            "curve": [
                (round(one.at, 1), one.phase, one.messages, [round(mb, 2) for mb in one.sizes])
                for one in self.curve
            ],
        }

    def _table(self) -> str:
        rows = {name or "all": self.ledger.row(name) for name in (*self.phases, "")}
        heads = [*rows["all"], "worker MB"]
        table = [["", *heads]]
        table += [[name, *map(str, row.values()), self._mb(name)] for name, row in rows.items()]
        widths = [max(len(line[n]) for line in table) for n in range(len(table[0]))]
        return "\n".join(
            "  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True))
            for line in table
        )

    def _mb(self, phase: str) -> str:
        """Give the median of all workers over a phase."""
        sizes = [mb for one in self.curve if phase in ("all", one.phase) for mb in one.sizes]
        return f"{median(sizes):.1f}" if sizes else "-"

    def _reloads(self) -> str:
        row, failed = self.ledger.row(RELOADS), failed_by_reload(self.ledger)
        return (
            f"reload under load: {self.done.get('reloads', 0)} reloads while {row['sent']} "
            f"messages were sent, {failed} of them failed by it"
        )

    def _codes(self) -> str:
        codes = Counter(
            f"signal {entry.told.signal}"
            if entry.told.signal
            else f"{entry.told.code} {entry.told.text.decode('ascii', 'replace').strip()}".strip()
            for entry in self.ledger.entries
        )
        lines = [f"  {count:7}  {what}" for what, count in codes.most_common(15)]
        waits = sorted(entry.told.ms for entry in self.ledger.entries)
        times = f"ms: median {median(waits):.1f}, p95 {waits[len(waits) * 95 // 100]:.1f}, "
        return "\n".join(["exit codes and texts", *lines, f"{times}longest {waits[-1]:.0f}"])

    def _memory(self) -> str:
        """Give the memory of the workers over time, in some lines."""
        step = max(1, len(self.curve) // _LINES)
        lines = [
            f"  {one.at:6.0f} s {one.messages:8} messages  {len(one.sizes):2} workers  "
            f"median {median(one.sizes):6.1f} MB  largest {max(one.sizes):6.1f} MB"
            for one in self.curve[::step]
            if one.sizes
        ]
        return "\n".join(["memory of the workers (private)", *lines])


def _total(row: Mapping[str, int]) -> int:
    return sum(row[name] for name in _ENDS)


def adds_up(row: Mapping[str, int]) -> bool:
    """Say whether every message that was sent has its place."""
    return _total(row) == row["sent"]


def failed_by_reload(ledger: Ledger) -> int:
    """Give how many were told later in the phase of reloads, but for those sent cut short."""
    row = ledger.row(RELOADS)
    return row["later"] - row["cut short"]
