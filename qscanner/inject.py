"""Injecting: a message of ours, or one that was held, given to the real queue program.

Called by  the admin's commands and the daemon, never by a worker: a set-uid queue program fails
           under NO_NEW_PRIVS.
Ends       when the queue program said 0, which is its promise; raises NotQueued otherwise.
Careful    only 0 is success: an exit by a signal is none. The child gets descriptors of its own
           that stand at their start, a bare environment and no signal of ours ignored or blocked.
"""

import contextlib
import os
import select
import signal
from collections.abc import Mapping

from qscanner.deadline import Deadline
from qscanner.intake import memory_file, seal, write_all
from qscanner.outcomes import OutOfTime

_PERMANENT = range(11, 41)  # qmail-queue(8)
_PRIVILEGE = (61, 62, 63)  # trouble with its home or files: what it says where set-uid fails
_REPLY_FD, _REPLY_OCTETS = 6, 255
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


class NotQueued(Exception):
    """The queue program did not say that it took it.

    `is_permanent` is its own word for "never". `is_unsure`: it said nothing, for it was killed or
    took too long, and may have queued the message all the same.
    """

    def __init__(self, text: str, *, is_permanent: bool = False, is_unsure: bool = False) -> None:
        super().__init__(text)
        self.is_permanent = is_permanent
        self.is_unsure = is_unsure


def inject(
    program: str,
    message: int,
    envelope: bytes,
    *,
    within_s: float,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Have the queue program queue the file behind `message` for this envelope.

    `envelope` is as qmail-queue(8) reads it. `environment` is added to a bare one. Raises
    NotQueued, with the program's own words where it has any.
    """
    deadline = Deadline(within_s)
    with contextlib.ExitStack() as stack:

        def kept(fd: int) -> int:
            stack.callback(os.close, fd)
            return fd

        try:
            octets = kept(os.open(f"/proc/self/fd/{message}", os.O_RDONLY | os.O_CLOEXEC))
            addresses = kept(memory_file())
            write_all(addresses, envelope)
            seal(addresses)
            os.lseek(addresses, 0, os.SEEK_SET)
            said, saying = os.pipe2(os.O_CLOEXEC)
            kept(said)
            try:
                pid = _started(program, (octets, addresses, saying), environment or {})
            finally:
                os.close(saying)
        except OSError as error:
            raise NotQueued(f"{program} cannot be started: {error.strerror}") from error
        code = _code(pid, deadline, program)
        words = _words(said)
    if code:
        raise NotQueued(_told(program, code, words), is_permanent=code in _PERMANENT)


def _started(program: str, fds: tuple[int, int, int], environment: Mapping[str, str]) -> int:
    """Start the program with these as 0, 1 and 6."""
    # First out of the way, so that no dup2 overwrites what another one still needs.
    aside = max(_REPLY_FD, *fds) + 1
    moves = [(os.POSIX_SPAWN_DUP2, fd, aside + place) for place, fd in enumerate(fds)]
    wanted = (0, 1, _REPLY_FD)
    moves += [(os.POSIX_SPAWN_DUP2, aside + place, fd) for place, fd in enumerate(wanted)]
    closes = [(os.POSIX_SPAWN_CLOSE, aside + place) for place in range(len(fds))]
    quiet = [(os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)]
    return os.posix_spawn(
        program,
        [program],
        {**_ENVIRONMENT, **environment},
        file_actions=[*moves, *closes, *quiet],
        setsigmask=[],
        setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
    )


def _code(pid: int, deadline: Deadline, program: str) -> int:
    """Wait for the end. Raises NotQueued where it takes too long, or is killed."""
    watched = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(watched, select.POLLIN)
        if not poll.poll(_remaining_ms(deadline)):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise NotQueued(f"{program} did not end in time, and was killed", is_unsure=True)
    finally:
        os.close(watched)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code < 0:
        text = f"{program} was killed by {signal.Signals(-code).name}"
        raise NotQueued(text, is_unsure=True)
    return code


def _remaining_ms(deadline: Deadline) -> float:
    try:
        return deadline.remaining_s() * 1000
    except OutOfTime:
        return 0


def _words(fd: int) -> str:
    """Give what the program wrote for people (a patched qmail-queue does); it has ended."""
    os.set_blocking(fd, False)  # what it started may hold the other end
    with contextlib.suppress(BlockingIOError):
        return os.read(fd, _REPLY_OCTETS).decode("ascii", "backslashreplace").strip()
    return ""


def _told(program: str, code: int, words: str) -> str:
    text = f"{program} ended with {code}"
    if words:
        return f"{text}: {words[1:] if words[:1] in 'DZ' else words}"
    if code in _PRIVILEGE:
        return f"{text}: it lacks its privileges; is it set-uid, and started without NO_NEW_PRIVS?"
    return text
