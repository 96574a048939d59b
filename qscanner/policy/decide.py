"""Findings and failures -> verdict, per recipient. This is where the promises become decisions.

Called by  scan, once per message; meets() and marks_of() by whoever explains a rule.
Ends       with a Verdict; raises nothing, whatever the facts hold.
Careful    what no rule speaks of never passes in silence: the rules below whose ids begin with
           "default." stand in the log and the header like those of the admin.

In this order: the marks that detecting rules leave for a recipient; the rules that meet the
recipient; of these the ones that decide (one with `final` silences the others, but nothing
silences a virus); what is listed for the recipient, which overrides some, or refuses; the most
severe of their actions; then what the recipients' decisions make of each other, which
together.verdict() says.
"""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from qscanner.model import Action, CheckResult, Facts, Listed, Outcome, Verdict
from qscanner.policy import listed, marks, together
from qscanner.policy.conditions import Findings, Viruses
from qscanner.policy.cuts import cuts
from qscanner.policy.evidence import Evidence, Marks
from qscanner.policy.reach import Hits, Reach, groups, hits_of, reach_of
from qscanner.policy.rules import Detector, Index, Mode, Policy, Rule, Sentence
from qscanner.policy.together import Judged

S = TypeVar("S", bound=Sentence)
INFECTED = "default.infected"
UNSCANNABLE = "default.unscannable"
VIRUS_UNAVAILABLE = "default.virus-unavailable"
SPAM_UNAVAILABLE = listed.SPAM_UNAVAILABLE
EMERGENCY = "default.emergency-accept-unscanned"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnFailure:
    """What becomes of a message when a check could not answer: what the settings say.

    In an emergency another action stands here for viruses, under a rule id of its own.
    """

    virus: Action
    spam: Action
    virus_rule: str = VIRUS_UNAVAILABLE


def decide(
    policy: Policy,
    facts: Facts,
    on_failure: OnFailure,
    *,
    today: datetime.date | None = None,
    at: datetime.time | None = None,
) -> Verdict:
    """Give what becomes of the message.

    `today` is the day that list entries expire by, `at` the local time of day; else the clock's.
    """
    evidence = _evidence(facts, today, at)
    detectors = _reached(policy.detectors, policy.detector_index, evidence)
    reached = _reached(policy.rules, policy.rule_index, evidence)
    sets = (each for _, reach in (*detectors, *reached) for each in reach.sets)
    asked = {each for _, reach in reached for each in reach.marks} if policy.detectors else set()
    judged: list[Judged] = []
    logged: dict[str, None] = {}
    for hits, places in groups(facts.envelope.recipients, sets, evidence.today).items():
        detected = [rule for rule, reach in detectors if reach.includes(hits)]
        left = _marks(detected)
        known = hits.union(each for each in asked if each.holds_of(left)) if asked else hits
        met = [rule for rule, reach in reached if reach.includes(known)]
        logged.update((each.id, None) for each in (*detected, *met) if each.mode is Mode.LOG_ONLY)
        group = _Group(
            met=met, detected=detected, marks=left, evidence=evidence, on_failure=on_failure
        )
        entries = listed.by_entry(places, facts.listed)
        judged += [group.judged(tuple(theirs), entry) for entry, theirs in entries]
    return together.verdict(judged, facts, policy, logged=frozenset(logged))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Recipients whom the same rules meet; what is listed for them may still differ."""

    met: list[Rule]
    detected: list[Detector]
    marks: Marks
    evidence: Evidence
    on_failure: OnFailure

    def judged(self, places: tuple[int, ...], entry: Listed | None) -> Judged:
        """Give what becomes of it for those at these places, for whom this is listed."""
        deciding, overridden = self._deciding(entry)
        one = together.judge(
            places,
            deciding,
            marks=self.marks,
            detected=tuple(each.id for each in self.detected if each.mode is Mode.ON),
            cuts=cuts(deciding, self.evidence),
        )
        return replace(one, overridden=overridden) if overridden else one

    def _deciding(self, entry: Listed | None) -> tuple[list[Rule], tuple[str, ...]]:
        """Give the rules that decide, and the ids of those that an allowance overrides."""
        deciding = _deciding(self.met, self.evidence, self.on_failure)
        if entry is None:
            return deciding, ()
        if entry.is_allowed:
            return self._allowed(entry, deciding)
        is_silenced = any(rule.is_final for rule in deciding)
        return (deciding if is_silenced else [*deciding, listed.blocked(entry)]), ()

    def _allowed(self, entry: Listed, deciding: list[Rule]) -> tuple[list[Rule], tuple[str, ...]]:
        """Give the same where the sender is allowed: what decides if what it overrides is gone.

        Where a virus was found an allowance says nothing, nor where it would change nothing.
        """
        if self.evidence.viruses:
            return deciding, ()
        carried = _marks(
            each for each in self.detected if listed.is_about_contents(each, self.evidence)
        )
        acting = (rule for rule in self.met if rule.mode is Mode.ON)
        gone = {
            rule.id: rule
            for rule in (*deciding, *acting)
            if listed.is_overridden(rule, self.evidence, carried)
        }
        left = [rule for rule in self.met if rule.id not in gone]
        left = _deciding(left, self.evidence, self.on_failure)
        left = [rule for rule in left if rule.id not in gone]
        if not gone or not listed.is_better(left, deciding):
            return deciding, ()
        ids = tuple(rule.id for rule in together.by_severity(gone.values()))
        return [listed.allowed(entry, ids), *left], ids


def _evidence(facts: Facts, today: datetime.date | None, at: datetime.time | None) -> Evidence:
    now = datetime.datetime.now(tz=datetime.UTC).astimezone()
    return Evidence(facts, today or now.date(), now.time() if at is None else at)


def _reached(rules: Sequence[S], index: Index | None, evidence: Evidence) -> list[tuple[S, Reach]]:
    """Give the rules that the message itself does not rule out, and whom they mean."""
    asked = rules if index is None else [rules[place] for place in index.candidates(evidence)]
    return [(rule, reach) for rule in asked if (reach := reach_of(rule, evidence)) is not None]


def _marks(detected: Iterable[Detector]) -> Marks:
    return marks.marks((each.score, each.tag) for each in detected if each.mode is Mode.ON)


def marks_of(policy: Policy, evidence: Evidence, recipient: bytes | None) -> Marks:
    """Give what detecting rules leave for the recipient; None is one that no `to` names."""
    return _marks(each for each in policy.detectors if meets(each, evidence, recipient))


def meets(rule: Sentence, evidence: Evidence, recipient: bytes | None) -> bool:
    """Say whether the rule meets the message for the recipient, with the marks of the evidence."""
    reach = reach_of(rule, evidence)
    if reach is None:
        return False
    hits: Hits = hits_of(recipient, reach.sets, evidence.today)
    return reach.includes(hits.union(each for each in reach.marks if each.holds(evidence)))


def matches(
    rule: Sentence, facts: Facts, recipient: bytes | None, *, today: datetime.date | None = None
) -> bool:
    """Say whether the rule meets the message now; None is a recipient that no `to` names.

    Nothing is tagged then, and the total is 0: whoever has detecting rules asks meets().
    """
    return meets(rule, _evidence(facts, today, None), recipient)


def _deciding(met: list[Rule], evidence: Evidence, on_failure: OnFailure) -> list[Rule]:
    """Give those of the rules that meet a recipient which decide, and the program's own."""
    acting = [rule for rule in met if rule.mode is Mode.ON]
    final = next((rule for rule in acting if rule.is_final), None)
    if final is None:
        unspoken = _infected(met, evidence) + _unscannable(met, evidence)
        return acting + unspoken + _unavailable(evidence, on_failure)
    deciding = [final]
    if evidence.viruses:
        others = (rule for rule in acting if rule is not final)
        deciding += [rule for rule in others if _is_about_viruses(rule, evidence)]
        # A final accept is a line about something else, whatever it says of the virus.
        deciding += _infected([] if final.action is Action.ACCEPT else met, evidence)
    if final.action is Action.ACCEPT:
        deciding += _failed(evidence.facts.virus, on_failure.virus_rule, on_failure.virus)
    return deciding


