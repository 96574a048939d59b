"""What the decisions for all recipients come to together: one verdict, since there is one answer.

Called by  policy.decide, with a Judged for each group of recipients.
Ends       with a Verdict; raises nothing.
Careful    one queue run has one ending: who is deferred defers all, and who is refused alone is
           held instead. Edits are made where all who get the message agree; the rest is noted.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from qscanner.model import ALLOWED, Action, Cut, Decision, Edits, Facts, Notify, Release, Verdict
from qscanner.policy.evidence import Marks
from qscanner.policy.rules import Policy, Rule

UNSAFE = "could not be stripped safely"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What becomes of it for the recipients at these places, and the rules that decided."""

    places: tuple[int, ...]
    action: Action
    rules: tuple[Rule, ...]  # most severe first, then in reading order
    marks: Marks
    detected: tuple[str, ...] = ()
    cuts: tuple[Cut, ...] | None = ()  # None: they have no certain place
    overridden: tuple[str, ...] = ()  # rules that do not count, since the sender is allowed


def judge(
    places: tuple[int, ...],
    deciding: list[Rule],
    *,
    marks: Marks,
    detected: tuple[str, ...],
    cuts: tuple[Cut, ...] | None = (),
) -> Judged:
    """Give what the rules that decide for these recipients come to: the most severe action."""
    rules = by_severity(deciding) if len(deciding) > 1 else tuple(deciding)
    action = rules[0].action if rules else Action.ACCEPT
    return Judged(
        places=places, action=action, rules=rules, marks=marks, detected=detected, cuts=cuts
    )


def verdict(
    judged: list[Judged], facts: Facts, policy: Policy, *, logged: Collection[str]
) -> Verdict:
    """Give what the decisions for all recipients come to together."""
    notes: list[str] = []
    judged = _held_with_parts(judged, notes)
    if facts.client.is_host:
        judged = _instead(judged, Action.REJECT, notes, "mail of this host is held, not refused")
    if len({each.action for each in judged}) > 1:
        judged = _instead(judged, Action.REJECT, notes, "held for some instead of refused")
    rules = _all_rules(judged, policy)
    if any(each.action is Action.DEFER for each in judged):
        judged = _defer_all(judged, notes)
    action = min((each.action for each in judged), key=lambda each: each.severity)
    edits = _edits(judged, notes)
    detected = {id_ for each in judged for id_ in each.detected}
    return Verdict(
        action=action,
        decisions=_decisions(judged, len(facts.envelope.recipients)),
        rules=tuple(rule.id for rule in rules),
        logged=_in_order(logged, policy),
        reply=_reply(action, rules),
        why=_why(rules, notes),
        keep=any(_is_kept(each) for each in judged),
        edits=edits,
        detected=_in_order(detected, policy),
        tags=tuple(sorted({tag for each in judged for tag in each.marks.tags})),
        total=max(each.marks.total for each in judged),
        release=_release(judged),
    )


def _all_rules(judged: list[Judged], policy: Policy) -> tuple[Rule, ...]:
    """Give the rules that decided for anybody, most severe first, then in reading order."""
    if len(judged) == 1:
        return judged[0].rules
    together: dict[str, Rule] = {}
    for rule in (rule for each in judged for rule in each.rules):
        together.setdefault(rule.id, rule)  # entries of several recipients: the first is told
    # The program's own rules are read last, but for the one that says why others do not count.
    first = (ALLOWED,) if ALLOWED in together else ()
    own = (each for each in together if each.startswith("default.") and each not in first)
    ordered = (*first, *_in_order(set(together), policy), *own)
    return by_severity(together[id_] for id_ in ordered)


def _in_order(ids: Collection[str], policy: Policy) -> tuple[str, ...]:
    """Give those of the ids that are rules, in the order in which these are asked."""
    return tuple(each.id for each in policy.sentences if each.id in ids) if ids else ()


