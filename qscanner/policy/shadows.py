"""Rules that change nothing, because another rule meets all that they meet.

Called by  policy.warn.
Ends       with pairs of rules; raises nothing.
Careful    conditions are compared as they are written: a rule is only called weaker where that is
           certain. Ten thousand rules are not compared with each other: a weaker rule has the
           other one's values, so it is looked up by them.
"""

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from qscanner.patterns import compile_glob
from qscanner.policy.circumstances import Auth
from qscanner.policy.rules import Mode, Policy, Rule
from qscanner.policy.sentence import CONDITION_KEYS

_Path = tuple[str, ...]
_Asked = dict[_Path, tuple[Any, ...]]
_GLOBS = frozenset([("finding",), ("virus",), ("spam", "rule"), ("part", "type")])
_LOWER_IS_WEAKER = frozenset(["at_least", "over_required", "recipients_over", "count_over"])
_HIGHER_IS_WEAKER = frozenset(["below"])
_ALL_MUST_EQUAL = frozenset(["any", "missing"])
_SOMETHING = "x" * 9  # what a * may stand for; no chain of ? is as long
_LOOSE = object()  # filed so: values are compared otherwise than by being the same


def shadows(policy: Policy) -> Iterator[tuple[Rule, Rule]]:
    """Give each rule that another one meets all messages of, with that other one.

    Of two with the same conditions the later is given. Rules that are log-only are left out.
    """
    rules = [rule for rule in policy.rules if rule.mode is Mode.ON]
    asked = {rule.id: _asked(policy, rule) for rule in rules}
    place = {rule.id: number for number, rule in enumerate(rules)}
    filed: dict[tuple[_Path, Any], list[Rule]] = {}
    for rule in rules:
        path, values = _filed_under(asked[rule.id])
        for value in values:
            filed.setdefault((path, value), []).append(rule)
    for rule in rules:
        mine = asked[rule.id]
        others = {
            other.id: other
            for path, values in mine.items()
            for value in (*map(repr, values), _LOOSE)
            for other in filed.get((path, value), ())
            if other is not rule and _is_weaker(asked[other.id], mine)
        }
        for other in others.values():
            is_same = asked[other.id] == mine
            if not is_same or place[other.id] < place[rule.id]:
                yield rule, other


def _asked(policy: Policy, rule: Rule) -> _Asked:
    """Give the values of each condition by its path; of several values one must hold."""
    data = policy.documents[rule.file].data["rule"][rule.number]
    asked = dict(_flat({key: data[key] for key in CONDITION_KEYS if key in data}, ()))
    if "unless" in data:
        asked["unless",] = (data["unless"],)
    proofs = {
        (each.is_about_sender, each.is_about_from)
        for scope in (*rule.when, *rule.unless)
        for each in scope.conditions
        if isinstance(each, Auth) and each.methods
    }
    if proofs:  # the same words mean another domain beside a condition on From
        asked["proof",] = (sorted(proofs),)
    return asked


def _flat(data: Mapping[str, Any], path: _Path) -> Iterator[tuple[_Path, tuple[Any, ...]]]:
    for key, value in data.items():
        here = (*path, key)
        if isinstance(value, dict) and key not in _ALL_MUST_EQUAL:
            yield from _flat(value, here)
        elif isinstance(value, list) and value and isinstance(value[0], str):
            yield here, tuple(value)
        else:
            yield here, (value,)


def _filed_under(asked: _Asked) -> tuple[_Path, tuple[Any, ...]]:
    """Give the path and the values by which whoever has them finds this rule."""
    exact = (path for path in asked if path[-1] not in _LOWER_IS_WEAKER | _HIGHER_IS_WEAKER)
    for path in exact:
        if path not in _GLOBS or not any(set("*?") & set(glob) for glob in asked[path]):
            return path, tuple(map(repr, asked[path]))
    path = next(iter(asked), ())
    return path, (_LOOSE,)


def _is_weaker(weak: _Asked, strict: _Asked) -> bool:
    """Say whether every message that meets `strict` meets `weak`."""
    # An exception of the weaker one must be one of the stricter, too.
    if ("unless",) in weak and weak["unless",] != strict.get(("unless",)):
        return False
    return all(
        path in strict and _is_wider(path, values, strict[path])
        for path, values in weak.items()
        if path != ("unless",)
    )


def _is_wider(path: _Path, wide: tuple[Any, ...], narrow: tuple[Any, ...]) -> bool:
    if path in _GLOBS:
        return all(any(_covers(glob, each) for glob in wide) for each in narrow)
    if path[-1] in _LOWER_IS_WEAKER and _are_numbers(wide, narrow):
        return bool(wide[0] <= narrow[0])
    if path[-1] in _HIGHER_IS_WEAKER and _are_numbers(wide, narrow):
        return bool(wide[0] >= narrow[0])
    return all(each in wide for each in narrow)


def _are_numbers(*several: tuple[Any, ...]) -> bool:
    return all(len(each) == 1 and isinstance(each[0], int | float) for each in several)


_compiled = functools.lru_cache(maxsize=1000)(compile_glob)


def _covers(glob: str, other: str) -> bool:
    """Say whether all that the other glob means, this one means too."""
    return glob == other or _compiled(glob).search(other.replace("*", _SOMETHING))
