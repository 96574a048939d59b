"""Which domain must be proven where a rule asks for DKIM or SPF: the one that the rule speaks of.

Anybody can sign a message with a domain of their own. So a signature says something only about
its domain, and a rule that names writers in From is not to be met by what the envelope says.

Called by  policy.sentence for each rule (aligned), policy.read (methods_asked), policy.warn and
           the programs that warn of what nobody verifies (unverified).
Ends       always; nothing here raises.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from qscanner.codec.problems import Problem
from qscanner.policy.circumstances import Auth
from qscanner.policy.conditions import Condition, Sender
from qscanner.policy.headers import HeaderField
from qscanner.policy.rules import Policy, Scope, Sentence

_FROM = "from"
_NAMES = {"arc": "ARC", "dkim": "DKIM", "spf": "SPF"}
Scopes = tuple[Scope, ...]


def aligned(
    when: Scopes, unless: Scopes, conditions: Iterable[Condition]
) -> tuple[Scopes, Scopes]:
    """Give the scopes of a rule with its questions for DKIM and SPF about the right domains.

    Where the rule has a condition on From, its domains; where the rule, or the exception, names
    senders, theirs; both where both; the sender's where neither.
    """
    is_about_from = any(isinstance(c, HeaderField) and c.field == _FROM for c in conditions)
    has_sender = any(_names_sender(scope) for scope in when)
    made = [
        tuple(
            _aligned(scope, is_about_from=is_about_from, has_sender=has_sender) for scope in each
        )
        for each in (when, unless)
    ]
    return made[0], made[1]


def _aligned(scope: Scope, *, is_about_from: bool, has_sender: bool) -> Scope:
    if not any(isinstance(each, Auth) and each.methods for each in scope.conditions):
        return scope
    is_about_sender = has_sender or _names_sender(scope) or not is_about_from
    return replace(
        scope,
        conditions=tuple(
            replace(each, is_about_sender=is_about_sender, is_about_from=is_about_from)
            if isinstance(each, Auth)
            else each
            for each in scope.conditions
        ),
    )


def _names_sender(scope: Scope) -> bool:
    return any(isinstance(each, Sender) for each in scope.conditions)


def methods_asked(rules: Iterable[Sentence]) -> frozenset[str]:
    """Give which of dkim, spf and arc any of the rules asks for."""
    return frozenset(method for rule in rules for _, method in _asked(rule))


def _asked(rule: Sentence) -> Iterator[tuple[str, str]]:
    """Give `when` or `unless`, and a method that it asks for."""
    for key, scopes in (("when", rule.when), ("unless", rule.unless)):
        for scope in scopes:
            for each in scope.conditions:
                if isinstance(each, Auth):
                    yield from ((key, method) for method in sorted(each.methods))


def unverified(policy: Policy, methods: frozenset[str]) -> tuple[Problem, ...]:
    """Give a warning for each rule that asks for what is not among `methods`: it never holds."""
    found = {
        (rule.id, method): policy.problem(
            rule,
            f"nothing here verifies {_NAMES[method]}, so it holds only where your own mail server "
            "does, and notes it: install qscanner[auth]",
            key,
        )
        for rule in policy.sentences
        for key, method in _asked(rule)
        if method not in methods
    }
    return tuple(found.values())
