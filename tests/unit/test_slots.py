"""Places to scan: never more holders than places, whoever holds one, however it ends."""

import fcntl
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from qscanner import slots
from qscanner.outcomes import Ending, Later
from tests.fakes import child

TAKE = """
import sys, time
from qscanner import slots
fd = slots.take(sys.argv[1], int(sys.argv[2]), within_s=float(sys.argv[3]))
print("got", flush=True)
sys.stdin.read()
"""
COUNT = """
import os, sys
from qscanner import slots
folder, board = sys.argv[1:]
for _ in range(15):
    fd = slots.take(folder, 2, within_s=15)
    mine = os.path.join(board, f"{os.getpid()}")
    open(mine, "w").close()
    at_once = len(os.listdir(board))
    os.unlink(mine)
    os.close(fd)
    assert at_once <= 2, at_once
"""


def holder(folder: Path, places: int, *, uid: int | None = None) -> "subprocess.Popen[bytes]":
    """Start a process that takes a place, and wait until it has it."""
    process = subprocess.Popen(
        child.command(TAKE, folder, places, 10),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child.environment(),
        user=uid,
        group=uid,
        extra_groups=None if uid is None else [],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"got\n"
    return process


def end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.communicate(timeout=10)


def test_as_many_as_there_are_places(tmp_path: Path) -> None:
    """Two places are two; the third finds none and says so; a closed one is free again."""
    first = slots.take(str(tmp_path), 2, within_s=1)
    second = slots.take(str(tmp_path), 2, within_s=1)
    with pytest.raises(Later, match="all are taken") as caught:
        slots.take(str(tmp_path), 2, within_s=0)
    assert caught.value.ending is Ending.DEFERRED
    os.close(first)
    third = slots.take(str(tmp_path), 2, within_s=0)
    assert not os.get_inheritable(third)
    os.close(second)
    os.close(third)


def test_waiting_has_an_end(tmp_path: Path) -> None:
    """It waits as long as it is told, and not much longer."""
    held = slots.take(str(tmp_path), 1, within_s=1)
    begun = time.monotonic()
    with pytest.raises(Later):
        slots.take(str(tmp_path), 1, within_s=0.3)
    assert 0.3 <= time.monotonic() - begun < 3
    os.close(held)


def test_a_killed_holder_frees_its_place(tmp_path: Path) -> None:
    """kill -9 is as good as close: one who waits gets the place."""
    process = holder(tmp_path, 1)
    with pytest.raises(Later):
        slots.take(str(tmp_path), 1, within_s=0)
    process.send_signal(signal.SIGKILL)
    fd = slots.take(str(tmp_path), 1, within_s=10)
    os.close(fd)
    end(process)


def test_never_more_than_the_places(tmp_path: Path) -> None:
    """Many processes at once, also while the lock files are made: never three in two places."""
    board, folder = tmp_path / "board", tmp_path / "slots"
    for each in (board, folder):
        each.mkdir()
    several = [
        subprocess.Popen(
            child.command(COUNT, folder, board), stderr=subprocess.PIPE, env=child.environment()
        )
        for _ in range(6)
    ]
    for process in several:
        _, said = process.communicate(timeout=18)
        assert process.returncode == 0, said.decode()


def test_losing_the_race_for_a_new_file_is_no_second_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another makes the file between our two tries: it is that file which we lock.

    Otherwise the same place would exist twice, here and in the fallback folder.
    """
    real, name = os.open, str(tmp_path / "qscanner-slot-0")

    def racing(path: str, flags: int, mode: int = 0o777) -> int:
        if path == name and flags & os.O_CREAT and not os.path.exists(name):
            os.close(real(name, os.O_RDWR | os.O_CREAT, 0o666))
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", racing)
    fd = slots.take(str(tmp_path), 1, within_s=0)
    assert os.readlink(f"/proc/self/fd/{fd}") == name
    os.close(fd)


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777])
def test_the_files_are_for_all(mask: int, tmp_path: Path) -> None:
    """Whatever the caller's umask, others may lock the file; the umask is left as it was."""
    before = os.umask(mask)
    try:
        os.close(slots.take(str(tmp_path), 1, within_s=0))
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert (tmp_path / "qscanner-slot-0").stat().st_mode & 0o777 == 0o666


def test_users_share_the_places(open_tmp: Path, uids: tuple[int | None, ...]) -> None:
    """In a sticky folder, with a file that another user owns, a place is a place for all."""
    process = holder(open_tmp, 1, uid=uids[0])
    for uid in uids:
        done = child.run(
            "import sys; from qscanner import slots; from qscanner.outcomes import Later\n"
            "try: slots.take(sys.argv[1], 1, within_s=0); print('a second place')\n"
            "except Later as error: print(error)\n",
            open_tmp,
            uid=uid,
        )
        assert "all are taken" in child.said(done)
    end(process)
    for uid in reversed(uids):
        end(holder(open_tmp, 1, uid=uid))


@pytest.mark.parametrize("points_to", ["a-file", "nowhere"])
def test_a_planted_link_is_not_followed(points_to: str, tmp_path: Path) -> None:
    """A symbolic link in the folder is neither opened nor does it make a file elsewhere."""
    folder, elsewhere = tmp_path / "slots", tmp_path / "a-file"
    folder.mkdir()
    elsewhere.write_bytes(b"precious")
    (folder / "qscanner-slot-0").symlink_to(tmp_path / points_to)
    fd = slots.take(str(folder), 1, within_s=5)
    assert not os.readlink(f"/proc/self/fd/{fd}").startswith(str(tmp_path))
    with open(elsewhere, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it was not locked either
    assert elsewhere.read_bytes() == b"precious"
    assert not (tmp_path / "nowhere").exists()
    os.close(fd)


@pytest.mark.parametrize("kind", ["missing", "a-file", "planted-folder"])
def test_an_unusable_folder_has_a_fallback(kind: str, tmp_path: Path) -> None:
    """Without the spool folder places are still counted, in a folder that every host has."""
    folder = tmp_path / kind
    if kind == "a-file":
        folder.touch()
    elif kind == "planted-folder":
        (folder / "qscanner-slot-0").mkdir(parents=True)
    fd = slots.take(str(folder), 1, within_s=5)
    place = os.readlink(f"/proc/self/fd/{fd}")
    assert place.startswith(("/dev/shm/", "/tmp/qscanner-slot"))
    os.close(fd)


def test_nothing_can_be_opened() -> None:
    """Without any descriptor left it is "later", and says that no file can be opened."""
    code = (
        "import resource; from qscanner import slots; from qscanner.outcomes import Later\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "try: slots.take('/tmp', 2, within_s=0)\n"
        "except Later as error: print(error)\n"
    )
    assert "no lock file can be opened" in child.said(child.run(code))
