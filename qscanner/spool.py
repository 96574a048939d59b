"""The octets of one message, and every write that must survive a crash.

Called by  the queue programs (receive), scan and checks (Message), quarantine (write_durably).
Ends       raises CutShort where the caller went away, DiskFull where nothing more can be written.
Careful    descriptors share their offset with whoever holds a copy: read with pread or a mapping,
           never with read(), and lseek(0) immediately before the exec of the real queue program.
"""

import contextlib
import errno
import fcntl
import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass

from qscanner.outcomes import CutShort, DiskFull, Later, QScannerError

Octets = bytes | mmap.mmap

IN_MEMORY_OCTETS = 1 << 20  # larger messages go to the spool folder
MEMORY_ONLY_OCTETS = 32 << 20  # bound where the spool folder cannot be written
_CHUNK = 1 << 16
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The octets of one message: a descriptor, how many, and a read-only view of them."""

    fd: int
    size: int
    octets: Octets

    @classmethod
    def of(cls, fd: int) -> "Message":
        """Map the file behind a descriptor; its offset is left alone."""
        size = os.fstat(fd).st_size
        return cls(fd=fd, size=size, octets=_mapped(fd, size) if size else b"")

    @classmethod
    def of_octets(cls, octets: bytes) -> "Message":
        """Put octets into a sealed memory file, as receive() does with those of fd 0."""
        fd = memory_file()
        write_all(fd, octets)
        seal(fd)
        return cls.of(fd)

    def close(self) -> None:
        """Give the descriptor back."""
        if isinstance(self.octets, mmap.mmap):
            self.octets.close()
        os.close(self.fd)


def _mapped(fd: int, size: int) -> mmap.mmap:
    """Map a file for reading. Raises MemoryError where RLIMIT_AS leaves no room."""
    try:
        # MAP_PRIVATE: kernels before 6.7 refuse a shared mapping of a file sealed against writing.
        return mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise MemoryError("no room to map the message") from error
        raise


def memory_file() -> int:
    """Give a descriptor of an empty memory file that can be sealed. Raises DiskFull."""
    try:
        return os.memfd_create("qscanner", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError as error:
        raise DiskFull(f"no memory file to be had: {error.strerror}") from error


def seal(fd: int) -> None:
    """Forbid every further change of a memory file; other files are left as they are."""
    with contextlib.suppress(OSError):  # EINVAL: not a memory file
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)


def write_all(fd: int, octets: bytes | memoryview) -> None:
    """Write all of it, however small the pieces the kernel takes. Raises DiskFull."""
    rest = memoryview(octets)
    try:
        while rest:
            rest = rest[os.write(fd, rest) :]
    except OSError as error:
        raise _as_ours(error, "cannot write the message to the spool") from error


def copy(source: int, target: int, start: int, end: int) -> None:
    """Append the octets from `start` to `end` of one file to another, inside the kernel.

    The source's offset is left alone. Raises DiskFull.
    """
    try:
        while start < end:
            sent = os.sendfile(target, source, start, end - start)
            if sent == 0:
                raise DiskFull("the spooled message is shorter than it was")
            start += sent
    except OSError as error:
        raise _as_ours(error, "cannot copy the message in the spool") from error


def receive(fd: int, folder: Callable[[], str]) -> int:
    """Read a descriptor to its end at the sender's speed and give a file that holds the octets.

    Up to 1 MiB stay in a memory file; more moves to an unlinked file in `folder()`, and where
    that cannot be written stays in memory up to 32 MiB. Raises CutShort where the descriptor
    cannot be read, DiskFull where the octets find no room.
    """
    octets = _read(fd)  # before a memory file could take the number of a closed descriptor
    target, room, size = memory_file(), IN_MEMORY_OCTETS, 0
    while octets:
        size += len(octets)
        if size > room:
            target, room = _move_out(target, size - len(octets), room, folder)
        write_all(target, octets)
        octets = _read(fd)
    seal(target)
    return target


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, _CHUNK)
    except OSError as error:
        raise CutShort(f"cannot read descriptor {fd}: {error.strerror}") from error


def _move_out(fd: int, size: int, room: int, folder: Callable[[], str]) -> tuple[int, int]:
    """Give the file that takes over from a memory file which has outgrown its room."""
    if room != IN_MEMORY_OCTETS:
        raise DiskFull(
            f"the message outgrows {MEMORY_ONLY_OCTETS >> 20} MiB of memory, "
            f"and the spool folder {folder()} cannot be written"
        )
    file = unlinked_file(folder())
    if file is None:
        return fd, MEMORY_ONLY_OCTETS
    copy(fd, file, 0, size)
    os.close(fd)
    return file, 1 << 62


def unlinked_file(folder: str) -> int | None:
    """Give a file without a name in the folder, or None where the folder cannot be written."""
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        return os.open(folder, flags | os.O_TMPFILE, 0o600)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            return None
    name = os.path.join(folder, f".{os.getpid()}.{os.urandom(8).hex()}")  # no O_TMPFILE here
    try:
        fd = os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return None
    os.unlink(name)
    return fd


def write_durably(folder: str, name: str, write: Callable[[int], None]) -> None:
    """Make a file appear whole or not at all, and make it survive a crash before returning.

    `write` gets a descriptor to fill. Same folder, temporary name, write, fsync, rename, fsync of
    the folder. Raises DiskFull; what was there under `name` before stays as long as that.
    """
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            try:
                write(fd)
                os.fsync(fd)
            finally:
                os.close(fd)
            os.rename(temporary, os.path.join(folder, name))
        except BaseException:
            with contextlib.suppress(OSError):  # a torn temporary file is no message's only copy
                os.unlink(temporary)
            raise
        sync_folder(folder)
    except OSError as error:
        raise _as_ours(error, f"cannot keep {name} in {folder}") from error


def sync_folder(folder: str) -> None:
    """Make the names in a folder durable. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _as_ours(error: OSError, what: str) -> QScannerError:
    text = f"{what}: {error.strerror or error}"
    return DiskFull(text) if error.errno in _FULL else Later(text)
