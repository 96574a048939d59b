"""embedded: one engine, many contents, one answer."""

from typing import cast

from qscanner.checks import yara
from qscanner.embedded import Embedded
from qscanner.model import Finding, Outcome
from qscanner.outcomes import CheckFailed
from tests.fakes.mails import EICAR


def test_without_rules_there_is_no_check() -> None:
    """An engine that is not configured says nothing at all, not "clean"."""
    embedded = Embedded(None, within_s=5)
    embedded.feed("", EICAR)

    assert embedded.result() is None


def test_clean_is_said_of_all_contents() -> None:
    """Nothing found in any content is clean, with the engine's version."""
    embedded = Embedded(yara.Rules.of_files(), within_s=5)
    for where in ("", "1", "2"):
        embedded.feed(where, b"nothing in here")
    result = embedded.result()

    assert result is not None
    assert result.outcome is Outcome.CLEAN
    assert result.scanners[0].startswith("yara-x/")


def test_one_infected_content_is_enough() -> None:
    """The finding says in which content it was; later contents do not undo it."""
    embedded = Embedded(yara.Rules.of_files(), within_s=5)
    embedded.feed("1.2/a.zip/b.com", EICAR)
    embedded.feed("2", b"clean")
    result = embedded.result()

    assert result is not None
    assert result.outcome is Outcome.FOUND
    assert [found.where for found in result.findings] == ["1.2/a.zip/b.com"]


def test_what_there_was_no_time_for_is_not_clean() -> None:
    """Once the time is used up, a content is unscannable and says so."""
    embedded = Embedded(yara.Rules.of_files(), within_s=-1)
    embedded.feed("1", b"unseen")
    result = embedded.result()

    assert result is not None
    assert result.outcome is Outcome.UNSCANNABLE
    assert [found.id for found in result.findings] == ["unscannable.yara-timeout"]


class Broken:
    """An engine that cannot look at what is called "1"."""

    version = "0"

    def look(self, octets: bytes, *, where: str, within_s: float) -> tuple[Finding, ...]:
        if where == "1":
            raise CheckFailed("out of breath")
        return (Finding(id="virus.yara", where=where, detail="own"),) if b"bad" in octets else ()


def test_trouble_is_unavailable() -> None:
    """An engine that failed on one content has not said "clean"."""
    embedded = Embedded(cast("yara.Rules", Broken()), within_s=5)
    embedded.feed("1", b"unseen")
    embedded.feed("2", b"good")
    result = embedded.result()

    assert result is not None
    assert (result.outcome, result.detail) == (Outcome.UNAVAILABLE, "out of breath")


def test_trouble_does_not_hide_what_was_found() -> None:
    """The other contents are still looked at, and a virus in them is a virus."""
    embedded = Embedded(cast("yara.Rules", Broken()), within_s=5)
    embedded.feed("1", b"unseen")
    embedded.feed("2", b"bad")
    result = embedded.result()

    assert result is not None
    assert result.outcome is Outcome.FOUND
