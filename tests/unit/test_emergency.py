"""The emergency switch: what counts, and everything that does not."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from qscanner import emergency
from qscanner.emergency import LONGEST_S, Broken, declare, end, in_force, left_s
from qscanner.outcomes import Unusable

NOW = 1_700_000_000.0
GOOD: dict[str, Any] = {"since": NOW, "until": NOW + 60, "who": "ann", "why": "x"}


@pytest.fixture
def socket(tmp_path: Path) -> str:
    """Give where the daemon's socket would be, in a folder of ours."""
    tmp_path.chmod(0o755)
    return str(tmp_path / "qscannerd.sock")


def test_there_is_none(socket: str) -> None:
    """Without a file, and without the folder, nothing is in force, and that is no mistake."""
    assert in_force(socket, now=NOW) is None
    assert in_force("/nonexistent/folder/s", now=NOW) is None
    assert left_s(socket, now=NOW) == 0.0


def test_from_its_beginning_to_its_end(socket: str) -> None:
    """It holds for the time that was said, to the second, and then no more."""
    made = declare(socket, for_s=60, who="ann", why=" clamd is broken ", now=NOW)
    assert (made.who, made.why) == ("ann", "clamd is broken")
    assert in_force(socket, now=NOW) == made
    assert in_force(socket, now=NOW + 59.9) == made
    assert left_s(socket, now=NOW + 20) == 40.0
    assert in_force(socket, now=NOW + 60) is None
    assert left_s(socket, now=NOW + 60) == 0.0
    assert made.told.endswith("by ann: clamd is broken")


def test_everybody_may_read_and_only_we_may_write(socket: str) -> None:
    """The daemon's user reads what root has written, whatever root's umask is."""
    before = os.umask(0o077)
    try:
        declare(socket, for_s=60, who="ann", why="x", now=NOW)
    finally:
        os.umask(before)
    assert os.stat(emergency.file(socket)).st_mode & 0o777 == 0o644


def test_a_new_one_takes_the_place(socket: str) -> None:
    """The last word counts."""
    declare(socket, for_s=60, who="ann", why="x", now=NOW)
    second = declare(socket, for_s=600, who="bob", why="y", now=NOW)
    assert in_force(socket, now=NOW) == second
    assert os.listdir(os.path.dirname(socket)) == ["emergency.json"]


def test_off(socket: str) -> None:
    """Switched off it is gone; a second time there is nothing to do."""
    declare(socket, for_s=60, who="ann", why="x", now=NOW)
    assert end(socket) is True
    assert in_force(socket, now=NOW) is None
    assert end(socket) is False


@pytest.mark.parametrize(
    ("for_s", "why"),
    [
        pytest.param(0.0, "x", id="no-time"),
        pytest.param(-1.0, "x", id="negative"),
        pytest.param(LONGEST_S + 1, "x", id="more-than-a-day"),
        pytest.param(float("nan"), "x", id="not-a-number"),
        pytest.param(60.0, " \n", id="no-reason"),
    ],
)
def test_what_cannot_be_declared(socket: str, for_s: float, why: str) -> None:
    """A day at most, and never without a reason."""
    with pytest.raises(Unusable):
        declare(socket, for_s=for_s, who="ann", why=why, now=NOW)
    assert not os.path.exists(emergency.file(socket))


def test_no_folder() -> None:
    """Where there can be no daemon, nothing can be declared, and the folder is named."""
    with pytest.raises(Unusable, match="no folder /nonexistent"):
        declare("/nonexistent/s", for_s=60, who="ann", why="x", now=NOW)


def test_a_folder_for_everybody(socket: str) -> None:
    """Where any user could switch, nobody can: neither by the command nor by a file."""
    declare(socket, for_s=60, who="ann", why="x", now=NOW)
    os.chmod(os.path.dirname(socket), 0o1777)
    with pytest.raises(Broken, match="everybody may write"):
        in_force(socket, now=NOW)
    with pytest.raises(Unusable, match="everybody may write"):
        declare(socket, for_s=60, who="ann", why="x", now=NOW)
    assert left_s(socket, now=NOW) == 0.0


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="not-text"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"[" * 5000, id="too-long"),
        pytest.param(b"[" * 4000, id="deep"),
        pytest.param(b"[]", id="no-object"),
        pytest.param(b"{}", id="no-keys"),
        pytest.param(json.dumps({**GOOD, "more": 1}).encode(), id="a-key-more"),
        pytest.param(json.dumps({**GOOD, "until": "x"}).encode(), id="text-for-a-time"),
        pytest.param(json.dumps({**GOOD, "until": True}).encode(), id="true-for-a-time"),
        pytest.param(json.dumps({**GOOD, "who": 1}).encode(), id="number-for-a-name"),
        pytest.param(json.dumps({**GOOD, "until": float("nan")}).encode(), id="nan"),
        pytest.param(json.dumps({**GOOD, "until": float("inf")}).encode(), id="for-ever"),
        pytest.param(json.dumps({**GOOD, "until": NOW - 1}).encode(), id="ends-before"),
        pytest.param(json.dumps({**GOOD, "until": NOW + LONGEST_S + 1}).encode(), id="too-far"),
        pytest.param(
            json.dumps({**GOOD, "since": NOW + 3600, "until": NOW + 7200}).encode(), id="future"
        ),
    ],
)
def test_a_broken_file(socket: str, octets: bytes) -> None:
    """Whatever is in it that declare() would not write: not in force."""
    Path(emergency.file(socket)).write_bytes(octets)
    with pytest.raises(Broken):
        in_force(socket, now=NOW)


def test_what_is_no_file_of_ours(socket: str, tmp_path: Path) -> None:
    """No link, no FIFO (it would block), no folder, nothing that others may write."""
    path = Path(emergency.file(socket))
    (tmp_path / "other").write_text(json.dumps(GOOD))
    path.symlink_to("other")
    with pytest.raises(Broken):
        in_force(socket, now=NOW)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(Broken):
        in_force(socket, now=NOW)
    path.unlink()
    path.mkdir()
    with pytest.raises(Broken):
        in_force(socket, now=NOW)
    path.rmdir()
    path.write_text(json.dumps(GOOD))
    path.chmod(0o664)
    with pytest.raises(Broken):
        in_force(socket, now=NOW)
    path.chmod(0o644)
    assert in_force(socket, now=NOW) is not None


def test_who_did_it() -> None:
    """The user, and whoever came by sudo, at a bounded length."""
    assert " (sudo: ann)" in emergency.caller({"SUDO_USER": "ann"})
    assert "sudo" not in emergency.caller({})
    assert len(emergency.caller({"SUDO_USER": "a" * 1000})) < 100
