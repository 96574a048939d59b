"""The questions a rule may ask of parts: attachments, texts, members of archives.

Called by  policy.questions makes them, decide asks them.
Ends       holds() says yes or no; it raises nothing.
Careful    all keys of one table must hold on the same part: a rule about small programs must not
           hit a message with a large program and a small picture.
"""

import datetime
from dataclasses import dataclass

from qscanner.model import Part, Where
from qscanner.patterns import Pattern
from qscanner.policy.conditions import quoted, within
from qscanner.policy.evidence import Evidence
from qscanner.policy.names import Names


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTable:
    """What must hold on one part. `any_of` are further tables of which one must hold."""

    names: tuple[Pattern, ...] = ()
    name_lists: tuple[Names, ...] = ()
    kinds: frozenset[str] = frozenset()
    types: tuple[Pattern, ...] = ()
    over: int | None = None
    under: int | None = None
    wheres: frozenset[Where] = frozenset()
    is_encrypted: bool | None = None
    is_unreadable: bool | None = None
    any_of: tuple["PartTable", ...] = ()

    def is_meant(self, part: Part, today: datetime.date) -> bool:
        """Say whether everything in the table holds on this part."""
        return (
            self._is_so(part)
            and (not self.kinds or not self.kinds.isdisjoint(part.kinds))
            and (not self.types or any(each.search(part.declared) for each in self.types))
            and self._is_called(part, today)
            and (not self.any_of or any(table.is_meant(part, today) for table in self.any_of))
        )

    def _is_so(self, part: Part) -> bool:
        return (
            (self.is_encrypted is None or part.is_encrypted is self.is_encrypted)
            and (self.is_unreadable is None or part.is_unreadable is self.is_unreadable)
            and (not self.wheres or part.where in self.wheres)
            and within(part.octets, over=self.over, under=self.under)
        )

    def _is_called(self, part: Part, today: datetime.date) -> bool:
        if self.names and not any(each.search(name) for name in part.names for each in self.names):
            return False
        if not self.name_lists:
            return True
        return any(each.has(name, today) for name in part.names for each in self.name_lists)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """part: more than `count_over` parts are as the table says."""

    name: str
    table: PartTable
    count_over: int = 0

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant."""
        missing = self.count_over + 1
        for part in evidence.facts.parts:
            missing -= self.table.is_meant(part, evidence.today)
            if missing <= 0:
                return True
        return False

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests: the first part that is meant, and how many are."""
        parts = evidence.facts.parts
        meant = [part for part in parts if self.table.is_meant(part, evidence.today)]
        if not meant:
            return f"none of {len(parts)} parts"
        named = f", called {quoted(meant[0].names[0])}" if meant[0].names else ""
        kinds = f", is {'/'.join(sorted(meant[0].kinds))}" if meant[0].kinds else ""
        more = f", and {len(meant) - 1} more" if len(meant) > 1 else ""
        return f"part {quoted(meant[0].path)}{named}{kinds}, {meant[0].octets} octets{more}"
