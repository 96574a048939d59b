"""One call of qscanner-queue, as light as it can be: many at once must not be held up by us.

Called by  soak, in several threads; bench_crowd and bench_dribble.
Ends       with a Told, or within the limit by killing the program, which is told apart.
Careful    as qmail.c: the text pipe is read to its end before the wait; a pipe nobody reads is no
           reason to die.
"""

import fcntl
import os
import select
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass

from soak_mails import Sent

TEXT_FD = 6
_HIGH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the caller heard: exit code or signal (the other is 0), text, milliseconds."""

    code: int
    signal: int
    text: bytes
    ms: float
    is_overdue: bool = False


class Running:
    """The pids of clients that run now; who kills them notes it here."""

    def __init__(self) -> None:
        self.pids: set[int] = set()
        self.killed: set[int] = set()

    def kill(self, pid: int) -> None:
        """Kill one that is running, or has just become the queue program."""
        if pid in self.pids:
            self.killed.add(pid)
            os.kill(pid, signal.SIGKILL)  # it is waited for by us only: the pid is still its own


def call(
    program: str, env: Mapping[str, str], sent: Sent, *, running: Running, within_s: float
) -> tuple[Told, bool]:
    """Hand over one message; give what was heard, and whether we killed the client."""
    begun = time.monotonic()
    pid, ours = start(program, env)
    running.pids.add(pid)
    try:
        _feed(ours[0], sent.message)
        _feed(ours[1], sent.envelope)
        text, is_overdue = hear(ours[TEXT_FD], begun + within_s)
        if is_overdue:
            os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    finally:
        running.pids.discard(pid)
        status = os.waitpid(pid, 0)[1]
    code = os.waitstatus_to_exitcode(status)
    told = Told(
        code=max(code, 0),
        signal=max(-code, 0),
        text=text,
        ms=(time.monotonic() - begun) * 1000,
        is_overdue=is_overdue,
    )
    was_killed = pid in running.killed
    running.killed.discard(pid)
    return told, was_killed


def start(program: str, env: Mapping[str, str]) -> tuple[int, dict[int, int]]:
    """Start a queue program with pipes on 0, 1 and 6; give its pid and our ends by number."""
    inside, ours = _pipes()
    actions = [(os.POSIX_SPAWN_DUP2, fd, to) for to, fd in inside.items()]
    pid = os.posix_spawn(program, [program], dict(env), file_actions=actions)
    for fd in inside.values():
        os.close(fd)
    return pid, ours


def _pipes() -> tuple[dict[int, int], dict[int, int]]:
    """Give the pipes for 0, 1 and 6: the ends for the program by number, and our ends."""
    inside, ours = {}, {}
    for number in (0, 1, TEXT_FD):
        read, write = os.pipe2(os.O_CLOEXEC)
        theirs, mine = (write, read) if number == TEXT_FD else (read, write)
        inside[number] = _moved_up(theirs)  # no end may be what another is put upon
        ours[number] = mine
    nothing = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    inside[2] = _moved_up(nothing)
    return inside, ours


def _moved_up(fd: int) -> int:
    high: int = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    os.close(fd)
    return high


def _feed(fd: int, octets: bytes) -> None:
    rest = memoryview(octets)
    try:
        while rest:
            rest = rest[os.write(fd, rest) :]
    except BrokenPipeError:
        pass  # the program has ended: its exit says why
    finally:
        os.close(fd)


def hear(fd: int, until: float) -> tuple[bytes, bool]:
    """Give what is said until the pipe ends, and whether `until` (monotonic) came before that."""
    text = bytearray()
    waiting = select.poll()
    waiting.register(fd, select.POLLIN)
    try:
        while True:
            if not waiting.poll(max(0.0, until - time.monotonic()) * 1000):
                return bytes(text), True
            if not (octets := os.read(fd, 4096)):
                return bytes(text), False
            text += octets
    finally:
        os.close(fd)
