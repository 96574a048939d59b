"""Findings and failures -> verdict, per recipient. This is where the promises become decisions.

Called by  scan, once per message; matches() by whoever explains a rule.
Ends       with a Verdict; raises nothing, whatever the facts hold.
Careful    what no rule speaks of never passes in silence: the rules below whose ids begin with
           "default." stand in the log and the header like those of the admin.

In this order: the rules that meet a recipient; of these the ones that decide (one with `final`
silences the others, but nothing silences a virus); the most severe of their actions; then what
the recipients' decisions make of each other.
"""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, replace

from qscanner.model import Action, CheckResult, Decision, Edits, Facts, Outcome, Verdict
from qscanner.policy.conditions import Findings, Viruses
from qscanner.policy.evidence import Evidence
from qscanner.policy.reach import groups, hits_of, reach_of
from qscanner.policy.rules import Mode, Policy, Rule

INFECTED = "default.infected"
UNSCANNABLE = "default.unscannable"
VIRUS_UNAVAILABLE = "default.virus-unavailable"
SPAM_UNAVAILABLE = "default.spam-unavailable"
EMERGENCY = "default.emergency-accept-unscanned"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnFailure:
    """What becomes of a message when a check could not answer: what the settings say.

    In an emergency another action stands here for viruses, under a rule id of its own.
    """

    virus: Action
    spam: Action
    virus_rule: str = VIRUS_UNAVAILABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What becomes of it for the recipients at these places, and the rules that decided."""

    places: tuple[int, ...]
    action: Action
    rules: tuple[Rule, ...]  # most severe first, then in reading order


def decide(
    policy: Policy, facts: Facts, on_failure: OnFailure, *, today: datetime.date | None = None
) -> Verdict:
    """Give what becomes of the message. `today` is the day that list entries expire by."""
    evidence = Evidence(facts, today or _today())
    reached = [
        (rule, reach) for rule in policy.rules if (reach := reach_of(rule, evidence)) is not None
    ]
    sets = (each for _, reach in reached for each in reach.sets)
    judged: list[_Judged] = []
    logged: dict[str, None] = {}
    for hits, places in groups(facts.envelope.recipients, sets, evidence.today).items():
        met = [rule for rule, reach in reached if reach.includes(hits)]
        logged.update((rule.id, None) for rule in met if rule.mode is Mode.LOG_ONLY)
        deciding = _deciding(met, evidence, on_failure)
        judged.append(_judge(tuple(places), deciding))
    order = {rule.id: place for place, rule in enumerate(policy.rules)}
    return _verdict(judged, evidence, order, sorted(logged, key=order.__getitem__))


def matches(
    rule: Rule, facts: Facts, recipient: bytes | None, *, today: datetime.date | None = None
) -> bool:
    """Say whether the rule meets the message for the recipient; None is one that no `to` names."""
    evidence = Evidence(facts, today or _today())
    reach = reach_of(rule, evidence)
    return reach is not None and reach.includes(hits_of(recipient, reach.sets, evidence.today))


def _today() -> datetime.date:
    return datetime.datetime.now(tz=datetime.UTC).astimezone().date()


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


def _judge(places: tuple[int, ...], deciding: list[Rule]) -> _Judged:
    rules = _by_severity(deciding)
    return _Judged(places=places, action=rules[0].action if rules else Action.ACCEPT, rules=rules)


def _by_severity(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Give the rules, most severe first; those of the same action stay in their order."""
    return tuple(sorted(rules, key=lambda rule: -rule.action.severity))


