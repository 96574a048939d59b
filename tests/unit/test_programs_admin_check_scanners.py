"""programs.admin_check_scanners: what is said of scanners that see, do not see, or are away."""

from collections.abc import Callable
from pathlib import Path

import pytest

from qscanner import config
from qscanner.bench import Bench
from qscanner.checks.clamav_probe import Probe
from qscanner.programs import admin_check_scanners
from qscanner.programs.admin_items import Item, Level
from tests.fakes import clamd as fake_clamd
from tests.fakes import spamd as fake_spamd
from tests.fakes.desk import Desk
from tests.fakes.mails import EICAR
from tests.fakes.server import serving

SPAM = fake_spamd.answer(b"True ; 1000.0 / 5.0", b"GTUBE")
HAM = fake_spamd.answer(b"False ; 0.1 / 5.0")
YARA = 'engines = ["yara"]'


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give an installation."""
    return Desk(tmp_path)


def look(desk: Desk) -> list[Item]:
    """Look at the scanners of the installation."""
    bench = Bench.of(config.load(str(desk.file)))
    return admin_check_scanners.look(bench, within_s=5)


def levels(items: list[Item]) -> dict[str, Level]:
    """Give the worst level of each area."""
    found: dict[str, Level] = {}
    for item in sorted(items, key=lambda each: each.level.value):
        found[item.area] = item.level
    return found


def probed(**changed: object) -> Probe:
    """Give the probe of a clamd with which all is well, but for what is changed."""
    good: dict[str, object] = {
        "server": "unix:/x",
        "is_reachable": True,
        "version": "1.4.6/27402",
        "signatures_age_days": 1.0,
        "finds_eicar": True,
        "padded_octets": 30 << 20,
        "padded": "found",
        "alerts_exceeds_max": True,
        "takes_descriptors": True,
    }
    return Probe(**(good | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "level", "words"),
    [
        (probed(), Level.OK, "finds EICAR, also behind 30 MiB"),
        (probed(is_reachable=False, problems=("no",)), Level.DOWN, "unix:/x no"),
        (probed(finds_eicar=False, padded=""), Level.DOWN, "does NOT find EICAR"),
        (probed(padded="clean"), Level.ERROR, "BLIND behind 30 MiB"),
        (probed(padded="limit", problems=("raise",)), Level.WARNING, "says that it did not look"),
        (probed(padded="failed", problems=("x",)), Level.WARNING, "gives no answer"),
        (probed(alerts_exceeds_max=False), Level.ERROR, "finds EICAR"),
        (probed(signatures_age_days=2.9), Level.OK, "signatures 3 days old"),
        (probed(signatures_age_days=4.0), Level.WARNING, "signatures 4 days old"),
        (probed(signatures_age_days=15.0), Level.ERROR, "signatures 15 days old"),
        (probed(signatures_age_days=None, notes=("no date",)), Level.OK, "no date"),
    ],
    ids=[
        "good", "away", "no database", "blind", "limit", "failed",
        "silent limits", "fresh", "old", "very old", "unknown age",
    ],
)  # fmt: skip
def test_clamd(found: Probe, level: Level, words: str) -> None:
    """Blindness is an error, a dead or empty clamd is down, old signatures warn."""
    item = admin_check_scanners._clamd(found)
    assert item.level is level
    assert words in item.text
    assert item.level is Level.DOWN or item.todo == found.problems


def seeing(octets: bytes) -> bytes:
    """Judge as a clamd that sees everything and names its limits."""
    if octets == EICAR or b"WDVPIVAl" in octets:
        return b"stream: Eicar FOUND\0"
    limit = b"stream: Heuristics.Limits.Exceeded.MaxRecursion FOUND\0"
    return limit if octets.startswith(b"PK") else b"stream: OK\0"


def test_every_server_by_itself(desk: Desk) -> None:
    """The second server of a list is looked at, although the first one answers."""
    with serving(fake_clamd.judging(seeing)) as first:
        servers = f'servers = ["{first.text}", "unix:/nowhere"]'
        desk.settings(virus=f'engines = ["clamav"]\n[virus.clamav]\n{servers}')
        found = [item for item in look(desk) if item.area == "clamav"]
    assert first.text in found[0].text
    assert found[0].level is not Level.DOWN
    assert found[1].level is Level.DOWN
    assert found[1].text.count("unix:/nowhere") == 1  # named once, however many layers say it


def test_the_whole_path(desk: Desk) -> None:
    """An infected message takes the path through engine and rules."""
    found = look(desk)[-1]
    assert (found.area, found.level) == ("scan", Level.OK)
    assert "reject (infected" in found.text


def test_a_policy_that_lets_a_virus_pass(desk: Desk) -> None:
    """An engine that is not there lets EICAR pass: that is an error, not a silence."""
    desk.settings(virus="engines = []")
    found = levels(look(desk))
    assert found["virus"] is Level.WARNING
    for file in desk.policies.glob("*.toml"):
        file.unlink()
    assert levels(look(desk))["scan"] is Level.ERROR


def test_accepting_unscanned_mail_is_a_warning(desk: Desk) -> None:
    """on_failure = "accept" for viruses is said every time."""
    desk.settings(virus=YARA + '\non_failure = "accept"')
    assert levels(look(desk))["virus"] is Level.WARNING


def test_own_yara_rules_without_eicar(desk: Desk) -> None:
    """Rules that do not know the test string cannot be proven to work."""
    (desk.folder / "my.yar").write_text("rule x { condition: false }\n")
    desk.settings(virus=YARA + '\n[virus.yara]\nrules = ["my.yar"]')
    found = levels(look(desk))
    assert found["yara"] is Level.WARNING


@pytest.mark.parametrize(
    ("judge", "level"),
    [(lambda _: SPAM, Level.OK), (lambda _: HAM, Level.WARNING), (lambda _: b"", Level.DOWN)],
    ids=["good", "without rules", "silent"],
)
def test_spamd(desk: Desk, judge: Callable[[bytes], bytes], level: Level) -> None:
    """A spamd proves itself by GTUBE; one that answers nothing is down."""
    with serving(fake_spamd.judging(judge)) as server:
        text = f'scorer = "spamd"\n[spam.spamd]\nservers = ["{server.text}"]'
        desk.settings(spam=text)
        found = levels(look(desk))
    assert found["spam"] is level


@pytest.mark.parametrize(
    ("learn", "said"),
    [
        ("", []),
        ('spam = ["/bin/true"]\nham = ["/bin/false"]', []),
        ('spam = ["/bin/true"]', ["[spam.learn] names who learns spam, not who learns ham"]),
        ('ham = ["/bin/false"]', ["[spam.learn] names who learns ham, not who learns spam"]),
    ],
    ids=["none", "both", "spam", "ham"],
)
def test_who_learns(learn: str, said: list[str], desk: Desk) -> None:
    """A program for one kind only is half of what somebody wanted."""
    desk.settings(spam=f"[spam.learn]\n{learn}")
    assert [item.text for item in look(desk) if "learn" in item.text] == said
