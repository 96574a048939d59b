"""libarchive_members: a child reads each format; what it dies of, or is silent about, is told."""

import os
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from qscanner import libarchive_members
from qscanner.budget import Budget, Member
from qscanner.libarchive_members import Options, members
from qscanner.model import Finding
from qscanner.settings import MIB, Limits
from tests.fakes.packed import EICAR, rar5, written

FILES = (("a.com", EICAR), ("übel.txt", b"text"))


def found(
    content: bytes,
    limits: Limits | None = None,
    *,
    format_: str = "",
    filter_: str = "",
    at: int = 0,
) -> tuple[list[Member], list[str]]:
    budget = Budget.of(limits or Limits())
    options = Options(format=format_, filter=filter_, at=at)
    every = list(members(content, "x", options, budget))
    return (
        [each for each in every if isinstance(each, Member)],
        [each.id for each in every if isinstance(each, Finding)],
    )


def test_version() -> None:
    """Of the library that is loaded."""
    version = libarchive_members.version()
    assert version
    assert version.count(".") == 2


@pytest.mark.parametrize("format_", ["7zip", "cpio_newc", "iso9660", "ar_svr4"])
def test_formats(format_: str) -> None:
    """All members, with names in every script, wherever the archive begins."""
    files = FILES[:1] if format_ == "ar_svr4" else FILES
    if format_ == "iso9660":
        content = written(format_, *files, options="iso9660:joliet=1")
    else:
        content = written(format_, *files)
    for octets, at in ((content, 0), (b"MZ" + content, 2)):
        got, ids = found(octets, at=at)
        assert {member.content for member in got} == {octets for _, octets in files}
        assert "a.com" in {name.lower() for member in got for name in member.names}
        assert ids == []


def test_rar() -> None:
    """RAR 5, which libarchive does not write."""
    got, ids = found(rar5(*FILES))
    assert [(member.names[0], member.content) for member in got] == list(FILES)
    assert ids == []


@pytest.mark.parametrize("filter_", ["zstd", "lz4", "lzip"])
def test_filters(filter_: str) -> None:
    """A stream is one member without a name, whatever is in it."""
    content = written("ustar", FILES[0], filter_=filter_)
    (member,), ids = found(content, filter_=filter_)
    assert member.is_stream
    assert member.names == ()
    assert member.content.startswith(b"a.com")
    assert ids == []


@pytest.mark.parametrize(
    ("content", "filter_"),
    [
        pytest.param(b"no archive " * 9, "", id="rubbish"),
        pytest.param(written("7zip", *FILES)[:60], "", id="cut"),
        pytest.param(b"\x28\xb5\x2f\xfd" + b"\xff" * 40, "zstd", id="broken stream"),
        pytest.param(b"", "", id="nothing"),
        pytest.param(written("zip", *FILES), "", id="a zip is not its business"),
    ],
)
def test_unreadable(content: bytes, filter_: str) -> None:
    """Told, and nothing raises."""
    assert found(content, filter_=filter_) == ([], ["archive.unreadable"])


SMALL = replace(Limits(), decoded=4 * MIB, ratio=10, members=5)


@pytest.mark.parametrize(
    ("content", "filter_", "id_"),
    [
        pytest.param(
            written("7zip", ("z", bytes(50 * MIB))), "", "limit.archive-ratio", id="ratio"
        ),
        pytest.param(
            written("ustar", ("z", bytes(50 * MIB)), filter_="zstd"),
            "zstd",
            "limit.archive-ratio",
            id="stream",
        ),
        pytest.param(
            written("cpio_newc", ("z", bytes(9 * MIB))), "", "limit.archive-octets", id="octets"
        ),
        pytest.param(
            written("cpio_newc", *((str(n), b"") for n in range(9))),
            "",
            "limit.archive-members",
            id="members",
        ),
    ],
)
def test_bombs(content: bytes, filter_: str, id_: str) -> None:
    """A bound stops the child, is told, and what came before is there."""
    got, ids = found(content, SMALL, filter_=filter_)
    assert ids == [id_]
    assert sum(len(member.content) for member in got) <= SMALL.decoded
    assert got


def test_locked() -> None:
    """The archive needs a password."""
    content = written("zip", *FILES, options="zip:encryption=aes256", password="sesame")
    got, ids = found(content, format_="zip_seekable")
    assert [member.is_encrypted for member in got] == [True, True]
    assert ids == ["archive.encrypted"]


def test_only_so_many_children() -> None:
    """A thousand archives, then a bound."""
    budget = Budget.of(Limits())
    budget.tries = 1
    content = written("7zip", *FILES)
    first = list(members(content, "7z", Options(), budget))
    second = list(members(content, "7z", Options(), budget))
    assert len(first) == 2
    assert [each.id for each in second if isinstance(each, Finding)] == ["limit.archive-members"]


def test_nobody_is_left() -> None:
    """No child and no descriptor, also where nobody wants to hear the rest."""
    before = len(os.listdir("/proc/self/fd")), _children()
    each = members(written("7zip", *FILES), "7z", Options(), Budget.of(Limits()))
    next(each)
    assert _children() != before[1]
    del each
    assert (len(os.listdir("/proc/self/fd")), _children()) == before


def _children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.mark.parametrize("call", ["fork", "pipe"])
def test_no_room_for_a_child(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """That is not the message's doing: later, it may be read."""
    before = len(os.listdir("/proc/self/fd"))
    content = written("7zip", *FILES)

    def full() -> NoReturn:
        raise BlockingIOError

    monkeypatch.setattr(os, call, full)
    with pytest.raises(MemoryError):
        found(content)
    assert len(os.listdir("/proc/self/fd")) == before
