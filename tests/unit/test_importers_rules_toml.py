"""importers.rules_toml: what is written is read back as the same, whatever it holds."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qscanner.importers import rules_toml
from qscanner.importers.findings import NewRule, Setting
from qscanner.importers.sources import Line
from qscanner.model import Action

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
VALUES = st.recursive(
    TEXTS | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, width=32),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def a_rule(text: str = "x", **keys: object) -> NewRule:
    return NewRule(
        id="imported-a-1",
        line=Line(file=text, number=1, text=text),
        why="y",
        body={"virus": "*"} | keys,
        action=Action.QUARANTINE,
    )


@given(VALUES)
@settings(max_examples=200, deadline=None)
def test_round_trip(value: object) -> None:
    """tomllib reads the value that was written."""
    assert tomllib.loads(f"a = {rules_toml.value(value)}")["a"] == value


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_no_text_leaves_its_comment(text: str) -> None:
    """A line of the old file is one line of comment, and no escape sequence is left in it."""
    new = a_rule(f"{text}\nvirus = 1\r\x1b[31m\u202e\u2028")
    written = rules_toml.policy([new], head=[text])
    assert len(tomllib.loads(written)["rule"]) == 1
    assert not set("\r\x1b\u202e\u2028") & set(written)


STRINGS = {
    "regex": (r"\.exe$", r"'\.exe$'"),
    "regex-with-quote": (r"\.e'xe", '"\\\\.e\'xe"'),
    "plain": ("a 'b' ü", "\"a 'b' ü\""),
    "quote": ('"', '"\\""'),
    "newline": ("a\nb\t", '"a\\nb\\t"'),
    "bidi": ("\u202e", '"\\u202e"'),
    "far": ("\U000e0001", '"\\U000e0001"'),
}


@pytest.mark.parametrize(("text", "written"), STRINGS.values(), ids=STRINGS)
def test_strings(text: str, written: str) -> None:
    """Patterns stand in single quotes, as an admin would write them; the rest is escaped."""
    assert rules_toml.string(text) == written


def test_rule() -> None:
    """Where it comes from, then its keys; a reply only where the sender hears one."""
    new = NewRule(
        id="imported-a-7",
        line=Line(file="a", number=7, text=".vbs\tSIZE=-1"),
        why="no",
        body={"part": {"name": "x"}},
        action=Action.REJECT,
        reply="No",
        notes=("note",),
    )
    assert rules_toml.rule(new) == (
        "# a:7: .vbs\tSIZE=-1\n# note\n[[rule]]\n"
        'id     = "imported-a-7"\nwhy    = "no"\npart   = { name = "x" }\n'
        'action = "reject"\nreply  = "No"'
    )
    assert "reply" not in rules_toml.rule(a_rule())


def test_long_lines_are_cut() -> None:
    """A comment is not longer than somebody would read."""
    assert len(rules_toml.comment("x" * 10_000)) < 500


def test_settings() -> None:
    """By table; of two values the last one counts."""
    line = Line(file="a", number=1, text="")
    found = [
        Setting(table="virus", key="engines", value=["x"], line=line),
        Setting(table="spam", key="scorer", value="spamd", line=line),
        Setting(table="virus", key="engines", value=["clamav"], line=line),
    ]
    assert rules_toml.settings(found) == [
        "[virus]", 'engines = ["clamav"]', "", "[spam]", 'scorer = "spamd"',
    ]  # fmt: skip
    assert rules_toml.settings([]) == []
