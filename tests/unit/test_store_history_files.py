"""store.history_files: files are taken away, used, and removed when all is known."""

import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from qscanner.deadline import Deadline
from qscanner.history import NAME, append
from qscanner.outcomes import Later
from qscanner.store import history_files
from qscanner.store.history_files import TAKEN, lines, take


class Reader:
    """One who uses lines: remembers them, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.lines: list[list[bytes]] = []

    def __call__(self, found: Iterator[bytes]) -> None:
        """Use the lines of one file."""
        self.lines.append(list(found))
        if self.error:
            raise self.error


def test_taken_and_removed(tmp_path: Path) -> None:
    """The lines are handed over, and nothing is left; the next one has nothing."""
    for number in range(3):
        append(str(tmp_path), b"\n%d\n" % number)
    reader = Reader()
    for _ in range(2):
        take(str(tmp_path), reader, within_s=1)
    assert reader.lines == [[b"0", b"1", b"2"]]
    assert os.listdir(tmp_path) == []


def test_what_was_left_comes_first(tmp_path: Path) -> None:
    """In the order in which it was taken away."""
    append(str(tmp_path), b"\n3\n")
    (tmp_path / f"{TAKEN}{2:020}.a").write_bytes(b"\n2\n")
    (tmp_path / f"{TAKEN}{1:020}.b").write_bytes(b"\n1\n")
    reader = Reader()
    take(str(tmp_path), reader, within_s=1)
    assert reader.lines == [[b"1"], [b"2"], [b"3"]]


def test_a_failure_leaves_the_file(tmp_path: Path) -> None:
    """For the next one."""
    append(str(tmp_path), b"\n1\n")
    with pytest.raises(Later):
        take(str(tmp_path), Reader(Later("locked")), within_s=1)
    reader = Reader()
    take(str(tmp_path), reader, within_s=1)
    assert reader.lines == [[b"1"]]


def test_an_empty_file_stays(tmp_path: Path) -> None:
    """There is nothing to take, and no name changes."""
    (tmp_path / NAME).touch()
    take(str(tmp_path), Reader(), within_s=1)
    assert os.listdir(tmp_path) == [NAME]


@pytest.mark.parametrize("name", ["none", "file"])
def test_no_folder(name: str, tmp_path: Path) -> None:
    """Has nothing: with PostgreSQL a host may have none."""
    (tmp_path / "file").touch()
    reader = Reader()
    take(str(tmp_path / name), reader, within_s=1)
    assert reader.lines == []


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    """A FIFO is not waited for; a link is not followed, and told."""
    os.mkfifo(tmp_path / f"{TAKEN}1")
    reader = Reader()
    take(str(tmp_path), reader, within_s=1)
    assert reader.lines == []
    (tmp_path / f"{TAKEN}2").symlink_to("/etc/passwd")
    with pytest.raises(Later, match="history"):
        take(str(tmp_path), reader, within_s=1)


def test_another_taker_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What he has used when he gives the lock back is not used again."""
    path = tmp_path / f"{TAKEN}1"
    path.write_bytes(b"\n1\n")
    fd = os.open(path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    waits = threading.Event()

    def end() -> None:
        waits.wait(5)
        os.unlink(path)
        os.close(fd)

    other = threading.Thread(target=end)
    other.start()
    reader, real = Reader(), history_files._is_locked

    def told(fd: int, deadline: Deadline) -> bool:
        waits.set()
        return real(fd, deadline)

    monkeypatch.setattr(history_files, "_is_locked", told)
    take(str(tmp_path), reader, within_s=10)
    other.join()
    assert reader.lines == []
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_lines(piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whatever pieces they are read; the last one without an end is given as well."""
    monkeypatch.setattr(history_files, "_PIECE", piece)
    path = tmp_path / "x"
    path.write_bytes(b"\nab\n\ncde\n\n\nf")
    with path.open("rb") as file:
        assert list(lines(file.fileno())) == [b"ab", b"cde", b"f"]
