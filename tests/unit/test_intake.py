"""The octets of a message as they come: received from real pipes, sealed, bounded."""

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qscanner import intake
from qscanner.intake import IN_MEMORY_OCTETS, MEMORY_ONLY_OCTETS
from qscanner.outcomes import CutShort, DiskFull, Ending, Later
from qscanner.spool import Message
from tests.fakes import child

MIB = 1 << 20


def never() -> str:
    """Stand for a spool folder that must not be asked for."""
    raise AssertionError("the spool folder was asked for")


def whole(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


def is_memory(fd: int) -> bool:
    return os.readlink(f"/proc/self/fd/{fd}").startswith("/memfd:")


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


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((), id="nothing"),
        pytest.param((b"a",), id="one-octet"),
        pytest.param(tuple(b"%d\0\n" % number for number in range(500)), id="dribbles"),
        pytest.param((b"x" * 70_000, b"y"), id="more-than-a-pipe"),
        pytest.param((b"x" * IN_MEMORY_OCTETS,), id="just-in-memory"),
    ],
)
def test_receive_in_memory(pieces: tuple[bytes, ...], fds: list[int]) -> None:
    """What comes, however it dribbles, is in a sealed memory file; no folder is asked for."""
    got = intake.receive(piped(fds, *pieces), never)
    fds.append(got)
    assert whole(got) == b"".join(pieces)
    assert is_memory(got)
    assert not os.get_inheritable(got)
    changes: dict[str, Callable[[], object]] = {
        "write": lambda: os.pwrite(got, b"!", 0),
        "grow": lambda: os.ftruncate(got, 9 * MIB),
        "shrink": lambda: os.ftruncate(got, 0) if any(pieces) else os.ftruncate(got, 1),
        "unseal": lambda: fcntl.fcntl(got, fcntl.F_ADD_SEALS, 0),
    }
    for change in changes.values():
        with pytest.raises(PermissionError):
            change()


