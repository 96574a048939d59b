"""List files are noticed when they have changed and stand still."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from qscanner.changes import Changes


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """Give the folder lists/ of a policy folder, with one list in it."""
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "one.txt").write_text("a\n")
    return folder


def _grown(lists: Path) -> None:
    (lists / "one.txt").write_text("a\nb\n")


def _replaced(lists: Path) -> None:
    before = (lists / "one.txt").stat()
    (lists / "new").write_text("b\n")
    os.utime(lists / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (lists / "new").rename(lists / "one.txt")


def _touched(lists: Path) -> None:
    os.utime(lists / "one.txt", ns=(1, 1))


def _added(lists: Path) -> None:
    (lists / "two.txt").write_text("b\n")


def _removed(lists: Path) -> None:
    (lists / "one.txt").unlink()


def _a_link_to_nowhere(lists: Path) -> None:
    (lists / "two.txt").symlink_to(lists / "nowhere")


@pytest.mark.parametrize(
    "change", [_grown, _replaced, _touched, _added, _removed, _a_link_to_nowhere]
)
def test_changes(lists: Path, change: Callable[[Path], None]) -> None:
    """Each kind of change is said once, at the second look."""
    changes = Changes(str(lists.parent))
    assert [changes.are_there() for _ in range(3)] == [False] * 3
    change(lists)
    assert [changes.are_there() for _ in range(4)] == [False, True, False, False]


def test_while_it_is_written(lists: Path) -> None:
    """A list that grows from look to look is not read before it stands still."""
    changes = Changes(str(lists.parent))
    for number in range(5):
        (lists / "one.txt").write_text("a\n" * (number + 2))
        assert not changes.are_there()
    assert changes.are_there()


def test_what_is_no_list(lists: Path) -> None:
    """Other files in the folder are of no interest."""
    changes = Changes(str(lists.parent))
    (lists / "one.txt~").write_text("b\n")
    (lists / "README").write_text("b\n")
    assert [changes.are_there() for _ in range(2)] == [False, False]


def test_no_folder(tmp_path: Path) -> None:
    """A policy without lists has none; when the folder comes, that is a change."""
    changes = Changes(str(tmp_path))
    assert not changes.are_there()
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "one.txt").write_text("a\n")
    assert [changes.are_there() for _ in range(2)] == [False, True]
