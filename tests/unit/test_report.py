"""The four tellings of one report: log event, header lines, JSON object, ending."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qscanner import log, report
from qscanner.model import (
    Action,
    CheckResult,
    Client,
    Cut,
    Decision,
    Direction,
    Edits,
    Envelope,
    Facts,
    Finding,
    Header,
    Listed,
    Outcome,
    Part,
    Score,
    Verdict,
)
from qscanner.outcomes import REPLIES, Ending
from qscanner.report import Report

HOSTILE = 'a\r\nX-Spam-Flag: NO\r\n\r\n\x1b[2J\u202e" b=c\\'
ENVELOPE = Envelope(sender=b"s@x", recipients=(b"a@y", b"b@y"), raw=b"Fs@x\0Ta@y\0Tb@y\0\0")
CLEAN = CheckResult(outcome=Outcome.CLEAN, scanners=("clamav/1.4/2",), ms=1.25)
EVENT_KEYS = [
    "event", "id", "verdict", "rules", "ending", "pid", "digest", "msgid", "from", "rcpts", "to",
    "uid", "direction", "client", "octets", "virus", "spam", "findings", "ms",
]  # fmt: skip
JSON_KEYS = {
    "file",
    "digest",
    "action",
    "recipients",
    "rules",
    "exit_code",
    "reply",
    "findings",
    "checks",
    "parts",
    "headers",
    "ms",
}  # fmt: skip - DESIGN.md section 3


def facts(
    *,
    virus: CheckResult | None = None,
    spam: CheckResult | None = None,
    envelope: Envelope = ENVELOPE,
    client: Client | None = None,
    text: str = "",
) -> Facts:
    return Facts(
        envelope=envelope,
        client=client or Client(uid=7),
        octets=1234,
        headers=(Header(name="Message-Id", plain=text or "<1@x>", decoded=text or "<1@x>"),),
        parts=(Part(path="1.2/a", names=("a", text), kinds=frozenset({"pe", "exe"}), octets=5),),
        findings=(Finding(id="mime.junk", where="1", detail=text),) * 2,
        virus=virus,
        spam=spam,
    )


def verdict(
    action: Action, *, reply: str | None = None, rules: tuple[str, ...] = ("r",)
) -> Verdict:
    decided = Decision(action=action, rules=rules)
    return Verdict(action=action, decisions=(decided, decided), rules=rules, reply=reply)


def scored(
    score: float, outcome: Outcome = Outcome.CLEAN, rules: tuple[str, ...] = ()
) -> CheckResult:
    told = Score(score=score, threshold=5.0, rules=rules)
    return CheckResult(outcome=outcome, score=told, scanners=("spamd",))


def made(of: Facts, decided: Verdict, host: str = "mx.example") -> Report:
    told = report.lines(of, decided, id="i", host=host)
    return Report(id="i", digest="d" * 64, facts=of, verdict=decided, lines=told, ms=12.345)


def test_every_action_has_its_ending() -> None:
    """The endings of the five actions, and no message is accepted by any but accept."""
    assert set(report.ENDINGS) == set(Action)
    codes = {
        action: REPLIES[ending].exit_without_text for action, ending in report.ENDINGS.items()
    }
    assert codes == {
        Action.ACCEPT: 0,
        Action.QUARANTINE: 0,
        Action.DISCARD: 0,
        Action.DEFER: 71,
        Action.REJECT: 31,
    }
    assert [act for act, end in report.ENDINGS.items() if end is Ending.ACCEPTED] == [
        Action.ACCEPT
    ]


# --- header lines ---


def test_the_own_line() -> None:
    """Host, id, verdict, rules, what the checks said, scanners with versions."""
    got = report.lines(
        facts(virus=CLEAN), verdict(Action.ACCEPT, rules=("a", "b")), id="i", host="mx.example"
    )
    assert got == (
        "X-Qscanner: mx.example id=i verdict=accept rules=a,b virus=clean scanners=clamav/1.4/2",
    )


def test_the_own_line_of_nothing() -> None:
    """Nothing configured, no rule: dashes, never a missing key."""
    got = report.lines(facts(), verdict(Action.ACCEPT, rules=()), id="i", host="h")
    assert got == ("X-Qscanner: h id=i verdict=accept rules=- scanners=-",)


@pytest.mark.parametrize(
    ("spam", "want"),
    [
        pytest.param(
            scored(6.25, Outcome.FOUND, ("A", "B")),
            ["X-Spam-Flag: YES", "X-Spam-Status: Yes, score=6.2 required=5.0 tests=A,B",
             "X-Spam-Level: ******"],
            id="spam",
        ),
        pytest.param(
            scored(1.99),
            ["X-Spam-Flag: NO", "X-Spam-Status: No, score=2.0 required=5.0 tests=none",
             "X-Spam-Level: *"],
            id="no-spam",
        ),
        pytest.param(
            scored(-3.0),
            ["X-Spam-Flag: NO", "X-Spam-Status: No, score=-3.0 required=5.0 tests=none"],
            id="below-zero-has-no-level",
        ),
        pytest.param(scored(999.0, Outcome.FOUND), ["X-Spam-Level: " + "*" * 50], id="bounded"),
        pytest.param(scored(math.inf, Outcome.FOUND), ["X-Spam-Level: " + "*" * 50], id="endless"),
        pytest.param(scored(-math.inf), ["X-Spam-Flag: NO"], id="endless-below"),
        pytest.param(scored(math.nan), ["X-Spam-Flag: NO"], id="no-number"),
        pytest.param(CheckResult(outcome=Outcome.UNAVAILABLE), [], id="not-scored"),
        pytest.param(None, [], id="not-configured"),
    ],
)  # fmt: skip
def test_spam_lines(spam: CheckResult | None, want: list[str]) -> None:
    """The three lines where it was scored, none where it was not; ours stands last."""
    *got, own = report.lines(facts(spam=spam), verdict(Action.ACCEPT), id="i", host="h")
    assert set(want) <= set(got)
    assert bool(got) == bool(want)
    assert own.startswith("X-Qscanner: h ")
    assert ("spam=" in own) == (spam is not None)


def test_lines_that_rules_ask_for() -> None:
    """They stand on top of ours, and only where the message is accepted."""
    edits = Edits(add_headers=(("X-Note", "a\r\nb"),), subject_prefix="[S]")
    for action in Action:
        decided = Verdict(action=action, decisions=(), edits=edits)
        got = report.lines(facts(), decided, id="i", host="h")
        is_accepted = action is Action.ACCEPT
        assert (got[0] == "X-Note: a\\x0d\\x0ab") == is_accepted
        assert report.edits_of(decided) == (edits if is_accepted else Edits())


def test_what_was_taken_out() -> None:
    """Its paths are in the log and in the JSON, where the message goes on without them."""
    cuts = (
        Cut(span=(1, 2), part=Part(path="2/a.exe"), rule="r"),
        Cut(span=(3, 4), part=Part(path="3"), rule="r"),
    )
    for action in Action:
        decided = Verdict(action=action, decisions=(), edits=Edits(cuts=cuts))
        one, is_accepted = made(facts(), decided), action is Action.ACCEPT
        event = report.event(one, pid=1, ending=Ending.ACCEPTED)
        assert event.get("stripped") == ("2/a.exe,3" if is_accepted else None)
        told = report.as_json(one, file="x")["stripped"]
        assert told == (["2/a.exe", "3"] if is_accepted else [])


def test_what_was_listed() -> None:
    """The log has the entries that made a difference, each once; the JSON has what all say."""
    entry = Listed(id="e1", is_allowed=True, told="allowed s@x for all, by ann")
    other = Listed(id="e2", is_allowed=False, told="blocked s@x for b@y, by bob")
    for rules, ids in (
        ((("default.allowed",), ("default.blocked", "r")), "e1,e2"),
        ((("r",), ("default.blocked",)), "e2"),
        (((), ()), None),
    ):
        decisions = tuple(Decision(action=Action.QUARANTINE, rules=each) for each in rules)
        decided = Verdict(action=Action.QUARANTINE, decisions=decisions)
        one = made(replace(facts(), listed=(entry, other)), decided)
        assert report.event(one, pid=1, ending=Ending.HELD).get("listed") == ids
        assert report.as_json(one, file="x")["listed"] == {
            "a@y": "allowed s@x for all, by ann (entry e1)",
            "b@y": "blocked s@x for b@y, by bob (entry e2)",
        }
    for_all = replace(facts(), listed=(entry, entry))
    both = made(for_all, verdict(Action.ACCEPT, rules=("default.allowed",)))
    assert report.event(both, pid=1, ending=Ending.ACCEPTED)["listed"] == "e1"
    alone = made(replace(facts(), listed=(None, other)), verdict(Action.ACCEPT))
    assert list(report.as_json(alone, file="x")["listed"]) == ["b@y"]
    assert report.as_json(made(facts(), verdict(Action.ACCEPT)), file="x")["listed"] == {}


@given(st.text(st.characters(codec="utf-8"), max_size=2000))
def test_lines_are_bounded_and_printable(text: str) -> None:
    """Whatever a host, rule, scanner or spam rule is called: one printable line below 998."""
    of = facts(
        virus=CheckResult(outcome=Outcome.FOUND, detail=text, scanners=(text,)),
        spam=scored(7.0, Outcome.FOUND, (text, text)),
    )
    edits = Edits(add_headers=(("X-Note", text),))
    decided = Verdict(action=Action.ACCEPT, decisions=(), rules=(text,), edits=edits)
    for line in report.lines(of, decided, id="i", host=text):
        assert len(line) <= 990
        assert all(" " <= char <= "~" for char in line)
        assert line.startswith(("X-Qscanner: ", "X-Spam-", "X-Note: "))


# --- the log's event ---


def test_the_event_has_its_keys_in_order() -> None:
    """Stable keys, what is most wanted first."""
    got = report.event(made(facts(), verdict(Action.ACCEPT)), pid=42, ending=Ending.ACCEPTED)
    assert list(got) == EVENT_KEYS
    assert got == {
        "event": "message", "id": "i", "verdict": "accept", "rules": "r", "ending": "accepted",
        "pid": 42, "digest": "d" * 64, "msgid": "<1@x>", "from": b"<s@x>", "rcpts": 2,
        "to": b"a@y,b@y", "uid": 7, "direction": "local", "client": "-", "octets": 1234,
        "virus": "-", "spam": "-", "findings": "mime.junk", "ms": 12,
    }  # fmt: skip


def test_the_event_of_a_client() -> None:
    """Address, user and claim, where there are any."""
    client = Client(uid=7, direction=Direction.IN, ip="192.0.2.7", auth_user="ann")
    got = report.event(
        made(facts(client=client, virus=CLEAN, spam=scored(7.0)), verdict(Action.REJECT)),
        pid=1, ending=Ending.REJECTED,
    )  # fmt: skip
    assert (got["client"], got["auth"], got["direction"]) == ("192.0.2.7", "ann", "in")
    assert "claimed" not in got
    assert (got["virus"], got["spam"]) == ("clean", "7.0/5.0")
    claiming = made(facts(client=Client(uid=7, claimed_ip="192.0.2.9")), verdict(Action.ACCEPT))
    told = report.event(claiming, pid=1, ending=Ending.ACCEPTED)
    assert (told["client"], told["claimed"]) == ("-", "192.0.2.9")


def test_the_event_says_for_whom_it_is_otherwise() -> None:
    """Who does not get an accepted message is named; where all fare alike, the verdict says it."""
    two = (Decision(action=Action.ACCEPT), Decision(action=Action.QUARANTINE, rules=("r",)))
    split = Verdict(action=Action.ACCEPT, decisions=two, rules=("r",))
    told = report.event(made(facts(), split), pid=1, ending=Ending.ACCEPTED)

    assert told["held"] == b"b@y"
    assert "discarded" not in told
    alike = report.event(made(facts(), verdict(Action.QUARANTINE)), pid=1, ending=Ending.HELD)
    assert "held" not in alike


def test_the_event_says_why() -> None:
    """The verdict's sentence; trouble stands before it; rules in mode log-only are named."""
    decided = Verdict(action=Action.QUARANTINE, decisions=(), why="because", logged=("l1", "l2"))
    of = made(facts(virus=CheckResult(outcome=Outcome.FOUND, detail="Eicar")), decided)
    held = report.event(of, pid=1, ending=Ending.HELD)
    assert (held["why"], held["log-only"], held["rules"]) == ("because", "l1,l2", "-")
    assert held["virus"] == "found: Eicar"
    failed = report.event(of, pid=1, ending=Ending.DISK_FULL, trouble="no room")
    assert (failed["why"], failed["ending"], failed["verdict"]) == (
        "no room",
        "disk-full",
        "quarantine",
    )


