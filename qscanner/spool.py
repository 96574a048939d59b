"""The octets of one message, and every write that must survive a crash.

Called by  scan and checks (Message), quarantine (write_durably); intake makes the files.
Ends       raises DiskFull where nothing more can be written.
Careful    descriptors share their offset with whoever holds a copy: read with pread or a mapping,
           never with read(), and lseek(0) immediately before the exec of the real queue program.
"""

import contextlib
import errno
import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass

from qscanner.intake import as_ours, memory_file, seal, write_all

Octets = bytes | mmap.mmap


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
        """Give the mapping and the descriptor back."""
        self.release()
        os.close(self.fd)

    def release(self) -> None:
        """Give the mapping back, and leave the descriptor to whom it belongs."""
        if isinstance(self.octets, mmap.mmap):
            with contextlib.suppress(BufferError):  # somebody still looks; it goes with them
                self.octets.close()


def _mapped(fd: int, size: int) -> mmap.mmap:
    """Map a file for reading. Raises MemoryError where RLIMIT_AS leaves no room."""
    try:
        # MAP_PRIVATE: kernels before 6.7 refuse a shared mapping of a file sealed against writing.
        return mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise MemoryError("no room to map the message") from error
        raise


def write_durably(folder: str, name: str, write: Callable[[int], None]) -> None:
    """Make a file appear whole or not at all, and make it survive a crash before returning.

    `write` gets a descriptor to fill. Same folder, temporary name, write, fsync, rename, fsync of
    the folder. Raises DiskFull; what was there under `name` before stays as long as that.
    """
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            try:
                os.fchmod(fd, 0o640)  # whatever the caller's umask
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
        raise as_ours(error, f"cannot keep {name} in {folder}") from error


def sync_folder(folder: str) -> None:
    """Make the names in a folder durable. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
