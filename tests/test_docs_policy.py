"""docs/policy.md and policies/README.md: every example loads, every key is named."""

import os
import re
from pathlib import Path

import pytest

from qscanner.model import ALLOWED, BLOCKED, Action, Direction, Release, Where
from qscanner.policy import questions, scopes, sentence, trial_tables
from qscanner.policy.decide import INFECTED, SPAM_UNAVAILABLE, UNSCANNABLE, VIRUS_UNAVAILABLE
from qscanner.policy.read import FILE_KEYS, load
from qscanner.policy.rules import Mode
from qscanner.policy.sentence import MAX_REPLY_OCTETS
from qscanner.policy.warn import warnings
from qscanner.rehearsal import failures
from qscanner.settings import Settings
from tests.fakes.facts import TODAY

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "policy.md").read_text("utf-8")
README = (ROOT / "policies" / "README.md").read_text("utf-8")
_BLOCK = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [("policy.md", each) for each in _BLOCK.findall(PAGE)] + [
    ("README.md", each) for each in _BLOCK.findall(README)
]
ENTRIES = {
    "name_in": ".exe", "ip_in": "192.0.2.0/24", "domain_in": "example.org",
    "link_domain_in": "example.org",
}  # fmt: skip


@pytest.mark.parametrize(
    ("page", "block"), BLOCKS, ids=[f"{page}-{n}" for n, (page, _) in enumerate(BLOCKS)]
)
def test_every_example_loads(page: str, block: str, tmp_path: Path) -> None:
    """As it stands, with the lists that it names, and without a warning about itself."""
    (tmp_path / "lists").mkdir()
    for key, name in re.findall(r'(\w+_in) += +"(lists/[^"]+)"', block):
        (tmp_path / name).write_text(ENTRIES.get(key, "jane@partner.example"))
    text = block if page == "README.md" else "schema = 1\n" + block
    (tmp_path / "10.toml").write_text(text, encoding="utf-8")
    policy = load(os.fspath(tmp_path))
    assert policy.rules
    assert [each.render() for each in warnings(policy, today=TODAY) if each.line] == []
    assert [each.render() for each in failures(policy, Settings(), within_s=15)] == []


def test_ten_examples() -> None:
    """The grammar in ten examples, each rule of them with a test."""
    examples = re.split(r"^## ", README, flags=re.MULTILINE)[1:]
    assert [each.partition(".")[0] for each in examples] == [str(n + 1) for n in range(10)]
    for each in examples:
        (block,) = _BLOCK.findall(each)
        for rule in block.split("[[rule]]")[1:]:
            assert "[[rule.test]]" in rule, rule


def test_the_example_of_a_list_loads(tmp_path: Path) -> None:
    """It is one of addresses."""
    (tmp_path / "lists").mkdir()
    block = re.search(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert block
    (tmp_path / "lists" / "partners.txt").write_text(block[1])
    rule = '[[rule]]\nid = "a"\naction = "reject"\nwhen.from_in = "lists/partners.txt"\n'
    (tmp_path / "10.toml").write_text("schema = 1\n" + rule)
    assert len(load(os.fspath(tmp_path)).dated) == 1


KEYS = sorted(
    {
        *FILE_KEYS, *sentence.RULE_KEYS, *sentence.NOT_YET, *scopes.WHEN_KEYS,
        *questions.HEADER_KEYS, *questions.BODY_KEYS, *questions.TOTAL_KEYS,
        *questions.PART_KEYS, *questions.SPAM_KEYS,
        *trial_tables.TEST_KEYS, *trial_tables.EXPECT_KEYS, *trial_tables.ATTACH_KEYS,
        *trial_tables.SPAM_KEYS, *trial_tables.PROVEN_KEYS,
    }
    - {"schema"}
)  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_named(key: str) -> None:
    """In code font, so that a reader finds it."""
    assert re.search(rf"`{key}\b[^`]*`", PAGE), f"docs/policy.md says nothing about {key}"


@pytest.mark.parametrize("key", sorted(set(KEYS) - {*sentence.NOT_YET}))
def test_every_key_has_an_example(key: str) -> None:
    """In a block that loads, or in the table beside its meaning."""
    examples = "".join(block for _, block in BLOCKS) + "".join(
        re.findall(r"`[^`\n]*=[^`\n]*`", PAGE)
    )
    assert re.search(rf"\b{key}\b\]? *=|\[rule\.{key}\]|\b{key}\.", examples)


@pytest.mark.parametrize(
    "word",
    [each.value for kind in (Action, Direction, Where, Mode, Release) for each in kind]
    + [
        ALLOWED,
        BLOCKED,
        INFECTED,
        UNSCANNABLE,
        VIRUS_UNAVAILABLE,
        SPAM_UNAVAILABLE,
        f"{MAX_REPLY_OCTETS} characters",
    ],
)
def test_every_word_is_named(word: str) -> None:
    """Actions, directions, places, modes, the program's own rules."""
    assert word in PAGE


def test_severity_is_as_written() -> None:
    """The line that says which action wins."""
    order = "  <  ".join(each.value for each in sorted(Action, key=lambda each: each.severity))
    assert order in PAGE


def test_every_shipped_file_is_listed() -> None:
    """The table of policies/README.md, and nothing else."""
    listed = re.findall(r"^\| `([^`]+\.toml)` \|", README, re.MULTILINE)
    assert listed == sorted(each.name for each in (ROOT / "policies").glob("*.toml"))
