"""The octets of a message: mapped, kept, and written so that they last."""

import errno
import mmap
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from qscanner import intake, spool
from qscanner.intake import IN_MEMORY_OCTETS
from qscanner.outcomes import DiskFull, Later
from qscanner.spool import Message
from tests.fakes import child


class Surprise(Exception):
    """What nobody expected."""


@pytest.fixture
def fds() -> Iterator[list[int]]:
    """Give a list of descriptors that are closed afterwards."""
    ours: list[int] = []
    yield ours
    for fd in ours:
        os.close(fd)


def piped(fds: list[int], *pieces: bytes) -> int:
    """Give the read end of a pipe into which the pieces are written, one write each, then EOF."""
    reading, writing = os.pipe()
    fds.append(reading)

    def feed() -> None:
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(writing, rest) :]
        os.close(writing)

    threading.Thread(target=feed, daemon=True).start()
    return reading


@pytest.mark.parametrize("octets", [b"", b"Subject: x\n\nbody\0\xff"], ids=["empty", "some"])
def test_a_message_of_octets(octets: bytes) -> None:
    """The view is the octets, the descriptor's offset is left alone, the file is sealed."""
    message = Message.of_octets(octets)
    assert (message.size, bytes(message.octets)) == (len(octets), octets)
    if octets:
        assert isinstance(message.octets, mmap.mmap)
        with pytest.raises(TypeError):
            message.octets[0] = 1
    with pytest.raises(PermissionError):
        os.pwrite(message.fd, b"!", 0)
    os.lseek(message.fd, 3, os.SEEK_SET)
    again = Message.of(message.fd)
    assert os.lseek(message.fd, 0, os.SEEK_CUR) == 3
    if isinstance(again.octets, mmap.mmap):
        again.octets.close()
    message.close()
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        os.fstat(message.fd)


def test_a_large_message_is_mapped_from_its_file(tmp_path: Path, fds: list[int]) -> None:
    """The view of an unlinked file is the same octets."""
    octets = os.urandom(IN_MEMORY_OCTETS + 5)
    message = Message.of(intake.receive(piped(fds, octets), lambda: str(tmp_path)))
    assert bytes(message.octets) == octets
    message.close()


def test_no_room_to_map_is_out_of_memory() -> None:
    """RLIMIT_AS of whoever scans: a MemoryError (51), not a bug of ours."""
    code = (
        "import resource; from qscanner import intake, spool\n"
        "fd = intake.memory_file(); spool.os.ftruncate(fd, 1 << 33)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))\n"
        "try: spool.Message.of(fd)\n"
        "except MemoryError: print('no room')\n"
    )
    assert child.said(child.run(code)) == "no room\n"


def test_what_cannot_be_mapped(fds: list[int], tmp_path: Path) -> None:
    """Any other trouble stays what it is."""
    (tmp_path / "file").write_bytes(b"x")
    fds.append(os.open(tmp_path / "file", os.O_WRONLY))
    with pytest.raises(PermissionError):
        Message.of(fds[0])


@pytest.mark.parametrize("umask", [0o027, 0o777, 0o077, 0], ids=oct)
def test_a_file_appears_whole(umask: int, tmp_path: Path) -> None:
    """The octets stand under the name, readable for owner and group, and nothing else is there."""
    mask = os.umask(umask)
    try:
        spool.write_durably(str(tmp_path), "name.eml", lambda fd: intake.write_all(fd, b"octets"))
    finally:
        os.umask(mask)
    assert [each.name for each in tmp_path.iterdir()] == ["name.eml"]
    assert (tmp_path / "name.eml").read_bytes() == b"octets"
    assert (tmp_path / "name.eml").stat().st_mode & 0o777 == 0o640


