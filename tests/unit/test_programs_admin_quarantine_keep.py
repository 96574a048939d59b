"""programs.admin_quarantine_keep: expire, audit, verify, rebuild."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from qscanner.history import append
from qscanner.settings import Quarantine
from tests.fakes.annals import fact
from tests.fakes.desk import Desk
from tests.fakes.holds import Hold, several


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give an installation."""
    return Desk(tmp_path)


def kept(desk: Desk, *holds: Hold) -> None:
    """Hold messages."""
    for hold in holds:
        hold.keep(Quarantine(dir=str(desk.folder / "quarantine")))


def test_expire(desk: Desk) -> None:
    """What is too old goes, what is not stays; both forms of telling say how much."""
    old = [replace(hold, kept_at="2001-01-01T00:00:00Z") for hold in several(2)]
    kept(desk, *old, Hold(kept_at="2998-01-01T00:00:00Z"))
    with desk.file.open("a") as file:
        file.write('history = "0 s"\n')
    done = desk.run("quarantine", "expire")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("2 messages expired; 2 removed")
    told = json.loads(desk.run("quarantine", "expire", "--json").output)
    assert told == {
        "expired": 0,
        "removed": 0,
        "packed": 0,
        "forgotten": 0,
        "taken": 0,
        "facts_forgotten": 0,
    }
    left = desk.run("quarantine", "list", "--json", "--state", "held").output
    assert len(left.splitlines()) == 1


def test_expire_keeps_the_history_in_order(desk: Desk) -> None:
    """What waits is taken in, and what is too old is forgotten."""
    folder = str(desk.folder / "quarantine")
    append(folder, fact(id="old", at=1000.0))
    append(folder, fact(id="new", at=time.time()))
    told = json.loads(desk.run("quarantine", "expire", "--json").output)
    assert (told["taken"], told["facts_forgotten"]) == (2, 1)
    append(folder, fact(id="newer", at=time.time()))
    done = desk.run("quarantine", "expire").output
    assert done.endswith("; history: 1 taken in, 0 forgotten\n")


def test_audit(desk: Desk) -> None:
    """Who did what and why: of one message, or of all; strangers' words are safe."""
    one, other = several(2)
    kept(desk, one, other)
    desk.run("quarantine", "delete", one.digest[:12], "--why", "not\x1b[31mwanted")
    desk.run("quarantine", "delete", other.digest[:12], "--recipient", "sue@example.net")
    lines = desk.run("quarantine", "audit", one.digest[:12]).output.splitlines()
    assert len(lines) == 2
    assert all("held -> deleted" in line and "\\x1b[31mwanted" in line for line in lines)
    assert "(quarantine@" in lines[0]
    told = [
        json.loads(line) for line in desk.run("quarantine", "audit", "--json").output.splitlines()
    ]
    assert [each["digest"] for each in told] == [one.digest, one.digest, other.digest]
    assert told[2] | {"at": "", "by": "", "via": ""} == {
        "at": "",
        "id": other.digest[:12],
        "digest": other.digest,
        "recipient": "sue@example.net",
        "before": "held",
        "after": "deleted",
        "did": "",
        "by": "",
        "via": "",
        "why": "",
    }


def test_an_empty_audit(desk: Desk) -> None:
    """It says that there is nothing; to programs it says nothing."""
    assert desk.run("quarantine", "audit").output == "nothing was done yet\n"
    kept(desk, Hold())
    id_ = Hold().digest[:12]
    assert desk.run("quarantine", "audit", id_).output == f"nothing was done with {id_} yet\n"
    assert desk.run("quarantine", "audit", "--json").output == ""


def test_verify(desk: Desk) -> None:
    """All well is 0; damage is told by id and ends with 1."""
    hold = Hold()
    kept(desk, hold)
    done = desk.run("quarantine", "verify")
    assert (done.exit_code, done.output) == (0, "all is as it should be\n")
    (desk.folder / "quarantine" / f"{hold.digest}.eml").write_bytes(b"other\n")
    done = desk.run("quarantine", "verify")
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert lines[0].startswith(f"{hold.digest[:12]}  its octets are not those of")
    assert lines[1] == "1 problem"
    done = desk.run("quarantine", "verify", "--json")
    assert done.exit_code == 1
    assert json.loads(done.output)["name"] == hold.digest


@pytest.mark.parametrize("is_whole_file", [True, False])
def test_rebuild_a_damaged_index(is_whole_file: bool, desk: Desk) -> None:
    """It is set aside, whatever is wrong with it; who held what and did what is in the files."""
    holds = several(3)
    kept(desk, *holds)
    desk.run("quarantine", "release", holds[0].digest[:12])
    index = desk.folder / "quarantine" / "index.sqlite"
    octets = index.read_bytes()
    index.write_bytes(b"damaged " * 2000 if is_whole_file else octets[:8192] + b"\xff" * 40_000)
    assert desk.run("quarantine", "list").exit_code != 0
    done = desk.run("quarantine", "rebuild")
    assert done.exit_code == 0
    assert "the index was made anew: 3 messages\n" in done.output
    assert "index.sqlite.damaged-" in done.output
    assert list((desk.folder / "quarantine").glob("index.sqlite.damaged-*"))
    left = desk.run("quarantine", "list", "--json", "--state", "held").output
    assert len(left.splitlines()) == 2
    assert desk.run("quarantine", "verify").exit_code == 0


def test_rebuild(desk: Desk) -> None:
    """The index is made of what is on disk, and what was done is still known."""
    holds = several(3)
    kept(desk, *holds)
    desk.run("quarantine", "release", holds[0].digest[:12])
    done = desk.run("quarantine", "rebuild")
    assert (done.exit_code, done.output) == (0, "the index was made anew: 3 messages\n")
    left = desk.run("quarantine", "list", "--json", "--state", "held").output
    assert len(left.splitlines()) == 2
