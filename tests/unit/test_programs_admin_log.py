"""programs.admin_log: `qscanner log`."""

import json
import time
from pathlib import Path
from typing import Any

import click
import pytest
from rich.cells import cell_len

from qscanner.history import append
from qscanner.programs import admin_log
from qscanner.programs.admin_screen import Screen
from qscanner.settings import Quarantine
from tests.fakes.annals import NOW, fact
from tests.fakes.desk import Desk
from tests.fakes.holds import Hold

HOSTILE = "\x1b[31m\u202e" + "\u6f22" * 200


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give an installation."""
    return Desk(tmp_path)


def passed(desk: Desk, **more: Any) -> None:
    """Have a message pass by."""
    append(str(desk.folder / "quarantine"), fact(**more))


def told(desk: Desk, *words: str) -> list[dict[str, Any]]:
    """Give what `log --json` prints."""
    done = desk.run("log", "--json", *words)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.output.splitlines()]


def test_one_message(desk: Desk) -> None:
    """Its story, by each of its names."""
    passed(desk)
    for name in ("19a-1", "abababab", "<1@example.org>", "1@example.org", "4242"):
        done = desk.run("log", name)
        assert done.exit_code == 0, done.output
        assert "queued    qp 4242" in done.output


def test_json(desk: Desk) -> None:
    """One object, with all that a script asks for."""
    hold = Hold()
    hold.keep(Quarantine(dir=str(desk.folder / "quarantine")))
    passed(desk, digest=hold.digest, verdict="quarantine", ending="held", rules=["spam"], why="w")
    (one,) = told(desk, "19a-1")
    held = one["held"]
    assert one | {"held": None} == {
        "id": "19a-1",
        "digest": hold.digest,
        "host": "mx",
        "at": "2026-11-23T07:46:40Z",
        "verdict": "quarantine",
        "ending": "held",
        "rules": ["spam"],
        "why": "w",
        "sender": "ann@example.org",
        "recipients": [{"address": "joe@example.com", "action": "quarantine", "rules": ["spam"]}],
        "count": 1,
        "message_id": "1@example.org",
        "pid": 4242,
        "direction": "in",
        "ip": "192.0.2.7",
        "auth_user": "",
        "octets": 100,
        "findings": [],
        "virus": "clean",
        "spam": "2.1/5.0",
        "score": 2.1,
        "ms": 31,
        "tries": [{"id": "19a-1", "at": "2026-11-23T07:46:40Z", "ending": "held"}],
        "held": None,
        "audit": [],
    }
    assert held == {
        "id": hold.digest[:12],
        "class": "policy",
        "state": "held",
        "states": {"joe@example.com": "held", "sue@example.net": "held"},
        "since": "2026-11-23T02:00:00Z",
    }


def test_unknown(desk: Desk) -> None:
    """Ends with 1, and says where else to look; nothing of what was typed reaches a shell."""
    done = desk.run("log", "<x'; rm@example.org>\x1b")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "kept for 30 d" in done.stderr
    assert "\\x1b" in done.stderr
    assert "grep -rF '" in done.stderr
    with desk.file.open("a") as file:
        file.write('[history]\nkeep = "6 h"\n')
    assert "kept for 6 h" in desk.run("log", "x").stderr
    desk.settings()
    with desk.file.open("a") as file:
        file.write('[history]\nkeep = "0 s"\n')
    assert "[history] keep is 0" in desk.run("log", "x").stderr


@pytest.mark.parametrize(
    "words",
    [
        ("x", "--limit", "1"),
        ("x", "--rule", "y"),
        ("--verdict", "y"),
        ("--since", "y"),
        ("--limit", "-1"),
        ("x", "y"),
    ],
)
def test_what_cannot_be_meant(desk: Desk, words: tuple[str, ...]) -> None:
    """Ends with 2."""
    assert desk.run("log", *words).exit_code == 2


@pytest.mark.parametrize(
    ("words", "want"),
    [
        ((), [3, 2, 1, 0]),
        (("--limit", "0"), [3, 2, 1, 0]),
        (("--limit", "1"), [3]),
        (("--from", "bob@example.net"), [1]),
        (("--to", "@other.example"), [2]),
        (("--verdict", "reject"), [3]),
        (("--rule", "programs"), [3]),
        (("--since", "90m"), [3]),
        (("--until", "90m"), [2, 1, 0]),
        (("--rule", "none"), []),
    ],
    ids=lambda value: " ".join(map(str, value)) or "all",
)
def test_filters(desk: Desk, words: tuple[str, ...], want: list[int]) -> None:
    """Each option finds what it says, in the table as in JSON."""
    changes: list[dict[str, Any]] = [
        {},
        {"sender": "bob@example.net"},
        {"to": ["x@other.example"]},
        {"verdict": "reject", "rules": ["programs"], "why": "no"},
    ]
    now = time.time()
    for number, each in enumerate(changes):
        passed(desk, id=f"19a-{number}", at=now - (4 - number) * 3600, **each)
    assert [each["id"] for each in told(desk, *words)] == [f"19a-{number}" for number in want]
    output = desk.run("log", *words).output
    assert all((f"19a-{number} " in output) == (number in want) for number in range(4))
    assert want or output == "nothing came that is so\n"


def test_nothing_came(desk: Desk) -> None:
    """Without a filter it says so; where no facts are kept, that they are not."""
    assert desk.run("log").output == "nothing came yet\n"
    desk.file.write_text(desk.file.read_text() + '[history]\nkeep = "0 s"\n')
    assert desk.run("log").output == "facts of messages are not kept: [history] keep is 0\n"


@pytest.mark.parametrize(("what", "is_told"), [("abababa", True), ("ab" * 4, False), ("x", False)])
def test_too_few_digits(what: str, is_told: bool, desk: Desk) -> None:
    """A beginning that is too short to be one is told of."""
    done = desk.run("log", what)
    assert done.exit_code == 1
    assert ("of a digest it takes 8 digits at least, of a qp all" in done.output) == is_told


def test_several(desk: Desk) -> None:
    """A qp that came again: all of them, and how to see one."""
    for number in range(2):
        passed(desk, id=f"19a-{number}", digest=f"{number}" * 64, at=NOW + number)
    lines = desk.run("log", "4242").output.splitlines()
    assert lines[-1] == "2 messages: qscanner log ID tells all of one"
    assert lines[0].startswith("19a-1 ")
    assert [each["id"] for each in told(desk, "4242")] == ["19a-1", "19a-0"]


def test_more_than_are_shown(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table says that there is more; JSON has all."""
    monkeypatch.setattr(admin_log, "_SHOWN", 2)
    for number in range(3):
        passed(desk, id=f"19a-{number}")
    output = desk.run("log").output
    assert output.endswith("2 messages, and there are more: --limit 0 shows all\n")
    assert len(told(desk)) == 3
    assert "there are more" not in desk.run("log", "--limit", "3").output


@pytest.mark.parametrize("width", [50, 80, 120])
@pytest.mark.parametrize("is_unicode", [True, False], ids=["utf-8", "ascii"])
def test_it_fits_and_is_safe(
    desk: Desk, width: int, is_unicode: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is wider than the screen, and nothing of strangers speaks to the terminal."""
    passed(desk, sender=HOSTILE, why=HOSTILE, to=[HOSTILE] * 4, rules=["programs"])
    monkeypatch.setattr(Screen, "here", lambda: Screen(width=width, is_unicode=is_unicode))
    for line in desk.run("log").output.splitlines():
        assert cell_len(click.unstyle(line)) <= width
        assert line.isprintable()