@pytest.mark.parametrize("size", [IN_MEMORY_OCTETS + 1, 3 * MIB + 17], ids=["one-more", "3-MiB"])
def test_receive_moves_to_the_folder(size: int, tmp_path: Path, fds: list[int]) -> None:
    """What outgrows the memory goes on in a file of the folder that has no name."""
    octets = (b"0123456789abcde\n" * (size // 16 + 1))[:size]
    got = intake.receive(piped(fds, octets), lambda: str(tmp_path))
    fds.append(got)
    assert whole(got) == octets
    assert not is_memory(got)
    assert os.readlink(f"/proc/self/fd/{got}").startswith(str(tmp_path))
    assert os.fstat(got).st_nlink == 0
    assert os.fstat(got).st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == []


def test_receive_stays_in_memory_where_the_folder_cannot_be_written(fds: list[int]) -> None:
    """Without a folder up to 32 MiB stay in memory."""
    octets = b"m" * (2 * MIB)
    got = intake.receive(piped(fds, octets), lambda: "/nonexistent/spool")
    fds.append(got)
    assert is_memory(got)
    assert whole(got) == octets


@pytest.mark.parametrize("more", [0, 1], ids=["just-32-MiB", "one-octet-more"])
def test_memory_only_is_bounded(more: int, fds: list[int]) -> None:
    """More than 32 MiB without a folder is DiskFull, and says which folder."""
    source = intake.memory_file()
    fds.append(source)
    os.ftruncate(source, MEMORY_ONLY_OCTETS + more)
    if more:
        with pytest.raises(DiskFull, match="/nonexistent/spool"):
            intake.receive(source, lambda: "/nonexistent/spool")
    else:
        fds.append(intake.receive(source, lambda: "/nonexistent/spool"))
        assert os.fstat(fds[-1]).st_size == MEMORY_ONLY_OCTETS


@pytest.mark.parametrize("way", ["closed", "write-end", "folder"])
def test_what_cannot_be_read_was_cut_short(way: str, tmp_path: Path, fds: list[int]) -> None:
    """A descriptor that is no source of a message ends as an aborted session."""
    folder = os.open(tmp_path, os.O_RDONLY)
    reading, writing = os.pipe()
    fds += [writing, folder]
    os.close(reading)
    fd = {"closed": reading, "write-end": writing, "folder": folder}[way]
    with pytest.raises(CutShort) as caught:
        intake.receive(fd, never)
    assert caught.value.ending is Ending.CUT_SHORT


def test_a_spool_folder_of_mode_1733_serves_strangers(
    open_tmp: Path, uids: tuple[int | None, ...]
) -> None:
    """Any uid spools into a folder that it may write but not read."""
    os.chmod(open_tmp, 0o1733)
    code = (
        "import os, sys; from qscanner import intake\n"
        "r, w = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    [os.write(w, b'x' * 65536) for _ in range(20)]; os._exit(0)\n"
        "os.close(w)\n"
        "fd = intake.receive(r, lambda: sys.argv[1])\n"
        "print(os.readlink(f'/proc/self/fd/{fd}'), os.fstat(fd).st_size)\n"
    )
    for uid in uids:
        place, _, size = child.said(child.run(code, open_tmp, uid=uid)).strip().rpartition(" ")
        assert place.startswith(str(open_tmp))
        assert int(size) == 20 * 65536


def test_a_folder_without_o_tmpfile_is_used_by_name(tmp_path: Path) -> None:
    """Where the file system knows no O_TMPFILE, a file is made and its name taken away at once."""
    code = (
        "import errno, os, sys; from qscanner import intake\n"
        "real = os.open\n"
        "def without(path, flags, mode=0o777):\n"
        "    if flags & os.O_TMPFILE == os.O_TMPFILE: raise OSError(errno.EOPNOTSUPP, 'no')\n"
        "    return real(path, flags, mode)\n"
        "os.open = without\n"
        "fd = intake.unlinked_file(sys.argv[1])\n"
        "print(os.fstat(fd).st_nlink, os.listdir(sys.argv[1]))\n"
        "print(intake.unlinked_file('/nonexistent'))\n"
    )
    assert child.said(child.run(code, tmp_path)) == "0 []\nNone\n"


@pytest.mark.parametrize(
    ("start", "end"), [(0, 10), (3, 7), (0, 0), (10, 10)], ids=["all", "middle", "none", "at-end"]
)
def test_copy_leaves_the_source_alone(start: int, end: int, fds: list[int]) -> None:
    """A range is appended; the offset of the source, which others share, does not move."""
    message, target = Message.of_octets(b"0123456789"), intake.memory_file()
    fds.append(target)
    os.lseek(message.fd, 5, os.SEEK_SET)
    intake.write_all(target, b"head ")
    intake.copy(message.fd, target, start, end)
    intake.write_all(target, b" tail")
    assert whole(target) == b"head " + b"0123456789"[start:end] + b" tail"
    assert os.lseek(message.fd, 0, os.SEEK_CUR) == 5
    message.close()


def test_copy_notices_that_octets_are_missing(fds: list[int]) -> None:
    """A source that is shorter than it was never makes a shorter message."""
    message, target = Message.of_octets(b"0123456789"), intake.memory_file()
    fds.append(target)
    with pytest.raises(DiskFull):
        intake.copy(message.fd, target, 0, 11)
    message.close()


def test_write_all_goes_on_after_a_short_write(fds: list[int]) -> None:
    """A pipe takes 64 KiB at a time; everything arrives all the same."""
    reading, writing = os.pipe()
    fds.append(reading)
    octets = os.urandom(300_000)
    taken: list[bytes] = []

    def read() -> None:
        while piece := os.read(reading, 1000):
            taken.append(piece)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    intake.write_all(writing, octets)
    os.close(writing)
    reader.join(10)
    assert b"".join(taken) == octets


def test_a_full_device_is_disk_full() -> None:
    """ENOSPC of the kernel ends as 53."""
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(DiskFull):
        intake.write_all(full.fileno(), b"x")


def test_a_descriptor_that_cannot_be_written_is_later(fds: list[int]) -> None:
    """Trouble that is not about room is "later", too, but not called a full disk."""
    message = Message.of_octets(b"x")
    fds.append(os.open(os.devnull, os.O_RDONLY))
    with pytest.raises(Later):
        intake.write_all(fds[0], b"x")
    with pytest.raises(Later):
        intake.copy(message.fd, fds[0], 0, 1)
    message.close()


def test_no_descriptors_left_is_later() -> None:
    """No descriptor to be had says nothing of the disk: 71, and not an exception of Python's."""
    code = (
        "import resource; from qscanner import intake; from qscanner.outcomes import Later\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "try: intake.memory_file()\n"
        "except Later as error: print(error.ending.name)\n"
    )
    assert child.said(child.run(code)) == "DEFERRED\n"


def test_sealing_another_file_is_no_trouble(tmp_path: Path, fds: list[int]) -> None:
    """What cannot be sealed is left as it is."""
    fds.append(os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT))
    intake.seal(fds[0])
    assert os.write(fds[0], b"x") == 1


def test_a_message_that_fills_the_spool_is_disk_full(tmp_path: Path, fds: list[int]) -> None:
    """The spool folder itself runs full while the sender is typing (the limit stands for it)."""
    code = (
        "import os, resource, sys; from qscanner import intake\n"
        "from qscanner.outcomes import DiskFull\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))\n"
        "source = os.open('/dev/zero', os.O_RDONLY)\n"
        "try: intake.receive(source, lambda: sys.argv[1])\n"
        "except DiskFull as error: print(error.ending.name)\n"
    )
    assert child.said(child.run(code, tmp_path)) == "DISK_FULL\n"
    assert list(tmp_path.iterdir()) == []
