"""replaying: which files are mail, what is known of them, and what counts as a difference."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qscanner import looking, quarantine
from qscanner.codec.envelope import encode
from qscanner.model import (
    Action,
    Client,
    Decision,
    Direction,
    Edits,
    Envelope,
    Finding,
    Release,
    Verdict,
)
from qscanner.policy.decide import decide
from qscanner.policy.rules import Policy
from qscanner.replaying import Compared, Rules, compared, differences, paths
from qscanner.settings import Settings
from qscanner.spool import Message
from tests.fakes import facts

NOBODY = Envelope(sender=b"", recipients=(b"x@y",), raw=encode(b"", (b"x@y",)))
STRANGER = Client(uid=1, is_trusted=True, direction=Direction.IN)
HELD = "0123456789abcdef" * 4
BY_SENDER = '[[rule]]\nid = "a"\nwhen = { from = "jane@a.example", to = "bob@b.example" }\n'


def test_files_of_folders(tmp_path: Path) -> None:
    """All files, but of a Maildir only mail that was delivered, and no records."""
    for name in (
        "box/cur/1:2,S", "box/new/2", "box/tmp/3", "box/dovecot-uidlist", "box/.Sent/cur/4",
        "box/.Sent/new/5", f"held/{HELD}.eml", f"held/{HELD}.json", "held/journal",
        "held/other.eml", "plain/b", "plain/sub/c", "box/.Sent/maildirfolder",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "empty").mkdir()
    found = paths(str(tmp_path / each) for each in ("box", "held", "plain", "empty", "none"))
    assert [each.removeprefix(f"{tmp_path}/") for each in found] == [
        "box/.Sent/cur/4", "box/.Sent/new/5", "box/cur/1:2,S", "box/new/2", f"held/{HELD}.eml",
        "plain/b", "plain/sub/c", "none",
    ]  # fmt: skip


def policies(folder: Path, old: str, new: str) -> Rules:
    """Give both as rules to compare."""
    loaded: list[Policy] = []
    for name, text in (("old", old), ("new", new)):
        (folder / name).mkdir()
        loaded.append(facts.policy(folder / name, text))
    on_failure = looking.on_failure(Settings())
    return Rules(old=loaded[0], new=loaded[1], on_failure=on_failure)


def compare(rules: Rules, file: str, octets: bytes) -> Compared:
    """Compare for one message."""
    bench = looking.bench(Settings(), needs_texts=rules.needs_texts)
    message = Message.of_octets(octets)
    try:
        return compared(file, message, rules, bench, (NOBODY, STRANGER))
    finally:
        message.close()


def test_delivered_mail(tmp_path: Path) -> None:
    """Sender and recipient are what a delivery wrote on top; the first fields count."""
    rules = policies(tmp_path, "", f'{BY_SENDER}action = "reject"\n')
    top = b"Return-Path: <jane@a.example>\nDelivered-To: bob@b.example\n"
    mail = b"Return-Path: <x@y>\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\n\nx\n"
    found = compare(rules, "x", top + mail)
    assert (found.old.action, found.new.action) == (Action.ACCEPT, Action.REJECT)
    assert (found.what, found.subject) == (("action",), "grüße")
    assert compare(rules, "x", mail).what == ()
    assert compare(rules, "x", b"\nx\n").subject == ""


def test_held_mail(tmp_path: Path) -> None:
    """Envelope, client and what scanners said are those of the record."""
    envelope = Envelope(
        sender=b"jane@a.example",
        recipients=(b"bob@b.example",),
        raw=encode(b"jane@a.example", (b"bob@b.example",)),
    )
    theirs = facts.facts(found=("spam.gtube",))
    what = replace(
        theirs,
        envelope=envelope,
        findings=(Finding(id="virus.clamav", detail="Win.X"), *theirs.findings),
    )
    verdict = decide(Policy(folder=""), what, facts.ON_FAILURE)
    record = quarantine.record(
        id="1", digest="ab", kept_at="2026-06-01T00:00:00Z", facts=what, verdict=verdict
    )
    quarantine.keep(str(tmp_path), "ab", Message.of_octets(b"\nx\n"), record)
    rules = policies(
        tmp_path,
        f'{BY_SENDER}unless = {{ ip = "192.0.2.1" }}\naction = "discard"\n',
        f'{BY_SENDER}virus = "Win.*"\nfinding = "spam.gtube"\naction = "reject"\n',
    )
    found = compare(rules, str(tmp_path / "ab.eml"), b"\nx\n")
    assert found.old.rules == ("default.infected",)
    assert found.new.rules == ("a",)


def test_texts_where_rules_ask(tmp_path: Path) -> None:
    """Either of the two may be the one that does."""
    rule = '[[rule]]\nid = "a"\nbody.text = "secret"\naction = "discard"\n'
    rules = policies(tmp_path, rule, "")
    assert compare(rules, "x", b"\na secret\n").what == ("action",)


KEPT = Verdict(action=Action.QUARANTINE, decisions=(Decision(action=Action.QUARANTINE),))
SENT = Verdict(action=Action.ACCEPT, decisions=(Decision(action=Action.ACCEPT),))
REFUSED = Verdict(action=Action.REJECT, decisions=(Decision(action=Action.REJECT),))
DIFFERENCES: dict[str, tuple[Verdict, dict[str, Any], tuple[str, ...]]] = {
    "nothing": (SENT, {}, ()),
    "rules": (SENT, {"rules": ("a",), "why": "x", "tags": ("t",), "logged": ("b",)}, ()),
    "an action": (SENT, {"action": Action.REJECT}, ("action",)),
    "for some": (
        SENT, {"decisions": (Decision(action=Action.DISCARD),)}, ("recipients",),
    ),
    "elsewhere": (
        SENT, {"decisions": (Decision(action=Action.ACCEPT, redirect_to=(b"a@b",)),)},
        ("redirect_to",),
    ),
    "a copy": (
        SENT, {"decisions": (Decision(action=Action.ACCEPT, copy_to=(b"a@b",)),)}, ("copy_to",),
    ),
    "a reply": (REFUSED, {"reply": "x"}, ("reply",)),
    "a copy that is kept": (REFUSED, {"keep": True}, ("keep",)),
    "edits": (SENT, {"edits": Edits(subject_prefix="x")}, ("edits",)),
    "edits of what is not delivered": (KEPT, {"edits": Edits(subject_prefix="x")}, ()),
    "who may release": (KEPT, {"release": Release.NOBODY}, ("release",)),
    "who may release what is not held": (SENT, {"release": Release.NOBODY}, ()),
}  # fmt: skip


@pytest.mark.parametrize(("old", "said", "what"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_differences(old: Verdict, said: dict[str, Any], what: tuple[str, ...]) -> None:
    """What somebody would notice, and nothing else."""
    assert tuple(differences(old, replace(old, **said))) == what
