"""What detecting rules leave behind for one recipient, and the questions about that.

Called by  policy.decide collects the marks; policy.questions makes the questions.
Ends       always; nothing here raises.
Careful    marks differ between recipients. So these questions are asked per group of recipients,
           after all others, and detecting rules cannot ask them: there are no circles.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from qscanner.policy.evidence import NO_MARKS, Evidence, Marks

MAX_SCORE = 1e6  # of one rule, either way: sums stay exact enough


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """tag: a detecting rule gave one of these tags."""

    name: str
    tags: frozenset[str]

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant, with the marks that the evidence carries."""
        return self.holds_of(evidence.marks)

    def holds_of(self, marks: Marks) -> bool:
        """Say so of these marks."""
        return not self.tags.isdisjoint(marks.tags)

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests."""
        meant = self.tags & evidence.marks.tags or evidence.marks.tags
        return f"tagged {', '.join(sorted(meant))}" if meant else "nothing is tagged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """total: the scores of all detecting rules that hit come to this or more."""

    name: str
    at_least: float

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant, with the marks that the evidence carries."""
        return self.holds_of(evidence.marks)

    def holds_of(self, marks: Marks) -> bool:
        """Say so of these marks."""
        return marks.total >= self.at_least

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests."""
        return f"the total is {evidence.marks.total:g}"


Mark = Tagged | Total


def marks(given: Iterable[tuple[float, str]]) -> Marks:
    """Give the marks of scores and tags; "" is no tag. 0.1 ten times is 1, as an admin counts."""
    pairs = tuple(given)
    if not pairs:
        return NO_MARKS
    total = math.fsum(score for score, _ in pairs)
    return Marks(total=round(total, 6), tags=frozenset(tag for _, tag in pairs if tag))
