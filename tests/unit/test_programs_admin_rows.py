"""programs.admin_rows: lines that fit the screen, whatever strangers wrote."""

import click
import pytest
from rich.cells import cell_len

from qscanner.programs.admin_rows import beside, curve, folded, padded, row
from qscanner.programs.admin_screen import Screen

HOSTILE = "\x1b[31m\u202e" + "\u6f22" * 60 + " " + "x" * 300
UNICODE = Screen(width=80, is_unicode=True)


@pytest.mark.parametrize("width", [50, 80, 120])
@pytest.mark.parametrize("is_unicode", [True, False])
def test_rows_fit(width: int, is_unicode: bool) -> None:
    """A label and its text, folded below itself."""
    screen = Screen(width=width, is_unicode=is_unicode)
    lines = [*row("why", HOSTILE, screen), *row(HOSTILE[:8], "a " * 100, screen)]
    assert len(lines) > 3
    for line in lines:
        assert cell_len(line) <= max(width, 20 + cell_len(line) - cell_len(line.lstrip()))
        assert line.isprintable()
    assert list(row("why", "", screen)) == []
    assert list(row("why", "x", screen)) == ["  why       x"]


def test_folded() -> None:
    """At words, where there are some."""
    assert folded("a b " * 8, 20) == ["a b a b a b a b a b", "a b a b a b"]
    assert folded("", 20) == [""]


def test_beside() -> None:
    """In one line where there is room, else in two."""
    wide, narrow = Screen(width=120), Screen(width=60)
    told = {"sender": "", "to": ["a@b"], "text": "x", "count": 3}
    head = click.style("id", bold=True)
    (line,) = beside(head, screen=wide, **told)  # type: ignore[arg-type]
    assert click.unstyle(line).split() == ["id", "<>", "a@b", "+2", "x"]
    first, second = beside(f"id{'':40}", screen=narrow, **told)  # type: ignore[arg-type]
    assert first == "id"
    assert second.startswith("  <>")
    (line,) = beside("id", "s@x", [], HOSTILE, count=0, screen=wide)
    assert "nobody" in line
    assert cell_len(line) <= 120
    assert line.isprintable()


def test_padded() -> None:
    """Colours take no room."""
    assert click.unstyle(padded(click.style("ab", fg="red"), 4)) == "ab  "
    assert padded("abc", 2) == "abc"


@pytest.mark.parametrize(
    ("numbers", "cells", "want"),
    [
        ([], 10, ""),
        ([0, 0], 10, "  "),
        ([1], 10, "█"),
        ([0, 1, 8], 10, " ▁█"),
        ([1, 2, 3, 4, 5, 6, 7, 8], 8, "▁▂▃▄▅▆▇█"),
        ([1, 100_000], 10, "▁█"),
        ([1, 1, 1, 1, 2], 3, "███"),
        ([5] * 100, 10, "█" * 10),
    ],
)
def test_curve(numbers: list[int], cells: int, want: str) -> None:
    """Each against the largest; what there is, however little, is seen; too many are added up."""
    assert curve(numbers, UNICODE, cells=cells) == want


def test_curve_in_ascii() -> None:
    """For a pipe, or a terminal of another kind."""
    assert curve([0, 1, 4, 8], Screen(), cells=9) == " .=@"
