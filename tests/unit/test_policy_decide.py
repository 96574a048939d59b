"""policy.decide: findings and failures -> verdict. Each table is a paragraph of docs/policy.md."""

import time
from pathlib import Path
from typing import Any

import pytest

from qscanner.model import Action, CheckResult, Decision, Edits, Finding, Outcome, Verdict
from qscanner.policy.decide import OnFailure, decide, matches
from tests.fakes.facts import AWAY, ON_FAILURE, TODAY, facts, infected, policy, scored

A, D, Q, X, R = Action.ACCEPT, Action.DEFER, Action.QUARANTINE, Action.DISCARD, Action.REJECT


def rule(id_: str, action: str, *lines: str) -> str:
    """Give the text of a rule; where no line is a condition, it meets every message."""
    conditions = ("when", "header", "part", "finding", "virus", "spam")
    always = [] if any(line.startswith(conditions) for line in lines) else ["when.relay = false"]
    return "\n".join(["[[rule]]", f'id = "{id_}"', f'action = "{action}"', *always, *lines, ""])


def verdict(
    folder: Path, rules: str, *, on_failure: OnFailure = ON_FAILURE, **said: Any
) -> Verdict:
    return decide(policy(folder, rules), facts(**said), on_failure, today=TODAY)


@pytest.mark.parametrize(
    ("actions", "want", "rules"),
    [
        ([], A, ()),
        (["accept"], A, ("r0",)),
        (["accept", "defer"], D, ("r1", "r0")),
        (["quarantine", "defer"], Q, ("r0", "r1")),
        (["discard", "quarantine"], X, ("r0", "r1")),
        (["discard", "reject", "accept"], R, ("r1", "r0", "r2")),
        (["reject", "reject"], R, ("r0", "r1")),
    ],
)
def test_the_most_severe_wins(
    tmp_path: Path, actions: list[str], want: Action, rules: tuple[str, ...]
) -> None:
    """accept < defer < quarantine < discard < reject; the rules stand in that order."""
    text = "".join(rule(f"r{n}", action) for n, action in enumerate(actions))
    got = verdict(tmp_path, text)
    assert (got.action, got.rules) == (want, rules)
    assert got.decisions == (Decision(action=want, rules=rules),)


def test_reading_order_among_equals(tmp_path: Path) -> None:
    """`order` moves a rule, and with it its reply, to the front."""
    text = rule("a", "reject", 'reply = "A"') + rule("b", "reject", 'reply = "B"', "order = -1")
    got = verdict(tmp_path, text)
    assert (got.rules, got.reply) == (("b", "a"), "B")


