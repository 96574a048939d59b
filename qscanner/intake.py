"""The octets of a message as they come: into memory, or a file without a name when they are many.

Called by  the queue programs (receive, at the sender's speed), and whoever makes such files.
Ends       raises CutShort where the caller went away, DiskFull where nothing more can be written.
Careful    the first stage of the queue program loads this while hundreds of senders may be typing:
           nothing but os, errno and fcntl. programs/queue.c does the same with the same bounds.
"""

import errno
import fcntl
import os

from qscanner.outcomes import CutShort, DiskFull, Later, QScannerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from qscanner.ledger import Claims

IN_MEMORY_OCTETS = 1 << 20  # larger messages go to the spool folder
MEMORY_ONLY_OCTETS = 32 << 20  # bound where the spool folder cannot be written
_CHUNK = 1 << 16
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


def memory_file() -> int:
    """Give a descriptor of an empty memory file that can be sealed. Raises DiskFull."""
    try:
        return os.memfd_create("qscanner", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError as error:
        kind = Later if error.errno in (errno.EMFILE, errno.ENFILE) else DiskFull
        raise kind(f"no memory file to be had: {error.strerror}") from error


def seal(fd: int) -> None:
    """Forbid every further change of a memory file; other files are left as they are."""
    try:  # noqa: SIM105 - contextlib would cost the first stage more than all of this module
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    except OSError:  # EINVAL: not a memory file
        pass


def write_all(fd: int, octets: bytes | memoryview) -> None:
    """Write all of it, however small the pieces the kernel takes. Raises DiskFull."""
    rest = memoryview(octets)
    try:
        while rest:
            rest = rest[os.write(fd, rest) :]
    except OSError as error:
        raise as_ours(error, "cannot write the message to the spool") from error


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
        raise as_ours(error, "cannot copy the message in the spool") from error


def receive(fd: int, folder: "Callable[[], str]", *, socket: bytes = b"") -> int:
    """Read a descriptor to its end at the sender's speed and give a file that holds the octets.

    Up to 1 MiB stay in a memory file; more moves to an unlinked file in `folder()`, and where
    that cannot be written stays in memory up to 32 MiB. What is more than 1 MiB is claimed in the
    ledger beside the daemon's `socket`. Raises CutShort where the descriptor cannot be read,
    DiskFull where the octets find no room.
    """
    octets = _read(fd)  # before a memory file could take the number of a closed descriptor
    target, room, size = memory_file(), IN_MEMORY_OCTETS, 0
    claims: Claims | None = None
    while octets:
        size += len(octets)
        if size > room:
            target, room = _move_out(target, size - len(octets), room, folder)
            claims = claims or _claims(socket)
        if claims:
            claims.reach(size)
        write_all(target, octets)
        octets = _read(fd)
    seal(target)
    return target


def _claims(socket: bytes) -> "Claims":
    from qscanner.ledger import Claims  # most messages are small

    return Claims(socket)


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, _CHUNK)
    except OSError as error:
        raise CutShort(f"cannot read descriptor {fd}: {error.strerror}") from error


def _move_out(fd: int, size: int, room: int, folder: "Callable[[], str]") -> tuple[int, int]:
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


def as_ours(error: OSError, what: str) -> QScannerError:
    """Give DiskFull where the errno says that there is no room, else Later."""
    text = f"{what}: {error.strerror or error}"
    return DiskFull(text) if error.errno in _FULL else Later(text)
