"""The reply channel: a pipe on which qmail takes a text of ours, and what is written there.

Called by  the queue program: prove() before it opens anything, answer() as the last thing it does.
Ends       answer() gives the exit code; it raises nothing.
Careful    under some servers fd 4 or 6 is a socket, a log or somebody's file. Only a FIFO that can
           be written is a reply channel (qmail-queue(8) of notqmail: fd 6, exit 82; netqmail with
           the custom-error patch: fd 4, 82; indimail: $ERROR_FD, 88).
"""

import fcntl
import os
import stat

from qscanner.outcomes import REPLIES, Ending

TYPE_CHECKING = False  # the first stage of the queue program loads this: nothing heavy
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_OCTETS = 255  # of the text with its letter: notqmail's qmail.c
_USUAL = (6, 4)  # under "auto", in this order, both with exit 82
_EXIT, _EXIT_ERROR_FD = 82, 88


def prove(environment: "Mapping[bytes, bytes]") -> frozenset[int]:
    """Give the descriptors among $ERROR_FD, 6, 4 and 2 that are pipes we may write.

    To be called before anything is opened: a later pipe of our own must not be taken for one.
    """
    return frozenset(fd for fd in (_error_fd(environment), *_USUAL, 2) if _is_pipe(fd))


def _error_fd(environment: "Mapping[bytes, bytes]") -> int:
    value = environment.get(b"ERROR_FD", b"")
    return int(value) if value.isdigit() and len(value) <= len("1048576") else -1


def _is_pipe(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
        access = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
    except (OSError, OverflowError):
        return False
    return stat.S_ISFIFO(mode) and access != os.O_RDONLY


def channel(
    error_text: str, proven: frozenset[int], environment: "Mapping[bytes, bytes]"
) -> tuple[int, int] | None:
    """Give (descriptor, exit code) of the reply channel by the setting `error_text`, or None."""
    if error_text == "none":
        return None
    if error_text != "auto":
        fd, _, code = error_text.partition(":")
        return (int(fd), int(code)) if int(fd) in proven else None
    announced = _error_fd(environment)
    if announced in proven and announced != 2:  # noqa: PLR2004 - fd 2 is the log, unless configured
        return announced, _EXIT_ERROR_FD
    return next(((fd, _EXIT) for fd in _USUAL if fd in proven), None)


def text(ending: Ending, words: str | None) -> str:
    """Give what the client is told: printable ASCII, the enhanced code behind it, no letter.

    "" for endings that qmail words itself.
    """
    from qscanner.codec.text import printable  # whoever only writes a text needs it not

    reply = REPLIES[ending]
    if not reply.letter:
        return ""
    tail = f" (#{reply.dsn})"
    return printable(words or reply.text, max_octets=MAX_OCTETS - 1 - len(tail)) + tail


def line(ending: Ending, words: str | None) -> str:
    """Give what is written to the reply channel: the text behind its letter, or ""."""
    return REPLIES[ending].letter + text(ending, words)


def answer(ending: Ending, said: str, where: tuple[int, int] | None) -> int:
    """Write what line() gave where a channel is proven, and give the exit code to end with."""
    reply = REPLIES[ending]
    if where is None or not reply.letter or not said:
        return reply.exit_without_text
    fd, code = where
    octets = said.encode("ascii", "replace")[:MAX_OCTETS]
    try:
        written = os.write(fd, octets)
    except OSError:
        return reply.exit_without_text
    return code if written == len(octets) else reply.exit_without_text