def test_the_order_of_a_durable_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written under another name, file on disk, renamed, name on disk: in this order."""
    steps: list[str] = []
    sync, rename = os.fsync, os.rename

    def traced_sync(fd: int) -> None:
        place = os.readlink(f"/proc/self/fd/{fd}")
        is_folder = place == str(tmp_path)
        steps.append("fsync folder" if is_folder else "fsync file")
        assert is_folder or not (tmp_path / "name").exists()
        assert is_folder or Path(place).read_bytes() == b"x"
        sync(fd)

    def traced_rename(of: str, to: str) -> None:
        steps.append("rename")
        assert Path(of).read_bytes() == b"x"
        assert Path(of).parent == Path(to).parent == tmp_path
        rename(of, to)

    def write(fd: int) -> None:
        steps.append("write")
        assert not (tmp_path / "name").exists()
        intake.write_all(fd, b"x")

    monkeypatch.setattr(os, "fsync", traced_sync)
    monkeypatch.setattr(os, "rename", traced_rename)
    spool.write_durably(str(tmp_path), "name", write)
    assert steps == ["write", "fsync file", "rename", "fsync folder"]


@pytest.mark.parametrize(
    ("raised", "want"),
    [
        pytest.param(OSError(errno.ENOSPC, "full"), DiskFull, id="full"),
        pytest.param(OSError(errno.EDQUOT, "quota"), DiskFull, id="quota"),
        pytest.param(OSError(errno.EFBIG, "limit"), DiskFull, id="file-size-limit"),
        pytest.param(OSError(errno.EROFS, "read-only"), DiskFull, id="read-only"),
        pytest.param(OSError(errno.EIO, "disk"), DiskFull, id="input-output"),
        pytest.param(OSError(errno.EACCES, "no"), Later, id="not-allowed"),
        pytest.param(Surprise(), Surprise, id="a-bug"),
        pytest.param(KeyboardInterrupt(), KeyboardInterrupt, id="interrupted"),
    ],
)
def test_a_write_that_fails_leaves_nothing(
    raised: BaseException, want: type[BaseException], tmp_path: Path
) -> None:
    """The file that was there stays, the torn one is gone, and the trouble has its ending."""
    (tmp_path / "name").write_bytes(b"before")

    def write(fd: int) -> None:
        intake.write_all(fd, b"torn")
        raise raised

    with pytest.raises(want):
        spool.write_durably(str(tmp_path), "name", write)
    assert [each.name for each in tmp_path.iterdir()] == ["name"]
    assert (tmp_path / "name").read_bytes() == b"before"


def test_a_rename_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """Where the name cannot be taken, the temporary file does not stay either."""
    (tmp_path / "name").mkdir()
    with pytest.raises(Later):
        spool.write_durably(str(tmp_path), "name", lambda fd: intake.write_all(fd, b"x"))
    assert [each.name for each in tmp_path.iterdir()] == ["name"]


@pytest.mark.parametrize("folder", ["missing", "a-file"])
def test_a_folder_that_is_none(folder: str, tmp_path: Path) -> None:
    """A folder that is not there, or is a file, is "later"."""
    (tmp_path / "a-file").touch()
    with pytest.raises(Later, match=folder):
        spool.write_durably(str(tmp_path / folder), "name", print)


def test_a_file_size_limit_is_disk_full(tmp_path: Path) -> None:
    """softlimit -f: EFBIG instead of SIGXFSZ, 53, and nothing left behind."""
    code = (
        "import resource, sys; from qscanner import intake, spool\n"
        "from qscanner.outcomes import DiskFull\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "message = b'x' * 5000\n"
        "try: spool.write_durably(sys.argv[1], 'n', lambda fd: intake.write_all(fd, message))\n"
        "except DiskFull as error: print(error.ending.name)\n"
    )
    assert child.said(child.run(code, tmp_path)) == "DISK_FULL\n"
    assert list(tmp_path.iterdir()) == []


def may_mount(folder: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    return os.getuid() == 0 and subprocess.run(command, check=False).returncode == 0


@pytest.mark.parametrize("options", ["size=64k", "ro"], ids=["full", "read-only"])
def test_a_small_file_system(options: str, tmp_path: Path) -> None:
    """A really full (or read-only) disk: 53, nothing left, what was there stays.

    Only root may mount; for others the file size limit above stands for it.
    """
    if not may_mount(tmp_path, options):
        return
    try:
        if options != "ro":
            spool.write_durably(str(tmp_path), "old", lambda fd: intake.write_all(fd, b"o" * 9000))
        before = sorted(os.listdir(tmp_path))
        with pytest.raises(DiskFull):
            spool.write_durably(
                str(tmp_path), "new", lambda fd: intake.write_all(fd, b"x" * 100_000)
            )
        assert sorted(os.listdir(tmp_path)) == before
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
