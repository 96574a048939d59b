"""How many octets lie in the spool in all: a file beside the daemon's socket, locked in pieces.

Each octet of the file stands for a MiB of the spool. Whoever spools more than 1 MiB locks one of
them for each MiB before that is written, and holds it until it ends; the kernel gives back what a
killed process held. So any number of users share one bound, with or without the daemon.

Called by  intake (claim), as programs/ledger.h does in C; programs.daemon (Ledger).
Ends       claim() raises DiskFull where nothing is left; where there is no ledger, nothing is
           counted. Ledger raises OSError where it cannot be made.
Careful    any user may lock, so any user may write the file: the daemon sets its length right
           again. It keeps those who spool from filling the disk together, and stops no local user
           who wants to: that is for quotas.
"""

import contextlib
import fcntl
import os
import stat
import struct

from qscanner.outcomes import DiskFull

BESIDE = b".spooled"  # behind the path of the socket
UNIT_OCTETS = 1 << 20
_STRIDE = 61  # where one begins to look: processes that start together do not try the same octets
_FLOCK = struct.Struct("@hhqqi0q")  # fcntl(2): type, whence, start, length, pid
_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Claims:
    """What this process has claimed; held until it ends or becomes another program."""

    def __init__(self, socket: bytes) -> None:
        """Find the ledger beside the daemon's socket; it is no mistake if there is none."""
        self._units = self._tried = self._claimed = 0
        try:
            self._fd = os.open(socket + BESIDE, _FLAGS)
            found = os.fstat(self._fd)
        except OSError:
            return
        self._units = found.st_size if stat.S_ISREG(found.st_mode) else 0

    def reach(self, size: int) -> None:
        """Claim what is missing to `size` octets. Raises DiskFull where others have it."""
        while self._units and self._claimed * UNIT_OCTETS < size:
            if self._tried == self._units:
                os.utime(self._fd)  # the daemon sees that somebody was sent away
                raise DiskFull("the spool is full: [limits] spooled")
            unit = (os.getpid() * _STRIDE + self._tried) % self._units
            self._tried += 1
            self._claimed += _is_locked(self._fd, unit)


class Ledger:
    """The daemon's end: makes the file, keeps its length, and looks who was sent away."""

    def __init__(self, socket: str, octets: int) -> None:
        """Make the file for a bound of so many octets. Raises OSError."""
        self._fd = os.open(os.fsencode(socket) + BESIDE, _FLAGS | os.O_CREAT, 0o600)
        with contextlib.suppress(PermissionError):  # another user's daemon has made it
            os.fchmod(self._fd, 0o666)  # whatever the umask
        self.bound(octets)

    def bound(self, octets: int) -> None:
        """Set another bound; what is claimed already stays claimed."""
        self._units = -(-octets // UNIT_OCTETS)
        os.ftruncate(self._fd, self._units)
        self._seen = os.fstat(self._fd).st_mtime_ns

    def has_refused(self) -> bool:
        """Say whether somebody was sent away since the last time."""
        found = os.fstat(self._fd)
        before, self._seen = self._seen, found.st_mtime_ns
        if found.st_size != self._units:
            self.bound(self._units * UNIT_OCTETS)
            return False
        return found.st_mtime_ns != before

    def octets(self) -> int:
        """Give how many octets are claimed now, in whole MiB."""
        total, gaps = 0, [(0, self._units)]
        while gaps:
            start, end = gaps.pop()
            if start < end and (held := _held(self._fd, start, end)):
                first, last = max(start, held[0]), min(end, held[1])
                total += last - first
                gaps += [(start, first), (last, end)]
        return total * UNIT_OCTETS

    def close(self) -> None:
        """Leave the file to those who still spool."""
        os.close(self._fd)


def _is_locked(fd: int, unit: int) -> bool:
    lock = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, unit, 1, 0)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, lock)
    except OSError:  # another has it
        return False
    return True


def _held(fd: int, start: int, end: int) -> tuple[int, int] | None:
    """Give one piece, from and to, that somebody holds between start and end; None for none."""
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, end - start, 0)
    kind, _, first, length, _ = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))
    if kind == fcntl.F_UNLCK:
        return None
    return first, first + length if length else end
