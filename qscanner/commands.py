"""The only home of subprocess: a program that an admin chose, asked about one message.

Called by  checks.command.
Ends       with what it printed and its exit code; raises CheckFailed where it cannot be started,
           is killed or says too much, and OutOfTime. Nothing of it is left running.
Careful    no shell: the words are the admin's, and nothing of the message is among them. It gets
           an open file of its own with the octets on stdin, a bare environment, and our limits.
"""

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from qscanner.deadline import Deadline
from qscanner.outcomes import CheckFailed, OutOfTime

MAX_OCTETS = 64 << 10  # of what it prints
_PIECE_OCTETS = 4096
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a program ended: exit code, and what it printed on stdout and stderr."""

    code: int
    out: bytes
    err: bytes


def run(words: Sequence[str], message_fd: int, *, within_s: float) -> Ran:
    """Run a program with the message on stdin. Raises CheckFailed and OutOfTime."""
    deadline = Deadline(within_s)
    try:
        # An offset of its own, and nothing that could be written to.
        stdin = os.open(f"/proc/self/fd/{message_fd}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise CheckFailed(f"{words[0]}: the message cannot be opened again") from error
    try:
        process = subprocess.Popen(  # noqa: S603 - the admin's words, no shell
            list(words),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise CheckFailed(f"{words[0]}: {_words(error)}") from error
    finally:
        os.close(stdin)
    with process:
        try:
            return _heard(process, words[0], deadline)
        finally:
            _end(process)


def _heard(process: "subprocess.Popen[bytes]", name: str, deadline: Deadline) -> Ran:
    said: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
    assert process.stdout is not None
    assert process.stderr is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, "out")
        selector.register(process.stderr, selectors.EVENT_READ, "err")
        while selector.get_map():
            for key, _ in selector.select(_remaining_s(deadline, name)):
                stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
                piece = os.read(stream.fileno(), _PIECE_OCTETS)
                said[key.data] += piece
                if not piece:
                    selector.unregister(stream)
                if len(said[key.data]) > MAX_OCTETS:
                    raise CheckFailed(f"{name}: it printed more than {MAX_OCTETS} octets")
    try:
        code = process.wait(_remaining_s(deadline, name))
    except subprocess.TimeoutExpired as error:
        raise OutOfTime(f"{name}: did not end in time") from error
    if code < 0:
        raise CheckFailed(f"{name}: killed by {signal.Signals(-code).name}")
    return Ran(code=code, out=bytes(said["out"]), err=bytes(said["err"]))


def _remaining_s(deadline: Deadline, name: str) -> float:
    try:
        return deadline.remaining_s()
    except OutOfTime as error:
        raise OutOfTime(f"{name}: did not end in time") from error


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill the program, and what it started, if anything of it is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _words(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number).lower() if number else str(error)
