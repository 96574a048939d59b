"""policy.listed: what an allowance overrides, and what never; what a block says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qscanner.model import (
    ALLOWED,
    BLOCKED,
    Action,
    CheckResult,
    Decision,
    Finding,
    Outcome,
    Verdict,
)
from qscanner.policy.decide import EMERGENCY, OnFailure, decide
from qscanner.policy.listed import REPLY, by_entry
from qscanner.policy.sentence import MAX_REPLY_OCTETS
from tests.fakes.facts import (
    AWAY,
    ON_FAILURE,
    TODAY,
    facts,
    infected,
    listing,
    part,
    policy,
    scored,
)

A, D, Q, X, R = Action.ACCEPT, Action.DEFER, Action.QUARANTINE, Action.DISCARD, Action.REJECT
FROM = 'when.from = "jane@sender.example"'
PE = (part("a.exe", kinds=("pe",)),)
SPAMMY = scored(12.0)
MARK = 'subject_prefix = "[x]"'
TWO = (b"bob@example.org", b"eve@example.org")


def rule(id_: str, action: str, *lines: str) -> str:
    return "\n".join(["[[rule]]", f'id = "{id_}"', f'action = "{action}"', *lines, ""])


def gives(id_: str, *lines: str) -> str:
    """Give a detecting rule."""
    return "\n".join(["[[rule]]", f'id = "{id_}"', *lines, ""])


def verdict(
    folder: Path, rules: str, word: str, *, on_failure: OnFailure = ON_FAILURE, **said: Any
) -> Verdict:
    """Decide about a message whose sender is listed, by a word of listing(), for everybody."""
    given = facts(**said)
    to = given.envelope.recipients
    return decide(
        policy(folder, rules),
        replace(given, listed=(listing(word),) * len(to)),
        on_failure,
        today=TODAY,
    )


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (rule("r", "quarantine", FROM), {}),
        (rule("r", "quarantine", 'header.Subject = "win"'), {"headers": (("Subject", "win"),)}),
        (rule("r", "quarantine", 'finding = "mime.*"'), {"found": ("mime.odd-type",)}),
        (rule("r", "quarantine", 'finding = "*"'), {"found": ("mime.odd-type", "header.no-date")}),
        (rule("r", "quarantine", FROM, "final = true"), {}),
        *((rule("r", action, "spam.at_least = 5"), {"spam": SPAMMY})
          for action in ("defer", "quarantine", "discard", "reject")),
        (rule("r", "reject", "spam.over_required = 5", FROM), {"spam": SPAMMY}),
        (rule("r", "reject", "spam.at_least = 5", "final = true"), {"spam": SPAMMY}),
        (rule("r", "reject", 'finding = "spam.gtube"'), {"found": ("spam.gtube", "mime.x")}),
        (rule("r", "defer", 'finding = "spam.*"'), {"found": ("spam.rspamd-later",)}),
        (gives("d", "score = 5", FROM) + rule("r", "reject", "total.at_least = 5"), {}),
        (gives("d", 'tag = "t"', FROM) + rule("r", "quarantine", 'when.tag = "t"'), {}),
        (gives("d", "score = 5", FROM) + gives("e", "score = 1", 'part.kind = "pe"')
         + rule("r", "reject", "total.at_least = 5"), {"parts": PE}),
        (rule("r", "accept", "spam.at_least = 5", MARK), {"spam": SPAMMY}),
        (rule("r", "accept", "spam.at_least = 5", 'redirect_to = "spam@example.org"'),
         {"spam": SPAMMY}),
        (rule("r", "accept", "spam.at_least = 5", 'notify = "admin"'), {"spam": SPAMMY}),
    ],
    ids=[
        "a hold", "for a header", "for a finding", "for anything", "final",
        "spam deferred", "spam held", "spam discarded", "spam refused", "spam and more",
        "spam final", "gtube", "put off", "total", "tag", "total by others, too", "marked",
        "redirected", "told",
    ],
)  # fmt: skip
def test_what_it_overrides(rules: str, said: dict[str, Any], tmp_path: Path) -> None:
    """Holds, and all that is about spam; the rule does nothing, and the log says so."""
    without = verdict(tmp_path, rules, "", **said)
    assert without.rules[0] == "r"
    got = verdict(tmp_path, rules, "+", **said)
    assert got.decisions == (Decision(action=A, rules=(ALLOWED,), overridden=("r",)),)
    assert (got.action, got.rules, got.edits) == (A, (ALLOWED,), type(got.edits)())
    assert got.why == "allowed jane, by ann: asked (entry e1), over r"


UNREAD = CheckResult(outcome=Outcome.UNSCANNABLE)
NOT_READ_FOR = replace(UNREAD, findings=(Finding(id="mime.x"),))


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (rule("r", "quarantine", 'virus = "*"'), {"virus": infected("X")}),
        (rule("r", "quarantine", 'finding = "virus.*"'), {"found": ("virus.yara",)}),
        ("", {"virus": infected("X")}),
        (rule("r", "quarantine", FROM), {"virus": infected("X")}),
        (rule("r", "quarantine", FROM) + rule("v", "accept", 'virus = "*"'),
         {"virus": infected("X")}),
        ("", {"virus": AWAY}),
        ("", {"found": ("unscannable.too-large",)}),
        ("", {"virus": UNREAD}),
        (rule("r", "quarantine", 'finding = "mime.x"'), {"virus": NOT_READ_FOR}),
        (rule("r", "quarantine", 'part.kind = "pe"'), {"parts": PE}),
        (rule("r", "reject", 'part.kind = "pe"', "spam.at_least = 5"),
         {"parts": PE, "spam": SPAMMY}),
        *((rule("r", "quarantine", f'finding = "{id_}"'), {"found": (id_,)})
          for id_ in ("name.bidi", "archive.encrypted", "office.dde", "pdf.launch", "rtf.object",
                      "html.script", "svg.script", "unscannable.too-large", "limit.depth",
                      "clamav.heuristic", "magic.error", "mime.parser-error", "mime.partial")),
        (rule("r", "quarantine", 'finding = "*"'), {"found": ("mime.odd-type", "name.bidi")}),
        (rule("r", "reject", FROM), {}),
        (rule("r", "discard", FROM), {}),
        (rule("r", "defer", FROM), {}),
        (rule("r", "reject", 'finding = ["spam.gtube", "mime.*"]'),
         {"found": ("spam.gtube", "mime.odd-type")}),
        (rule("r", "reject", FROM) + rule("s", "reject", "spam.at_least = 5"), {"spam": SPAMMY}),
        (rule("r", "accept", FROM, MARK), {}),
        (rule("r", "accept", "spam.at_least = 5"), {"spam": SPAMMY}),
        (rule("r", "accept", "spam.at_least = 5", MARK, "final = true"), {"spam": SPAMMY}),
        ("", {"spam": AWAY}),
        (gives("d", "score = 5", 'part.kind = "pe"') + rule("r", "reject", "total.at_least = 5"),
         {"parts": PE}),
        (gives("d", 'tag = "t"', 'finding = "name.*"') + rule("r", "quarantine", 'when.tag = "t"'),
         {"found": ("name.bidi",)}),
        (rule("r", "quarantine", FROM, "final = true") + rule("p", "reject", 'part.kind = "pe"'),
         {"parts": PE}),
    ],
    ids=[
        "a virus", "as a finding", "that no rule names", "in what is held for something else",
        "also one that a rule accepts", "engines away", "not scanned", "by its own word",
        "by an engine's word", "a part", "a part, and spam", "name", "archive", "office",
        "pdf", "rtf", "html", "svg", "unscannable", "limit", "clamav", "magic",
        "mime not read", "mime in pieces",
        "any finding", "the admin's no", "thrown away", "put off", "more than spam",
        "the admin's no beside", "an edit", "accepted anyway", "accepted at last",
        "scorer away, accepted", "a score for contents", "a tag for contents",
        "a final hold before a no",
    ],
)  # fmt: skip
def test_what_it_never_overrides(rules: str, said: dict[str, Any], tmp_path: Path) -> None:
    """Viruses, contents, what was not looked at, the admin's own no: all is as without it."""
    assert verdict(tmp_path, rules, "+", **said) == verdict(tmp_path, rules, "", **said)


