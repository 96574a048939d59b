"""Limits of this process: taken off while we prepare, put on what scans, restored before the exec.

Called by  the queue program (and later the workers).
Ends       raises nothing: a limit that cannot be set is left as it is.
Careful    softlimit(8) of daemontools lowers soft limits only, below what an interpreter needs;
           we may raise them to the hard ones for ourselves, but the queue program must find
           them as they were. NO_NEW_PRIVS is for what scans only: qmail-queue is set-uid.
"""

import contextlib
import os
import resource
import signal
from typing import Any

_MEMORY = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGE_OCTETS = 256 << 10
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38

Saved = dict[int, tuple[int, int]]


def lift() -> Saved:
    """Raise the soft memory limits to the hard ones, and give what they were."""
    saved = {which: resource.getrlimit(which) for which in _MEMORY}
    for which, (_, hard) in saved.items():
        _set(which, hard, hard)
    return saved


def restore(saved: Saved) -> None:
    """Put back what lift() gave."""
    for which, (soft, hard) in saved.items():
        _set(which, soft, hard)


def scanner(*, memory_octets: int, cpu_s: float, parent: int) -> None:
    """Confine this process for good: memory, processor time, no core files, no new privileges.

    It also dies with its parent, whose pid is given. Source: prctl(2), setrlimit(2).
    """
    for which, value in (
        (resource.RLIMIT_AS, memory_octets),
        (resource.RLIMIT_CPU, int(cpu_s) + 1),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(which)[1]
        _set(which, value if hard == resource.RLIM_INFINITY else min(value, hard), hard)
    import ctypes  # not needed by the queue program itself, which lifts and restores

    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it died before that
        os.kill(os.getpid(), signal.SIGKILL)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _give_back_memory(libc)


def _give_back_memory(libc: Any) -> None:
    """Have malloc return what large messages took, at once and not when it likes (mallopt(3)).

    Left alone, glibc raises both bounds to 32 MiB after the first large message, and what several
    of them have scattered stays resident for good. Other C libraries have no such call.
    """
    with contextlib.suppress(AttributeError):
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_OCTETS)
        libc.mallopt(_M_TRIM_THRESHOLD, _LARGE_OCTETS)


def _set(which: int, soft: int, hard: int) -> None:
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(which, (soft, hard))
