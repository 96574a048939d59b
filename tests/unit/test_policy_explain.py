"""policy.explain: why a rule met, the first condition that kept another from it, what decided."""

import datetime
from pathlib import Path
from typing import Any

import pytest

from qscanner.policy.decide import decide
from qscanner.policy.explain import Group, Told, explain
from tests.fakes.facts import AWAY, ON_FAILURE, TODAY, facts, infected, listing, part, policy

NOON = datetime.time(12)
PE = part("a.exe", kinds=("pe",), path="2/a.exe", octets=9)
RULES = """
[[rule]]
id = "programs"
part = { kind = "pe" }
when = [{ to = "@sales.example" }, { direction = "in", size_under = "5 kB" }]
unless = { from = "@friend.example", ip = "192.0.2.9" }
action = "reject"
[[rule]]
id = "odd"
finding = ["mime.*", "name.bidi"]
action = "quarantine"
[[rule]]
id = "trying"
part = { name = 'exe$' }
action = "discard"
mode = "log-only"
[[rule]]
id = "for-bob"
when = { to = ["bob@example.org", "@sales.example"] }
action = "accept"
subject_prefix = "[bob]"
[[rule]]
id = "urgent"
header = { Subject = 'urgent' }
score = 2
tag = "hurry"
[[rule]]
id = "adds-up"
when.tag = "hurry"
total.at_least = 3
action = "quarantine"
"""


def told(folder: Path, rules: str, **said: Any) -> tuple[Group, ...]:
    """Explain what decide() says of these facts."""
    loaded = policy(folder, rules)
    what = facts(**said)
    verdict = decide(loaded, what, ON_FAILURE, today=TODAY, at=NOON)
    return explain(loaded, what, verdict, today=TODAY, at=NOON)


def of(group: Group, id_: str) -> Told:
    """Give what is told of one rule."""
    return next(each for each in (*group.detectors, *group.rules) if each.rule.id == id_)


def test_what_met_and_why(tmp_path: Path) -> None:
    """All facts of a rule that met, of the first table of `when` that held."""
    (group,) = told(tmp_path, RULES, parts=(PE,))
    programs = of(group, "programs")
    assert programs.is_hit
    assert programs.facts == (
        'part "2/a.exe", called "a.exe", is pe, 9 octets',
        "the message has 1000 octets",
        "the direction is in",
    )
    assert of(group, "for-bob").facts == ('the recipient is "bob@example.org"',)
    assert of(group, "trying").is_hit


