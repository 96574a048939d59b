"""programs.admin_quarantine_review: `qscanner quarantine review`."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import NoReturn

import click
import pytest

from qscanner.settings import Quarantine
from tests.fakes import queue
from tests.fakes.desk import ROOT, Desk
from tests.fakes.holds import several


@pytest.fixture
def desk(tmp_path: Path, fake_queue: Path) -> Desk:
    """Give an installation with the strict queue program and four held messages."""
    made = Desk(tmp_path)
    (tmp_path / "queue").mkdir()
    wrapper = tmp_path / "wrapper"
    folder = shlex.quote(str(tmp_path / "queue"))
    wrapper.write_text(f"#!/bin/sh\nFAKE_QUEUE_DIR={folder} exec {shlex.quote(str(fake_queue))}\n")
    wrapper.chmod(0o755)
    made.settings(program=str(wrapper))
    for hold in several(4):
        hold.keep(Quarantine(dir=str(tmp_path / "quarantine")))
    return made


def states(desk: Desk) -> list[str]:
    """Give the states, oldest message first."""
    told = desk.run("quarantine", "list", "--json", "--oldest-first").output
    return [json.loads(line)["state"] for line in told.splitlines()]


def test_a_key_each(desk: Desk) -> None:
    """Release, delete, skip, and quit; a key that means nothing does nothing."""
    done = desk.run("quarantine", "review", given=b"rx\x1bdsq")
    assert done.exit_code == 0
    assert "4 messages held" in done.output
    assert "3 of 4" in done.output
    assert states(desk) == ["released", "deleted", "held", "held"]
    (one,) = queue.queued(desk.folder / "queue")
    assert one.message == b"Subject: 0\n\nbody\n"
    assert done.output.isprintable() or all(line.isprintable() for line in done.output.split("\n"))


def test_only_some(desk: Desk) -> None:
    """A filter says which."""
    done = desk.run("quarantine", "review", "--class", "virus", given=b"d")
    assert (done.exit_code, done.output) == (0, "0 messages held\n")
    assert states(desk) == ["held"] * 4


def test_the_end_of_the_keys(desk: Desk) -> None:
    """Who is cut off has decided nothing."""
    desk.run("quarantine", "review", given=b"")
    assert states(desk) == ["held"] * 4


def test_without_a_terminal(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can press a key; ends with 2."""

    def none(*_: object, **__: object) -> NoReturn:
        raise OSError("no terminal")

    monkeypatch.setattr(click, "getchar", none)
    assert desk.run("quarantine", "review").exit_code == 2


def test_the_script(tmp_path: Path) -> None:
    """scripts/quarantine-review is this command."""
    program = tmp_path / "qscanner"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        [ROOT / "scripts" / "quarantine-review", "--class", "spam"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "quarantine review --class spam\n"
