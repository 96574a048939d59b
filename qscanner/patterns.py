"""Regular expressions and globs of admins, in time linear in the text: the only home of re2.

Called by  policy.*, for every pattern of a rule.
Ends       compile() and compile_glob() raise PatternError; search() raises nothing.
Careful    RE2 has no lookaround and no backreference, which is why it cannot be driven into
           exponential time. It still takes time x size, so both are bounded here: a pattern when
           it is read, a text by leaving out its middle, so that ^ and $ mean what they say.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import re2

from qscanner.codec.text import without_surrogates

MAX_PATTERN_CHARS = 4000
MAX_PROGRAM_SIZE = 10_000  # RE2's steps; above it, one text could take seconds
MAX_STEPS_FOR_TEXTS = 500  # of patterns for whole texts, which are sixteen times as long
MAX_TEXT_CHARS = 1 << 16
_HALF = MAX_TEXT_CHARS // 2
_JOINED = 32  # patterns that are searched as one


class PatternError(ValueError):
    """The pattern cannot be used; str() says why, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that was understood. `source` is what the admin wrote."""

    source: str
    _program: Any = field(repr=False, compare=False)

    def search(self, text: str) -> bool:
        """Say whether the pattern is anywhere in the text; of a long one, in its two ends."""
        return self._program.search(as_octets(_ends(text))) is not None

    def search_octets(self, octets: bytes) -> bool:
        """Say whether the pattern is anywhere in text that as_octets() gave, however long."""
        return self._program.search(octets) is not None

    def first(self, text: str) -> str | None:
        """Give the first group of the pattern's first match, else all of it; None for no match."""
        found = self._program.search(without_surrogates(text[:MAX_TEXT_CHARS]).encode())
        if found is None:
            return None
        octets = found.group(1) if self._program.groups else found.group()
        return (octets or b"").decode("utf-8", "replace")


class Patterns:
    """Many patterns that are searched together: most texts hit none of them.

    They are joined to a few larger ones, and only where such a one hits each of its members is
    tried. What cannot be joined is tried by itself.
    """

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        distinct = {id(each): each for each in patterns}
        self._groups = tuple(_grouped(list(distinct.values())))

    def hits(self, texts: Iterable[str]) -> list[Pattern]:
        """Give those patterns that search() would find in one of the texts."""
        return self.hits_in_octets([as_octets(_ends(text)) for text in texts])

    def hits_in_octets(self, all_octets: Collection[bytes]) -> list[Pattern]:
        """Give those patterns that search_octets() would find in one of the texts."""
        return [
            pattern
            for joined, members in self._groups
            if any(joined.search(octets) is not None for octets in all_octets)
            for pattern in members
            if any(pattern.search_octets(octets) for octets in all_octets)
        ]


def _grouped(patterns: list[Pattern]) -> Iterator[tuple[Any, tuple[Pattern, ...]]]:
    """Give joined programs with their members: at most _JOINED, and fewer where they are large."""
    # An open quotation, \Q, would swallow what follows it.
    for each in patterns:
        if "\\Q" in _source(each):
            yield each._program, (each,)
    others = [each for each in patterns if "\\Q" not in _source(each)]
    for start in range(0, len(others), _JOINED):
        yield from _joined(others[start : start + _JOINED])


def _source(pattern: Pattern) -> str:
    source: str = pattern._program.pattern.decode()
    return source


def _joined(patterns: list[Pattern]) -> Iterator[tuple[Any, tuple[Pattern, ...]]]:
    if len(patterns) == 1:
        yield patterns[0]._program, (patterns[0],)
        return
    try:
        joined = _program("|".join(f"(?:{_source(each)})" for each in patterns))
    except PatternError:  # too large
        half = len(patterns) // 2
        yield from _joined(patterns[:half])
        yield from _joined(patterns[half:])
    else:
        yield joined, tuple(patterns)


def _ends(text: str) -> str:
    return text if len(text) <= MAX_TEXT_CHARS else text[:_HALF] + text[-_HALF:]


def as_octets(text: str) -> bytes:
    """Give text in the form that search_octets() takes: for many patterns, made once."""
    return without_surrogates(text).encode()


