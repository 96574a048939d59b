"""The files of the history: taken away from those who write, read, and removed when all is known.

Called by  history.
Ends       when every file that was there has been used; what `use` raises is passed on, and the
           file is there for the next one. Raises DiskFull or Later where it cannot be read.
Careful    the file is renamed, then locked (LOCK_EX): by then those who had it open have written
           their line, or will see that its name is gone (qscanner.history). Who is killed behind
           that leaves a file, which the next one takes first: some of its lines, or all, may be
           in the database already.
"""

import contextlib
import fcntl
import os
import select
import stat
import time
from collections.abc import Callable, Iterator

from qscanner.deadline import Deadline
from qscanner.history import NAME
from qscanner.intake import as_ours
from qscanner.outcomes import OutOfTime

TAKEN = f"{NAME}.taking."
_PIECE = 1 << 20  # octets that are read at a time
_POLL_MS = 5
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
Use = Callable[[Iterator[bytes]], None]


def take(folder: str, use: Use, *, within_s: float) -> None:
    """Give the lines of each file that waits to `use`, and remove the file when it returns.

    What another one is at is waited for, for so long, and left to him then. A folder that is not
    there, or may not be written by us, has nothing.
    """
    deadline = Deadline(within_s)
    try:
        _take_away(folder)
        names = sorted(name for name in os.listdir(folder) if name.startswith(TAKEN))
        for name in names:
            _taken(os.path.join(folder, name), use, deadline)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    except OSError as error:
        raise as_ours(error, f"cannot take in the history of {folder}") from error


def _take_away(folder: str) -> None:
    """Rename the file; those who come behind those that wait already."""
    path = os.path.join(folder, NAME)
    with contextlib.suppress(FileNotFoundError):
        if os.stat(path, follow_symlinks=False).st_size:
            name = f"{TAKEN}{time.time_ns():020}.{os.urandom(4).hex()}"
            os.rename(path, os.path.join(folder, name))


def _taken(path: str, use: Use, deadline: Deadline) -> None:
    try:
        fd = os.open(path, _FLAGS)
    except FileNotFoundError:  # by another one
        return
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or not _is_locked(fd, deadline):
            return
        if os.fstat(fd).st_nlink:  # else somebody has used it while we waited
            use(lines(fd))
            os.unlink(path)
    finally:
        os.close(fd)


def _is_locked(fd: int, deadline: Deadline) -> bool:
    """Wait for the lock; say whether it came in time."""
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        try:
            deadline.remaining_s()
        except OutOfTime:
            return False
        select.poll().poll(_POLL_MS)


def lines(fd: int) -> Iterator[bytes]:
    """Give the lines of a file that are not empty; the last one may be half of one."""
    rest, at = b"", 0
    while piece := os.pread(fd, _PIECE, at):
        at += len(piece)
        *whole, rest = (rest + piece).split(b"\n")
        yield from filter(None, whole)
    if rest:
        yield rest
