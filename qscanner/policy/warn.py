"""What is not wrong in a policy, but hardly meant: said by `policy check`, never refused.

Called by  `qscanner check` and `qscanner policy check`.
Ends       with problems that point at the rules; raises nothing.
Careful    a warning that is always there is not read: the shipped policy must have none.
"""

import datetime
from collections.abc import Iterator
from typing import Any

from qscanner.codec.problems import Problem, nearest
from qscanner.model import Action, Direction, Edits
from qscanner.policy.circumstances import Auth
from qscanner.policy.conditions import Directions, Env, Findings, Ip, Relay, Sender, Viruses
from qscanner.policy.headers import HeaderField
from qscanner.policy.known_findings import IDS, KINDS
from qscanner.policy.marks import Tagged
from qscanner.policy.never import never_matches, never_together
from qscanner.policy.rules import Policy, Rule, Scope, Sentence
from qscanner.policy.shadows import shadows

FINDING_KINDS = KINDS
_SIGNED = "since anybody can sign a message with a domain of their own: add from or from_in"


def warnings(policy: Policy, *, today: datetime.date | None = None) -> tuple[Problem, ...]:
    """Give what an admin should look at again. `today` is the day that list entries expire by."""
    today = today or datetime.datetime.now(tz=datetime.UTC).astimezone().date()
    found = [problem for rule in policy.sentences for problem in _of_rule(policy, rule)]
    found += _shadowed(policy)
    found += _unasked(policy)
    found += _expired(policy, today)
    found += _unspoken(policy)
    return tuple(found)


def _of_rule(policy: Policy, rule: Sentence) -> Iterator[Problem]:
    if not rule.why:
        yield policy.problem(rule, 'has no "why": say in a sentence what it is for')
    if any(_is_forgeable(scope) for scope in rule.unless):
        text = "the exception is forgeable, since anybody can write any sender"
        yield policy.problem(rule, f"{text}: add relay, auth, ip or ip_in to it", "unless")
    if any(_is_anybody_signed(scope) for scope in rule.unless) and not _names_anybody(rule):
        yield policy.problem(rule, f"the exception is forgeable, {_SIGNED} to it", "unless")
    if isinstance(rule, Rule) and rule.action is Action.ACCEPT and rule.is_final:
        yield from _of_final_accept(policy, rule)
    if isinstance(rule, Rule) and rule.strips:
        yield from _of_strip(policy, rule)
    for each in rule.conditions:
        if isinstance(each, Findings):
            yield from _of_findings(policy, rule, each)
    yield from _never(policy, rule)


def _of_final_accept(policy: Policy, rule: Rule) -> Iterator[Problem]:
    if any(isinstance(each, Viruses) for each in rule.conditions):
        text = '"final" has no effect here: a final accept never lets a virus pass'
        yield policy.problem(rule, text, "final")
    if any(_is_forgeable(scope) for scope in rule.when) or (
        _has_address(rule) and not any(map(_is_proven, rule.when))
    ):
        text = "this acceptance is forgeable, since anybody can write any sender"
        yield policy.problem(rule, f'{text}: add relay, auth, ip or ip_in to "when"')
    elif any(_is_anybody_signed(scope) for scope in rule.when) and not _names_anybody(rule):
        yield policy.problem(rule, f'this acceptance is forgeable, {_SIGNED} to "when"', "when")


def _of_strip(policy: Policy, rule: Rule) -> Iterator[Problem]:
    """Say where others than our own users would see that a signature does not fit any more."""
    why = "the signatures (DKIM, S/MIME, OpenPGP) of what is stripped no longer fit"
    says_direction = (
        any(isinstance(each, Directions) for each in scope.conditions) for scope in rule.when
    )
    if not all(says_direction):
        text = f'"strip" also takes parts out of mail that leaves here, and {why}: add direction'
        yield policy.problem(rule, f'{text} to "when"', "strip")
    for key, is_there in (("redirect_to", rule.redirect_to), ("copy_to", rule.copy_to)):
        if is_there:
            text = f"what is sent elsewhere may be refused there, since {why}"
            yield policy.problem(rule, text, key)


def _is_forgeable(scope: Scope) -> bool:
    """Say whether a sender is all that a stranger has to write to be meant."""
    return any(isinstance(each, Sender) for each in scope.conditions) and not _is_proven(scope)


def _is_anybody_signed(scope: Scope) -> bool:
    """Say whether all that a stranger needs is a domain of their own, or a seal."""
    if any(isinstance(each, Sender) for each in scope.conditions):
        return False
    is_signed = any(isinstance(each, Auth) and each.methods for each in scope.conditions)
    others = tuple(each for each in scope.conditions if not isinstance(each, Auth))
    return is_signed and not _is_proven(Scope(conditions=others))


def _names_anybody(rule: Sentence) -> bool:
    """Say whether the rule is about certain writers: it is their domain that must be proven."""
    return _has_address(rule) or any(
        isinstance(each, Sender) for scope in rule.when for each in scope.conditions
    )


def _is_proven(scope: Scope) -> bool:
    return any(
        isinstance(each, Ip | Env)
        or (isinstance(each, Auth) and "arc" not in each.methods)  # anybody can seal anything
        or (isinstance(each, Relay) and each.is_relay)
        or (isinstance(each, Directions) and Direction.IN not in each.directions)
        for each in scope.conditions
    )