@pytest.mark.parametrize(("action", "want"), [(D, A), (Q, A), (A, A)])
def test_without_a_scorer(action: Action, want: Action, tmp_path: Path) -> None:
    """Whoever is allowed does not wait until the scorer is back."""
    failure = OnFailure(virus=D, spam=action)
    got = verdict(tmp_path, "", "+", on_failure=failure, spam=AWAY)
    assert got.action is want
    assert (ALLOWED in got.rules) is (action is not A)


def test_an_emergency_is_left_alone(tmp_path: Path) -> None:
    """It is about viruses."""
    failure = OnFailure(virus=A, spam=A, virus_rule=EMERGENCY)
    got = verdict(tmp_path, "", "+", on_failure=failure, virus=AWAY)
    assert got.rules == (EMERGENCY,)


def test_what_is_left_decides(tmp_path: Path) -> None:
    """A rule that is not overridden still acts; one that accepts edits; the allowance is first."""
    rules = (
        rule("mark", "accept", FROM, MARK)
        + rule("hold", "quarantine", FROM)
        + rule("spam", "reject", "spam.at_least = 5")
    )
    got = verdict(tmp_path, rules, "+", spam=SPAMMY)
    assert got.rules == (ALLOWED, "mark")
    assert got.edits.subject_prefix == "[x]"
    assert got.decisions[0].overridden == ("spam", "hold")
    rules += rule("part", "quarantine", 'part.kind = "pe"')
    got = verdict(tmp_path, rules, "+", spam=SPAMMY, parts=PE)
    assert (got.action, got.rules) == (Q, ("part", ALLOWED, "mark"))


