"""At most N scans at a time without a daemon: one lock file per place, in the spool folder.

Called by  the queue program before it scans by itself.
Ends       take() gives a descriptor that holds the place until it is closed (also by a crash), or
           raises Later when no place becomes free in time.
Careful    callers have any uid: the files are for all to lock. A folder with the sticky bit
           forbids opening others' files with O_CREAT (fs.protected_regular), hence two tries.
"""

import errno
import fcntl
import os
import select

from qscanner.deadline import Deadline
from qscanner.outcomes import Later, OutOfTime

_FALLBACK = ("/dev/shm", "/tmp")  # noqa: S108 - only empty lock files, opened without following links
_POLL_MS = 50


def take(folder: str, count: int, *, within_s: float) -> int:
    """Wait for one of `count` places and give the descriptor that holds it."""
    deadline = Deadline(within_s)
    while True:
        opened = False
        for place in range(count):
            fd = _open(folder, f"qscanner-slot-{place}")
            if fd is None:
                continue
            opened = True
            if _is_locked(fd):
                return fd
            os.close(fd)
        try:
            deadline.remaining_s()
        except OutOfTime as error:
            why = "all are taken" if opened else "no lock file can be opened"
            raise Later(f"none of {count} places to scan: {why}") from error
        select.poll().poll(_POLL_MS)


def _open(folder: str, name: str) -> int | None:
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    for where in (folder, *_FALLBACK):
        path = os.path.join(where, name)
        for extra in (0, os.O_CREAT | os.O_EXCL, 0):  # another may create it between the two
            try:
                return _open_for_all(path, flags | extra)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.EEXIST):
                    break
    return None


def _open_for_all(path: str, flags: int) -> int:
    mask = os.umask(0)  # the caller's; chmod afterwards would come too late for the others
    try:
        return os.open(path, flags, 0o666)
    finally:
        os.umask(mask)


def _is_locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
