"""What an entry of the lists does in policy: what an allowance overrides, what a block says.

Called by  decide, for recipients for whom the sender is allowed or blocked; explain; together.
Ends       always; nothing here raises.
Careful    anybody can write any sender. So an allowance is about opinions (spam, and what an admin
           would rather look at first), never about a virus, nor about what a message carries or
           what of it could not be looked at: also not where a detecting rule says that by a tag or
           a score.
"""

from collections.abc import Iterable, Sequence

from qscanner.model import ALLOWED, BLOCKED, Action, Edits, Listed
from qscanner.policy.conditions import Findings, Spam, Viruses
from qscanner.policy.evidence import Evidence, Marks
from qscanner.policy.marks import Total
from qscanner.policy.parts import Parts
from qscanner.policy.rules import Rule, Sentence

SPAM_UNAVAILABLE = "default.spam-unavailable"
REPLY = "Mail from this sender is not wanted by the recipient"
_OWN = "default."
# Kinds of findings that are opinions about a message; all others say what it carries, or that it
# could not be looked at. So do some of these.
_OPINIONS = frozenset(["mime", "header", "auth", "spam", "lists"])
_NOT_LOOKED_AT = frozenset(["mime.parser-error", "mime.partial"])
_SPAM = "spam."


def by_entry(
    places: Sequence[int], listed: Sequence[Listed | None]
) -> Iterable[tuple[Listed | None, Sequence[int]]]:
    """Give the places of recipients by what is listed for them; `listed` is as in Facts."""
    if not listed or not places:
        return ((None, places),)
    found: dict[Listed | None, list[int]] = {}
    for place in places:
        entry = listed[place] if place < len(listed) else None
        found.setdefault(entry, []).append(place)
    return found.items()


def allowed(entry: Listed, overridden: Iterable[str]) -> Rule:
    """Give the program's own rule that says so, and which rules do not count therefore."""
    return _rule(ALLOWED, Action.ACCEPT, f"{words(entry)}, over {', '.join(overridden)}")


def blocked(entry: Listed) -> Rule:
    """Give the program's own rule that refuses what a recipient does not want."""
    return _rule(BLOCKED, Action.REJECT, words(entry), reply=REPLY)


def _rule(id_: str, action: Action, why: str, *, reply: str | None = None) -> Rule:
    return Rule(id=id_, action=action, file="", number=0, why=why, reply=reply)


def words(entry: Listed) -> str:
    """Give what an entry says, with its id."""
    return f"{entry.told} (entry {entry.id})"


def is_overridden(rule: Rule, evidence: Evidence, carried: Marks) -> bool:
    """Say whether an allowance is stronger than this rule, which met the message.

    It is where the rule is about spam, or holds. `carried` are the marks that only those
    detecting rules left which are about contents.
    """
    if rule.id.startswith(_OWN):
        return rule.id == SPAM_UNAVAILABLE
    if is_about_contents(rule, evidence) or _asks_for(rule, carried):
        return False
    if rule.is_final and rule.action is Action.ACCEPT:
        return False
    return rule.action is Action.QUARANTINE or _is_about_spam(rule, evidence)


def is_about_contents(rule: Sentence, evidence: Evidence) -> bool:
    """Say whether a rule that met is about what a message carries, or what was not looked at."""
    found = {id_ for id_ in evidence.findings if not _is_opinion(id_)}.union(evidence.unscanned)
    return any(
        isinstance(each, Viruses | Parts)
        or (isinstance(each, Findings) and any(map(each.speaks_of, found)))
        for each in rule.conditions
    )


def _is_opinion(id_: str) -> bool:
    return id_.partition(".")[0] in _OPINIONS and id_ not in _NOT_LOOKED_AT


def _asks_for(rule: Rule, carried: Marks) -> bool:
    """Say whether what detecting rules found in contents is enough for the rule."""
    asked = (*rule.marks, *(mark for scope in rule.when for mark in scope.marks))
    return any(mark.holds_of(carried) for mark in asked)


def _is_about_spam(rule: Rule, evidence: Evidence) -> bool:
    """Say whether it asks for the score of the scorer, that of detecting rules, or `spam.*`."""
    return any(isinstance(each, Total) for each in rule.marks) or any(
        isinstance(each, Spam)
        or (isinstance(each, Findings) and _is_all_spam(each, evidence.findings))
        for each in rule.conditions
    )


def _is_all_spam(asked: Findings, found: Iterable[str]) -> bool:
    return all(id_.startswith(_SPAM) for id_ in found if asked.speaks_of(id_))


def is_better(left: Sequence[Rule], deciding: Sequence[Rule]) -> bool:
    """Say whether less is asked for by the rules that are left than by those that would decide.

    It may be more: a final rule that is overridden has silenced others. And where both accept,
    it is less when a rule is gone that would have marked the mail, or sent it elsewhere.
    """
    before, after = map(_severest, (deciding, left))
    if before is not after:
        return after.severity < before.severity
    kept = {rule.id for rule in left}
    gone = (rule for rule in deciding if rule.id not in kept)
    return after is Action.ACCEPT and any(map(_does_something, gone))


def _severest(rules: Iterable[Rule]) -> Action:
    actions = (rule.action for rule in rules)
    return max(actions, key=lambda each: each.severity, default=Action.ACCEPT)


def _does_something(rule: Rule) -> bool:
    sent = (*rule.copy_to, *rule.maildirs, *rule.redirect_to)
    return bool(rule.edits != Edits() or sent or rule.notify)
