"""Patterns of Perl and PCRE as patterns of RE2, where they mean the same.

Called by  the modules of the formats, for every pattern of an old rule.
Ends       with a pattern that patterns.compile() takes, or raises PatternError that says what
           RE2 has not.
Careful    only spellings are changed, never meanings: what RE2 reads differently is refused.
"""

import re

from qscanner.patterns import PatternError, compile

_IN_CLASS = {"h": r" \t", "e": r"\x1b", "v": r"\n\x0b\f\r"}
_OUTSIDE = {
    "h": r"[ \t]",
    "e": r"\x1b",
    "v": r"[\n\x0b\f\r]",
    "Z": "$",
    "R": r"(?:\r\n|[\n\x0b\f\r])",
}
_STEP = re.compile(r"\\(?P<escaped>c.|.)|(?P<char>.)", re.DOTALL)
_CONTROL_BIT = 0x40


def translated(pattern: str) -> str:
    """Give the pattern in the words of RE2. Raises PatternError."""
    said = "".join(_steps(pattern))
    compile(said)
    return said


def is_alternative_at_top(pattern: str) -> bool:
    """Say whether a | stands outside all brackets: ^ and $ around it hold for one side only."""
    depth, in_class = 0, False
    for found in _STEP.finditer(pattern):
        char = found["char"]
        if in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char in ("(", ")"):
            depth += 1 if char == "(" else -1
        elif char == "|" and depth <= 0:
            return True
    return False


def _steps(pattern: str) -> list[str]:
    r"""Give the pattern in pieces; a lone \ at its end is left for compile() to refuse."""
    found: list[str] = []
    in_class, since = False, 0
    for step in _STEP.finditer(pattern):
        escaped, char = step["escaped"], step["char"]
        if escaped is not None:
            found.append(_escape(escaped, in_class=in_class))
        else:
            # A ] that is the first of its class is one of its characters.
            if in_class:
                in_class = char != "]" or step.start() == since
            elif char == "[":
                in_class = True
                since = step.end() + (pattern[step.end() : step.end() + 1] == "^")
            found.append(char)
    return found


def _escape(escaped: str, *, in_class: bool) -> str:
    if len(escaped) > 1:  # \cA
        return f"\\x{ord(escaped[1].upper()) ^ _CONTROL_BIT:02x}" if escaped.isascii() else escaped
    if not escaped.isascii():
        return escaped  # a letter of another script is itself
    if escaped == "C":
        raise PatternError(r"\C, one octet, does not exist here")
    return (_IN_CLASS if in_class else _OUTSIDE).get(escaped, f"\\{escaped}")