def test_a_hostile_message_is_one_line_of_log() -> None:
    """Everything strangers may choose, at once: one printable line, at most 2000 octets."""
    envelope = Envelope(sender=b"\r\n\x1b" * 300, recipients=(b"\xff\n" * 500,) * 5000, raw=b"")
    client = Client(uid=7, ip=HOSTILE, auth_user=HOSTILE, host=HOSTILE)
    bad = CheckResult(outcome=Outcome.UNAVAILABLE, detail=HOSTILE * 50)
    of = facts(virus=bad, spam=bad, envelope=envelope, client=client, text=HOSTILE * 100)
    decided = Verdict(
        action=Action.REJECT,
        decisions=(),
        rules=("r" * 50,) * 500,
        why=HOSTILE,
        logged=("l",) * 500,
    )
    text = log.line(report.event(made(of, decided), pid=1, ending=Ending.REJECTED))
    assert len(text) <= log.MAX_OCTETS
    assert all(" " <= char <= "~" for char in text)
    assert text.startswith("event=message id=i verdict=reject rules=")


# --- JSON ---


@pytest.mark.parametrize("action", list(Action), ids=lambda action: action.value)
def test_json(action: Action) -> None:
    """The keys of the manual; the code without a channel; a reply only for who is told one."""
    got = report.as_json(made(facts(), verdict(action, reply="no")), file="f.eml")
    assert set(got) >= JSON_KEYS
    assert json.loads(json.dumps(got)) == got
    assert got["action"] == action.value
    assert got["exit_code"] == REPLIES[report.ENDINGS[action]].exit_without_text
    assert got["recipients"] == {"a@y": action.value, "b@y": action.value}
    wanted = {Action.REJECT: "no (#5.7.1)", Action.DEFER: "no (#4.7.1)"}
    assert got["reply"] == wanted.get(action)
    assert got["parts"] == [
        {"path": "1.2/a", "names": ["a", ""], "kinds": ["exe", "pe"], "octets": 5}
    ]
    assert got["findings"] == [{"id": "mime.junk", "where": "1", "detail": ""}] * 2
    assert (got["file"], got["digest"], got["rules"]) == ("f.eml", "d" * 64, ["r"])
    assert got["headers"] == list(made(facts(), verdict(action)).lines)
    assert got["checks"] == {}
    assert got["ms"] == pytest.approx(12.3)