def _verdict(
    judged: list[_Judged], evidence: Evidence, order: dict[str, int], logged: list[str]
) -> Verdict:
    """Give what the decisions for all recipients come to together."""
    notes: list[str] = []
    if evidence.facts.client.is_host:
        judged = _instead(judged, Action.REJECT, notes, "mail of this host is held, not refused")
    if len({each.action for each in judged}) > 1:
        judged = _instead(judged, Action.REJECT, notes, "held for some instead of refused")
    together = {rule.id: rule for each in judged for rule in each.rules}
    # The program's own rules are read last.
    rules = _by_severity(
        sorted(together.values(), key=lambda each: order.get(each.id, len(order)))
    )
    if any(each.action is Action.DEFER for each in judged):
        judged = _defer_all(judged, notes)
    action = min((each.action for each in judged), key=lambda each: each.severity)
    edits = _edits(judged, notes)
    return Verdict(
        action=action,
        decisions=_decisions(judged, len(evidence.facts.envelope.recipients)),
        rules=tuple(rule.id for rule in rules),
        logged=tuple(logged),
        reply=_reply(action, rules),
        why=_why(rules, notes),
        keep=any(_is_kept(each) for each in judged),
        edits=edits,
    )


def _instead(judged: list[_Judged], action: Action, notes: list[str], note: str) -> list[_Judged]:
    """Give the same with quarantine instead of the action."""
    if any(each.action is action for each in judged):
        notes.append(note)
    return [
        replace(each, action=Action.QUARANTINE) if each.action is action else each
        for each in judged
    ]


def _defer_all(judged: list[_Judged], notes: list[str]) -> list[_Judged]:
    """Give a deferral for everybody: one queue run has one answer, and the sender tries again."""
    first = next(each for each in judged if each.action is Action.DEFER)
    if any(each.action is not Action.DEFER for each in judged):
        notes.append("deferred for all recipients because of some")
    return [
        each
        if each.action is Action.DEFER
        else replace(each, action=Action.DEFER, rules=first.rules)
        for each in judged
    ]


def _decisions(judged: list[_Judged], count: int) -> tuple[Decision, ...]:
    decisions = [Decision(action=Action.QUARANTINE)] * count
    for each in judged:
        same = Decision(action=each.action, rules=tuple(rule.id for rule in each.rules))
        for place in each.places:
            decisions[place] = same
    return tuple(decisions)


def _edits(judged: list[_Judged], notes: list[str]) -> Edits:
    """Give the changes on which all recipients agree for whom the message is accepted."""
    wanted = [_edits_of(each.rules) for each in judged if each.action is Action.ACCEPT]
    if not wanted:
        return Edits()
    agreed = Edits(
        add_headers=tuple(
            each
            for each in wanted[0].add_headers
            if all(each in other.add_headers for other in wanted)
        ),
        subject_prefix=wanted[0].subject_prefix
        if len({each.subject_prefix for each in wanted}) == 1
        else "",
    )
    if any(each != agreed for each in wanted):
        notes.append("changes that not all recipients share were left out")
    return agreed


def _edits_of(rules: tuple[Rule, ...]) -> Edits:
    """Give the changes that rules ask for: all lines, each once, and the first subject prefix."""
    lines = dict.fromkeys(line for rule in rules for line in rule.edits.add_headers)
    prefixes = (rule.edits.subject_prefix for rule in rules)
    return Edits(
        add_headers=tuple(lines), subject_prefix=next((each for each in prefixes if each), "")
    )


def _reply(action: Action, rules: tuple[Rule, ...]) -> str | None:
    """Give the text of the first rule that asked for the refusal and has one."""
    if action not in (Action.REJECT, Action.DEFER):
        return None
    return next((rule.reply for rule in rules if rule.action is action and rule.reply), None)


def _is_kept(judged: _Judged) -> bool:
    """Say whether a copy is to be kept of what is refused or discarded."""
    return judged.action in (Action.REJECT, Action.DISCARD) and any(
        rule.keep for rule in judged.rules
    )


def _why(rules: tuple[Rule, ...], notes: list[str]) -> str:
    first = [rules[0].why or f'rule "{rules[0].id}"'] if rules else ["no rule met it"]
    return "; ".join(first + notes)
