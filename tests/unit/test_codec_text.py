"""Octets of strangers as text: nothing lost, nothing that a terminal or a log would act on."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qscanner.codec.text import for_terminal, printable, readable, without_surrogates

_ESCAPE = re.compile(r"\\(?:\\|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")


def unescaped(shown: str) -> str:
    """Read back what printable() wrote; fails at an escape that is not whole."""
    assert "\\" not in _ESCAPE.sub("", shown)
    return _ESCAPE.sub(
        lambda hit: chr(int(hit[1] or hit[2] or hit[3], 16)) if hit.lastindex else "\\", shown
    )


@pytest.mark.parametrize(
    ("octets", "want"),
    [
        pytest.param(b"plain", "plain", id="ascii"),
        pytest.param("gr\u00fc\u00df".encode(), "gr\u00fc\u00df", id="utf-8"),
        pytest.param(b"gr\xfc\xdf", "gr\u00fc\u00df", id="latin-1"),
        pytest.param(b"\xed\xa0\x80", "\u00ed\u00a0\u0080", id="surrogate-in-utf-8"),
        pytest.param(b"", "", id="empty"),
    ],
)
def test_readable(octets: bytes, want: str) -> None:
    """UTF-8 where it is, else Latin-1."""
    assert readable(octets) == want


@given(st.binary())
def test_readable_is_always_encodable(octets: bytes) -> None:
    """Whatever came can be written as UTF-8 again."""
    readable(octets).encode("utf-8")


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("plain", "plain", id="ascii"),
        pytest.param("gr\u00fcn", "gr\u00fcn", id="letters"),
        pytest.param("gr\udcfcn", "gr\u00fcn", id="hidden-latin-1"),
        pytest.param("gr\udcc3\udcbcn", "gr\u00fcn", id="hidden-utf-8"),
        pytest.param("\ud800x", "?x", id="no-octet"),
    ],
)
def test_without_surrogates(text: str, want: str) -> None:
    """Octets hidden as lone surrogates become characters, other surrogates a question mark."""
    assert without_surrogates(text) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("plain ~!", "plain ~!", id="ascii"),
        pytest.param("a\\b", "a\\\\b", id="backslash"),
        pytest.param("a\r\n\0\x1b[31m", "a\\x0d\\x0a\\x00\\x1b[31m", id="controls"),
        pytest.param("\x7f\x85\u00e9", "\\x7f\\x85\\xe9", id="latin-1"),
        pytest.param("\u202egpj.exe", "\\u202egpj.exe", id="bidi"),
        pytest.param("\U0001f600", "\\U0001f600", id="beyond-plane-0"),
        pytest.param("\ud800", "\\ud800", id="surrogate"),
        pytest.param(b"a\xff", "a\\xff", id="octets"),
    ],
)
def test_printable(text: str | bytes, want: str) -> None:
    """Everything but printable ASCII is escaped."""
    assert printable(text, max_octets=100) == want


@pytest.mark.parametrize(
    ("text", "max_octets", "want"),
    [
        pytest.param("123456", 6, "123456", id="fits-exactly"),
        pytest.param("1234567", 6, "123...", id="one-too-many"),
        pytest.param("12\n567", 8, "12...", id="never-half-an-escape"),
        pytest.param("12\n567", 9, "12\\x0a567", id="fits-with-its-escape"),
        pytest.param("\n", 3, "...", id="only-dots-fit"),
        pytest.param("abcd", 2, "..", id="not-even-the-dots"),
        pytest.param("abcd", 0, "", id="no-room"),
        pytest.param("abcd", -5, "", id="less-than-no-room"),
        pytest.param("", 0, "", id="nothing"),
    ],
)
def test_a_cut(text: str, max_octets: int, want: str) -> None:
    """What is too long ends in dots, within the room, between two escapes."""
    assert printable(text, max_octets=max_octets) == want


@given(st.text(st.characters(codec=None)), st.integers(0, 60))
def test_printable_keeps_its_word(text: str, max_octets: int) -> None:
    """Printable, in its room, and read back it is the text or the text's beginning."""
    shown = printable(text, max_octets=max_octets)
    assert len(shown) <= max_octets
    assert all(" " <= char <= "~" for char in shown)
    if unescaped(shown) != text:
        assert shown.endswith("..."[:max_octets])
        assert text.startswith(unescaped(shown.removesuffix("..."[:max_octets])))


def test_printable_looks_only_at_what_it_shows() -> None:
    """A hundred million characters cost no more than those that fit."""
    assert printable("\n" * 10**8, max_octets=11) == "\\x0a\\x0a..."


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("gr\u00fcn \u65e5\u672c", "gr\u00fcn \u65e5\u672c", id="letters-stay"),
        pytest.param("a\x1b[2J\r\n", "a\\x1b[2J\\x0d\\x0a", id="controls"),
        pytest.param("\u202ea\u200bb", "\\u202ea\\u200bb", id="bidi-and-zero-width"),
        pytest.param("\ue000\ud800", "\\ue000\\ud800", id="private-and-surrogate"),
        pytest.param("\U000e0001", "\\U000e0001", id="tags"),
        ("a\u2028b\u2029c\u00a0\u3000d", "a\\u2028b\\u2029c\u00a0\u3000d"),
    ],
)
def test_for_terminal(text: str, want: str) -> None:
    """Letters of all scripts stay; what a terminal acts on does not."""
    assert for_terminal(text) == want
