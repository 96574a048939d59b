"""qscanner-maildir: the contract of qmail-queue, and never 0 without a durable file."""

import dataclasses
import errno
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from qscanner.maildir import Files
from qscanner.outcomes import CutShort, DiskFull, QScannerError
from qscanner.programs import maildir
from tests.fakes.caller import TCPSERVER, Ends, Result, Setting, Stage, call, envelope

MESSAGE = b"Subject: x\r\n\n" + bytes(range(256)) * 1000
TOP = b"Return-Path: <a@example.org>\nDelivered-To: b@example.com\n"


@pytest.fixture
def folder(open_tmp: Path) -> Path:
    """Give an empty Maildir that every uid may write."""
    for name in ("tmp", "new", "cur"):
        (open_tmp / name).mkdir()
        (open_tmp / name).chmod(0o1777)
    return open_tmp


@pytest.fixture(scope="session")
def program(command: Callable[[str], Path]) -> Path:
    """Give the command as it is installed."""
    return command("qscanner-maildir")


def _run(
    program: Path, folder: object, raw: bytes | None = None, setting: Setting | None = None
) -> Result:
    env = TCPSERVER | ({"QSCANNER_MAILDIR": str(folder)} if folder is not None else {})
    setting = dataclasses.replace(setting or Setting(), env=env)
    return call(program, MESSAGE, raw, setting=setting)


def _delivered(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in (folder / "new").iterdir()]


def test_delivered(program: Path, folder: Path, uids: tuple[int | None, ...]) -> None:
    """Our lines on top, then the message octet for octet, 0600, nothing left in tmp/; any uid."""
    for uid in uids:
        result = _run(program, folder, setting=Setting(uid=uid))
        assert (result.code, result.stderr, result.leaks) == (0, b"", ())
    assert _delivered(folder) == [TOP + MESSAGE] * len(uids)
    assert list((folder / "tmp").iterdir()) == []
    assert {file.stat().st_mode & 0o777 for file in (folder / "new").iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("raw", "top"),
    [
        (b"F\0\0", b"Return-Path: <>\n"),
        (b"F#@[]\0Tx\0\0", b"Return-Path: <#@[]>\nDelivered-To: x\n"),
        (
            b"Fa\nb: c\0T\xe9\r\n\0\0",
            b"Return-Path: <a\\x0ab: c>\nDelivered-To: \\xe9\\x0d\\x0a\n",
        ),
        (b"Fa\0Tb\0Mx\0Tc\0\0", b"Return-Path: <a>\nDelivered-To: b\nDelivered-To: c\n"),
        (b"F\0" + b"Tb\0" * 50000 + b"\0", b"Return-Path: <>\n" + b"Delivered-To: b\n" * 50000),
        (b"F" + b"a" * 1002 + b"\0\0", b"Return-Path: <" + b"a" * 1002 + b">\n"),
    ],
    ids=["null-sender", "double-bounce", "line-ends", "other-letters", "many", "longest"],
)
def test_lines_on_top(program: Path, folder: Path, raw: bytes, top: bytes) -> None:
    """Whatever the addresses hold, each gives one line of ours and no more."""
    assert _run(program, folder, raw).code == 0
    assert _delivered(folder) == [top + MESSAGE]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", 54),
        (b"Fa\0Tb\0", 54),
        (b"Xa\0\0", 91),
        (b"\0", 91),
        (b"Fa\0\xe9b\0\0", 91),
        (b"F" + b"a" * 1003 + b"\0\0", 11),
    ],
    ids=["empty", "cut", "not-f", "nul", "not-t", "too-long"],
)
def test_bad_envelopes(program: Path, folder: Path, raw: bytes, code: int) -> None:
    """An envelope that is not whole, or wrong, delivers nothing and leaves nothing."""
    result = _run(program, folder, raw)
    assert (result.code, _delivered(folder)) == (code, [])
    assert list((folder / "tmp").iterdir()) == []
    assert result.stderr.startswith(b"qscanner-maildir: ")
    assert result.stderr.count(b"\n") == 1


