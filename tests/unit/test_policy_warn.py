"""policy.warn: what is said of rules that are right, but hardly meant."""

from pathlib import Path

import pytest

from qscanner.policy.warn import warnings
from tests.fakes.facts import TODAY, policy

# Speaks of everything the program has rules of its own for, so that nothing else is said.
COMPLETE = """
[[rule]]
id = "infected"
why = "yes"
virus = "*"
action = "reject"
[[rule]]
id = "unscannable"
why = "yes"
finding = "unscannable.*"
action = "quarantine"
"""


def said(folder: Path, rules: str, **lists: str) -> list[str]:
    return [problem.text for problem in warnings(policy(folder, rules, **lists), today=TODAY)]


def rule(id_: str, *lines: str) -> str:
    return "\n".join(["[[rule]]", f'id = "{id_}"', 'why = "yes"', *lines, ""])


HOLD, PASS = 'action = "quarantine"', 'action = "accept"'
STRIP = f"{PASS}\nstrip = true"
PART, REJECT, FINAL = "part.kind = 'pe'", 'action = "reject"', 'action = "accept"\nfinal = true'


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("", None),
        (rule("a", PART, REJECT).replace('why = "yes"\n', ""), 'has no "why"'),
        (rule("a", PART, REJECT, 'unless.from = "a@b"'), "exception is forgeable"),
        (rule("a", PART, REJECT, 'unless.from_in = "l"'), "exception is forgeable"),
        (rule("a", PART, REJECT, 'unless = [{relay = true}, {from = "a@b"}]'), "forgeable"),
        (rule("a", PART, REJECT, 'unless = {from = "a@b", relay = false}'), "forgeable"),
        (rule("a", PART, REJECT, 'unless = {from = "a@b", direction = "in"}'), "forgeable"),
        (rule("a", PART, REJECT, 'unless = {from = "a@b", relay = true}'), None),
        (rule("a", PART, REJECT, 'unless = {from = "a@b", ip = "192.0.2.1"}'), None),
        (rule("a", PART, REJECT, "unless = {from = \"a@b\", env = {X = 'y'}}"), None),
        (rule("a", PART, REJECT, 'unless = {from = "a@b", direction = "out"}'), None),
        (rule("a", PART, REJECT, "unless.relay = true"), None),
        (rule("a", PART, REJECT, 'unless = {from = "a@b", auth = "dkim"}'), None),
        (rule("a", PART, REJECT, 'unless = {from = "a@b", auth = ["user", "spf"]}'), None),
        (rule("a", PART, REJECT, 'unless = {from = "a@b", auth = ["dkim", "arc"]}'), "forgeable"),
        (rule("a", PART, REJECT, 'unless.auth = "dkim"'), "domain of their own"),
        (rule("a", PART, REJECT, 'unless = [{from = "a@b", auth = "dkim"}, {auth = "spf"}]'),
         "domain of their own"),
        (rule("a", PART, REJECT, 'unless = {auth = "dkim", ip = "192.0.2.1"}'), None),
        (rule("a", 'header.From.domain = "b.example"', REJECT, 'unless.auth = "dkim"'), None),
        (rule("a", 'when.from = "@b.example"', REJECT, 'unless.auth = "spf"'), None),
        (rule("a", 'when = {from = "a@b", auth = "dkim"}', FINAL), None),
        (rule("a", 'header.From.address = "a@b"', 'when.auth = "dkim"', FINAL), None),
        (rule("a", PART, 'when.auth = "dkim"', FINAL), "domain of their own"),
        (rule("a", PART, REJECT, 'when.auth = "dkim"')
         + rule("b", PART, REJECT, 'when = {auth = "dkim", to = "@b"}'), "changes nothing"),
        (rule("a", PART, REJECT, 'when.auth = "dkim"')
         + rule("b", PART, REJECT, 'when.auth = "dkim"', "header.From = 'x'"), None),
        (rule("a", PART, REJECT, 'unless = {from = "a@b", auth = "dkim"}')
         + rule("b", PART, REJECT, 'unless = {from = "a@b", auth = "dkim"}', "header.From = 'x'"),
         None),
        (rule("a", 'when.from = "a@b"', FINAL), "acceptance is forgeable"),
        (rule("a", 'when = {from = "a@b", ip = "192.0.2.1"}', FINAL), None),
        (rule("a", 'header.From.address = "a@b"', FINAL), "acceptance is forgeable"),
        (rule("a", "header.Subject = 'x'", FINAL), None),
        (rule("a", 'header.From.address = "a@b"', "when.relay = true", FINAL), None),
        (rule("a", 'when.from = "a@b"', 'action = "accept"'), None),
        (rule("a", 'when.from = "a@b"', REJECT), None),
        (rule("a", 'virus = "x"', FINAL), "never lets a virus pass"),
        (rule("a", 'finding = "mine.*"', REJECT), 'did you mean "mime"?'),
        (rule("a", 'finding = "zzz.*"', REJECT), 'no check reports findings "zzz.…" (mime'),
        (rule("a", 'finding = ["*", "*.odd", "?ime.*", "limit.time"]', PASS), None),
        (rule("a", PART, REJECT) + rule("b", PART, REJECT), 'rule "b": changes nothing'),
        (rule("a", PART, REJECT) + rule("b", PART, 'action = "discard"'), "changes nothing"),
        (rule("a", PART, 'action = "discard"') + rule("b", PART, REJECT), None),
        (rule("a", PART, 'action = "discard"', "final = true") + rule("b", PART, REJECT),
         'rule "b": never decides'),
        (rule("a", PART, REJECT) + rule("b", PART, FINAL), None),
        (rule("a", PART, 'mode = "log-only"', REJECT) + rule("b", PART, REJECT), None),
        (rule("a", PART, REJECT) + rule("b", PART, REJECT, 'mode = "log-only"'), None),
        (rule("a", PART, REJECT) + rule("b", PART, REJECT, 'when.to = "@b"'), "changes nothing"),
        (rule("a", PART, REJECT) + rule("b", PART, REJECT, 'unless.to = "@b"'), "changes nothing"),
        (rule("b", PART, HOLD, 'when.to = "@b"') + rule("a", PART, REJECT), "changes nothing"),
        (rule("a", PART, REJECT) + rule("b", PART, 'action = "discard"')
         + rule("c", PART, REJECT, 'reply = "No."'), 'rule "b"'),
        (rule("a", PART, REJECT) + rule("x", PART, REJECT, 'reply = "No."')
         + rule("b", PART, HOLD, "when.relay = true"), 'rule "b": changes nothing'),
        (rule("a", PART, HOLD) + rule("b", PART, REJECT, 'when.to = "@b"'), None),
        (rule("a", PART, HOLD, 'when.to = "@b"') + rule("b", PART, HOLD), "changes nothing"),
        (rule("a", PART, REJECT, 'unless.to = "@c"') + rule("b", PART, REJECT, 'when.to = "@b"'),
         None),
        (rule("a", PART, REJECT) + rule("b", PART, REJECT, 'reply = "No."'), None),
        (rule("a", PART, REJECT, 'reply = "No."') + rule("b", PART, REJECT, 'reply = "Never."'),
         "changes nothing"),
        (rule("b", PART, REJECT, 'when.to = "@b"', 'reply = "Never."') + rule("a", PART, REJECT),
         None),
        (rule("a", PART, HOLD) + rule("b", PART, HOLD, 'release = "nobody"'), None),
        (rule("a", PART, HOLD, "final = true") + rule("b", PART, REJECT, 'when.to = "@b"'),
         'rule "b": never decides'),
        (rule("b", PART, REJECT, 'when.to = "@b"') + rule("a", PART, HOLD, "final = true"), None),
        (rule("f", "when.relay = true", FINAL)
         + rule("v", 'finding = "virus.clamav"', "when.relay = true", REJECT), None),
        (rule("a", "tag = 't'", PART), 'no rule asks for the tag "t"'),
        (rule("a", "score = 2", PART), 'no rule asks for the "total"'),
        (rule("a", "score = 2", "tag = 't'", PART)
         + rule("b", REJECT, "when.tag = 't'") + rule("c", HOLD, "total.at_least = 2"), None),
        (rule("a", "score = 2", PART, 'unless.from = "a@b"')
         + rule("c", HOLD, "total.at_least = 2"),
         "exception is forgeable"),
        (rule("a", PART, REJECT, 'unless = {from = "a@b", auth = "user"}'), None),
        (rule("a", PART, REJECT, 'unless = {from = "a@b", rdns = "b"}'), "forgeable"),
        (rule("a", REJECT, 'finding = "mime.duplicate-boundry"'),
         'did you mean "mime.duplicate-boundary"?'),
        (rule("a", REJECT, 'finding = ["mime.*", "limit.qqqqq"]'),
         'no check reports "limit.qqqqq"'),
        (rule("a", REJECT, 'finding = "*.qqqqq"'), 'no check reports "*.qqqqq"'),
        (rule("a", REJECT, "part.name = 'a$b'"), 'the pattern never matches: "$" is the end'),
        (rule("a", REJECT, "header.Subject = ['x', 'a^b']"), "never matches"),
        (rule("a", REJECT, "header.Subject = {regex = 'a^b'}"), "never matches"),
        (rule("a", REJECT, "header.From.name = 'a^b'"), "never matches"),
        (rule("a", REJECT, "body.text = 'a^b'"), "never matches"),
        (rule("a", REJECT, "when.env.X = 'a^b'"), "never matches"),
        (rule("a", REJECT, "part.any = [{name = 'a^b'}]"), "never matches"),
        (rule("a", REJECT, 'when = {direction = "in", relay = true}'), "never holds"),
        (rule("a", PART, REJECT, 'unless = {direction = "in", auth = "user"}'), "never holds"),
        (rule("a", PART, 'action = "accept"')
         + rule("b", PART, 'action = "accept"', 'subject_prefix = "x"'), None),
        (rule("a", PART, REJECT) + rule("b", PART, REJECT, "keep = true"), None),
        (rule("a", PART, STRIP), '"strip" also takes parts out of mail that leaves here'),
        (rule("a", PART, STRIP, 'when = [{direction = "in"}, {relay = true}]'), "leaves here"),
        (rule("a", PART, STRIP, 'when.direction = "in"'), None),
        (rule("a", PART, STRIP, 'when.direction = ["in", "out"]'), None),
        (rule("a", PART, STRIP, 'when.direction = "in"', 'redirect_to = "a@b.example"'),
         "what is sent elsewhere may be refused there"),
        (rule("a", PART, STRIP, 'when.direction = "in"', 'copy_to = "a@b.example"'),
         "what is sent elsewhere may be refused there"),
        (rule("a", PART, PASS, 'copy_to = "a@b.example"', 'when.direction = "in"'), None),
        (rule("a", PART, PASS) + rule("b", PART, STRIP, 'when.direction = "in"'), None),
        (rule("a", 'when.from_in = "l"', REJECT), "expired on 2026-06-14"),
    ],
)  # fmt: skip
def test_of_rules(tmp_path: Path, rules: str, words: str | None) -> None:
    """One thing is said, or nothing."""
    lists = {"l": "old@x until 2026-06-14\nnew@x until 2026-06-15\never@x"}
    if "from_in" not in rules:
        lists = {}
    got = said(tmp_path, COMPLETE + rules, **lists)
    if "unless.from_in" in rules:
        got = [text for text in got if "expired" not in text]
    assert len(got) == (words is not None), got
    assert words is None or words in got[0]


def test_what_no_rule_says(tmp_path: Path) -> None:
    """The program's own rules are named."""
    virus, unscannable = said(tmp_path, "")
    assert "default.infected" in virus
    assert "default.unscannable" in unscannable


def test_a_rule_about_findings_speaks_of_viruses(tmp_path: Path) -> None:
    """As it does in decide; one in mode log-only is a written line, too."""
    text = rule("a", 'finding = ["virus.*", "unscannable.*"]', REJECT, 'mode = "log-only"')
    assert said(tmp_path, text) == []


def test_today_by_the_clock(tmp_path: Path) -> None:
    """Where no day is given."""
    text = rule("a", 'when.from_in = "l"', REJECT)
    found = policy(tmp_path, COMPLETE + text, l="a@b until 2001-01-01\nc@d until 9998-01-01")
    problems = warnings(found)
    assert [problem.line for problem in problems] == [1]
    assert problems[0].file.endswith("lists/l.txt")
