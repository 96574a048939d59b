"""programs.admin_stats: `qscanner stats`."""

import json
import time
from pathlib import Path
from typing import Any

import click
import pytest
from rich.cells import cell_len

from qscanner.history import append
from qscanner.programs.admin_screen import Screen
from qscanner.settings import Quarantine
from qscanner.store import history_numbers
from tests.fakes.annals import fact
from tests.fakes.desk import Desk
from tests.fakes.holds import several

HOSTILE = "\x1b[31m\u202e" + "\u6f22" * 90
HOUR = 3600


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give an installation through which some mail went in the last hours."""
    return Desk(tmp_path)


@pytest.fixture
def busy(desk: Desk) -> Desk:
    """Give one through which mail went: in this hour, and three hours ago."""
    now = time.time()
    for number in range(6):
        passed(desk, id=f"a-{number}", at=now - 3 * HOUR * (number % 2))
    refused: dict[str, Any] = {"verdict": "reject", "ending": "rejected", "rules": ["infected"]}
    passed(desk, id="b", at=now, **refused, names=["Eicar"], sender="", octets=5000)
    checks = {"virus": "unavailable", "spam": "clean"}
    passed(desk, id="c", at=now, verdict="defer", ending="deferred", checks=checks, sender="x@y")
    return desk


def passed(desk: Desk, **more: Any) -> None:
    """Have a message pass by."""
    append(str(desk.folder / "quarantine"), fact(**more))


def told(desk: Desk, *words: str) -> dict[str, Any]:
    """Give what `stats --json` prints."""
    done = desk.run("stats", "--json", *words)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.output)
    return found


def test_json(busy: Desk) -> None:
    """Sums, series, words, senders and recipients; each key is there, whatever came."""
    for hold in several(2):
        hold.keep(Quarantine(dir=str(busy.folder / "quarantine")))
    found = told(busy)
    assert (found["messages"], found["octets"], found["by"]) == (8, 5700, "hour")
    accept = found["verdicts"]["accept"]
    assert (accept["messages"], accept["octets"], sum(accept["series"])) == (6, 600, 6)
    assert (accept["series"][-1], accept["series"][-4]) == (3, 3)
    assert len(accept["series"]) == len(found["times"]) == 25
    assert list(found["verdicts"]) == ["accept", "defer", "reject"]
    assert found["rules"] == {"infected": {"messages": 1, "octets": 5000}}
    assert found["viruses"] == {"Eicar": {"messages": 1, "octets": 5000}}
    assert found["spam"] == {"clean": {"messages": 8, "octets": 5700}}
    assert found["endings"]["deferred"]["messages"] == 1
    assert found["directions"]["in"]["messages"] == 8
    assert found["unavailable"]["virus"]["messages"] == 1
    assert found["senders"] == {"": 1, "y": 1}
    assert found["recipients"] == {"joe@example.com": 2}
    assert found["looked_at"] == 2
    ((class_, held),) = found["held"].items()
    assert (class_, held["messages"]) == ("policy", 2)
    assert held["oldest"] == "2026-11-01T00:00:00Z"
    nothing = told(Desk(_made(busy.folder / "other")))
    assert list(nothing) == list(found)
    assert (nothing["messages"], nothing["verdicts"], nothing["held"]) == (0, {}, {})


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_the_table(busy: Desk) -> None:
    """Verdicts with shares, octets and curves, and what had most."""
    output = busy.run("stats").output
    lines = [line.split() for line in output.splitlines()]
    accept = next(words for words in lines if words[:1] == ["accept"])
    assert accept[1:6] == ["6", "75.0", "%", "600", "B"]
    assert accept[6:] == ["@", "@"]
    assert ["all", "8", "5.7", "kB"] in lines
    assert "each sign 1 hour" in output
    assert output.index("rules") < output.index("infected")
    for word in ("Eicar", "<>", "@y", "joe@example.com", "had no answer", "nothing is held now"):
        assert word in output


@pytest.mark.parametrize(
    ("words", "by", "count"),
    [
        (("--since", "2h"), "hour", 3),
        (("--since", "48h"), "hour", 49),
        (("--since", "7d"), "day", 8),
        (("--since", "2h", "--by", "day"), "day", 1),
        (("--since", "3d", "--by", "hour"), "hour", 73),
        (("--since", "2998-01-01"), "hour", 1),
    ],
)
def test_steps(busy: Desk, words: tuple[str, ...], by: str, count: int) -> None:
    """By the hour up to two days, else by the day, unless it is said."""
    found = told(busy, *words)
    assert found["by"] == by
    assert abs(len(found["times"]) - count) <= (words == ("--since", "2h", "--by", "day"))
    assert all(len(one["series"]) == len(found["times"]) for one in found["verdicts"].values())


def test_no_mail(desk: Desk) -> None:
    """Is said, and is no error."""
    done = desk.run("stats")
    assert done.exit_code == 0
    assert done.output.startswith("no mail came since ")
    assert "nothing is held now" in done.output


@pytest.mark.parametrize("words", [("--since", "x"), ("--by", "week"), ("x",)])
def test_what_cannot_be_meant(desk: Desk, words: tuple[str, ...]) -> None:
    """Ends with 2."""
    assert desk.run("stats", *words).exit_code == 2


def test_of_how_many(busy: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not all messages were asked for who had most, that is said."""
    assert "latest" not in busy.run("stats").output
    monkeypatch.setattr(history_numbers, "LATEST", 1)
    assert "those of the latest 1 messages" in busy.run("stats").output


@pytest.mark.parametrize("width", [50, 80, 120])
@pytest.mark.parametrize("is_unicode", [True, False], ids=["utf-8", "ascii"])
@pytest.mark.parametrize("since", ["24h", "700d"])
def test_it_fits_and_is_safe(
    busy: Desk, width: int, is_unicode: bool, since: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is wider than the screen, and nothing of strangers speaks to the terminal."""
    for number in range(15):
        passed(
            busy,
            id=f"h-{number}",
            at=time.time(),
            verdict="reject",
            names=[f"{number}{HOSTILE}"],
            sender=f"x@{number}{HOSTILE}",
            to=[f"{number}{HOSTILE}"],
            octets=1 << 39,
        )
    several(1)[0].keep(Quarantine(dir=str(busy.folder / "quarantine")))
    monkeypatch.setattr(Screen, "here", lambda: Screen(width=width, is_unicode=is_unicode))
    output = busy.run("stats", "--since", since).output
    for line in output.splitlines():
        assert cell_len(click.unstyle(line)) <= width, line
        assert line.isprintable()
    assert ("█" in output) == is_unicode
    assert "and 6 more" in output, "viruses: Eicar, and 15"
    assert ("each sign 1 " in output) == (since == "24h" and width > 60)