@pytest.mark.parametrize("ends", [Ends.FAILED, Ends.DROPPED], ids=["failed", "dropped"])
def test_aborted(program: Path, folder: Path, ends: Ends) -> None:
    """A caller that gives up in the middle of the message: 54, nothing delivered."""
    result = _run(program, folder, setting=Setting(ends=ends, cut_after=100))
    assert (result.code, _delivered(folder)) == (54, [])


@pytest.mark.parametrize(
    "where", [None, "", "relative", "/nonexistent/Maildir", "/dev/null", "/proc/self"],
    ids=["unset", "empty", "relative", "missing", "file", "read-only"],
)  # fmt: skip
def test_unusable_folder(program: Path, where: str | None) -> None:
    """A folder that cannot be used is 55, with one line that names the variable."""
    result = _run(program, where)
    assert result.code == 55
    assert result.stderr.startswith(b"qscanner-maildir: QSCANNER_MAILDIR ")
    assert result.stderr.count(b"\n") == 1


def test_no_room(program: Path, folder: Path) -> None:
    """A write that fails, here at RLIMIT_FSIZE, is 53."""
    limits = {resource.RLIMIT_FSIZE: (100_000, 100_000)}
    result = _run(program, folder, setting=Setting(limits=limits))
    assert (result.code, _delivered(folder)) == (53, [])


def test_closed_input(program: Path, folder: Path) -> None:
    """Without fd 0, or without fd 1, there is nothing to deliver: later."""
    for fd in (0, 1):
        result = _run(program, folder, setting=Setting(closed=frozenset({fd})))
        assert result.code != 0
        assert result.reply.startswith("451 ")
        assert _delivered(folder) == []


@pytest.mark.parametrize("stage", list(Stage))
def test_killed_at_a_stage(program: Path, folder: Path, stage: Stage) -> None:
    """Killed while the caller writes: never 0, and what is in new/, if anything, is whole."""

    def kill(at: Stage, pid: int) -> None:
        if at is stage:
            os.kill(pid, 9)

    result = _run(program, folder, setting=Setting(at=kill))
    if result.code == 0:  # it was faster than the kill, after the envelope
        assert stage is Stage.ENVELOPE
        assert _delivered(folder) == [TOP + MESSAGE]
    else:
        assert result.signal == 9
        assert _delivered(folder) in ([], [TOP + MESSAGE])


class Counting:
    """The operations of `os`, by name in `names`; the k-th of them fails, where k is not 0."""

    def __init__(self, fail_at: int) -> None:
        self.names: list[str] = []
        self._fail_at = fail_at

    def __getattr__(self, name: str) -> Callable[..., object]:
        def operation(*args: object) -> object:
            self.names.append(name)
            if len(self.names) == self._fail_at:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return getattr(os, name)(*args)

        return operation


SMALL = b"Subject: y\n\nsmall\n"


def _deliver(folder: Path, files: Counting) -> tuple[list[str], QScannerError | None]:
    """Deliver SMALL from files; give the names of the operations, and how it failed."""
    with tempfile.TemporaryFile() as message, tempfile.TemporaryFile() as raw:
        for file, octets in ((message, SMALL), (raw, envelope())):
            file.write(octets)
            file.seek(0)
        try:
            path = maildir.deliver(
                str(folder),
                message_fd=message.fileno(),
                envelope_fd=raw.fileno(),
                files=cast("Files", files),
            )
        except QScannerError as error:
            return files.names, error
    assert Path(path).read_bytes() == TOP + SMALL
    return files.names, None


def _empty(folder: Path) -> None:
    for file in [*(folder / "new").iterdir(), *(folder / "tmp").iterdir()]:
        file.unlink()


