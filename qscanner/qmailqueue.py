"""Becoming the real queue program, so that its exit code is ours.

Called by  the queue program, as the last thing it does with an accepted message.
Ends       never on success; raises Unusable where the program cannot be started.
Careful    descriptors share their offset with every copy: both are rewound immediately before the
           exec, or qmail-queue would queue an empty message and end 0. alarm() and ignored
           signals survive an exec, and Python ignores SIGPIPE and SIGXFSZ.
"""

import _signal  # type: ignore[import-not-found]  # signal itself imports enum
import os

from qscanner.outcomes import Unusable

TYPE_CHECKING = False  # the first stage of the queue program loads this: nothing heavy
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

MARK = b"QSCANNER_PID"  # in the environment of what we exec: a loop comes back with the same pid
AWAY = b"QSCANNER_AWAY"  # programs/queue.c tells the Python program: do not ask the daemon again
_OURS = ("qscanner-queue", "qscanner-queue-python")
_PYTHON_IGNORES = (_signal.SIGPIPE, _signal.SIGXFSZ)


def refuse_a_loop(environment: "Mapping[bytes, bytes]") -> None:
    """Raise Unusable where this very process was exec'd by qscanner-queue before."""
    if environment.get(MARK) == b"%d" % os.getpid():
        raise Unusable(
            "queue.program leads back to qscanner-queue: set it to the real qmail-queue"
        )


def prove_usable(program: str, ourselves: str = "") -> None:
    """Raise Unusable where the program is missing, may not be executed by us, or is ourselves.

    `ourselves` is the path of the running program, beside which the queue programs are; "" where
    that does not matter.
    """
    if not os.path.isfile(program):
        raise Unusable(f"queue.program {program} does not exist: set [queue] program")
    if not os.access(program, os.X_OK, effective_ids=True):
        raise Unusable(f"queue.program {program} may not be executed by uid {os.geteuid()}")
    beside = (os.path.join(os.path.dirname(ourselves), name) for name in _OURS)
    if ourselves and any(_is_same_file(program, one) for one in (ourselves, *beside)):
        raise Unusable(f"queue.program {program} is qscanner-queue itself: a loop")


def _is_same_file(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def become(program: str, message: int, envelope: int) -> "NoReturn":
    """Exec the program with the message on fd 0 and the envelope on fd 1, both from their start.

    Raises Unusable where the exec fails; fd 0 and 1 are then no longer the caller's.
    """
    environment = dict(os.environb)
    environment[MARK] = b"%d" % os.getpid()
    environment.pop(AWAY, None)
    try:
        os.dup2(message, 0)
        os.dup2(envelope, 1)
        _restore()
        os.lseek(0, 0, os.SEEK_SET)
        os.lseek(1, 0, os.SEEK_SET)
        os.execve(program, [program], environment)  # noqa: S606 - that is the point
    except (OSError, ValueError) as error:
        raise Unusable(f"queue.program {program} cannot be started: {error}") from error


def _restore() -> None:
    """Undo what Python and we changed and an exec would hand on."""
    _signal.alarm(0)
    for number in _PYTHON_IGNORES:
        _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