def _is_about_viruses(rule: Rule, evidence: Evidence) -> bool:
    ids = _virus_ids(evidence)
    return any(
        isinstance(each, Viruses)
        or (isinstance(each, Findings) and any(each.speaks_of(id_) for id_ in ids))
        for each in rule.conditions
    )


def _virus_ids(evidence: Evidence) -> list[str]:
    return [id_ for id_ in evidence.findings if id_.startswith("virus.")]


def _infected(met: list[Rule], evidence: Evidence) -> list[Rule]:
    """Give the program's own rule where a virus was found that no rule speaks of."""
    if not evidence.viruses or _is_every_virus_spoken_of(met, evidence):
        return []
    names = ", ".join(name for name in evidence.viruses if name)
    why = f"infected ({names or 'without a name'}), and no rule decided on that"
    return [_own(INFECTED, Action.QUARANTINE, why)]


def _is_every_virus_spoken_of(met: list[Rule], evidence: Evidence) -> bool:
    about = [each for rule in met for each in rule.conditions if isinstance(each, Viruses)]
    if all(any(each.speaks_of(virus) for each in about) for virus in evidence.viruses):
        return True
    ids = _virus_ids(evidence)
    return bool(ids) and not _unspoken(ids, met)


def _unscannable(met: list[Rule], evidence: Evidence) -> list[Rule]:
    """Give the program's own rule where something is unscannable that no rule speaks of."""
    unspoken = _unspoken(evidence.unscanned, met)
    if not unspoken:
        return []
    why = f"not scanned ({', '.join(unspoken)}), and no rule decided on that"
    return [_own(UNSCANNABLE, Action.QUARANTINE, why)]


def _unspoken(ids: Iterable[str], met: list[Rule]) -> list[str]:
    about = [each for rule in met for each in rule.conditions if isinstance(each, Findings)]
    return [id_ for id_ in ids if not any(each.speaks_of(id_) for each in about)]


def _unavailable(evidence: Evidence, on_failure: OnFailure) -> list[Rule]:
    facts = evidence.facts
    return _failed(facts.virus, on_failure.virus_rule, on_failure.virus) + _failed(
        facts.spam, SPAM_UNAVAILABLE, on_failure.spam
    )


def _failed(result: CheckResult | None, id_: str, action: Action) -> list[Rule]:
    """Give the program's own rule for a check that could not answer."""
    if result is None or result.outcome is not Outcome.UNAVAILABLE:
        return []
    return [_own(id_, action, f"the check could not answer: {result.detail}")]


def _own(id_: str, action: Action, why: str) -> Rule:
    return Rule(id=id_, action=action, file="", number=0, why=why)