def test_every_operation_fails(folder: Path) -> None:
    """Whichever operation fails: delivered once and no error, or an error and nothing in new/."""
    names, _ = _deliver(folder, Counting(0))
    heard = {}
    for at, name in enumerate(names, 1):
        _empty(folder)
        _, error = _deliver(folder, Counting(at))
        assert len(_delivered(folder)) == (error is None), (at, name)
        heard[at, name] = type(error)
        if error and name != "unlink":
            assert list((folder / "tmp").iterdir()) == [], (at, name)
    assert set(heard.values()) == {DiskFull, CutShort, type(None)}
    # Only the sweeping of tmp/ may fail and still be a success.
    assert [key for key, kind in heard.items() if kind is type(None)] == [(len(names), "unlink")]


def test_killed_at_every_operation(folder: Path, shared_tmp: Path) -> None:
    """Killed before any operation: never 0, and a file in new/ is whole. Before the link: none."""
    root = Path(maildir.__file__).parents[2]
    body = (
        f"#!{sys.executable} -IS\nimport os, sys\nsys.path.insert(0, {str(root)!r})\n"
        "from qscanner.programs.maildir import deliver\n"
        "class Files:\n"
        "  left = int(os.environ['KILL_AT'])\n"
        "  def __getattr__(self, name):\n"
        "    def operation(*args):\n"
        "      self.left -= 1\n"
        "      if self.left == 0: os.kill(os.getpid(), 9)\n"
        "      return getattr(os, name)(*args)\n"
        "    return operation\n"
        "deliver(os.environ['QSCANNER_MAILDIR'], message_fd=0, envelope_fd=1, files=Files())\n"
        "os._exit(0)\n"
    )
    program = shared_tmp / "killed-maildir"
    program.write_text(body)
    program.chmod(0o755)
    names, _ = _deliver(folder, Counting(0))
    linked = names.index("link") + 1
    for at in range(1, len(names) + 1):
        _empty(folder)
        env = TCPSERVER | {"QSCANNER_MAILDIR": str(folder), "KILL_AT": str(at)}
        result = call(program, SMALL, setting=Setting(env=env))
        assert result.signal == 9, at
        assert _delivered(folder) == ([TOP + SMALL] if at > linked else []), at


def test_out_of_time(program: Path, folder: Path) -> None:
    """The alarm, here sent before its day is over, is 52."""

    def ring(stage: Stage, pid: int) -> None:
        if stage is Stage.MESSAGE:  # larger than a pipe: the program is reading by now
            os.kill(pid, signal.SIGALRM)

    result = _run(program, folder, setting=Setting(at=ring))
    assert (result.code, _delivered(folder)) == (52, [])


def test_short_writes(folder: Path) -> None:
    """A write that takes only a part is followed by another."""

    class Short(Counting):
        def __getattr__(self, name: str) -> Callable[..., object]:
            if name == "write":
                return lambda fd, octets: os.write(fd, octets[:7])
            return super().__getattr__(name)

    _deliver(folder, Short(0))
    assert _delivered(folder) == [TOP + SMALL]


def test_synced_before_success(folder: Path) -> None:
    """The file is synced after its last octet and before its link; the folder after the link."""
    names, _ = _deliver(folder, Counting(0))
    link = names.index("link")
    assert names[link - 3 : link] == ["fsync", "close", "open"]
    assert "write" not in names[names.index("fsync") :]
    assert names[link + 1 :] == ["fsync", "unlink"]


def test_a_name_that_exists_is_not_replaced(folder: Path) -> None:
    """A link never replaces, unlike a rename: two deliveries at one instant are both there."""

    class Slow(Counting):
        def __getattr__(self, name: str) -> Callable[..., object]:
            if name == "link":
                os.link(next((folder / "tmp").iterdir()), folder / "new" / "taken")
                return lambda _of, _to: os.link(_of, folder / "new" / "taken")
            return super().__getattr__(name)

    _, error = _deliver(folder, Slow(0))
    assert isinstance(error, DiskFull)
    assert "exists" in str(error)
    assert [file.name for file in (folder / "new").iterdir()] == ["taken"]