def test_the_checks_in_json() -> None:
    """A configured check is there with its outcome, also where it has no score."""
    got = report.as_json(
        made(facts(virus=CLEAN, spam=scored(6.0, Outcome.FOUND, ("A",))), verdict(Action.ACCEPT)),
        file="f",
    )
    assert got["checks"]["virus"] == {"outcome": "clean", "detail": "", "ms": 1.2}
    spam = got["checks"]["spam"]
    assert (spam["outcome"], spam["score"], spam["threshold"], spam["rules"]) == (
        "found", 6.0, 5.0, ["A"],
    )  # fmt: skip
    away = CheckResult(outcome=Outcome.UNAVAILABLE, detail="away")
    spam = report.as_json(made(facts(spam=away), verdict(Action.ACCEPT)), file="f")["checks"][
        "spam"
    ]
    assert (spam["score"], spam["threshold"], spam["rules"], spam["detail"]) == (
        None,
        None,
        [],
        "away",
    )
    assert {"outcome", "score", "threshold", "rules", "ms"} <= set(spam)


def test_json_of_odd_addresses() -> None:
    """Octets that are no UTF-8 are escaped, so that the line is JSON all the same."""
    envelope = Envelope(sender=b"", recipients=(b"\xff@y",), raw=b"")
    got = report.as_json(made(facts(envelope=envelope), verdict(Action.ACCEPT)), file="f")
    assert got["recipients"] == {"\\xff@y": "accept"}
    json.dumps(got).encode("ascii")


def test_what_detecting_rules_found_is_logged() -> None:
    """Which hit, their tags, and the sum of their scores."""
    decided = replace(verdict(Action.ACCEPT), detected=("a", "b"), tags=("odd", "new"), total=7.5)
    told = report.event(made(facts(), decided), pid=1, ending=Ending.ACCEPTED)
    assert (told["detected"], told["tags"], told["total"]) == ("a,b", "odd,new", "7.5")