@pytest.mark.parametrize(
    ("text", "said", "want", "rules"),
    [
        (rule("f", "accept", "final = true") + rule("r", "reject"), {}, A, ("f",)),
        (rule("r", "reject") + rule("f", "accept", "final = true"), {}, A, ("f",)),
        (rule("q", "quarantine", "final = true") + rule("r", "reject"), {}, Q, ("q",)),
        (
            rule("q", "quarantine", "final = true") + rule("a", "accept", "final = true"),
            {}, Q, ("q",),
        ),
        (
            rule("q", "quarantine", "final = true")
            + rule("a", "accept", "final = true", "order = -1"),
            {}, A, ("a",),
        ),
        (rule("f", "accept", "final = true"), {"found": ("unscannable.x",)}, A, ("f",)),
        (rule("f", "accept", "final = true"), {"spam": AWAY}, A, ("f",)),
        (
            rule("f", "accept", "final = true"), {"virus": AWAY}, D,
            ("default.virus-unavailable", "f"),
        ),
        (rule("f", "quarantine", "final = true"), {"virus": AWAY}, Q, ("f",)),
        (
            rule("f", "accept", "final = true"), {"virus": infected("X")}, Q,
            ("default.infected", "f"),
        ),
        (
            rule("f", "accept", "final = true") + rule("v", "reject", 'virus = "*"'),
            {"virus": infected("X")}, R, ("v", "default.infected", "f"),
        ),
        (
            rule("f", "accept", "final = true") + rule("v", "reject", 'finding = "virus.*"'),
            {"virus": infected("X"), "found": ("virus.yara",)}, R, ("v", "default.infected", "f"),
        ),
        (
            rule("f", "accept", "final = true") + rule("v", "reject", 'finding = "mime.*"'),
            {"virus": infected("X"), "found": ("mime.x",)}, Q, ("default.infected", "f"),
        ),
        (
            rule("f", "accept", "final = true", 'virus = "*"'), {"virus": infected("X")}, Q,
            ("default.infected", "f"),
        ),
        (
            rule("f", "accept", "final = true") + rule("v", "accept", 'virus = "*"'),
            {"virus": infected("X")}, Q, ("default.infected", "f", "v"),
        ),
        (
            rule("f", "reject", "final = true") + rule("v", "quarantine", 'virus = "*"'),
            {"virus": infected("X")}, R, ("f", "v"),
        ),
        (
            rule("f", "defer", "final = true"), {"virus": infected("X")}, Q,
            ("default.infected", "f"),
        ),
        (
            rule("f", "defer", "final = true") + rule("v", "reject", 'virus = "*"'),
            {"virus": infected("X")}, R, ("v", "f"),
        ),
        (
            rule("f", "accept", "final = true")
            + rule("v", "reject", 'virus = "*"', "header.Date.missing = true"),
            {"virus": infected("X")}, R, ("v", "default.infected", "f"),
        ),
        (
            rule("f", "accept", "final = true", 'mode = "on"') + rule("r", "reject"),
            {}, A, ("f",),
        ),
    ],
    ids=[
        "accept", "read later", "quarantine", "the first", "the first by order", "unscannable",
        "spam unavailable", "virus unavailable", "held while unavailable", "infected",
        "a virus rule still counts", "so does one about a finding", "others do not",
        "never by itself", "nor by two", "severe enough", "defer is none", "only more severe",
        "with other conditions",
        "mode on",
    ],
)  # fmt: skip
def test_final(
    tmp_path: Path, text: str, said: dict[str, Any], want: Action, rules: tuple[str, ...]
) -> None:
    """The first final rule decides, whatever others say; nothing silences a virus."""
    got = verdict(tmp_path, text, **said)
    assert (got.action, got.rules) == (want, rules)


@pytest.mark.parametrize(
    ("text", "said", "want", "rules"),
    [
        ("", {"virus": infected("X")}, Q, ("default.infected",)),
        ("", {"virus": infected()}, Q, ("default.infected",)),
        ("", {"found": ("virus.yara",)}, Q, ("default.infected",)),
        ("", {"found": ("unscannable.x",)}, Q, ("default.unscannable",)),
        ("", {"virus": CheckResult(outcome=Outcome.UNSCANNABLE)}, Q, ("default.unscannable",)),
        (
            "",
            {
                "virus": CheckResult(
                    outcome=Outcome.UNSCANNABLE, findings=(Finding(id="archive.encrypted"),)
                )
            },
            Q, ("default.unscannable",),
        ),
        ("", {"virus": AWAY}, D, ("default.virus-unavailable",)),
        ("", {"spam": AWAY}, A, ("default.spam-unavailable",)),
        ("", {"spam": CheckResult(outcome=Outcome.UNSCANNABLE)}, A, ()),
        ("", {"virus": None}, A, ()),
        (rule("r", "reject"), {"virus": AWAY}, R, ("r", "default.virus-unavailable")),
        (rule("v", "accept", 'virus = "X*"'), {"virus": infected("Xy")}, A, ("v",)),
        (
            rule("v", "accept", 'virus = "X*"'), {"virus": infected("Xy", "Z")}, Q,
            ("default.infected", "v"),
        ),
        (
            rule("v", "accept", 'virus = "X*"') + rule("z", "accept", 'virus = "Z"'),
            {"virus": infected("Xy", "Z")}, A, ("v", "z"),
        ),
        (rule("v", "accept", 'finding = "virus.*"'),
         {"virus": infected("X"), "found": ("virus.a", "virus.b")}, A, ("v",)),
        (rule("v", "accept", 'finding = "virus.a"'),
         {"virus": infected("X"), "found": ("virus.a", "virus.b")}, Q, ("default.infected", "v")),
        (rule("o", "reject", 'finding = "virus.*"'), {"virus": infected("X")}, Q,
         ("default.infected",)),
        (rule("o", "accept"), {"virus": infected("X")}, Q, ("default.infected", "o")),
        (rule("v", "accept", 'virus = "*"', 'when.from = "x@y"'), {"virus": infected("X")}, Q,
         ("default.infected",)),
        (rule("v", "reject", 'virus = "*"', 'mode = "log-only"'), {"virus": infected("X")}, A, ()),
        (rule("u", "accept", 'finding = "unscannable.*"'), {"found": ("unscannable.x",)}, A,
         ("u",)),
        (rule("u", "accept", 'finding = "unscannable.x"'),
         {"found": ("unscannable.x", "unscannable.y")}, Q, ("default.unscannable", "u")),
        (rule("o", "accept"), {"found": ("unscannable.x",)}, Q, ("default.unscannable", "o")),
    ],
    ids=[
        "infected", "without a name", "only a finding", "unscannable", "without a finding",
        "with another finding", "virus unavailable", "spam unavailable", "not scored",
        "no engine", "a hit beats unavailable", "spoken of", "one virus unspoken of",
        "both spoken of", "by findings", "by one finding of two", "no such finding",
        "about something else", "not for this message", "only logged", "unscannable spoken of",
        "one unscannable unspoken of", "about something else entirely",
    ],
)  # fmt: skip
def test_when_no_rule_speaks(
    tmp_path: Path, text: str, said: dict[str, Any], want: Action, rules: tuple[str, ...]
) -> None:
    """Nothing passes unseen unless a written line says so."""
    got = verdict(tmp_path, text, **said)
    assert (got.action, got.rules) == (want, rules)
    assert got.reply is None


