"""Which recipients a rule means: the message's questions once, those of recipients in groups.

A rule is narrowed three times: by what holds of the message; by the sets of addresses that a
recipient is in; and by the marks that detecting rules left for that recipient.

Called by  policy.decide.
Ends       always; nothing here raises.
Careful    50,000 recipients and 100 rules are one message. So recipients that are in the same sets
           of addresses form a group, and everything later is done once per group.
"""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qscanner.policy.addresses import Address, Addresses
from qscanner.policy.evidence import Evidence
from qscanner.policy.marks import Mark
from qscanner.policy.rules import Rule, Scope, Sentence

# The sets that a recipient is in and, once the detecting rules were asked, what holds of marks.
Hits = frozenset[Addresses | Mark]
_Needs = tuple[tuple[Addresses | Mark, ...], ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """What is left to ask of a recipient. Each inner tuple is AND, the outer ones are OR."""

    when: _Needs
    unless: _Needs

    def includes(self, hits: Hits) -> bool:
        """Say whether a recipient that is in these sets is meant."""
        return any(map(hits.issuperset, self.when)) and not any(map(hits.issuperset, self.unless))

    @property
    def sets(self) -> Iterable[Addresses]:
        """All sets that recipients have to be looked up in."""
        return (each for each in self._needed if isinstance(each, Addresses))

    @property
    def marks(self) -> Iterable[Mark]:
        """All questions about what detecting rules left."""
        return (each for each in self._needed if not isinstance(each, Addresses))

    @property
    def _needed(self) -> Iterable[Addresses | Mark]:
        return (each for needs in (*self.when, *self.unless) for each in needs)


def reach_of(rule: Sentence, evidence: Evidence) -> Reach | None:
    """Give which recipients the rule means, or None where the message alone says: nobody."""
    for condition in rule.conditions:
        if not condition.holds(evidence):
            return None
    when = _needs(rule.when, evidence)
    if not when:
        return None
    unless = _needs(rule.unless, evidence) if rule.unless else ()
    if () in unless:
        return None
    of_total = rule.marks if isinstance(rule, Rule) else ()
    when = ((),) if () in when else when
    return Reach(tuple((*each, *of_total) for each in when) if of_total else when, unless)


def _needs(scopes: tuple[Scope, ...], evidence: Evidence) -> _Needs:
    """Give what is left to ask of a recipient in each scope that the message does not rule out."""
    return tuple(
        (*scope.recipients, *scope.marks) if scope.marks else scope.recipients
        for scope in scopes
        if all(condition.holds(evidence) for condition in scope.conditions)
    )


def hits_of(recipient: bytes | None, sets: Iterable[Addresses], today: datetime.date) -> Hits:
    """Give those of the sets that the recipient is in; None is in none."""
    if recipient is None:
        return frozenset()
    address = Address.of(recipient)
    return frozenset(each for each in sets if each.has(address, today))


def groups(
    recipients: Sequence[bytes], sets: Iterable[Addresses], today: datetime.date
) -> dict[Hits, list[int]]:
    """Give the places of the recipients by the sets that they are in; no recipients: one group."""
    distinct = tuple(dict.fromkeys(sets))
    if not distinct or not recipients:
        return {frozenset(): list(range(len(recipients)))}
    naming_whole = tuple(each for each in distinct if each.whole)
    of_domain: dict[str, Hits] = {}
    found: dict[Hits, list[int]] = {}
    for place, octets in enumerate(recipients):
        address = Address.of(octets)
        hits = of_domain.get(address.domain)
        if hits is None:
            hits = frozenset(each for each in distinct if each.has_domain(address.domain, today))
            of_domain[address.domain] = hits
        # Inlined, since this line is run for every recipient and every rule.
        whole = [each for each in naming_whole if address.whole in each.whole]
        if whole:
            hits = hits.union(each for each in whole if each.has_whole(address.whole, today))
        found.setdefault(hits, []).append(place)
    return found
