"""scan with the lists beside the quarantine: looked up for each recipient, at the last moment."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qscanner.bench import Bench
from qscanner.codec.envelope import encode
from qscanner.deadline import Deadline
from qscanner.model import ALLOWED, BLOCKED, Action, Client, Envelope, Finding
from qscanner.report import Mail, Report
from qscanner.scan import LISTS_UNREADABLE, scan, unseen
from qscanner.settings import Policy, Quarantine, Settings, Virus
from qscanner.spool import Message
from tests.fakes import mails
from tests.fakes.listing import entry, put

A, Q, R = Action.ACCEPT, Action.QUARANTINE, Action.REJECT
HOLD = """schema = 1
[[rule]]
id = "hold"
when.to = "@y.example"
action = "quarantine"
[[rule]]
id = "unseen"
finding = "unscannable.*"
action = "accept"
"""
BOTH = (b"bob@y.example", b"eve@y.example")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Give settings with a rule that holds everything, and the folder of the lists."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "1.toml").write_text(HOLD)
    return Settings(
        policy=Policy(dir=str(tmp_path / "policies")),
        virus=Virus(engines=("yara",)),
        quarantine=Quarantine(dir=str(tmp_path)),
    )


def scanned(
    settings: Settings,
    octets: bytes = mails.text(),
    *,
    bench: Bench | None = None,
    sender: bytes = b"ann@x.example",
    to: tuple[bytes, ...] = BOTH,
    **client: Any,
) -> Report:
    one = Mail(
        message=Message.of_octets(octets),
        envelope=Envelope(sender=sender, recipients=to, raw=encode(sender, to)),
        client=Client(uid=7, **client),
    )
    try:
        return scan(one, bench or Bench.of(settings), Deadline(15))
    finally:
        one.message.close()


def actions(report: Report) -> list[Action]:
    return [each.action for each in report.verdict.decisions]


def test_nobody_is_listed(settings: Settings) -> None:
    """The facts say nothing then."""
    report = scanned(settings)
    assert (report.facts.listed, actions(report)) == ((), [Q, Q])


def test_for_whom_it_says(settings: Settings, tmp_path: Path) -> None:
    """One has allowed the sender, the other has not."""
    put(tmp_path, entry("ann@x.example", "bob@y.example"))
    report = scanned(settings)
    assert actions(report) == [A, Q]
    assert [each.rules for each in report.verdict.decisions] == [(ALLOWED,), ("hold",)]
    first, second = report.facts.listed
    assert first
    assert first.told == "allowed ann@x.example for bob@y.example, by ann"
    assert second is None


def test_it_counts_at_once(settings: Settings, tmp_path: Path) -> None:
    """What is written while a worker lives counts for its next message."""
    bench = Bench.of(settings)
    assert actions(scanned(settings, bench=bench)) == [Q, Q]
    put(tmp_path, entry("@x.example"))
    assert actions(scanned(settings, bench=bench)) == [A, A]
    put(tmp_path, entry("@x.example", is_allowed=False))
    assert actions(scanned(settings, bench=bench)) == [R, R]
    put(tmp_path)
    assert actions(scanned(settings, bench=bench)) == [Q, Q]


def test_never_a_virus(settings: Settings, tmp_path: Path) -> None:
    """What an engine found is held, whoever sends it."""
    put(tmp_path, entry("@x.example"))
    report = scanned(settings, mails.infected())
    assert actions(report) == [Q, Q]
    assert "default.infected" in report.verdict.rules
    assert ALLOWED not in report.verdict.rules


def test_bounces(settings: Settings, tmp_path: Path) -> None:
    """The null sender is of no domain."""
    put(tmp_path, entry("@x.example"), entry("@", is_allowed=False))
    assert actions(scanned(settings, sender=b"")) == [Q, Q]


def test_blocked_forwards_are_held(settings: Settings, tmp_path: Path) -> None:
    """Mail of this host is never refused."""
    put(tmp_path, entry("ann@x.example", is_allowed=False))
    report = scanned(settings, to=(b"carl@z.example",), is_host=True)
    assert (actions(report), report.verdict.rules) == ([Q], (BLOCKED,))


def test_what_is_not_scanned_is_looked_up_too(settings: Settings, tmp_path: Path) -> None:
    """A block counts for what is too large, and an allowance makes nothing of it."""
    small = replace(settings, limits=replace(settings.limits, message=10))
    put(tmp_path, entry("ann@x.example", "bob@y.example", is_allowed=False))
    assert scanned(small, to=BOTH[:1]).verdict.rules == (BLOCKED, "hold", "unseen")
    mail = Mail(
        message=Message.of_octets(mails.text()),
        envelope=Envelope(sender=b"ann@x.example", recipients=BOTH[:1], raw=b""),
        client=Client(uid=7),
    )
    report = unseen(mail, Bench.of(settings), Finding(id="unscannable.too-large"), is_safe=False)
    mail.message.close()
    assert report.verdict.action is R


@pytest.mark.parametrize("is_damaged", [True, False])
def test_lists_that_cannot_be_read(settings: Settings, tmp_path: Path, is_damaged: bool) -> None:
    """Nobody is allowed then, the mail is not put off, and a finding says why."""
    bench = Bench.of(settings)
    put(tmp_path, entry("@x.example"))
    assert actions(scanned(settings, bench=bench)) == [A, A]
    (tmp_path / "lists").unlink()
    if is_damaged:
        (tmp_path / "lists").write_bytes(b'{"entries": [{"sender": "@x.example"')
    else:
        (tmp_path / "lists").mkdir()
    report = scanned(settings, bench=bench)
    assert actions(report) == [Q, Q]
    (found,) = (each for each in report.facts.findings if each.id == LISTS_UNREADABLE)
    assert found.detail.startswith(f"{tmp_path}/lists is ")
