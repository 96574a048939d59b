"""What is wrong with a file an admin wrote: where, what, and what would have been right.

Called by  codec.places and config for the settings, policy.* for the rules; the programs print it.
Ends       Problems is raised once, with everything that was found, never with the first only.
Careful    a line of the file may hold anything, also bidi and control characters: everything is
           made safe for a terminal, and the caret still stands below the character it means.
"""

import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from qscanner.codec.text import for_terminal
from qscanner.outcomes import Unusable

MAX_SOURCE_CHARS = 160  # of a line that is shown; a longer one is cut around the caret
MAX_TEXT_CHARS = 2000
_BEFORE_CARET_CHARS = 60
_INDENT = "    "
_TAB = "    "
_MAX_WORD_CHARS = 80  # of a word we look for the nearest of: difflib is quadratic
_NEAR = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in one file.

    `line` and `column` count from 1, in characters; line 0 means the whole file, column 0 the
    whole line. `length` is in characters. `source` is that line of the file, without its end.
    """

    file: str
    line: int
    text: str
    source: str = ""
    column: int = 0
    length: int = 1

    def render(self) -> str:
        """Give `file:line: text`, and below it the line with a caret where these are known."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        head = f"{for_terminal(where)}: {for_terminal(self.text[:MAX_TEXT_CHARS])}"
        if not self.source:
            return head
        source, column = _cut(self.source, self.column)
        shown = f"{head}\n{_INDENT}{_safe(source)}".rstrip()
        if not self.column:
            return shown
        before, meant = source[: column - 1], source[column - 1 : column - 1 + self.length]
        marks = "^" + "~" * (_width(meant) - 1)
        return f"{shown}\n{_INDENT}{' ' * _width(before)}{marks}"


class Problems(Unusable):
    """All that is wrong with the settings or the policies: str() is what an admin should read."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Take the problems in any order; `problems` has them by file, line and column."""
        self.problems = tuple(sorted(problems, key=_place))
        super().__init__(self.problems)

    def __str__(self) -> str:
        """Give all problems as Problem.render() does, and below them how many there are."""
        count = len(self.problems)
        total = f"{count} problem" if count == 1 else f"{count} problems"
        return "\n".join([*(problem.render() for problem in self.problems), total])


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Give the allowed word that is most like `word`, or "" where none is near."""
    # Imported here: only whoever made a mistake has to wait for it.
    from difflib import get_close_matches

    by_lower = {each.lower(): each for each in reversed(tuple(allowed))}
    found = get_close_matches(word[:_MAX_WORD_CHARS].lower(), list(by_lower), n=1, cutoff=_NEAR)
    return by_lower[found[0]] if found else ""


def expected(word: str, allowed: Collection[str]) -> str:
    """Give what follows "unknown action": the word, the nearest right one, and all right ones.

    Like `"rejekt": did you mean "reject"? (accept, reject)`, or `"x" (accept, reject)`.
    """
    near = nearest(word, allowed)
    guess = f': did you mean "{near}"?' if near else ""
    return f'"{word}"{guess} ({", ".join(allowed)})'


def _place(problem: Problem) -> tuple[str, int, int]:
    return problem.file, problem.line, problem.column


def _cut(source: str, column: int) -> tuple[str, int]:
    """Give at most MAX_SOURCE_CHARS around the column, and the column in what is left."""
    if len(source) <= MAX_SOURCE_CHARS:
        return source, column
    start = max(0, min(column - 1 - _BEFORE_CARET_CHARS, len(source) - MAX_SOURCE_CHARS))
    end = start + MAX_SOURCE_CHARS
    front, back = ("..." if start else ""), ("..." if end < len(source) else "")
    return front + source[start:end] + back, column - start + len(front)


def _safe(text: str) -> str:
    return for_terminal(text.replace("\t", _TAB))


def _width(text: str) -> int:
    """Give the columns of a terminal that the text takes: 2 for wide letters, 0 for accents."""
    return sum(_columns(char) for char in _safe(text))


def _columns(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1