@pytest.mark.parametrize("action", [A, D, Q])
def test_on_failure(tmp_path: Path, action: Action) -> None:
    """The settings say what an unavailable check leads to."""
    for check in ("virus", "spam"):
        virus, spam = (action, A) if check == "virus" else (A, action)
        chosen = OnFailure(virus=virus, spam=spam)
        got = verdict(tmp_path, "", on_failure=chosen, **{check: AWAY})
        assert (got.action, got.rules) == (action, (f"default.{check}-unavailable",))
        assert "connection refused" in got.why


def test_log_only(tmp_path: Path) -> None:
    """A rule that is tried out never acts; it is named once, in reading order."""
    text = (
        rule("b", "reject", 'mode = "log-only"', 'when.to = "b@x"')
        + rule("a", "reject", 'mode = "log-only"', "order = 1")
        + rule("no", "reject", 'mode = "log-only"', 'when.from = "b@x"')
    )
    got = verdict(tmp_path, text, to=(b"a@x", b"b@x"))
    assert (got.action, got.rules, got.logged) == (A, (), ("b", "a"))
    assert not got.keep


@pytest.mark.parametrize(
    ("text", "want"),
    [(rule("r", "reject"), Q), (rule("d", "defer"), D), (rule("x", "discard"), X), ("", A)],
    ids=["reject", "defer", "discard", "accept"],
)
def test_mail_of_this_host(tmp_path: Path, text: str, want: Action) -> None:
    """Bounces and forwards are never refused."""
    got = verdict(tmp_path, text, is_host=True)
    assert got.action is want
    assert got.decisions[0].action is want
    assert got.reply is None
    assert ("held, not refused" in got.why) is (want is Q)


TO = (b"a@x", b"b@x", b"c@x")


def to(id_: str, action: str, who: str, *lines: str) -> str:
    return rule(id_, action, f'when.to = "{who}"', *lines)


@pytest.mark.parametrize(
    ("text", "want", "decisions"),
    [
        (to("r", "reject", "@x"), R, (R, R, R)),
        (to("r", "reject", "a@x"), A, (Q, A, A)),
        (to("r", "reject", "a@x") + to("q", "quarantine", "@x"), Q, (Q, Q, Q)),
        (to("r", "reject", "a@x") + to("x", "discard", "b@x"), A, (Q, X, A)),
        (to("x", "discard", "@x") + to("r", "reject", "a@x"), Q, (Q, X, X)),
        (to("d", "defer", "a@x"), D, (D, D, D)),
        (to("d", "defer", "a@x") + to("r", "reject", "b@x"), D, (D, D, D)),
        (to("d", "defer", "a@x") + to("r", "reject", "@x"), R, (R, R, R)),
        (to("f", "accept", "a@x", "final = true") + rule("r", "reject"), A, (A, Q, Q)),
        (rule("r", "reject", 'unless.to = "c@x"'), A, (Q, Q, A)),
    ],
    ids=[
        "all refused", "one refused", "refused and held", "refused and discarded",
        "discarded but one", "one deferred", "deferred and refused", "deferred yet refused",
        "final for one", "unless to",
    ],
)  # fmt: skip
def test_recipients_who_differ(
    tmp_path: Path, text: str, want: Action, decisions: tuple[Action, ...]
) -> None:
    """One answer for all: refused only when all agree, deferred when one is."""
    got = verdict(tmp_path, text, to=TO)
    assert got.action is want
    assert tuple(each.action for each in got.decisions) == decisions


