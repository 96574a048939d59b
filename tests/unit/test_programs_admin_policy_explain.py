"""programs.admin_policy_explain: `qscanner policy explain`."""

import json
from pathlib import Path
from typing import Any

import pytest

from qscanner import quarantine
from qscanner.codec.envelope import encode
from qscanner.model import Action, Client, Decision, Direction, Envelope, Facts, Verdict
from qscanner.programs import admin_policy_explain
from qscanner.spool import Message
from tests.fakes import mails
from tests.fakes.desk import Desk
from tests.fakes.listing import entry, put

DIGEST = "0123456789abcdef" * 4
ID = "19e8d0a1b2c-a1b2c3"
DETECTING = """schema = 1
[[rule]]
id = "hurry"
why = "x"
header.Subject = '(?i)urgent'
score = 2
tag = "urgent"
[[rule]]
id = "adds-up"
why = "x"
total.at_least = 2
when.to = "jane@example.org"
action = "reject"
reply = "not so fast"
[[rule]]
id = "mine"
why = "x"
when = { from = "me@example.org", ip = "192.0.2.1" }
action = "accept"
final = true
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give an installation with the embedded engine."""
    return Desk(tmp_path)


def held(desk: Desk, octets: bytes) -> None:
    """Keep a message as the scanner does."""
    to = (b"jane@example.org", b"bob@example.org")
    envelope = Envelope(sender=b"eve@x.example", recipients=to, raw=encode(b"eve@x.example", to))
    client = Client(uid=1, is_trusted=True, direction=Direction.IN, ip="192.0.2.9")
    decision = Decision(action=Action.QUARANTINE, rules=("r",))
    verdict = Verdict(
        action=Action.QUARANTINE, decisions=(decision,) * 2, rules=("r",), why="because"
    )
    facts = Facts(envelope=envelope, client=client, octets=len(octets))
    record = quarantine.record(
        id=ID, digest=DIGEST, kept_at="2026-06-01T00:00:00Z", facts=facts, verdict=verdict
    )
    quarantine.keep(str(desk.folder / "quarantine"), DIGEST, Message.of_octets(octets), record)


def test_every_rule(desk: Desk) -> None:
    """In reading order: what hit and why, what did not and why; then what decided; ends with 1."""
    desk.policy(DETECTING)
    mail = desk.mail(mails.infected())
    done = desk.run("policy", "explain", mail, "--from", "a@b.example", "--ip", "192.0.2.7")
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert lines[0] == mail
    assert "from <a@b.example>, in, client 192.0.2.7;" in lines[1]
    assert "reject for postmaster@localhost" in lines
    assert "  detecting rules: total 0" in lines
    text = done.output
    order = ["- hurry ", "+ infected ", "- virus-heuristic ", "- macros ", "- mine "]
    assert sorted(order, key=text.index) == order
    assert 'the virus found is "Eicar_Test_String"' in text
    assert "finding: none of clamav.heuristic" in text
    assert "=> infected decides: reject\n" in text
    assert "reply    554 Your message was refused because it contains a virus" in text
    assert max(map(len, lines[1:])) <= 80 or "yara-x" in max(lines[1:], key=len)


def test_recipients_differ(desk: Desk) -> None:
    """A group each; what their decisions make of each other stands below all."""
    desk.policy(DETECTING)
    mail = desk.mail(b"Subject: urgent\n\nx\n")
    done = desk.run(
        "policy", "explain", mail, "--to", "jane@example.org", "--to", "a@b.example", "--to", "c@d"
    )
    assert done.exit_code == 1
    text = done.output
    assert "quarantine for jane@example.org\n" in text
    assert "accept for a@b.example, c@d\n" in text
    assert "adds-up decides: reject; it becomes quarantine, see below" in text
    assert text.splitlines()[-1].strip() == "together held for some instead of refused"
    assert "detecting rules: total 2, tags urgent" in text
    assert '  + hurry +2 urgent  subject is "urgent"' in text


def test_a_final_rule(desk: Desk) -> None:
    """What it silences is said; ends with 0."""
    desk.policy(DETECTING)
    mail = desk.mail(mails.text().replace(b"\n\n", b"\nSubject: urgent\n\n", 1))
    words = ("--to", "jane@example.org", "--from", "me@example.org", "--ip", "192.0.2.1")
    done = desk.run("policy", "explain", mail, *words)
    assert done.exit_code == 0
    assert "mine is final, so these do not count: adds-up" in done.output


