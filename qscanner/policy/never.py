"""What can never hold: an anchor amid a pattern, conditions that exclude each other.

Called by  policy.warn.
Ends       with what is wrong, in words, or with nothing; raises nothing.
Careful    only what is certain is said. A pattern is read as far as anchors go: escapes, classes
           and groups; where it sets flags for several lines nothing is said.
"""

import re

from qscanner.model import Direction
from qscanner.policy.circumstances import Auth, Rdns
from qscanner.policy.conditions import Condition, Directions, Ip, Relay

_TOKEN = re.compile(
    r"\{[0-9,]+\}|\\[QxpP]?.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|\(\?[^):]*[:)]|.", re.DOTALL
)
_MULTILINE = re.compile(r"\(\?[a-zA-Z]*m")
_OPTIONAL = ("?", "*", "{")
_REPEATING = "?*+{"
_NO_WIDTH = re.compile(r"\\[bBAzZ]|\(\?[^):]*\)|[\^$()|]")


def never_matches(pattern: str) -> str:
    """Say why the regular expression cannot match anything, "" where it may."""
    if _MULTILINE.search(pattern) or "\\Q" in pattern:
        return ""
    tokens: list[str] = _TOKEN.findall(pattern)
    # Within groups and alternatives an anchor may be one of several ways: that is not judged.
    if "|" in tokens or any(each[0] == "(" and each[-1] != ")" for each in tokens):
        return ""
    for number, anchor in enumerate(tokens):
        if anchor in {"^", "\\A"} and any(_is_solid(tokens, at) for at in range(number)):
            return f'"{anchor}" is the beginning of the text, and something stands before it'
        if anchor in {"$", "\\z"} and any(
            _is_solid(tokens, at) for at in range(number + 1, len(tokens))
        ):
            return f'"{anchor}" is the end of the text, and something follows it'
    return ""


def _is_solid(tokens: list[str], place: int) -> bool:
    """Say whether the token at the place takes at least one character."""
    token = tokens[place]
    if _NO_WIDTH.fullmatch(token) or token[0] in _REPEATING:
        return False
    follows = tokens[place + 1] if place + 1 < len(tokens) else ""
    return not follows.startswith(_OPTIONAL)


def never_together(conditions: tuple[Condition, ...]) -> str:
    """Say which of the conditions of one scope exclude each other, "" where none do."""
    for each in conditions:
        if not isinstance(each, Directions):
            continue
        if each.directions == {Direction.IN} and any(map(_is_known, conditions)):
            return 'mail that goes "in" is from a client that may not relay and did not log in'
        if each.directions == {Direction.LOCAL} and any(
            isinstance(other, Ip | Rdns) for other in conditions
        ):
            return 'mail that is "local" has no client with an address'
    return ""


def _is_known(condition: Condition) -> bool:
    if isinstance(condition, Auth):
        return not condition.methods
    return isinstance(condition, Relay) and condition.is_relay
