"""policy.lists: what a line of a list file says."""

import datetime

import pytest

from qscanner.policy import lists
from qscanner.policy.addresses import FOREVER


@pytest.mark.parametrize(
    ("line", "text", "last_day"),
    [
        (".exe", ".exe", FOREVER),
        ("  a@b.c\t", "a@b.c", FOREVER),
        (".exe # programs", ".exe", FOREVER),
        ("a#b", "a#b", FOREVER),
        ("a@b until 2026-12-31", "a@b", datetime.date(2026, 12, 31)),
        ("a@b until 2026-12-31 because it ends", "a@b", datetime.date(2026, 12, 31)),
        ("a@b  until  2026-12-31\tbecause", "a@b", datetime.date(2026, 12, 31)),
        ("a@b because we say so until then", "a@b", FOREVER),
        ("my file.bin", "my file.bin", FOREVER),
        ("until@because.org", "until@because.org", FOREVER),
        ("j\u00fcrgen.exe\r", "j\u00fcrgen.exe", FOREVER),
        ("\ufeff.exe", ".exe", FOREVER),
    ],
)
def test_an_entry(line: str, text: str, last_day: datetime.date) -> None:
    """An entry, the last day on which it holds, and why."""
    found, problems = lists.read(line.encode(), file="a.txt")
    assert problems == ()
    assert [(each.text, each.last_day) for each in found.entries] == [(text, last_day)]


@pytest.mark.parametrize("line", ["", "   ", "# all", "\t# all", "\r"])
def test_nothing(line: str) -> None:
    """Blank lines and comments."""
    assert lists.read(line.encode(), file="a.txt") == (lists.ListFile("a.txt", ()), ())


@pytest.mark.parametrize(
    ("octets", "line", "advice"),
    [
        (b"a@b\na@b until tomorrow", 2, '"tomorrow" is no date'),
        (b"a@b until 2026-02-30", 1, "is no date"),
        (b"a@b until 20261231", 1, "is no date"),
        (b"a@b until", 1, "is no date"),
        (b"ok\n\xff\nok", 2, "not UTF-8"),
        (b"x" * 1001, 1, "longer than"),
        (b"x\n" * lists.MAX_OCTETS, 0, "MiB"),
    ],
    ids=["word", "no such day", "other form", "no day", "not UTF-8", "long entry", "large file"],
)
def test_what_cannot_be_understood(octets: bytes, line: int, advice: str) -> None:
    """Each problem is at its line, and the other lines are read."""
    found, problems = lists.read(octets, file="a.txt")
    assert [problem.line for problem in problems] == [line]
    assert advice in problems[0].text
    assert all(entry.text in ("ok", "a@b") for entry in found.entries)


def test_a_problem_points_at_the_entry() -> None:
    """For what only the user of the list can judge."""
    found, _ = lists.read(b"\n  a@b # x\n", file="a.txt")
    problem = found.problem(found.entries[0], "no")
    assert (problem.line, problem.column, problem.length) == (2, 3, 3)
