"""policy.index: it leaves out most rules, and never one that meets the message."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qscanner.model import Markup, Text
from qscanner.policy.decide import decide
from qscanner.policy.evidence import Evidence
from qscanner.policy.index import MAX_RECIPIENTS, MIN_RULES, Index
from qscanner.policy.rules import Policy
from tests.fakes.facts import ON_FAILURE, TODAY, facts, infected, part, policy, scored

PAGE = Text(path="1", markup=Markup.HTML, text='<b>Buy</b> <a href="http://x.evil.example/">x</a>')
LISTS = {
    "many": "".join(f"u{n}@many.example\n" for n in range(200)) + "@listed.example\n",
    "names": ".scr\nsetup.bin",
}
CASES: list[tuple[str, dict[str, Any]]] = [
    ('finding = "mime.odd"', {"found": ("mime.odd",)}),
    ('finding = ["limit.*", "a.b"]', {"found": ("limit.x",)}),
    ('virus = "X*"', {"virus": infected("Xy")}),
    ("spam.at_least = 5", {"spam": scored(6)}),
    ("header.Subject = '(?i)buy'", {"headers": (("subject", "BUY"),)}),
    ("header.Subject = [{regex = 'a'}, {regex = 'b'}]", {"headers": (("Subject", "bb"),)}),
    ("header.From.name = '(?i)jane'", {"headers": (("From", "Jane <a@b>"),)}),
    ('header.From.domain = ".b.example"', {"headers": (("From", "x@a.b.example"),)}),
    ('header.From = {address_in = "many"}', {"headers": (("From", "u7@many.example"),)}),
    ("header.X-Old.over = 2", {"headers": (("X-Old", "abc"),)}),
    ("header.Date.missing = true", {}),
    ("header.Subject = [{missing = true}, {regex = 'zzz'}]", {}),
    ("part.name = '\\.exe$'", {"parts": (part("a"), part("b.exe"))}),
    ("part.kind = ['pe', 'lnk']", {"parts": (part(kinds=("lnk",)),)}),
    ('part.name_in = "names"', {"parts": (part("b.SCR"),)}),
    ('part.name_in = "names"\nwhen.relay = false', {"parts": (part("setup.bin"),)}),
    ("part.any = [{kind = 'pe'}, {name = 'a'}]", {"parts": (part("ba"),)}),
    ("part.any = [{kind = 'pe'}, {encrypted = true}]", {"parts": (part(is_encrypted=True),)}),
    ('part.size_over = "1 B"', {"parts": (part(octets=5),)}),
    ("body.text = '(?i)buy'", {}),
    ("body.html = '<b>'", {}),
    ('body.link_domain = ".evil.example"', {}),
    ("body.link_mismatch = false", {}),
    ('when.from = ["jane@sender.example", "a@b"]', {}),
    ('when.from = "@.example"', {}),
    ('when.from = ""', {"sender": b""}),
    ('when.from_in = "many"', {"sender": b"u9@many.example"}),
    ('when.to = "@example.org"', {}),
    ('when.to_in = "many"', {"to": (b"x@listed.example",)}),
    ('when.to = "u@x"', {"to": (*(b"%d@y" % n for n in range(MAX_RECIPIENTS)), b"u@x")}),
    ('when = [{from = "no@b"}, {to = "bob@example.org"}]', {}),
    ('when = [{from = "no@b"}, {relay = false}]', {}),
    ('when.recipients_over = 0', {}),
]  # fmt: skip


def text(condition: str, number: int) -> str:
    return f'[[rule]]\nid = "r{number}"\naction = "quarantine"\n{condition}\n'


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    rules = "".join(text(condition, number) for number, (condition, _) in enumerate(CASES))
    return policy(tmp_path_factory.mktemp("index"), rules, **LISTS)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[each for each, _ in CASES])
def test_finds(loaded: Policy, number: int) -> None:
    """Each rule by its own message, with the verdict that there is without an index."""
    assert len(CASES) >= MIN_RULES
    given = replace(facts(**CASES[number][1]), texts=(PAGE,))
    got = decide(loaded, given, ON_FAILURE, today=TODAY)
    assert f"r{number}" in got.rules
    assert got == decide(replace(loaded, rule_index=None), given, ON_FAILURE, today=TODAY)


def test_a_thousand_rules(tmp_path: Path) -> None:
    """Of rules about other mail hardly one is asked: that is what keeps a message cheap."""
    kinds = [
        "header.Subject = '(?i)\\bword{}\\b'", "part.name = 'name{}\\.exe'", 'when.to = "u{}@x"',
        'when.from = "@s{}.example"', 'finding = "mime.odd-{}"', "body.text = 'buy{} now'",
        "header.From.name = 'boss{}'", 'header.From.domain = "d{}.example"',
        'body.link_domain = "l{}.example"', "part = {{name = 'p{}', kind = 'pe'}}",
        "spam.at_least = 5\nheader.X-Own = 'x{}'", "part.kind = 'pe'\nwhen.to = 'o{}@x'",
    ]  # fmt: skip
    rules = "".join(text(kinds[n % len(kinds)].format(n), n) for n in range(1000))
    index = policy(tmp_path, rules).rule_index
    assert isinstance(index, Index)
    heads = (("Subject", "word0"), ("From", "x boss18 <a@d19.example>"))
    given = replace(
        facts(spam=scored(9), headers=heads, parts=(part("p9", kinds=("pe",)),)), texts=(PAGE,)
    )
    assert index.candidates(Evidence(given, TODAY)) == [0, 9, 18, 19]


def test_few_rules_have_none(tmp_path: Path) -> None:
    """Asking them one by one is as fast."""
    assert policy(tmp_path, text("virus = '*'", 1)).rule_index is None