def test_the_deferred_name_who_defers(tmp_path: Path) -> None:
    """The decision of the others shows the rule because of which they wait."""
    text = to("d", "defer", "a@x", 'reply = "Later."') + to("q", "quarantine", "b@x")
    got = verdict(tmp_path, text, to=TO)
    assert [each.rules for each in got.decisions] == [("d",), ("d",), ("d",)]
    assert got.rules == ("q", "d")
    assert got.reply == "Later."
    assert "because of some" in got.why
    assert "because of some" not in verdict(tmp_path, rule("d", "defer"), to=TO).why


def test_no_recipients(tmp_path: Path) -> None:
    """Decided once, as for a recipient that no `to` names."""
    text = to("r", "reject", "@x") + rule("q", "quarantine", 'unless.to = "@x"')
    got = verdict(tmp_path, text, to=())
    assert (got.action, got.rules, got.decisions) == (Q, ("q",), ())


@pytest.mark.parametrize(
    ("text", "said", "want"),
    [
        (rule("a", "reject", 'reply = "A"') + rule("b", "reject", 'reply = "B"'), {}, "A"),
        (rule("a", "reject") + rule("b", "reject", 'reply = "B"'), {}, "B"),
        (rule("a", "defer", 'reply = "A"') + rule("b", "reject", 'reply = "B"'), {}, "B"),
        (rule("a", "defer", 'reply = "A"') + rule("b", "reject"), {}, None),
        (rule("a", "defer", 'reply = "A"') + rule("b", "quarantine"), {}, None),
        (rule("a", "defer", 'reply = "A"'), {}, "A"),
        (to("b", "reject", "b@x", 'reply = "B"') + to("a", "reject", "a@x", 'reply = "A"'),
         {"to": (b"a@x", b"b@x")}, "B"),
        (to("a", "reject", "a@x", 'reply = "A"'), {"to": (b"a@x", b"b@x")}, None),
        (rule("a", "reject", 'reply = "A"'), {"is_host": True}, None),
    ],
    ids=[
        "the first", "the first that has one", "of the most severe", "not of a milder one",
        "not when held", "when deferred", "the first in reading order", "not for some",
        "not to this host",
    ],
)  # fmt: skip
def test_reply(tmp_path: Path, text: str, said: dict[str, Any], want: str | None) -> None:
    """The text of the rule that refused."""
    assert verdict(tmp_path, text, **said).reply == want


@pytest.mark.parametrize(
    ("text", "said", "want"),
    [
        (rule("a", "reject", "keep = true"), {}, True),
        (rule("a", "discard", "keep = true"), {}, True),
        (rule("a", "discard", "keep = true") + rule("b", "reject"), {}, True),
        (rule("a", "reject"), {}, False),
        (rule("a", "reject", "keep = true", "final = false") + rule("f", "accept", "final = true"),
         {}, False),
        (to("a", "discard", "a@x", "keep = true"), {"to": TO}, True),
        (to("a", "discard", "a@x", "keep = true") + to("d", "defer", "b@x"), {"to": TO}, False),
        (rule("a", "reject", "keep = true"), {"is_host": True}, False),
    ],
    ids=[
        "refused", "discarded", "asked by the milder", "not asked", "silenced", "for one",
        "not when deferred", "held anyway",
    ],
)  # fmt: skip
def test_keep(tmp_path: Path, text: str, said: dict[str, Any], want: bool) -> None:
    """A copy of what is refused or discarded."""
    assert verdict(tmp_path, text, **said).keep is want


H1, H2, P1, P2 = (
    'add_header = {X-A = "1", X-B = "2"}',
    'add_header = {X-A = "1"}',
    'subject_prefix = "[1]"',
    'subject_prefix = "[2]"',
)


