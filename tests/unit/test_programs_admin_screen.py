"""programs.admin_screen: what fits a screen, and what may be shown on it."""

import sys

import pytest
from rich.cells import cell_len

from qscanner.programs.admin_screen import Screen

HOSTILE = "a\x1b[31m\u202efdp.\u200bexe\n"


@pytest.mark.parametrize("is_unicode", [True, False])
def test_strangers_words(is_unicode: bool) -> None:
    """Nothing of them speaks to a terminal, and nothing is endless."""
    screen = Screen(is_unicode=is_unicode)
    assert screen.safe(HOSTILE).isprintable()
    assert "\x1b" not in screen.safe(HOSTILE)
    assert screen.safe("é").isascii() is not is_unicode
    assert len(screen.safe("x" * 10_000)) < 500


@pytest.mark.parametrize("text", ["short", "x" * 300 + ".exe", "漢字" * 100 + ".exe"])
@pytest.mark.parametrize("is_unicode", [True, False])
def test_fitted(text: str, is_unicode: bool) -> None:
    """In so many columns, with its end: that is what makes a name dangerous."""
    fitted = Screen(is_unicode=is_unicode).fitted(text, 20)
    assert cell_len(fitted) <= 20
    assert fitted == text or fitted.endswith(".exe")


@pytest.mark.parametrize(
    ("locale", "is_terminal", "is_unicode"),
    [
        ("C.UTF-8", True, True),
        ("de_DE.utf8", True, True),
        ("C", True, False),
        ("de_DE.ISO-8859-1", True, False),
        ("C.UTF-8", False, False),
    ],
    ids=["utf-8", "utf8", "C", "latin-1", "pipe"],
)
def test_screen(
    monkeypatch: pytest.MonkeyPatch, locale: str, is_terminal: bool, is_unicode: bool
) -> None:
    """UTF-8 is believed of a terminal whose locale says so."""

    class _Out:
        encoding = "utf-8"

        def isatty(self) -> bool:
            return is_terminal

    monkeypatch.setattr(sys, "stdout", _Out())
    monkeypatch.setenv("LC_ALL", locale)
    assert Screen.here().is_unicode is is_unicode
    assert 50 <= Screen.here().width <= 120