def test_what_a_final_hold_had_silenced(tmp_path: Path) -> None:
    """It speaks again where it says less, and engines that are away count."""
    rules = rule("f", "quarantine", FROM, "final = true") + rule("d", "defer", FROM)
    got = verdict(tmp_path, rules, "+")
    assert (got.action, got.rules) == (D, ("d", ALLOWED))
    got = verdict(tmp_path, rule("f", "quarantine", FROM, "final = true"), "+", virus=AWAY)
    assert (got.action, got.rules) == (D, ("default.virus-unavailable", ALLOWED))


def test_log_only_rules_are_logged(tmp_path: Path) -> None:
    """As ever."""
    text = rule("l", "quarantine", FROM, 'mode = "log-only"') + rule("q", "quarantine", FROM)
    got = verdict(tmp_path, text, "+")
    assert (got.logged, got.decisions[0].overridden) == (("l",), ("q",))


def test_blocked(tmp_path: Path) -> None:
    """Refused, with words that fit a reply and say nothing of who said so."""
    got = verdict(tmp_path, "", "-")
    assert (got.action, got.rules, got.reply) == (R, (BLOCKED,), REPLY)
    assert got.why == "blocked jane, by ann: asked (entry e1)"
    assert len(REPLY) <= MAX_REPLY_OCTETS
    assert REPLY.isascii()


def test_blocked_beside_other_rules(tmp_path: Path) -> None:
    """It is a refusal like others; a virus is the more urgent word where a rule refuses it."""
    got = verdict(tmp_path, rule("q", "quarantine", FROM), "-")
    assert got.rules == (BLOCKED, "q")
    got = verdict(tmp_path, rule("v", "reject", 'virus = "*"'), "-", virus=infected("X"))
    assert got.rules == ("v", BLOCKED)


