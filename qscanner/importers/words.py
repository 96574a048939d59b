"""What a pattern can match, where that is few words: bad@(a|b)\\.example, \\.vb[es]$, 10\\..*

Called by  importers.qmail_scanner_virtual (addresses, networks), importers.mailscanner (endings).
Ends       with tuples of words, () where there are too many or where the pattern is not so simple.
Careful    nothing is guessed: a construct that is not understood gives (), and whoever asked says
           that the line has to be written by hand. What may be any text, or any of a kind, or
           any one character stands in a word as ANYTHING, SOMETHING, ANY.
"""

import functools
import itertools
import re
import string
from collections.abc import Iterator

ANYTHING = "\ue000"  # .* .+
SOMETHING = "\ue001"  # [0-9]+ \s{10,} a*
ANY = "\ue002"  # a lone dot
MAX_WORDS = 100
MAX_CHARS = 200
_MAX_REPEATED = 8
_MAX_DEPTH = 20
_DIGITS, _NAMES = string.digits, string.ascii_letters + string.digits + "_"
_CLASSES = {"d": _DIGITS, "w": _NAMES, "s": " \t"}
_BOUNDS = re.compile(r"\{(\d{1,4})(,)?(\d{1,4})?\}")
_OPEN = re.compile(f"[{ANYTHING}{SOMETHING}{ANY}]")
_Words = tuple[str, ...]


class _NotSimpleError(Exception):
    """The pattern is beyond what is understood here."""


def words(pattern: str) -> tuple[str, ...]:
    """Give all texts that the whole pattern matches, with ANYTHING, SOMETHING, ANY in them."""
    try:
        return _Reader(pattern.removeprefix("^").removesuffix("$")).all()
    except _NotSimpleError:
        return ()


@functools.lru_cache(maxsize=1 << 14)
def endings(pattern: str) -> tuple[tuple[str, ...], bool]:
    """Give the endings of which a text must have one to be matched, in lower case.

    And whether that is all the pattern says. A pattern that does not end in $ has none.
    """
    is_anchored = pattern.endswith("$") and not pattern.endswith("\\$")
    if not is_anchored or pattern.startswith("^"):
        return (), False
    found = words(pattern.removesuffix("$"))
    tails = [_OPEN.split(word)[-1].lower() for word in found]
    if not found or not all(tails):
        return (), False
    return tuple(dict.fromkeys(tails)), not any(map(_OPEN.search, found))


def not_ending(found: tuple[str, ...]) -> str:
    """Give a pattern for the names, in any case, that end in none of these endings."""
    return f"(?i){_other_than(frozenset(found))}$"


def _other_than(found: frozenset[str]) -> str:
    """Give what may stand before a place, so that none of the endings comes about there."""
    last = sorted({ending[-1] for ending in found})
    inside = "".join(f"\\{char}" if char in "]\\^-" else char for char in last)
    ways = ["^", f"[^{inside}]"]
    for char in last:
        before = frozenset(ending[:-1] for ending in found if ending[-1] == char)
        if "" not in before:
            ways.append(_other_than(before) + re.escape(char))
    return f"(?:{'|'.join(ways)})"


class _Reader:
    """Reads a pattern from left to right into the words that it stands for."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._depth = 0
        if len(pattern) > MAX_CHARS:
            raise _NotSimpleError

    def all(self) -> _Words:
        """Give the words of the whole pattern."""
        found = self._alternatives()
        if self._at < len(self._text):
            raise _NotSimpleError
        return found

    def _alternatives(self) -> _Words:
        found = list(self._sequence())
        while self._next("|"):
            found += self._sequence()
        return _few(iter(found))

    def _sequence(self) -> _Words:
        found: _Words = ("",)
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            found = _few(a + b for a, b in itertools.product(found, self._repeated(self._atom())))
        return found

    def _atom(self) -> _Words:
        char = self._take()
        if char == "(":
            return self._group()
        if char == "[":
            return self._class()
        if char == ".":
            return (ANY,)
        if char == "\\":
            return self._escaped()
        if char in "^$*+?{":
            raise _NotSimpleError
        return (char,)

    def _group(self) -> _Words:
        self._depth += 1
        self._next("?:")
        if self._depth > _MAX_DEPTH or self._next("?"):
            raise _NotSimpleError
        found = self._alternatives()
        if not self._next(")"):
            raise _NotSimpleError
        self._depth -= 1
        return found

    def _class(self) -> _Words:
        end = self._text.find("]", self._at + 1)
        inner = self._text[self._at : end]
        if end < 0 or not re.fullmatch(r"[A-Za-z0-9_@.,+-]+", inner):
            raise _NotSimpleError
        self._at = end + 1
        found = ""
        for first, last in re.findall(r"(.)-(.)|(?:.)", inner):
            found += "".join(map(chr, range(ord(first), ord(last) + 1))) if first else ""
        singles = re.sub(r".-.", "", inner)
        return tuple(dict.fromkeys(found + singles))

    def _escaped(self) -> _Words:
        char = self._take()
        if char in _CLASSES:
            return tuple(_CLASSES[char])
        if char.isalnum():
            raise _NotSimpleError
        return (char,)

    def _repeated(self, atom: _Words) -> _Words:
        """Give the words of an atom with the repetition that follows it."""
        if self._next("?"):
            return ("", *atom)
        if self._next("*") or self._next("+"):
            self._next("?")  # lazy: the same words
            return _any_number_of(atom)
        bounds = _BOUNDS.match(self._text, self._at)
        if bounds is None:
            return atom
        self._at = bounds.end()
        least = int(bounds[1])
        most = least if not bounds[2] else int(bounds[3] or _MAX_REPEATED + 1)
        if most > _MAX_REPEATED or len(atom) ** most > MAX_WORDS:
            return _any_number_of(atom)
        return _few(
            "".join(each)
            for count in range(least, most + 1)
            for each in itertools.product(atom, repeat=count)
        )

    def _take(self) -> str:
        if self._at >= len(self._text):
            raise _NotSimpleError
        self._at += 1
        return self._text[self._at - 1]

    def _next(self, wanted: str) -> bool:
        if self._text.startswith(wanted, self._at):
            self._at += len(wanted)
            return True
        return False


def _any_number_of(atom: _Words) -> _Words:
    return (ANYTHING if atom == (ANY,) else SOMETHING,)


def _few(found: Iterator[str]) -> _Words:
    """Give the words, each once, or give up where they are many."""
    some = tuple(dict.fromkeys(itertools.islice(found, MAX_WORDS + 1)))
    if len(some) > MAX_WORDS:
        raise _NotSimpleError
    return some
