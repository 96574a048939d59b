"""What is not wrong in a policy, but hardly meant: said by `policy check`, never refused.

Called by  `qscanner check` and `qscanner policy check`.
Ends       with problems that point at the rules; raises nothing.
Careful    a warning that is always there is not read: the shipped policy must have none.
"""

import datetime
from collections.abc import Iterator

from qscanner.codec.problems import Problem, nearest
from qscanner.model import Action, Direction
from qscanner.policy.conditions import Directions, Env, Findings, Ip, Relay, Sender, Viruses
from qscanner.policy.headers import HeaderField
from qscanner.policy.rules import Mode, Policy, Rule, Scope
from qscanner.policy.sentence import CONDITION_KEYS

FINDING_KINDS = (
    "virus",
    "unscannable",
    "limit",
    "archive",
    "mime",
    "name",
    "header",
    "spam",
    "clamav",
    "magic",
)


def warnings(policy: Policy, *, today: datetime.date | None = None) -> tuple[Problem, ...]:
    """Give what an admin should look at again. `today` is the day that list entries expire by."""
    today = today or datetime.datetime.now(tz=datetime.UTC).astimezone().date()
    found = [problem for rule in policy.rules for problem in _of_rule(policy, rule)]
    found += _shadowed(policy)
    found += _expired(policy, today)
    found += _unspoken(policy)
    return tuple(found)


def _of_rule(policy: Policy, rule: Rule) -> Iterator[Problem]:
    if not rule.why:
        yield policy.problem(rule, 'has no "why": say in a sentence what it is for')
    if any(_is_forgeable(scope) for scope in rule.unless):
        text = "the exception is forgeable, since anybody can write any sender"
        yield policy.problem(rule, f"{text}: add relay, ip or ip_in to it", "unless")
    if rule.action is Action.ACCEPT and rule.is_final:
        yield from _of_final_accept(policy, rule)
    for each in rule.conditions:
        if isinstance(each, Findings):
            yield from _of_findings(policy, rule, each)


def _of_final_accept(policy: Policy, rule: Rule) -> Iterator[Problem]:
    if any(isinstance(each, Viruses) for each in rule.conditions):
        text = '"final" has no effect here: a final accept never lets a virus pass'
        yield policy.problem(rule, text, "final")
    if any(_is_forgeable(scope) for scope in rule.when) or (
        _has_address(rule) and not any(map(_is_proven, rule.when))
    ):
        text = "this acceptance is forgeable, since anybody can write any sender"
        yield policy.problem(rule, f'{text}: add relay, ip or ip_in to "when"')


def _is_forgeable(scope: Scope) -> bool:
    """Say whether a sender is all that a stranger has to write to be meant."""
    return any(isinstance(each, Sender) for each in scope.conditions) and not _is_proven(scope)


def _is_proven(scope: Scope) -> bool:
    return any(
        isinstance(each, Ip | Env)
        or (isinstance(each, Relay) and each.is_relay)
        or (isinstance(each, Directions) and Direction.IN not in each.directions)
        for each in scope.conditions
    )


def _has_address(rule: Rule) -> bool:
    return any(
        isinstance(each, HeaderField) and any(table.addresses for table in each.tables)
        for each in rule.conditions
    )


def _of_findings(policy: Policy, rule: Rule, findings: Findings) -> Iterator[Problem]:
    for glob in findings.globs:
        kind = glob.source.partition(".")[0]
        if "*" not in kind and "?" not in kind and kind not in FINDING_KINDS:
            near = nearest(kind, FINDING_KINDS)
            guess = f': did you mean "{near}"?' if near else ""
            text = f'no check reports findings "{kind}.…"{guess} ({", ".join(FINDING_KINDS)})'
            yield policy.problem(rule, text, "finding")


def _shadowed(policy: Policy) -> Iterator[Problem]:
    """Find rules that ask the same as one that is read before them."""
    first: dict[str, Rule] = {}
    for rule in policy.rules:
        if rule.mode is Mode.LOG_ONLY:
            continue
        data = policy.documents[rule.file].data["rule"][rule.number]
        asked = repr([(key, data.get(key)) for key in (*CONDITION_KEYS, "unless")])
        other = first.setdefault(asked, rule)
        if other is rule:
            continue
        where = f'rule "{other.id}" ({other.file}) has the same conditions'
        if other.is_final:
            yield policy.problem(rule, f"never decides: {where} and is final")
        elif not rule.is_final and not _adds_something(rule, other):
            yield policy.problem(rule, f"changes nothing: {where} and is at least as severe")


def _adds_something(rule: Rule, other: Rule) -> bool:
    if rule.action is other.action:
        return rule.edits != other.edits or rule.keep != other.keep
    return rule.action.severity > other.action.severity


def _expired(policy: Policy, today: datetime.date) -> Iterator[Problem]:
    for file, entry in policy.dated:
        if entry.last_day < today:
            text = f'"{entry.text}" expired on {entry.last_day}: it no longer matches'
            yield file.problem(entry, text)


def _unspoken(policy: Policy) -> Iterator[Problem]:
    """Say where the program's own rules stand, because the admin wrote none."""
    conditions = [each for rule in policy.rules for each in rule.conditions]
    globs = [
        glob.source for each in conditions if isinstance(each, Findings) for glob in each.globs
    ]
    is_about_viruses = any(isinstance(each, Viruses) for each in conditions)
    if not is_about_viruses and not any(glob.startswith("virus.") for glob in globs):
        text = "no rule says what becomes of infected mail: it is held (default.infected)"
        yield Problem(file=policy.folder, line=0, text=f"{text}; write one with virus")
    if not any(glob.startswith("unscannable.") for glob in globs):
        text = "no rule says what becomes of what cannot be scanned: it is held"
        yield Problem(
            file=policy.folder,
            line=0,
            text=f'{text} (default.unscannable); write one with finding = "unscannable.*"',
        )