@pytest.mark.parametrize("action", ["accept", "quarantine"])
def test_a_final_rule_silences_a_block(action: str, tmp_path: Path) -> None:
    """As it silences all rules but those about viruses."""
    text = rule("f", action, FROM, "final = true")
    assert verdict(tmp_path, text, "-") == verdict(tmp_path, text, "")


def test_blocked_mail_of_this_host_is_held(tmp_path: Path) -> None:
    """A forward cannot be refused."""
    got = verdict(tmp_path, "", "-", is_host=True)
    assert (got.action, got.rules) == (Q, (BLOCKED,))


@pytest.mark.parametrize(
    ("words", "rules", "want"),
    [
        ("+ ", rule("q", "quarantine", FROM), [(A, (ALLOWED,)), (Q, ("q",))]),
        ("- ", "", [(Q, (BLOCKED,)), (A, ())]),
        ("--", "", [(R, (BLOCKED,)), (R, (BLOCKED,))]),
        ("+-", rule("q", "quarantine", FROM), [(A, (ALLOWED,)), (Q, (BLOCKED, "q"))]),
        (" +", rule("v", "reject", 'virus = "*"'), [(A, ()), (A, ())]),
    ],
)
def test_each_recipient_has_its_own(
    words: str, rules: str, want: list[tuple[Action, tuple[str, ...]]], tmp_path: Path
) -> None:
    """An entry of one says nothing about the others."""
    entries = tuple(listing(word.strip()) for word in words)
    given = facts(to=TWO, listed=entries)
    got = decide(policy(tmp_path, rules), given, ON_FAILURE, today=TODAY)
    assert [(each.action, each.rules) for each in got.decisions] == want


@pytest.mark.parametrize("words", ["+ ", " +"])
def test_a_mark_stays_for_the_others(words: str, tmp_path: Path) -> None:
    """All get the same octets: who has allowed the sender takes no mark off another's copy."""
    entries = tuple(listing(word.strip()) for word in words)
    given = facts(to=TWO, listed=entries, spam=SPAMMY)
    rules = rule("r", "accept", "spam.at_least = 5", MARK, 'add_header = { X-Spammy = "yes" }')
    got = decide(policy(tmp_path, rules), given, ON_FAILURE, today=TODAY)
    assert got.edits.subject_prefix == "[x]"
    assert got.edits.add_headers
    given = facts(to=TWO, listed=(listing("+"),) * 2, spam=SPAMMY)
    got = decide(policy(tmp_path, rules), given, ON_FAILURE, today=TODAY)
    assert got.edits.subject_prefix == ""
    assert not got.edits.add_headers


def test_two_entries_are_two_reasons(tmp_path: Path) -> None:
    """The message's own reason is the first recipient's; that it is allowed stands first."""
    entries = (listing("+", "e1"), listing("+", "e2"))
    given = facts(to=TWO, listed=entries)
    rules = rule("a", "accept", FROM) + rule("q", "quarantine", FROM)
    got = decide(policy(tmp_path, rules), given, ON_FAILURE, today=TODAY)
    assert got.rules == (ALLOWED, "a")
    assert "(entry e1)" in got.why


def test_one_who_is_put_off_puts_off_all(tmp_path: Path) -> None:
    """Also those for whom the sender is allowed."""
    given = facts(to=TWO, listed=(listing("+"), None), spam=AWAY)
    failure = OnFailure(virus=D, spam=D)
    got = decide(policy(tmp_path, ""), given, failure, today=TODAY)
    assert got.action is D
    assert [(each.rules, each.overridden) for each in got.decisions] == [
        (("default.spam-unavailable",), ())
    ] * 2


def test_places_by_entry() -> None:
    """Nobody listed, nobody there, and fewer entries than recipients, which nobody should give."""
    one, two = listing("+"), listing("-")
    assert list(by_entry([0, 2], ())) == [(None, [0, 2])]
    assert list(by_entry([], (one,))) == [(None, [])]
    assert list(by_entry([0, 1, 2, 3], (one, two, one))) == [
        (one, [0, 2]),
        (two, [1]),
        (None, [3]),
    ]
