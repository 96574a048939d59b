"""programs.admin_policy_replay: `qscanner policy replay`."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from qscanner.settings import Quarantine
from tests.fakes import mails
from tests.fakes.desk import Desk
from tests.fakes.holds import Hold
from tests.fakes.listing import entry, put

RULE = """schema = 1
[[rule]]
id = "urgent"
why = "x"
header.Subject = '(?i)urgent'
action = "quarantine"
[[rule]]
id = "trying"
why = "x"
header.From = '.'
action = "reject"
mode = "log-only"
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give an installation, and a folder "new" with the same rules and two more."""
    desk = Desk(tmp_path)
    shutil.copytree(desk.policies, tmp_path / "new")
    (tmp_path / "new" / "60-more.toml").write_text(RULE)
    return desk


def mailbox(desk: Desk, count: int = 3) -> str:
    """Write a Maildir: an infected message, and others, of which the first is urgent."""
    folder = desk.folder / "box"
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "cur" / "0:2,S").write_bytes(mails.infected())
    for number in range(count):
        subject = b"URGENT \x1b[31m" if number == 0 else b"hello"
        (folder / "new" / f"{number + 1}").write_bytes(
            b"Return-Path: <a@b.example>\nFrom: a@b.example\nSubject: " + subject + b"\n\nx\n"
        )
    return str(folder)


def replay(desk: Desk, *words: str) -> Result:
    """Replay with the new rules."""
    return desk.run("policy", "replay", *words)


def objects(done: Result) -> list[dict[str, Any]]:
    """Give the JSON objects, which must be one a line."""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_would_change(desk: Desk) -> None:
    """A change is told with actions, rules, sender, subject, file; all is counted; ends with 1."""
    done = replay(desk, str(desk.folder / "new"), mailbox(desk))
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert lines[0] == "accept -> quarantine  no rule -> urgent"
    assert lines[1].startswith(f"  {desk.folder}/box/new/1  <a@b.example> URGENT ")
    assert "\x1b" not in done.output
    assert lines[2].startswith("4 messages; old rules ")
    assert [line.split() for line in lines[3:6]] == [
        ["1", "accept", "->", "quarantine"],
        ["1", "no", "rule", "->", "urgent"],
        ["4", "would", "hit,", "but", "is", "log-only:", "trying"],
    ]
    assert lines[-1] == "1 would change (25.0 %)"


def test_nothing_would_change(desk: Desk) -> None:
    """Ends with 0; --old and --new name both folders."""
    old = ("--old", str(desk.policies), "--new", str(desk.policies))
    done = replay(desk, *old, mailbox(desk))
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "nothing would change")


def test_the_other_way_round(desk: Desk) -> None:
    """The old rules may be any."""
    words = ("--old", str(desk.folder / "new"), str(desk.policies))
    done = replay(desk, *words, mailbox(desk))
    assert done.output.startswith("quarantine -> accept  urgent -> no rule\n")


def test_json(desk: Desk) -> None:
    """One object a line: changes, and at last the sum."""
    done = replay(desk, "--json", str(desk.folder / "new"), mailbox(desk))
    change, summary = objects(done)
    assert (change["kind"], change["what"], change["from"]) == (
        "change",
        ["action"],
        "a@b.example",
    )
    assert change["old"]["action"] == "accept"
    assert change["new"] == {
        "action": "quarantine", "recipients": ["quarantine"], "rules": ["urgent"], "reply": None,
        "log_only": ["trying"],
    }  # fmt: skip
    assert summary == {
        "kind": "summary", "old": str(desk.policies), "new": str(desk.folder / "new"),
        "messages": 4, "changed": 1, "unread": 0, "same_by_other_rules": 0,
        "actions": {"accept -> quarantine": 1}, "log_only": {"trying": 4},
    }  # fmt: skip


def test_what_cannot_be_read(desk: Desk) -> None:
    """Is told, and the rest is still replayed; ends with 2."""
    done = replay(desk, str(desk.folder / "new"), mailbox(desk), str(desk.folder / "none"))
    assert done.exit_code == 2
    assert "none: cannot be replayed: No such file or directory" in done.output
    assert "1  not read" in done.output
    done = replay(desk, "--json", str(desk.folder / "new"), str(desk.folder / "none"))
    assert objects(done)[0]["kind"] == "error"


def test_mistakes(desk: Desk) -> None:
    """Of both folders at once; ends with 2, and so does a call without rules."""
    (desk.folder / "new" / "60-more.toml").write_text("nonsense")
    desk.policy("nonsense")
    done = replay(desk, str(desk.folder / "new"), mailbox(desk))
    assert done.exit_code == 2
    assert "60-more.toml" in done.output
    assert "99-more.toml" in done.output
    assert replay(desk).exit_code == 2


def test_the_quarantine_by_default(desk: Desk) -> None:
    """Without MAILS; an empty one is no error."""
    done = replay(desk, str(desk.folder / "new"))
    assert done.exit_code == 0
    assert done.output.startswith("0 messages; ")


def test_scanners_are_asked_where_that_is_said(desk: Desk) -> None:
    """With --scanners a clamd that is down defers both times; without, nobody asks it."""
    servers = 'engines = ["clamav"]\n[virus.clamav]\nservers = ["unix:/nowhere"]'
    desk.settings(virus=servers)
    box, new = mailbox(desk), str(desk.folder / "new")
    told = objects(replay(desk, "--json", "--scanners", new, box))
    assert told[-1]["actions"] == {"defer -> quarantine": 1}
    told = objects(replay(desk, "--json", new, box))
    assert told[-1]["actions"] == {"accept -> quarantine": 1}


@pytest.mark.parametrize("options", [(), ("--scanners",)])
def test_nobody_is_allowed(options: tuple[str, ...], desk: Desk) -> None:
    """Rules are compared, whoever is on the lists, and whether these can be read."""
    held, new = desk.folder / "quarantine", str(desk.folder / "new")
    Hold().keep(Quarantine(dir=str(held)))
    (desk.folder / "new" / "70-more.toml").write_text(
        'schema = 1\n[[rule]]\nid = "m"\nwhy = "x"\nwhen.from = "@example.org"\n'
        'action = "quarantine"\n[[rule]]\nid = "u"\nwhy = "x"\nfinding = "lists.unreadable"\n'
        'action = "reject"\n'
    )
    before = objects(replay(desk, "--json", *options, new))
    assert before[-1]["actions"] == {"accept -> quarantine": 1}
    put(held, entry("ann@example.org"))
    assert objects(replay(desk, "--json", *options, new)) == before
    (held / "lists").write_text("{")
    assert objects(replay(desk, "--json", *options, new)) == before


def test_many_changes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many are listed; the others are counted."""
    monkeypatch.setattr("qscanner.programs.admin_policy_replay._MAX_LISTED", 1)
    box = mailbox(desk)
    for number in range(3):
        shutil.copy(f"{box}/new/1", f"{box}/new/x{number}")
    done = replay(desk, str(desk.folder / "new"), box)
    assert done.output.count("URGENT") == 1
    assert "... more change" in done.output
    assert "4 would change" in done.output