def test_an_entry_of_the_lists(desk: Desk) -> None:
    """A group for each, with what the entry says and overrides; nothing is told twice."""
    desk.policy('schema = 1\n[[rule]]\nid = "h"\nwhen.relay = false\naction = "quarantine"\n')
    put(desk.folder / "quarantine", entry("eve@x.example", "a@b.example"))
    words = ("--from", "eve@x.example", "--to", "a@b.example", "--to", "c@d")
    mail = desk.mail(mails.text())
    text = " ".join(desk.run("policy", "explain", mail, *words).output.split())
    assert "=> default.allowed: allowed eve@x.example for a@b.example, by ann" in text
    assert "so these do not count: h" in text
    assert "together" not in text
    first, second = explained(desk, mail, *words)["groups"]
    assert (first["listed"], first["overridden"]) == (
        "allowed eve@x.example for a@b.example, by ann (entry eve@x.example>a@b.example)", ["h"],
    )  # fmt: skip
    assert (second["listed"], second["overridden"]) == (None, [])
    put(desk.folder / "quarantine", entry("eve@x.example", is_allowed=False))
    text = desk.run("policy", "explain", mail, *words).output
    assert "reject for a@b.example, c@d" in text
    assert "together" not in text


HELD = {
    "its digest": (DIGEST,),
    "the beginning of its digest": (DIGEST[:8],),
    "the id of its scan": (ID,),
    "its message": (f"quarantine/{DIGEST}.eml",),
    "its record": (f"quarantine/{DIGEST}.json",),
}


@pytest.mark.parametrize("words", HELD.values(), ids=HELD)
def test_held_mail(desk: Desk, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """With envelope and client as it came, and what was decided then."""
    held(desk, mails.infected())
    monkeypatch.chdir(desk.folder)
    done = desk.run("policy", "explain", *words)
    assert done.exit_code == 1
    assert "from <eve@x.example>, in, client 192.0.2.9;" in done.output
    assert "then      2026-06-01T00:00:00Z: quarantine by r; because" in done.output
    assert "reject for jane@example.org, bob@example.org" in done.output


def test_held_mail_with_options(desk: Desk) -> None:
    """Options say otherwise, each for itself."""
    held(desk, mails.text())
    told = explained(desk, DIGEST, "--from", "", "--relay")
    assert told["groups"][0]["recipients"] == ["jane@example.org", "bob@example.org"]
    done = desk.run("policy", "explain", DIGEST, "--to", "x@y", "--relay")
    assert "from <eve@x.example>, out;" in done.output
    assert "accept for x@y" in done.output


def explained(desk: Desk, *words: str) -> dict[str, Any]:
    """Give the object of --json."""
    told: dict[str, Any] = json.loads(desk.run("policy", "explain", "--json", *words).output)
    return told


def test_json(desk: Desk) -> None:
    """--json says all of it to programs."""
    desk.policy(DETECTING)
    told = explained(desk, desk.mail(mails.infected()))
    assert (told["action"], told["then"]) == ("reject", None)
    (group,) = told["groups"]
    assert group["decided"][0] == "infected"
    by_id = {each["id"]: each for each in group["rules"]}
    assert next(iter(by_id)) == "hurry"
    assert by_id["hurry"]["action"] is None
    assert by_id["infected"] == {
        "id": "infected", "action": "reject", "mode": "on", "hit": True, "key": None,
        "facts": ['the virus found is "Eicar_Test_String"'],
    }  # fmt: skip
    assert by_id["document-with-script"]["mode"] == "log-only"


def test_what_cannot_be_read(desk: Desk) -> None:
    """No such file, no such message, no settings: ends with 2."""
    for word in ("none.eml", "ffffffff", str(desk.folder)):
        done = desk.run("policy", "explain", word)
        assert done.exit_code == 2
        assert "cannot be read" in done.output
    desk.policy("nonsense")
    assert desk.run("policy", "explain", desk.mail(b"\n")).exit_code == 2


def test_strangers_words_are_harmless(desk: Desk) -> None:
    """No octet of a stranger's speaks to the terminal."""
    mail = desk.mail(b"Subject: x\n\n\x1b[31m")
    done = desk.run("policy", "explain", mail, "--from", "a\x1b[31m@b.example")
    assert "\x1b" not in done.output


def test_on_a_small_screen(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that did not hit become a number where they do not fit; --all shows them."""
    mail = desk.mail(mails.infected())
    monkeypatch.setattr(admin_policy_explain, "_rows", lambda: 24)
    done = desk.run("policy", "explain", mail)
    assert "rules did not hit: --all says why" in done.output
    assert "clamav.heuristic" not in done.output
    assert len(done.output.splitlines()) <= 24
    done = desk.run("policy", "explain", mail, "--all")
    assert "clamav.heuristic" in done.output
