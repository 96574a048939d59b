"""codec.problems: a problem points at its place, is safe to print, and none gets lost."""

import pickle

import pytest

from qscanner.codec.problems import (
    MAX_SOURCE_CHARS,
    MAX_TEXT_CHARS,
    Problem,
    Problems,
    expected,
    nearest,
)
from qscanner.outcomes import Ending, Unusable

ACTIONS = ("accept", "quarantine", "discard", "reject", "defer")


@pytest.mark.parametrize(
    ("problem", "want"),
    [
        (
            Problem(file="a.toml", line=14, text="no", source='k = "x"', column=5, length=3),
            'a.toml:14: no\n    k = "x"\n        ^~~',
        ),
        (Problem(file="a.toml", line=0, text="is missing"), "a.toml: is missing"),
        (Problem(file="a.toml", line=3, text="no", source="k = 1"), "a.toml:3: no\n    k = 1"),
        (
            Problem(file="a", line=1, text="no", source="k =", column=4),
            "a:1: no\n    k =\n       ^",
        ),
        (
            Problem(file="a", line=1, text="no", source="\tk = 1", column=6),
            "a:1: no\n        k = 1\n            ^",
        ),
        (
            Problem(file="a", line=1, text="no", source="\u6f22e\u0301 = 1", column=7),
            "a:1: no\n    \u6f22e\u0301 = 1\n          ^",
        ),
        (
            Problem(file="a", line=1, text="no", source="\u202e = 1", column=5),
            "a:1: no\n    \\u202e = 1\n             ^",
        ),
        (
            Problem(file="a", line=1, text="no", source="k = 1", column=5, length=99),
            "a:1: no\n    k = 1\n        ^",
        ),
        (
            Problem(file="\x1b]0;", line=1, text="un\nder", source=""),
            "\\x1b]0;:1: un\\x0ader",
        ),
    ],
    ids=[
        "caret",
        "whole file",
        "whole line",
        "behind the end",
        "tab",
        "wide and combining",
        "bidi",
        "too long",
        "hostile",
    ],
)
def test_render(problem: Problem, want: str) -> None:
    """The caret stands below what is wrong, whatever the columns of a terminal are."""
    assert problem.render() == want


@pytest.mark.parametrize("column", [1, 30, 500, 970, 1000])
def test_a_long_line_is_cut_around_the_caret(column: int) -> None:
    """Of a very long line the part with the mistake is shown, and the caret still points at it."""
    source = "." * (column - 1) + "X" + "." * (1000 - column)
    _, shown, marks = (
        Problem(file="f", line=1, text="no", source=source, column=column).render().split("\n")
    )
    assert shown[marks.index("^")] == "X"
    assert len(shown) <= MAX_SOURCE_CHARS + 10


def test_a_long_text_is_cut() -> None:
    """A word of a megabyte in the file does not become a megabyte on the terminal."""
    assert len(Problem(file="f", line=0, text="x" * 10**6).render()) <= MAX_TEXT_CHARS + 10


def test_all_problems_are_told_in_the_order_of_the_files() -> None:
    """str() has every problem, by file and line, and their number; the ending is 55."""
    second = Problem(file="b", line=2, text="two")
    first = Problem(file="b", line=1, text="one")
    other = Problem(file="a", line=9, text="zero")
    problems = Problems([second, first, other])
    assert problems.problems == (other, first, second)
    assert str(problems) == "a:9: zero\nb:1: one\nb:2: two\n3 problems"
    assert str(Problems([first])).endswith("\n1 problem")
    assert isinstance(problems, Unusable)
    assert problems.ending is Ending.UNUSABLE
    assert str(pickle.loads(pickle.dumps(problems))) == str(problems)


@pytest.mark.parametrize(
    ("word", "want"),
    [
        ("quarentine", "quarantine"),
        ("REJECT", "reject"),
        ("rejct", "reject"),
        ("zzz", ""),
        ("", ""),
        ("x" * 10**6, ""),
    ],
    ids=["misspelt", "upper case", "a letter less", "nothing near", "empty", "a megabyte"],
)
def test_nearest(word: str, want: str) -> None:
    """The nearest allowed word is found, or none."""
    assert nearest(word, ACTIONS) == want


def test_expected() -> None:
    """The tail of a message names the word, a guess, and everything that is right."""
    assert expected("quarentine", ACTIONS) == (
        '"quarentine": did you mean "quarantine"? (accept, quarantine, discard, reject, defer)'
    )
    assert expected("zzz", ("stderr", "syslog")) == '"zzz" (stderr, syslog)'
