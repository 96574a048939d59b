"""importers.words: what a pattern can match, where that is few words."""

import pytest

from qscanner.importers.words import (
    ANY,
    ANYTHING,
    MAX_WORDS,
    SOMETHING,
    endings,
    not_ending,
    words,
)
from qscanner.patterns import compile

WORDS = {
    "plain": ("abc", ("abc",)),
    "anchored": ("^abc$", ("abc",)),
    "escaped": (r"a\.b\@c\-d", ("a.b@c-d",)),
    "group": ("(jane|joe)@x", ("jane@x", "joe@x")),
    "inner-group": ("a(?:b|c(d|e))", ("ab", "acd", "ace")),
    "alternatives": ("ab|cd", ("ab", "cd")),
    "class": ("vb[es]", ("vbe", "vbs")),
    "range": ("a[0-2x]", ("a0", "a1", "a2", "ax")),
    "maybe": ("jse?", ("js", "jse")),
    "digits": (r"1\d", tuple(f"1{digit}" for digit in range(10))),
    "times": ("a{2}b{1,2}", ("aab", "aabb")),
    "anything": (".*@x", (f"{ANYTHING}@x",)),
    "anything-lazy": (".+?@x", (f"{ANYTHING}@x",)),
    "something": (r"10\.\d+", (f"10.{SOMETHING}",)),
    "one-letter-many-times": ("a*@x", (f"{SOMETHING}@x",)),
    "lone-dot": ("a.b", (f"a{ANY}b",)),
    "too-many": (r"\d\d\d", ()),
    "lookahead": ("a(?!b)", ()),
    "back-reference": (r"(a)\1", ()),
    "word-boundary": (r"\ba", ()),
    "negated-class": ("[^a]", ()),
    "open-group": ("(a", ()),
    "open-class": ("[a", ()),
    "closed-group": ("a)", ()),
    "lone-star": ("*a", ()),
    "lone-backslash": ("a\\", ()),
    "anchor-inside": ("a^b", ()),
    "deep": ("(" * 50 + "a" + ")" * 50, ()),
    "long": ("a" * 1000, ()),
}


@pytest.mark.parametrize(("pattern", "found"), WORDS.values(), ids=WORDS)
def test_words(pattern: str, found: tuple[str, ...]) -> None:
    """All texts of a simple pattern; none where anything would have to be guessed."""
    assert words(pattern) == found
    assert len(found) <= MAX_WORDS


ENDINGS = {
    "extension": (r"\.jpg$", ((".jpg",), True)),
    "two": (r"\.t?gz$", ((".gz", ".tgz"), True)),
    "case": (r"\.Z$", ((".z",), True)),
    "open-before": (r"\.x\d+\.rel$", ((".rel",), False)),
    "open-at-the-end": (r"\.[a-z0-9]{3}$", ((), False)),
    "anywhere": (r"\s{10,}", ((), False)),
    "whole-name": ("^a$", ((), False)),
    "escaped-dollar": (r"a\$", ((), False)),
    "not-simple": (r"(\.[a-z0-9]{3})\1$", ((), False)),
}


@pytest.mark.parametrize(("pattern", "found"), ENDINGS.values(), ids=ENDINGS)
def test_endings(pattern: str, found: tuple[tuple[str, ...], bool]) -> None:
    """How every text that a pattern matches ends, and whether that is all it asks."""
    assert endings(pattern) == found


@pytest.mark.parametrize(
    "name",
    [
        "a.jpg",
        "a.JPG",
        ".gif",
        "a.tar.gz",
        "jpg",
        "a.jp",
        "a.jpgg",
        "x]",
        "",
        "a.gi",
        "a.exe",
        "g",
    ],
)
def test_not_ending(name: str) -> None:
    """The pattern is the opposite of "ends in one of these", in any case."""
    some = (".jpg", ".gif", ".gz", "x]", "?=")
    assert compile(not_ending(some)).search(name) is not name.lower().endswith(some)
