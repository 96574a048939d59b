"""maildir: names, lines and links of a delivery; the faults are tested with both who use it."""

import os
from pathlib import Path

import pytest

from qscanner import maildir
from qscanner.model import Envelope
from qscanner.outcomes import DiskFull, Unusable


def test_names_are_unique_and_have_no_colon() -> None:
    """Two in a row differ; what maildir(5) forbids is not in them."""
    first = maildir.unique_name()
    assert "/" not in first
    assert ":" not in first
    os.sched_yield()
    assert f"P{os.getpid()}." in first


def test_lines_are_printable() -> None:
    """Whatever an address holds, it stays on its line."""
    made = maildir.lines(Envelope(sender=b"a\nX: y", recipients=(b"b\xff@c", b"d"), raw=b""))
    assert made == b"Return-Path: <a\\x0aX: y>\nDelivered-To: b\\xff@c\nDelivered-To: d\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give an empty Maildir."""
    for name in ("tmp", "new"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_published(folder: Path) -> None:
    """The file moves to new/, no descriptor stays open, and none that is there is replaced."""
    path = f"{folder}/tmp/name"
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(2):
        fd = maildir.create(path, os, what="it")
        maildir.write_all(fd, b"octets", os)
        os.close(fd)
        if os.path.exists(folder / "new" / "name"):
            with pytest.raises(FileExistsError):
                maildir.publish(path, f"{folder}/new", os)
        else:
            assert maildir.publish(path, f"{folder}/new", os) == f"{folder}/new/name"
    assert (folder / "new" / "name").read_bytes() == b"octets"
    assert len(os.listdir("/proc/self/fd")) == before
    maildir.remove(path, os)
    maildir.remove(path, os)
    assert list((folder / "tmp").iterdir()) == []


def test_what_cannot_be_made(folder: Path) -> None:
    """A Maildir that is none is unusable; a name that is taken is not."""
    with pytest.raises(Unusable, match="the setting cannot be written"):
        maildir.create(f"{folder}/none/tmp/x", os, what="the setting")
    (folder / "tmp" / "x").touch()
    with pytest.raises(DiskFull):
        maildir.create(f"{folder}/tmp/x", os, what="the setting")