def by_severity(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Give the rules, most severe first; those of the same action stay in their order."""
    return tuple(sorted(rules, key=lambda rule: -rule.action.severity))


def _instead(judged: list[Judged], action: Action, notes: list[str], note: str) -> list[Judged]:
    """Give the same with quarantine instead of the action."""
    if any(each.action is action for each in judged):
        notes.append(note)
    return [
        replace(each, action=Action.QUARANTINE) if each.action is action else each
        for each in judged
    ]


def _held_with_parts(judged: list[Judged], notes: list[str]) -> list[Judged]:
    """Give the same with quarantine for those for whom parts cannot be taken out.

    That is: not safely, or not for them alone, since all who get the message get the same.
    """
    if any(each.action is Action.ACCEPT and each.cuts is None for each in judged):
        notes.append(UNSAFE)
        judged = [_held(each) if each.cuts is None else each for each in judged]
    wishes = {_spans(each) for each in judged if each.action is Action.ACCEPT}
    if len(wishes) > 1:
        notes.append("held for those who would get it stripped, since not all agree")
        judged = [_held(each) if each.cuts else each for each in judged]
    return judged


def _held(judged: Judged) -> Judged:
    is_accepted = judged.action is Action.ACCEPT
    return replace(judged, action=Action.QUARANTINE) if is_accepted else judged


def _spans(judged: Judged) -> tuple[tuple[int, int], ...]:
    return tuple(cut.span for cut in judged.cuts or ())


def _defer_all(judged: list[Judged], notes: list[str]) -> list[Judged]:
    """Give a deferral for everybody: one queue run has one answer, and the sender tries again."""
    first = next(each for each in judged if each.action is Action.DEFER)
    if any(each.action is not Action.DEFER for each in judged):
        notes.append("deferred for all recipients because of some")
    return [
        each
        if each.action is Action.DEFER
        else replace(each, action=Action.DEFER, rules=first.rules, overridden=first.overridden)
        for each in judged
    ]


def _decisions(judged: list[Judged], count: int) -> tuple[Decision, ...]:
    decisions = [Decision(action=Action.QUARANTINE)] * count
    for each in judged:
        is_sent = each.action is Action.ACCEPT
        same = Decision(
            action=each.action,
            rules=tuple(rule.id for rule in each.rules),
            overridden=each.overridden,
            redirect_to=_redirect_to(each.rules) if is_sent else (),
            copy_to=_copy_to(each.rules) if is_sent else (),
            maildirs=_maildirs(each.rules) if is_sent else (),
            notify=_notify(each),
        )
        for place in each.places:
            decisions[place] = same
    return tuple(decisions)


def _redirect_to(rules: tuple[Rule, ...]) -> tuple[bytes, ...]:
    """Give who gets it instead: what the first rule says that redirects."""
    return next((rule.redirect_to for rule in rules if rule.redirect_to), ())


def _copy_to(rules: tuple[Rule, ...]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(address for rule in rules for address in rule.copy_to))


def _maildirs(rules: tuple[Rule, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for rule in rules for path in rule.maildirs))


def _notify(judged: Judged) -> tuple[Notify, ...]:
    """Give who is to be told: what the rules say that asked for the most severe action.

    A milder rule is silent: who has viruses thrown away unheard does not hear of them because
    another rule would have held them.
    """
    if judged.action is Action.DEFER or not judged.rules:
        return ()
    severest = judged.rules[0].action  # before it was made milder for all together
    said = {each for rule in judged.rules if rule.action is severest for each in rule.notify}
    return tuple(each for each in Notify if each in said)


def _release(judged: list[Judged]) -> Release:
    """Give who may let out what is held: the fewest that any rule says which asked for that."""
    said = {
        rule.release for each in judged if _is_held(each) for rule in each.rules if rule.release
    }
    return next((each for each in Release if each in said), Release.ADMIN)


def _is_held(judged: Judged) -> bool:
    return judged.action is Action.QUARANTINE or _is_kept(judged)


def _edits(judged: list[Judged], notes: list[str]) -> Edits:
    """Give the changes on which all recipients agree for whom the message is accepted.

    Where some have allowed the sender, the others: nobody's entry takes a mark off their copies.
    """
    accepted = [each for each in judged if each.action is Action.ACCEPT]
    others = [each for each in accepted if not each.overridden]
    wanted = [_edits_of(each.rules) for each in others or accepted]
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
    cuts = next(each.cuts for each in judged if each.action is Action.ACCEPT)
    return replace(agreed, cuts=cuts or ())


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


def _is_kept(judged: Judged) -> bool:
    """Say whether a copy is to be kept of what is refused or discarded."""
    return judged.action in (Action.REJECT, Action.DISCARD) and any(
        rule.keep for rule in judged.rules
    )


def _why(rules: tuple[Rule, ...], notes: list[str]) -> str:
    first = [rules[0].why or f'rule "{rules[0].id}"'] if rules else ["no rule met it"]
    return "; ".join(first + notes)
