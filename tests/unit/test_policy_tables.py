"""policy.tables: the right value, or a problem at the right place and no value."""

import enum
from collections.abc import Callable
from typing import Any

import pytest

from qscanner.codec.places import parse
from qscanner.codec.problems import Problem
from qscanner.policy.tables import Table


class Colour(enum.Enum):
    """A closed set."""

    RED = "red"
    BLUE = "blue"


def table(text: str) -> Table:
    return Table(parse(text.encode(), file="a.toml"), (), [], label="here: ")


def number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f'"{text}" is no number') from None


@pytest.mark.parametrize(
    ("text", "get", "want"),
    [
        ('a = "x"', lambda t: t.text("a"), "x"),
        ("", lambda t: t.text("a"), None),
        ("a = true", lambda t: t.flag("a"), True),
        ("a = false", lambda t: t.flag("a"), False),
        ("", lambda t: t.flag("a"), None),
        ("a = 2", lambda t: t.number("a"), 2.0),
        ("a = -2.5", lambda t: t.number("a"), -2.5),
        ("a = 1" + "0" * 400, lambda t: t.number("a"), 1e15),
        ("", lambda t: t.number("a"), None),
        ("a = 0", lambda t: t.whole("a"), 0),
        ("", lambda t: t.whole("a"), None),
        ('a = "2 kB"', lambda t: t.size("a"), 2000),
        ("", lambda t: t.size("a"), None),
        ('a = "red"', lambda t: t.choices("a", Colour), (Colour.RED,)),
        ('a = ["red", "blue"]', lambda t: t.choices("a", Colour), (Colour.RED, Colour.BLUE)),
        ('a = ["1", "2"]', lambda t: t.made("a", number), (1, 2)),
        ("", lambda t: t.made("a", number), ()),
        ("[a]\nb = 1", lambda t: t.table("a").whole("b"), 1),
        ("", lambda t: t.table("a"), None),
        ("", lambda t: t.tables("a"), ()),
        ("a = {b = 1}", lambda t: [each.whole("b") for each in t.tables("a")], [1]),
        ("[[a]]\nb = 1\n[[a]]\nb = 2", lambda t: [e.whole("b") for e in t.tables("a")], [1, 2]),
        ("a = 1", lambda t: "a" in t, True),
        ("a = 1", lambda t: "b" in t, False),
    ],
)
def test_values(text: str, get: Callable[[Table], Any], want: Any) -> None:
    """What is right is given, what is not there is None."""
    given = table(text)
    assert get(given) == want
    assert given.problems == []


@pytest.mark.parametrize(
    ("text", "get", "line", "words"),
    [
        ("a = 1", lambda t: t.text("a"), 1, '"a" must be text, not a whole number'),
        ("a = 1979-05-27", lambda t: t.text("a"), 1, "not a date or time"),
        ('a = "yes"', lambda t: t.flag("a"), 1, '"a" must be true or false, not text'),
        ("a = 1", lambda t: t.flag("a"), 1, "true or false"),
        ('a = "1"', lambda t: t.number("a"), 1, "must be a finite number, not text"),
        ("a = nan", lambda t: t.number("a"), 1, "must be a finite number, not a number"),
        ("a = true", lambda t: t.number("a"), 1, "must be a finite number, not true"),
        ("a = 1.5", lambda t: t.whole("a"), 1, "must be a whole number, not a number"),
        ("a = true", lambda t: t.whole("a"), 1, "must be a whole number, not true or false"),
        ("a = -1", lambda t: t.whole("a"), 1, '"a" cannot be below 0'),
        ("a = 10", lambda t: t.size("a"), 1, '"10 B"? "10 MiB"?'),
        ("a = 1.5", lambda t: t.size("a"), 1, "must be text, not a number"),
        ('a = "10 mib"', lambda t: t.size("a"), 1, 'unknown unit "mib"'),
        ('a = "rde"', lambda t: t.choices("a", Colour), 1, 'unknown a "rde": did you mean "red"?'),
        ('a = [\n"1",\n"x"]', lambda t: t.made("a", number), 3, '"x" is no number'),
        ('a = [\n"1",\n2]', lambda t: t.made("a", number), 3, '"a" must be text'),
        ("a = 2", lambda t: t.made("a", number), 1, "text, or a list of texts, not a whole"),
        ("a = []", lambda t: t.made("a", number), 1, '"a" is an empty list'),
        ("a = 1", lambda t: t.table("a"), 1, "must be a table"),
        ("a = {}", lambda t: t.table("a"), 1, '"a" is empty'),
        ("a = 1", lambda t: t.tables("a"), 1, "must be a table"),
        ("a = []", lambda t: t.tables("a"), 1, "empty list"),
        ("a = [{b = 1},\n1]", lambda t: t.tables("a"), 2, "a table with at least one key"),
        ("a = [{}]", lambda t: t.tables("a"), 1, "a table with at least one key"),
    ],
)
def test_mistakes(text: str, get: Callable[[Table], Any], line: int, words: str) -> None:
    """One problem, at its line, and nothing raised."""
    given = table(text)
    get(given)
    problems: list[Problem] = given.problems
    assert [problem.line for problem in problems] == [line]
    assert words in problems[0].text
    assert problems[0].text.startswith("here: ")


def test_only() -> None:
    """Unknown keys with the nearest, later ones with what is missing, at the key."""
    given = table("actoin = 1\naction = 1\n  time = 1")
    given.only({"action", "id"}, not_yet={"time": "has no clock"})
    assert [(each.line, each.column, each.text) for each in given.problems] == [
        (1, 1, 'here: unknown key "actoin": did you mean "action"? (action, id)'),
        (3, 3, 'here: "time" is not yet possible: this version has no clock'),
    ]
