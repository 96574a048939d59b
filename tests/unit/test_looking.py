"""looking: facts by our own looking, and nobody asked."""

from dataclasses import replace
from pathlib import Path

from qscanner import looking, specimen
from qscanner.model import Action, Facts, Outcome
from qscanner.policy.trials import Enclosed, Specimen
from qscanner.report import Mail
from qscanner.settings import Quarantine, Settings, Spam, Virus
from qscanner.spool import Message
from tests.fakes import listing
from tests.fakes.mails import EICAR

BUSY = Settings(
    virus=Virus(engines=("clamav", "yara"), on_failure="quarantine"), spam=Spam(scorer="spamd")
)


def facts(settings: Settings, *, has_engine: bool = False, needs_texts: bool = False) -> Facts:
    """Look at an infected message."""
    made = Specimen(text="hello", attached=(Enclosed(name="a.com", octets=EICAR),))
    message = Message.of_octets(specimen.octets(made))
    mail = Mail(message=message, envelope=specimen.envelope(made), client=specimen.caller(made))
    bench = looking.bench(settings, needs_texts=needs_texts, has_engine=has_engine)
    try:
        return looking.facts(mail, bench, within_s=20)
    finally:
        message.close()


def test_nobody_is_asked() -> None:
    """No clamd, no scorer, no engine: the facts say of none of them anything."""
    found = facts(BUSY)
    assert (found.virus, found.spam, found.texts) == (None, None, ())
    assert [part.path for part in found.parts] == ["1", "2/a.com"]


def test_nobody_is_allowed_or_blocked(tmp_path: Path) -> None:
    """Whoever compares or tests rules wants to know what these say, whatever is listed here."""
    listing.put(tmp_path, *(listing.entry(who) for who in ("@example.org", "@sender.example")))
    found = facts(replace(BUSY, quarantine=Quarantine(dir=str(tmp_path))))
    assert (found.listed, found.findings) == ((), facts(BUSY).findings)
    (tmp_path / "lists").write_text("{")
    assert (
        facts(replace(BUSY, quarantine=Quarantine(dir=str(tmp_path)))).findings == found.findings
    )


def test_the_engine_and_texts_where_they_are_wanted() -> None:
    """The embedded engine is one that needs no server."""
    found = facts(BUSY, has_engine=True, needs_texts=True)
    assert found.virus
    assert found.virus.outcome is Outcome.FOUND
    assert found.texts[0].text == "hello"
    none = replace(BUSY, virus=Virus(engines=("clamav",)))
    assert facts(none, has_engine=True).virus is None


def test_on_failure() -> None:
    """What the settings say, for whoever decides."""
    assert looking.on_failure(BUSY).virus is Action.QUARANTINE