def _has_address(rule: Sentence) -> bool:
    return any(
        isinstance(each, HeaderField) and any(table.addresses for table in each.tables)
        for each in rule.conditions
    )


def _of_findings(policy: Policy, rule: Sentence, findings: Findings) -> Iterator[Problem]:
    """Find ids that no check reports: a rule that waits for them waits for ever."""
    is_list = isinstance(_data(policy, rule)["finding"], list)
    for number, glob in enumerate(findings.globs):
        if any(glob.search(id_) for id_ in IDS):
            continue
        place = ("finding", number) if is_list else ("finding",)
        kind = glob.source.partition(".")[0]
        if kind in KINDS or "*" in kind or "?" in kind:
            near = nearest(glob.source, IDS)
            guess = f': did you mean "{near}"?' if near else "; docs/findings.md lists all"
            yield policy.problem(rule, f'no check reports "{glob.source}"{guess}', *place)
        else:
            near = nearest(kind, KINDS)
            guess = f': did you mean "{near}"?' if near else ""
            text = f'no check reports findings "{kind}.…"{guess} ({", ".join(KINDS)})'
            yield policy.problem(rule, text, *place)


def _never(policy: Policy, rule: Sentence) -> Iterator[Problem]:
    """Find conditions that cannot hold."""
    for key, scopes in (("when", rule.when), ("unless", rule.unless)):
        for why in filter(None, (never_together(scope.conditions) for scope in scopes)):
            yield policy.problem(rule, f"this never holds: {why}", key)
    for path, pattern in _regexes(_data(policy, rule), ()):
        if why := never_matches(pattern):
            text = f"the pattern never matches: {why}"
            yield policy.problem(rule, text, *path, at="value")


def _regexes(
    data: Any, path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Give the regular expressions of a rule and where they stand."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _regexes(value, (*path, key))
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from _regexes(value, (*path, number))
    elif isinstance(data, str) and _is_regex(path):
        yield path, data


def _is_regex(path: tuple[str | int, ...]) -> bool:
    words = [step for step in path if isinstance(step, str)]
    if words[0] == "test":  # what a message has, not what it must match
        return False
    if words[0] == "header":
        return len(words) == _FIELD or words[-1] in {"regex", "name"}
    return (
        (words[0] == "part" and words[-1] == "name")
        or (words[0] == "body" and words[-1] in {"text", "html"})
        or words[-2:-1] == ["env"]
    )


_FIELD = 2  # steps of header.NAME, where the value is a regular expression by itself


def _data(policy: Policy, rule: Sentence) -> dict[str, Any]:
    found: dict[str, Any] = policy.documents[rule.file].data["rule"][rule.number]
    return found


def _shadowed(policy: Policy) -> Iterator[Problem]:
    """Find rules that meet nothing but what another one meets, and add nothing to it."""
    place = {rule.id: number for number, rule in enumerate(policy.rules)}
    told: set[str] = set()
    for rule, other in shadows(policy):
        if rule.id in told:
            continue
        is_later = place[other.id] < place[rule.id]
        where = f'rule "{other.id}" ({other.file}) also meets all that this one meets'
        if other.is_final and is_later and not _may_be_about_a_virus(rule):
            told.add(rule.id)
            yield policy.problem(rule, f"never decides: {where}, is read before, and is final")
        elif not (rule.is_final or other.is_final) and not _adds_something(rule, other, is_later):
            told.add(rule.id)
            yield policy.problem(rule, f"changes nothing: {where}, and is at least as severe")


def _may_be_about_a_virus(rule: Rule) -> bool:
    return any(isinstance(each, Viruses | Findings) for each in rule.conditions)


def _adds_something(rule: Rule, other: Rule, is_later: bool) -> bool:
    """Say whether the rule changes anything where the other one has hit, too."""
    if rule.action is not other.action:
        return rule.action.severity > other.action.severity or bool(rule.keep and not other.keep)
    # Of several replies, prefixes and redirections the first counts.
    is_first = not is_later and (rule.reply, rule.redirect_to) != (None, ())
    return is_first or any(
        mine not in (nothing, its)
        for mine, its, nothing in (
            (rule.reply, other.reply if other.reply is None else rule.reply, None),
            (rule.edits, other.edits, Edits()),
            (rule.keep, other.keep, False),
            (rule.copy_to, other.copy_to, ()),
            (rule.maildirs, other.maildirs, ()),
            (rule.notify, other.notify, ()),
            (rule.redirect_to, other.redirect_to, ()),
            (rule.strips, other.strips, False),
            (rule.release, other.release, None),
        )
    )


def _unasked(policy: Policy) -> Iterator[Problem]:
    """Find scores and tags that no deciding rule asks for."""
    marks = [
        mark
        for rule in policy.rules
        for mark in (*rule.marks, *(m for s in (*rule.when, *rule.unless) for m in s.marks))
    ]
    tags = {tag for mark in marks if isinstance(mark, Tagged) for tag in mark.tags}
    has_total = any(not isinstance(mark, Tagged) for mark in marks)
    for detector in policy.detectors:
        if detector.tag and detector.tag not in tags:
            yield policy.problem(detector, f'no rule asks for the tag "{detector.tag}"', "tag")
        if detector.score and not has_total:
            yield policy.problem(detector, 'no rule asks for the "total" of scores', "score")


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
