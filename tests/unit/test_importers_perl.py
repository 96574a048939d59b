"""importers.perl: patterns of Perl in the words of RE2."""

import pytest

from qscanner.importers.perl import is_alternative_at_top, translated
from qscanner.patterns import PatternError

SAME = {
    "plain": (r"a\.b", r"a\.b"),
    "blank": (r"a\hb", r"a[ \t]b"),
    "blank-in-class": (r"[\hx]", r"[ \tx]"),
    "blank-behind-class": (r"[]\h]\h", r"[] \t][ \t]"),
    "blank-behind-negated-class": (r"[^]\h]\h", r"[^] \t][ \t]"),
    "escape": (r"\e\[", r"\x1b\["),
    "control": (r"\cA\c[", r"\x01\x1b"),
    "end": (r"a\Z", "a$"),
    "vertical": (r"\v", r"[\n\x0b\f\r]"),
    "other-script": ("\\é", "é"),
    "flag": ("(?i)a", "(?i)a"),
}


@pytest.mark.parametrize(("pattern", "wanted"), SAME.values(), ids=SAME)
def test_spelled_otherwise(pattern: str, wanted: str) -> None:
    """What RE2 only spells otherwise is spelled so."""
    assert translated(pattern) == wanted


REFUSED = {
    "lookahead": ("a(?!b)", "lookahead"),
    "lookbehind": ("(?<!b)a", "lookbehind"),
    "back-reference": (r"(a)\1", "backreferences"),
    "possessive": ("a++", "possessive"),
    "keep": (r"a\Kb", "RE2"),
    "octet": (r"\C", "octet"),
    "empty": ("", "empty"),
    "lone-backslash": ("a\\", "lone"),
    "open": ("(a", "closing"),
    "long": ("a" * 5000, "longer"),
    "many": ("(a{900}){900}", "large|1000"),
}


@pytest.mark.parametrize(("pattern", "why"), REFUSED.values(), ids=REFUSED)
def test_refused(pattern: str, why: str) -> None:
    """What RE2 has not is refused, and it is said what that is."""
    with pytest.raises(PatternError, match=why):
        translated(pattern)


@pytest.mark.parametrize(
    ("pattern", "is_so"),
    [
        ("a|b", True), ("(a|b)", False), ("[a|b]", False), (r"a\|b", False), ("(a)|b", True),
        (r"[\]|]", False), ("a", False), ("(a|(b|c))d", False), (")|", True),
    ],
)  # fmt: skip
def test_alternatives(pattern: str, is_so: bool) -> None:
    """A | outside of all brackets is seen, since ^ and $ then hold for one side only."""
    assert is_alternative_at_top(pattern) is is_so
