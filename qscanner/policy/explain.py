"""Why a message met each rule, or did not, and what follows: in words, per group of recipients.

Called by  `qscanner policy explain`, and rehearsal for tests that fail.
Ends       always; nothing here raises.
Careful    the words quote strangers: whoever prints them makes them printable first. What follows
           was decided by decide(); here it is only said.
"""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, replace

from qscanner.model import ALLOWED, BLOCKED, Action, Decision, Facts, Listed, Verdict
from qscanner.policy import decide, listed
from qscanner.policy.addresses import Address, Addresses
from qscanner.policy.conditions import Condition, Findings, quoted
from qscanner.policy.evidence import Evidence, Marks
from qscanner.policy.headers import HeaderField
from qscanner.policy.reach import groups
from qscanner.policy.rules import Mode, Policy, Rule, Scope, Sentence

_OWN_ACTIONS = {
    decide.INFECTED: Action.QUARANTINE,
    decide.UNSCANNABLE: Action.QUARANTINE,
    decide.EMERGENCY: Action.ACCEPT,
    ALLOWED: Action.ACCEPT,
    BLOCKED: Action.REJECT,
}
_OWN_WORDS = {
    decide.INFECTED: "a virus was found, and no rule of yours speaks of it",
    decide.UNSCANNABLE: "something was not scanned, and no rule of yours speaks of it",
    decide.VIRUS_UNAVAILABLE: "the virus engines could not answer: [virus] on_failure",
    decide.SPAM_UNAVAILABLE: "the spam scorer could not answer: [spam] on_failure",
    decide.EMERGENCY: "the virus engines could not answer, and an emergency is in force",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One rule, whether it met the message, and the facts on which that rests.

    Where it met, all of them; where it did not, the first that did not hold. `key` is the
    condition of that one, as it stands in the file.
    """

    rule: Sentence
    is_hit: bool
    facts: tuple[str, ...]
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Recipients for whom the same holds: what each rule says, what follows, and why.

    `listed` is the entry that allows or blocks the sender for them, None where there is none.
    """

    recipients: tuple[bytes, ...]
    decision: Decision
    marks: Marks
    detectors: tuple[Told, ...]
    rules: tuple[Told, ...]
    why: tuple[str, ...]
    listed: Listed | None = None


def explain(
    policy: Policy, facts: Facts, verdict: Verdict, *, today: datetime.date, at: datetime.time
) -> tuple[Group, ...]:
    """Give for each group of recipients what decide() came to, and why."""
    evidence = Evidence(facts, today, at)
    scopes = (scope for each in policy.sentences for scope in (*each.when, *each.unless))
    sets = (each for scope in scopes for each in scope.recipients)
    found = []
    alike = groups(facts.envelope.recipients, sets, today).values()
    for entry, places in (one for some in alike for one in listed.by_entry(some, facts.listed)):
        recipients = tuple(facts.envelope.recipients[place] for place in places)
        decision = (
            verdict.decisions[places[0]]
            if places
            else Decision(action=verdict.action, rules=verdict.rules)
        )
        group = _group(policy, evidence, recipients, decision)
        said = tuple(_of_entry(entry, decision, evidence)) if entry else ()
        found.append(replace(group, listed=entry, why=(*group.why, *said)))
    return tuple(found)


def _of_entry(entry: Listed, decision: Decision, evidence: Evidence) -> Iterable[str]:
    """Say what an entry of the lists made of it."""
    told = listed.words(entry)
    if not entry.is_allowed:
        is_so = BLOCKED in decision.rules
        yield f"{BLOCKED}: {told}" if is_so else f"{told}: other rules go over that"
    elif decision.overridden:
        yield f"{ALLOWED}: {told}; so these do not count: {', '.join(decision.overridden)}"
    elif evidence.viruses:
        yield f"{told}: that says nothing of a virus"
    else:
        yield f"{told}: that changes nothing here"


def _group(
    policy: Policy, evidence: Evidence, recipients: tuple[bytes, ...], decision: Decision
) -> Group:
    recipient = recipients[0] if recipients else None
    left = decide.marks_of(policy, evidence, recipient)
    marked = Evidence(evidence.facts, evidence.today, evidence.at, marks=left)
    detectors = tuple(tell(each, evidence, recipient) for each in policy.detectors)
    rules = tuple(tell(each, marked, recipient) for each in policy.rules)
    return Group(
        recipients=recipients,
        decision=decision,
        marks=left,
        detectors=detectors,
        rules=rules,
        why=tuple(_why(rules, decision, evidence)),
    )


def tell(rule: Sentence, evidence: Evidence, recipient: bytes | None) -> Told:
    """Say whether the rule meets the message for the recipient, and because of which facts."""
    if decide.meets(rule, evidence, recipient):
        return Told(rule=rule, is_hit=True, facts=tuple(_reasons(rule, evidence, recipient)))
    key, fact = _obstacle(rule, evidence, recipient)
    return Told(rule=rule, is_hit=False, facts=(fact,), key=key)


def _reasons(rule: Sentence, evidence: Evidence, recipient: bytes | None) -> Iterable[str]:
    """Give the facts on which a rule rests that meets."""
    yield from (each.because(evidence) for each in rule.conditions)
    scope = next(each for each in rule.when if _first_no(each, evidence, recipient) is None)
    yield from (each.because(evidence) for each in scope.conditions)
    yield from (_recipient(each, evidence, recipient) for each in scope.recipients)
    yield from (each.because(evidence) for each in scope.marks)
    if isinstance(rule, Rule):
        yield from (each.because(evidence) for each in rule.marks)


def _obstacle(rule: Sentence, evidence: Evidence, recipient: bytes | None) -> tuple[str, str]:
    """Give the first condition that does not hold, and the fact."""
    for condition in rule.conditions:
        if not condition.holds(evidence):
            return condition.name, _no(condition, evidence)
    obstacles = [_first_no(each, evidence, recipient) for each in rule.when]
    if None not in obstacles:
        more = f", and so on for {len(obstacles)} tables" if len(obstacles) > 1 else ""
        key, fact = next(each for each in obstacles if each)
        return key, f"{fact}{more}"
    for mark in rule.marks if isinstance(rule, Rule) else ():
        if not mark.holds(evidence):
            return mark.name, mark.because(evidence)
    for scope in rule.unless:
        if _first_no(scope, evidence, recipient) is None:
            return "unless", ", ".join(_of_scope(scope, evidence, recipient))
    return "", "it does not meet"  # never: meets() asks the same


def _no(condition: Condition, evidence: Evidence) -> str:
    """Say why a condition does not hold: what was not found, what a field says instead."""
    if isinstance(condition, Findings):
        return f"none of {', '.join(glob.source for glob in condition.globs)}"
    if isinstance(condition, HeaderField) and (headers := evidence.headers(condition.field)):
        more = f", and {len(headers) - 1} more" if len(headers) > 1 else ""
        return f"it is {quoted(headers[0].decoded)}{more}"
    return condition.because(evidence)


def _of_scope(scope: Scope, evidence: Evidence, recipient: bytes | None) -> Iterable[str]:
    yield from (each.because(evidence) for each in (*scope.conditions, *scope.marks))
    yield from (_recipient(each, evidence, recipient) for each in scope.recipients)


def _first_no(scope: Scope, evidence: Evidence, recipient: bytes | None) -> tuple[str, str] | None:
    """Give what in a table of `when` or `unless` does not hold, None where all of it does."""
    for each in (*scope.conditions, *scope.marks):
        if not each.holds(evidence):
            return each.name, each.because(evidence)
    for addresses in scope.recipients:
        if recipient is None or not addresses.has(Address.of(recipient), evidence.today):
            return "to", _recipient(addresses, evidence, recipient)
    return None


def _recipient(addresses: Addresses, evidence: Evidence, recipient: bytes | None) -> str:
    if recipient is None:
        return "there is no recipient"
    address = Address.of(recipient)
    pattern = addresses.pattern_of(address, evidence.today)
    told = f"the recipient is {quoted(address.whole)}"
    return told if pattern in (None, address.whole) else f"{told}, in {quoted(str(pattern))}"


def _why(told: tuple[Told, ...], decision: Decision, evidence: Evidence) -> Iterable[str]:
    """Say which of the rules that met decided, and what became of the others."""
    by_id = {each.rule.id: each.rule for each in told}
    met = [each.rule for each in told if each.is_hit and isinstance(each.rule, Rule)]
    acting = [each for each in met if each.mode is Mode.ON]
    deciding = decision.rules
    if not deciding:
        yield "no rule decides: it is accepted"
    else:
        yield _decided(deciding, decision, by_id)
    yield from (f"{id_}: {_OWN_WORDS[id_]}" for id_ in deciding if id_ in _OWN_WORDS)
    final = next((each for each in acting if each.is_final and each.id in deciding), None)
    if final is not None:
        counting = (*deciding, *decision.overridden)
        yield from _of_final(final, acting, counting, evidence)
    for each in met:
        if each.mode is Mode.LOG_ONLY:
            yield f"{each.id} is log-only, so without effect: {each.action.value}"


def _decided(deciding: tuple[str, ...], decision: Decision, by_id: dict[str, Sentence]) -> str:
    first, count = deciding[0], len(deciding)
    asked = _asked(first, by_id) or decision.action
    if count == 1:
        told = f"{first} decides: {asked.value}"
    else:
        same = sum(_asked(each, by_id) is asked for each in deciding)
        first_of = f", the first of {same} that say so" if same > 1 else ""
        told = f"{first} decides: {asked.value} is the most severe of {count} rules{first_of}"
    if asked is not decision.action:
        told += f"; it becomes {decision.action.value}, see below"
    return told


def _asked(id_: str, by_id: dict[str, Sentence]) -> Action | None:
    rule = by_id.get(id_)
    return rule.action if isinstance(rule, Rule) else _OWN_ACTIONS.get(id_)


def _of_final(
    final: Rule, acting: list[Rule], told: tuple[str, ...], evidence: Evidence
) -> Iterable[str]:
    """Say what a final rule silences; `told` are those of which something else is said."""
    silent = [each.id for each in acting if each.id not in told]
    if silent:
        yield f"{final.id} is final, so these do not count: {', '.join(silent)}"
    else:
        yield f"{final.id} is final: what other rules say would not count"
    if evidence.viruses and len(told) > 1:
        yield "but nothing silences a virus: rules about it count beside a final one"
