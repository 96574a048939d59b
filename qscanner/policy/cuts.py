"""Which parts rules with `strip` take out of a message.

Called by  decide, for the rules that decide for a group of recipients; stripping, for its proof.
Ends       with the cuts, or None where a part that is meant has no certain place in the octets;
           raises nothing.
Careful    a member of an archive goes with the whole part that it is in; of parts within parts the
           outermost goes. What has no certain place is not left in and not guessed at: the caller
           holds the message.
"""

import datetime
import re
from collections.abc import Iterable, Iterator

from qscanner.model import Cut, Part
from qscanner.policy.evidence import Evidence
from qscanner.policy.parts import Parts
from qscanner.policy.rules import Rule

Span = tuple[int, int]

_PLACE = re.compile(r"\d+(?:\.\d+)*")
_SIGNATURES = {
    "application/pgp-signature",
    "application/pgp-encrypted",
    "application/pkcs7-signature",
    "application/x-pkcs7-signature",
}


def cuts(rules: Iterable[Rule], evidence: Evidence) -> tuple[Cut, ...] | None:
    """Give what the rules take out, in the order of the message."""
    placed: dict[Span, tuple[Rule, Part]] = {}
    others: list[Part] = []  # other readings of a body, files in a text
    for rule in rules:
        for part in evidence.facts.parts if rule.strips else ():
            if not is_meant(rule, part, evidence.today):
                continue
            if part.span is None:
                others.append(part)
            else:
                placed.setdefault(part.span, (rule, part))
    found = tuple(_cuts(placed, evidence.facts.parts)) if placed else ()
    return found if all(any(goes_with(part, cut) for cut in found) for part in others) else None


def is_meant(rule: Rule, part: Part, today: datetime.date) -> bool:
    """Say whether the rule means the part, leaving out its `count_over`."""
    asked = [each.table for each in rule.conditions if isinstance(each, Parts)]
    return any(table.is_meant(part, today) for table in asked)


def goes_with(part: Part, cut: Cut) -> bool:
    """Say whether a part goes with what is cut: it is that, is in that, or is read from that."""
    if part.span is not None:
        return cut.span[0] <= part.span[0] and part.span[1] <= cut.span[1]
    above = _place(cut.part)
    return bool(above) and _place(part)[: len(above)] == above


def _cuts(meant: dict[Span, tuple[Rule, Part]], parts: tuple[Part, ...]) -> Iterator[Cut]:
    # What a part is stands before what is in it.
    whole = {part.span: part for part in reversed(parts)}
    signatures = [part for part in parts if part.declared in _SIGNATURES]
    for span in _outermost(meant):
        rule, part = meant[span]
        yield Cut(
            span=span,
            part=whole[span],
            inside="" if whole[span] is part else part.path,
            rule=rule.id,
            why=rule.why,
            is_signed=any(_covers(each, whole[span]) for each in signatures),
        )


def _covers(signature: Part, part: Part) -> bool:
    """Say whether a signature beside the part, or beside what the part is in, is about it."""
    above = _place(signature)[:-1]
    return _place(part)[: len(above)] == above


def _place(part: Part) -> list[str]:
    """Give the numbers in front of the path of a part."""
    found = _PLACE.match(part.path)
    return found[0].split(".") if found else []


def _outermost(spans: Iterable[Span]) -> Iterator[Span]:
    last = (0, -1)
    for span in sorted(spans):  # no two begin at one place: each has a header block
        if span[0] >= last[1]:
            last = span
            yield span