@pytest.mark.parametrize(
    ("text", "want", "is_noted"),
    [
        (rule("a", "accept", H1, P1), Edits(
            add_headers=(("X-A", "1"), ("X-B", "2")), subject_prefix="[1]"), False),
        (rule("a", "accept", P2) + rule("b", "accept", P1, H2) + rule("c", "accept", H1), Edits(
            add_headers=(("X-A", "1"), ("X-B", "2")), subject_prefix="[2]"), False),
        (rule("a", "accept", P1, H1) + rule("b", "quarantine"), Edits(), False),
        (to("a", "accept", "a@x", P1, H1), Edits(), True),
        (to("a", "accept", "a@x", P1, H1) + to("b", "accept", "@x", H2, "order = 1"), Edits(
            add_headers=(("X-A", "1"),)), True),
        (to("a", "accept", "a@x", P1) + to("b", "reject", "b@x") + to("c", "discard", "c@x"),
         Edits(subject_prefix="[1]"), False),
        (rule("a", "accept", P1, H1) + to("d", "defer", "b@x"), Edits(), False),
        (rule("a", "accept", H1) + rule("f", "accept", P1, "final = true"),
         Edits(subject_prefix="[1]"), False),
        (rule("a", "accept", H1, 'mode = "log-only"'), Edits(), False),
    ],
    ids=[
        "all of one", "of several", "not of what is held", "recipients differ",
        "as far as they agree", "only accepted recipients matter", "not when deferred",
        "silenced", "log-only",
    ],
)  # fmt: skip
def test_edits(tmp_path: Path, text: str, want: Edits, is_noted: bool) -> None:
    """What all who get the message agree on; what is left out is noted."""
    got = verdict(tmp_path, text, to=TO)
    assert got.edits == want
    assert ("left out" in got.why) is is_noted


@pytest.mark.parametrize(
    ("text", "said", "want"),
    [
        ("", {}, "no rule met it"),
        (rule("a", "reject"), {}, 'rule "a"'),
        (rule("a", "reject", 'why = "It is odd"') + rule("b", "accept"), {}, "It is odd"),
        ("", {"virus": infected("X", "Y")}, "infected (X, Y), and no rule decided on that"),
        ("", {"found": ("virus.x",)}, "infected (without a name), and no rule decided on that"),
        ("", {"found": ("unscannable.x",)},
         "not scanned (unscannable.x), and no rule decided on that"),
        (to("a", "reject", "a@x"), {"to": TO}, 'rule "a"; held for some instead of refused'),
    ],
)  # fmt: skip
def test_why(tmp_path: Path, text: str, said: dict[str, Any], want: str) -> None:
    """One sentence for the log and the review."""
    assert verdict(tmp_path, text, **said).why == want


def test_matches(tmp_path: Path) -> None:
    """One rule, one recipient."""
    found = policy(tmp_path, to("a", "reject", "a@x") + rule("b", "reject", 'finding = "x.y"'))
    given = facts(to=TO)
    one, two = found.rules
    assert matches(one, given, b"a@x")
    assert not matches(one, given, b"b@x")
    assert not matches(one, given, None)
    assert not matches(two, given, b"a@x")


def test_the_clock_is_only_read_where_no_day_is_given(tmp_path: Path) -> None:
    """An entry that expired long ago and one that never does."""
    text = rule("a", "reject", 'when.from_in = "l"')
    for entry, want in (("@sender.example until 2001-01-01", A), ("@sender.example", R)):
        found = policy(tmp_path, text, l=entry)
        assert decide(found, facts(), ON_FAILURE).action is want


def test_fifty_thousand_recipients_and_a_hundred_rules(tmp_path: Path) -> None:
    """A message to many, half of them in lists, is decided in a moment."""
    text = "".join(
        rule(f"r{n}", "quarantine", 'when.to_in = "people"', f'unless.to = "@d{n}"')
        for n in range(100)
    )
    people = "\n".join(f"user{n}@example.org" for n in range(0, 50_000, 2))
    found = policy(tmp_path, text, people=people)
    given = facts(to=tuple(b"user%d@example.org" % n for n in range(50_000)))
    begun = time.monotonic()
    got = decide(found, given, ON_FAILURE, today=TODAY)
    assert time.monotonic() - begun < 5
    assert [each.action for each in got.decisions] == [Q, A] * 25_000


def test_spam_beside_everything_else(tmp_path: Path) -> None:
    """Conditions of one rule are AND."""
    text = rule("a", "reject", "spam.over_required = 0", 'finding = "mime.*"')
    assert verdict(tmp_path, text, spam=scored(5)).action is A
    assert verdict(tmp_path, text, found=("mime.x",)).action is A
    assert verdict(tmp_path, text, spam=scored(5), found=("mime.x",)).action is R