MISSES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "no part": ("programs", {}, "part", "none of 0 parts"),
    "a table of when": (
        "programs", {"parts": (PE,), "octets": 9000}, "to",
        'the recipient is "bob@example.org", and so on for 2 tables',
    ),
    "an exception": (
        "programs", {"parts": (PE,), "sender": b"a@friend.example", "ip": "192.0.2.9"}, "unless",
        'the sender is "a@friend.example", in "@friend.example", the client is 192.0.2.9',
    ),
    "no finding": ("odd", {"found": ("limit.time",)}, "finding", "none of mime.*, name.bidi"),
    "another recipient": (
        "for-bob", {"to": (b"ann@example.org",)}, "to", 'the recipient is "ann@example.org"',
    ),
    "no recipient": ("for-bob", {"to": ()}, "to", "there is no recipient"),
    "no field": ("urgent", {}, "header.Subject", "there is no subject"),
    "another field": (
        "urgent", {"headers": (("Subject", "hi"), ("Subject", "x"))}, "header.Subject",
        'it is "hi", and 1 more',
    ),
    "no tag": ("adds-up", {}, "when.tag", "nothing is tagged"),
    "too small a total": (
        "adds-up", {"headers": (("Subject", "urgent"),)}, "total", "the total is 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("id_", "said", "key", "fact"), MISSES.values(), ids=MISSES)
def test_what_did_not_meet(
    tmp_path: Path, id_: str, said: dict[str, Any], key: str, fact: str
) -> None:
    """The first condition that does not hold, with its key and the fact."""
    (group,) = told(tmp_path, RULES, **said)
    assert of(group, id_) == Told(rule=of(group, id_).rule, is_hit=False, facts=(fact,), key=key)


def test_recipients_in_groups(tmp_path: Path) -> None:
    """Those for whom the same holds are told of together, with what was decided for them."""
    to = (b"bob@example.org", b"ann@example.org", b"eve@example.org", b"x@sales.example")
    groups = told(tmp_path, RULES, to=to)
    assert [each.recipients for each in groups] == [to[:1], to[1:3], to[3:]]
    assert [each.decision.rules for each in groups] == [("for-bob",), (), ("for-bob",)]
    assert of(groups[2], "for-bob").facts == (
        'the recipient is "x@sales.example", in "@sales.example"',
    )


def test_detecting_rules(tmp_path: Path) -> None:
    """They stand by themselves, and what they left is known to the others."""
    (group,) = told(tmp_path, RULES, headers=(("Subject", "urgent"),))
    assert [each.rule.id for each in group.detectors] == ["urgent"]
    assert (group.marks.total, group.marks.tags) == (2.0, frozenset({"hurry"}))


FINAL = """
[[rule]]
id = "ours"
when = { from = "jane@sender.example", ip = "192.0.2.1" }
action = "accept"
final = true
[[rule]]
id = "programs"
part = { kind = "pe" }
action = "reject"
[[rule]]
id = "infected"
virus = "*"
action = "discard"
"""
WHYS: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "nothing": (RULES, {"to": (b"ann@b.example",)}, ["no rule decides: it is accepted"]),
    "one rule": (
        RULES, {"found": ("mime.partial",), "to": (b"ann@b.example",)},
        ["odd decides: quarantine"],
    ),
    "the most severe": (
        RULES, {"found": ("mime.partial",), "parts": (PE,)},
        ["programs decides: reject is the most severe of 3 rules",
         "trying is log-only, so without effect: discard"],
    ),
    "a final one": (
        FINAL, {"parts": (PE,)},
        ["ours decides: accept", "ours is final, so these do not count: programs"],
    ),
    "a final one alone": (
        FINAL, {}, ["ours decides: accept", "ours is final: what other rules say would not count"],
    ),
    "a final one and a virus": (
        FINAL, {"parts": (PE,), "virus": infected("X")},
        ["infected decides: discard is the most severe of 3 rules",
         "default.infected: a virus was found, and no rule of yours speaks of it",
         "ours is final, so these do not count: programs",
         "but nothing silences a virus: rules about it count beside a final one"],
    ),
    "no engine": (
        RULES, {"virus": AWAY, "to": (b"ann@b.example",)},
        ["default.virus-unavailable decides: defer",
         "default.virus-unavailable: the virus engines could not answer: [virus] on_failure"],
    ),
    "this host's own mail": (
        RULES, {"parts": (part("a", kinds=("pe",)),), "is_host": True, "to": (b"a@b.example",)},
        ["programs decides: reject; it becomes quarantine, see below"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "said", "why"), WHYS.values(), ids=WHYS)
def test_why(tmp_path: Path, rules: str, said: dict[str, Any], why: list[str]) -> None:
    """Which rule decides, and what became of the others, in words."""
    (group,) = told(tmp_path, rules, **said)
    assert list(group.why) == why


HOLDS = """
[[rule]]
id = "hold"
when.relay = false
action = "quarantine"
final = true
[[rule]]
id = "spam"
when.size_under = "1 MB"
action = "quarantine"
"""
ENTRIES: dict[str, tuple[str, str, dict[str, Any], list[str]]] = {
    "allowed": (
        HOLDS, "+", {},
        ["default.allowed decides: accept",
         "default.allowed: allowed jane, by ann: asked (entry e1); so these do not count: "
         "hold, spam"],
    ),
    "allowed, for nothing": (
        "", "+", {},
        ["no rule decides: it is accepted",
         "allowed jane, by ann: asked (entry e1): that changes nothing here"],
    ),
    "allowed, with a virus": (
        RULES, "+", {"virus": infected("X"), "to": (b"ann@b.example",)},
        ["default.infected decides: quarantine",
         "default.infected: a virus was found, and no rule of yours speaks of it",
         "allowed jane, by ann: asked (entry e1): that says nothing of a virus"],
    ),
    "blocked": (
        "", "-", {},
        ["default.blocked decides: reject",
         "default.blocked: blocked jane, by ann: asked (entry e1)"],
    ),
    "blocked, and a final rule": (
        HOLDS, "-", {},
        ["hold decides: quarantine", "hold is final, so these do not count: spam",
         "blocked jane, by ann: asked (entry e1): other rules go over that"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "word", "said", "why"), ENTRIES.values(), ids=ENTRIES)
def test_entries(
    tmp_path: Path, rules: str, word: str, said: dict[str, Any], why: list[str]
) -> None:
    """Which entry it was, what it says, and which rules do not count therefore."""
    (group,) = told(tmp_path, rules, listed=(listing(word),), **said)
    assert list(group.why) == why
    assert group.listed == listing(word)


def test_recipients_with_entries_are_groups_of_their_own(tmp_path: Path) -> None:
    """Those for whom the same is listed are told of together."""
    to = (b"a@x", b"b@x", b"c@x")
    entries = (listing("-"), None, listing("-"))
    groups = told(tmp_path, "", to=to, listed=entries)
    assert [each.recipients for each in groups] == [(b"a@x", b"c@x"), (b"b@x",)]
    assert [each.listed for each in groups] == [listing("-"), None]
    assert groups[0].why[0] == (
        "default.blocked decides: reject; it becomes quarantine, see below"
    )


def test_no_recipients(tmp_path: Path) -> None:
    """A message for nobody is one group."""
    (group,) = told(tmp_path, RULES, to=(), found=("mime.partial",))
    assert group.recipients == ()
    assert group.decision.rules == ("odd",)
