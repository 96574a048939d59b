"""The ledger of a soak: what was sent, what the caller heard, what is found; and what is wrong.

Called by  soak.
Careful    the promise: "yes" only for what is queued or held, once; whoever heard anything else
           may send again, so then it must not be queued. A client that we killed heard nothing:
           it may have been the queue program already, as with a killed qmail-queue.
"""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from soak_client import Told
from soak_mails import End, Sent, id_of

_WITH_TEXT = 82
_REFUSED = 31


@dataclass(slots=True, kw_only=True)
class Entry:
    """One message: in which phase it was sent, and what was heard."""

    sent: Sent
    phase: str
    told: Told
    was_killed: bool

    @property
    def heard(self) -> End | None:
        """Give what the caller takes it for; None for "yes": queued or held."""
        if self.told.signal or self.told.is_overdue:
            return End.LATER
        if self.told.code == 0:
            return None
        if self.told.code == _REFUSED or self.told.text.startswith(b"D"):
            return End.REFUSED
        return End.LATER


@dataclass(slots=True, kw_only=True)
class Ledger:
    """All entries, and what lies in the queue and in the quarantine, by id."""

    queue_dir: Path
    quarantine: Path
    entries: list[Entry] = field(default_factory=list)
    queued: Counter[int] = field(default_factory=Counter)
    held: Counter[int] = field(default_factory=Counter)
    changed: list[int] = field(default_factory=list)
    _bodies: dict[int, bytes] = field(default_factory=dict)

    def note(self, sent: Sent) -> None:
        """Remember what the message was, until it is found."""
        self._bodies[sent.id] = sent.message

    def sweep(self) -> None:
        """Take what is queued out of the folder: the stand-in looks for a number from 1 on."""
        for name in os.listdir(self.queue_dir):
            number, _, kind = name.partition(".")
            if kind == "env":
                self._take(self.queue_dir / number)

    def _take(self, stem: Path) -> None:
        octets = stem.with_suffix(".mess").read_bytes()
        found = id_of(octets)
        self.queued[found] += 1
        _, _, below = octets.partition(b"X-Qscanner: mx.example.com ")
        if below.partition(b"\n")[2] != self._bodies.get(found):
            self.changed.append(found)
        for kind in (".env", ".mess", ".proc"):  # the number is free when .proc is gone
            stem.with_suffix(kind).unlink()

    def look(self) -> None:
        """Count what is held, and what is queued since the last sweep."""
        self.sweep()
        for file in self.quarantine.glob("*.json"):
            message = file.with_suffix(".eml")
            if message.exists():
                self.held[id_of(message.read_bytes())] += 1

    def forget_bodies(self) -> None:
        """Let go of what was heard about and swept; the others stay to be compared."""
        for entry in self.entries:
            if self.queued[entry.sent.id]:
                self._bodies.pop(entry.sent.id, None)

    def mistakes(self) -> list[str]:
        """Give every broken promise, in words."""
        found = [f"message {id}: changed on its way" for id in self.changed]
        for entry in self.entries:
            id, heard = entry.sent.id, entry.heard
            places = self.queued[id] + self.held[id]
            what = f"message {id} ({entry.sent.kind}, {entry.phase})"
            if heard is None and not places:
                found.append(f"{what}: LOST: the caller heard yes, and it is nowhere")
            if places > 1:
                found.append(f"{what}: TWICE: {self.queued[id]} queued, {self.held[id]} held")
            if heard is not None and self.queued[id] and not entry.was_killed:
                found.append(f"{what}: queued, but the caller heard {entry.told}")
            if entry.sent.end is not End.QUEUED and self.queued[id]:
                found.append(f"{what}: should have been {entry.sent.end.value}, and was queued")
            if heard is None and self.held[id] and entry.sent.end is not End.HELD:
                found.append(f"{what}: should have been {entry.sent.end.value}, and was held")
            if entry.told.is_overdue:
                found.append(f"{what}: no answer within the limit")
            if heard is End.REFUSED and entry.sent.end is not End.REFUSED:
                found.append(f"{what}: should have been {entry.sent.end.value}, was refused")
        known = {entry.sent.id for entry in self.entries}
        found += [f"message {id}: never sent" for id in {*self.queued, *self.held} - known]
        return found

    def row(self, phase: str) -> dict[str, int]:
        """Give the numbers of a phase; "" for all."""
        mine = [entry for entry in self.entries if phase in ("", entry.phase)]
        yes = [entry for entry in mine if entry.heard is None]
        later = [entry for entry in mine if entry.heard is End.LATER]
        return {
            "sent": len(mine),
            "queued": sum(self.queued[entry.sent.id] > 0 for entry in yes),
            "held": sum(self.held[entry.sent.id] > 0 for entry in yes),
            "refused": sum(entry.heard is End.REFUSED for entry in mine),
            "later": len(later),
            "cut short": sum(entry.sent.end is End.LATER for entry in later),
            "client killed": sum(entry.was_killed for entry in later),
            "of these queued": sum(self.queued[entry.sent.id] > 0 for entry in later),
        }
