"""archive: a durable copy of what is accepted or held, before anybody is answered."""

import errno
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qscanner import archive
from qscanner.log import Log
from qscanner.model import Action
from qscanner.outcomes import DiskFull, QScannerError, Unusable
from qscanner.policy import routing
from qscanner.report import Mail, Report
from qscanner.settings import Archive, Settings
from qscanner.spool import Message
from tests.fakes.post import report

OCTETS = b"X-Qscanner: forged\nSubject: x\n\nbody \0\xff\n"
ACCEPT, HOLD, DISCARD, REJECT, DEFER = (
    Action.ACCEPT,
    Action.QUARANTINE,
    Action.DISCARD,
    Action.REJECT,
    Action.DEFER,
)


class Witness(Log):
    """A log that remembers."""

    def __init__(self) -> None:
        super().__init__("stderr")
        self.events: list[Mapping[str, Any]] = []

    def write(self, event: Mapping[str, Any]) -> None:
        """Remember instead of writing."""
        self.events.append(event)


def maildir_at(path: Path) -> Path:
    for each in (path, path / "tmp", path / "new", path / "cur"):
        each.mkdir()
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Give an empty Maildir."""
    return maildir_at(tmp_path / "all")


def kept(made: Report, settings: Settings, log: Log | None = None) -> None:
    facts = made.facts
    mail = Mail(message=Message.of_octets(OCTETS), envelope=facts.envelope, client=facts.client)
    try:
        archive.keep(mail, made, settings, log or Witness())
    finally:
        mail.message.close()


def copies(place: Path) -> list[bytes]:
    assert list((place / "tmp").iterdir()) == []
    return [each.read_bytes() for each in (place / "new").iterdir()]


@pytest.mark.parametrize(
    ("actions", "said", "count"),
    [
        ((ACCEPT,), {}, 1),
        ((HOLD,), {}, 1),
        ((ACCEPT, DISCARD), {}, 1),
        ((DISCARD,), {}, 0),
        ((DISCARD,), {"keep": True}, 1),
        ((REJECT,), {}, 0),
        ((REJECT,), {"keep": True}, 1),
        ((DEFER,), {"keep": True}, 0),
        ((ACCEPT,), {"client": {"is_host": True}}, 0),
    ],
    ids=["accepted", "held", "for-one", "discarded", "discarded-kept", "refused", "refused-kept",
         "deferred", "of-this-host"],
)  # fmt: skip
def test_what_is_archived(
    place: Path, actions: tuple[Action, ...], said: dict[str, Any], count: int
) -> None:
    """Accepted and held mail; what is thrown away or refused only where a rule keeps it."""
    kept(report(*actions, **said), Settings(archive=Archive(maildir=str(place))))
    assert len(copies(place)) == count


def test_a_copy(place: Path) -> None:
    """Envelope and our lines on top, then the message, octet for octet."""
    kept(report(ACCEPT, ACCEPT), Settings(archive=Archive(maildir=str(place))))
    assert copies(place) == [
        b"Return-Path: <ann@sender.example>\nDelivered-To: r0@here.example\n"
        b"Delivered-To: r1@here.example\nX-Qscanner: h id=i1\n" + OCTETS
    ]


def test_by_rule(tmp_path: Path) -> None:
    """Each Maildir once, however many rules name it; no setting is needed."""
    one, two = maildir_at(tmp_path / "one"), maildir_at(tmp_path / "two")
    made = report(ACCEPT, ACCEPT)
    first, second = made.verdict.decisions
    decisions = (
        replace(first, maildirs=(str(one),)),
        replace(second, maildirs=(str(one), str(two))),
    )
    kept(replace(made, verdict=replace(made.verdict, decisions=decisions)), Settings())
    assert len(copies(one)) == len(copies(two)) == 1


@pytest.mark.parametrize("action", [ACCEPT, HOLD])
def test_no_maildir(tmp_path: Path, action: Action) -> None:
    """It is "later", and says which one."""
    settings = Settings(archive=Archive(maildir=str(tmp_path / "none")))
    with pytest.raises(Unusable, match="none cannot be written"):
        kept(report(action), settings)


def test_a_refusal_is_not_put_off(tmp_path: Path) -> None:
    """The sender has the message still: the missing copy is logged."""
    log = Witness()
    settings = Settings(archive=Archive(maildir=str(tmp_path / "none")))
    kept(report(REJECT, keep=True), settings, log)
    assert [each["event"] for each in log.events] == ["copy-not-kept"]


@pytest.mark.parametrize("name", ["write", "fsync", "link"])
def test_full_disk(place: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whatever fails: "later", nothing in new/ nor tmp/, and no descriptor stays open."""

    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = os.listdir("/proc/self/fd")
    with monkeypatch.context() as patched:
        patched.setattr(os, name, fails)
        made, settings = report(ACCEPT), Settings(archive=Archive(maildir=str(place)))
        facts = made.facts
        message = Message(fd=os.open("/dev/null", os.O_RDONLY), size=0, octets=b"")
        mail = Mail(message=message, envelope=facts.envelope, client=facts.client)
        with pytest.raises(QScannerError) as caught:
            archive.keep(mail, made, settings, Witness())
    os.close(message.fd)
    assert isinstance(caught.value, DiskFull)
    assert copies(place) == []
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_the_address_is_a_recipient() -> None:
    """Of what is accepted, once, and only where the settings name one."""
    made = report(ACCEPT, HOLD)
    settings = Settings(archive=Archive(address="archive@here.example"))
    verdict = archive.addressed(made.verdict, settings)
    to = routing.recipients(made.facts.envelope, verdict)
    assert to == (b"r0@here.example", b"archive@here.example")
    assert routing.recipients(made.facts.envelope, verdict, is_host=True) == (b"r0@here.example",)
    assert archive.addressed(made.verdict, Settings()) is made.verdict
    held = report(HOLD)
    assert routing.recipients(held.facts.envelope, archive.addressed(held.verdict, settings)) == ()
