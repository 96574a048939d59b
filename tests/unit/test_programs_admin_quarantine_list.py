"""programs.admin_quarantine_list: `qscanner quarantine list`."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from rich.cells import cell_len

from qscanner.programs import admin_quarantine_list
from qscanner.programs.admin_screen import Screen
from qscanner.settings import Quarantine
from tests.fakes.desk import Desk
from tests.fakes.holds import Hold, several

HOSTILE = "win\x1b[31m\u202egnp.exe\nheld \u6f22\u5b57" + "\u6f22" * 200


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give an installation."""
    return Desk(tmp_path)


def kept(desk: Desk, *holds: Hold) -> None:
    """Hold messages."""
    for hold in holds:
        hold.keep(Quarantine(dir=str(desk.folder / "quarantine")))


def listed(desk: Desk, *words: str) -> list[dict[str, Any]]:
    """Give what `list --json` prints."""
    done = desk.run("quarantine", "list", "--json", *words)
    assert done.exit_code == 0
    return [json.loads(line) for line in done.output.splitlines()]


def test_json(desk: Desk) -> None:
    """One object a line, with all that a script asks for."""
    hold = Hold(rules=("programs", "spam"), more={"class": "banned", "subject": HOSTILE})
    kept(desk, hold)
    (told,) = listed(desk)
    assert told == {
        "id": hold.digest[:12],
        "digest": hold.digest,
        "state": "held",
        "class": "banned",
        "sender": "ann@example.org",
        "recipients": ["joe@example.com", "sue@example.net"],
        "rules": ["programs", "spam"],
        "since": "2026-11-23T02:00:00Z",
        "states": ["held", "held"],
        "subject": HOSTILE,
        "score": None,
        "octets": len(hold.octets),
        "why": "because",
        "log_id": f"log-{hold.digest[:6]}",
    }


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ((), [3, 2, 1, 0]),
        (("--oldest-first", "--limit", "2"), [0, 1]),
        (("--limit", "1"), [3]),
        (("--limit", "0"), [3, 2, 1, 0]),
        (("--from", "x@spam.example"), [3]),
        (("--from", "@spam.example"), [3]),
        (("--to", "sue@example.net"), [2, 0]),
        (("--domain", "example.net"), [2, 0]),
        (("--rule", "programs"), [1]),
        (("--class", "virus"), [2]),
        (("--score", "5"), [1]),
        (("--text", "LOTTERY"), [0]),
        (("--state", "held"), [3, 2, 1, 0]),
        (("--state", "released"), []),
        (("--since", "2026-11-01T00:01:00Z", "--until", "2026-11-01T00:03:00Z"), [2, 1]),
        (("--rule", "programs", "--class", "virus"), []),
    ],
    ids=lambda value: " ".join(map(str, value)) or "all",
)
def test_filters(desk: Desk, words: tuple[str, ...], numbers: list[int]) -> None:
    """Each option finds what it says."""
    holds = several(4)
    one_to = {"to": (b"joe@example.com",)}
    changes: dict[int, dict[str, Any]] = {
        0: {"more": {"subject": "the Lottery"}},
        1: {**one_to, "rules": ("programs",), "more": {"score": 5.0}},
        2: {"more": {"class": "virus"}},
        3: {**one_to, "sender": b"x@spam.example"},
    }
    holds = [replace(hold, **changes[number]) for number, hold in enumerate(holds)]
    kept(desk, *holds)
    want = [holds[number].digest for number in numbers]
    assert [told["digest"] for told in listed(desk, *words)] == want
    told = desk.run("quarantine", "list", *words).output
    assert all((hold.digest[:12] in told) == (hold.digest in want) for hold in holds)


@pytest.mark.parametrize(
    "words", [("--class", "x"), ("--state", "x"), ("--since", "x"), ("--limit", "-1")]
)
def test_what_cannot_be_meant(desk: Desk, words: tuple[str, ...]) -> None:
    """Ends with 2."""
    assert desk.run("quarantine", "list", *words).exit_code == 2


def test_nothing(desk: Desk) -> None:
    """Is said, and is no error; JSON says it with no line."""
    assert desk.run("quarantine", "list").output == "nothing held\n"
    assert desk.run("quarantine", "list", "--rule", "x").output == "nothing is held that is so\n"
    assert listed(desk) == []


def test_more_than_are_shown(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table says that there is more, and how to see it."""
    kept(desk, *several(3))
    lines = desk.run("quarantine", "list", "--limit", "2").output.splitlines()
    assert lines[-1] == "2 messages, and there are more: --limit 0 shows all"
    assert "there are more" not in desk.run("quarantine", "list", "--limit", "3").output
    monkeypatch.setattr(admin_quarantine_list, "_SHOWN", 1)
    assert "there are more" in desk.run("quarantine", "list").output


@pytest.mark.parametrize("width", [50, 80, 100, 120])
@pytest.mark.parametrize("is_unicode", [True, False], ids=["utf-8", "ascii"])
def test_it_fits_and_is_safe(
    desk: Desk, width: int, is_unicode: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is wider than the screen, and nothing of strangers speaks to the terminal."""
    hostile: dict[str, Any] = {
        "sender": ("\u202e\x1b]0;x\x07" + "s" * 300 + "@x").encode(),
        "to": tuple(f"\x9b31m{n}{'r' * 90}@y".encode() for n in range(12)),
    }
    kept(desk, Hold(more={"subject": HOSTILE}, **hostile), Hold(octets=b"\n\n", to=(), sender=b""))
    screen = Screen(width=width, is_unicode=is_unicode)
    monkeypatch.setattr(Screen, "here", lambda: screen)
    output = desk.run("quarantine", "list").output
    for line in output.splitlines():
        assert cell_len(click.unstyle(line)) <= width
        assert line.isprintable()
    assert " +11" in output
    assert ("\u6f22" in output) == is_unicode
    assert "nobody" in output


def test_words_in_any_encoding(desk: Desk) -> None:
    """Octets that are no UTF-8, as a terminal in Latin-1 types them, are looked for as such."""
    kept(desk, Hold(sender=b"j\xfcrgen@example.org", to=(b"\xe9@example.com",)))
    latin = "j\udcfcrgen@example.org"  # as Python gives an argument
    assert len(listed(desk, "--from", latin)) == 1
    assert len(listed(desk, "--to", "\udce9@example.com")) == 1
    assert len(listed(desk, "--text", "\udcfc")) == 1
    assert listed(desk, "--rule", "\udcff") == listed(desk, "--domain", "\udcff") == []
    for words in (("show", "\udcff"), ("release", "\udcff"), ("unlist", "\udcff")):
        done = desk.run("quarantine", *words)
        assert done.exit_code in (1, 2)
        assert "\\udcff" in done.output