def compile(pattern: str) -> Pattern:
    """Give the pattern, ready to search with; a dot means any character, a newline too.

    Syntax: https://github.com/google/re2/wiki/Syntax. Raises PatternError.
    """
    if not pattern:
        raise PatternError("the pattern is empty and would match everything")
    if len(pattern) > MAX_PATTERN_CHARS:
        raise PatternError(f"the pattern is longer than {MAX_PATTERN_CHARS} characters")
    return Pattern(pattern, _program(pattern))


def compile_for_texts(pattern: str) -> Pattern:
    """Give a pattern that may be searched in whole texts: as compile(), but of less size."""
    found = compile(pattern)
    if found._program.programsize > MAX_STEPS_FOR_TEXTS:
        raise PatternError(_TOO_LARGE)
    return found


def compile_capturing(pattern: str) -> Pattern:
    """Give a pattern whose first() tells its first group. Raises PatternError."""
    return Pattern(compile(pattern).source, _program(pattern, captures=True))


def compile_glob(glob: str) -> Pattern:
    """Give a pattern for the whole text, without regard to case: * is anything, ? one character.

    Raises PatternError.
    """
    if len(glob) > MAX_PATTERN_CHARS:
        raise PatternError(f"the pattern is longer than {MAX_PATTERN_CHARS} characters")
    parts = {"*": ".*", "?": "."}
    # Several stars say no more than one, and cost time.
    body = "".join(parts.get(char) or re2.escape(char) for char in re.sub(r"\*+", "*", glob))
    return Pattern(glob, _program(f"(?i)^{body}$"))


def _program(pattern: str, *, captures: bool = False) -> Any:
    options = re2.Options()
    options.log_errors = False  # RE2 would write to stderr
    options.dot_nl = True  # a newline in a name must not hide what follows it
    options.never_capture = not captures
    try:
        program = re2.compile(pattern.encode(), options)
    except UnicodeEncodeError:
        raise PatternError("the pattern holds half a character (a lone surrogate)") from None
    except re2.error as error:
        raise PatternError(_explained(error)) from None
    if program.programsize > MAX_PROGRAM_SIZE:
        raise PatternError(_TOO_LARGE)
    return program


_TOO_LARGE = "the pattern is too large: take smaller repetitions, or put words into a list file"
# What RE2 says, as a regular expression -> what helps.
_ADVICE = (
    (
        r"perl operator: \(\?[=!]",
        "lookahead, (?= or (?!, does not exist in RE2: match what is wanted, and put what is not "
        "wanted into unless or into a rule of its own",
    ),
    (
        r"perl operator: \(\?<[=!]",
        "lookbehind, (?<= or (?<!, does not exist in RE2: make what stands before part of the "
        r"pattern, or begin it with \b or ^",
    ),
    (
        r"perl operator: \(\?P$|escape sequence: \\[1-9]",
        r"backreferences, \1, do not exist in RE2: write the second occurrence out",
    ),
    (
        r"perl operator: \(\?>|bad repetition operator: .*\+$",
        "possessive repetitions, ++ and (?>, do not exist in RE2 and are not needed: "
        "leave out the second + or the ?>",
    ),
    (r"escape sequence: \\Z", r"\Z does not exist in RE2: write $ or \z for the end"),
    (
        r"escape sequence: \\u",
        r"\u does not exist in RE2: write \x{202E} for the character U+202E, or the character",
    ),
    (r"missing \)", "a closing ) is missing; a ( that is meant as such is written \\("),
    (r"unexpected \)", "a ) too many; a ) that is meant as such is written \\)"),
    (r"missing \]", "a closing ] is missing; a [ that is meant as such is written \\["),
    (r"trailing \\", r"the pattern ends with a lone \; a \ that is meant as such is written \\"),
    (
        r"no argument for repetition",
        "there is nothing before * or + or ? to repeat; any text is .*, a star itself is \\*",
    ),
    (r"invalid repetition size", "a repetition is more than 1000"),
    (r"too large", _TOO_LARGE),
)


def _explained(error: Exception) -> str:
    said = str(error.args[0], "utf-8", "replace")
    for wording, advice in _ADVICE:
        if re.search(wording, said):
            return advice
    return f"not a regular expression of RE2: {said}"
