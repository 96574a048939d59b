"""The history: facts of each message, one line each, in a file that others take into the database.

Who takes it in renames the file and locks it (LOCK_EX) before he reads. Who writes locks what he
has opened (LOCK_SH), sees that it still bears its name, and writes all of his line at once. So
each line is taken, none is written behind the back of a reader, and nobody here ever waits.

Called by  handover, behind the log line; store.history_files takes the file.
Ends       in microseconds, and raises nothing: what cannot be written is told in the log.
Careful    no subject and no text of a message. Nothing is synced: with the power go the facts of
           the last seconds, and never mail. A line begins with a newline, so that half a line
           that stands before it spoils nobody else's.
"""

import contextlib
import errno
import fcntl
import json
import math
import os
import stat
import time
from collections.abc import Mapping
from typing import Any

from qscanner.codec.text import readable
from qscanner.log import Log
from qscanner.model import Facts, Outcome
from qscanner.quarantine import given_to_owner
from qscanner.report import Report
from qscanner.settings import Settings

NAME = "history"
MAX_FILE_OCTETS = 256 << 20  # nobody takes it in: no more is written
MAX_LINE_OCTETS = 64 << 10
MAX_RECIPIENTS = 500
_TO_OCTETS = 32 << 10  # of recipients in a line
_CHARS = 500  # of a text of strangers
_NAME_CHARS = 200  # of a virus
_MANY = 50  # rules, findings
_TRIES = 5
_ADMIN_KNOWS_S = 3600.0
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
# No trouble: a client of another user, or a host whose messages lie in PostgreSQL.
_MAY_NOT = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR}
Event = Mapping[str, str | bytes | int]


def note(report: Report, event: Event, *, host: str, settings: Settings, log: Log) -> None:
    """Write down what became of one message; `event` is what the log was told of it.

    `host` is the name of this one. Whatever goes wrong is an event of its own, and no more.
    """
    if not settings.history.keep:
        return
    try:
        append(settings.quarantine.dir, line(report, event, host=host, at=time.time()))
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        if number not in _MAY_NOT:
            log.write({"event": "history-not-written", "id": report.id, "why": _words(error)})


def _words(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def line(report: Report, event: Event, *, host: str, at: float) -> bytes:
    """Give the facts of one message as a line, with a newline on both sides. ASCII, bounded."""
    facts = report.facts
    told = _told(report, event)
    told |= {"host": host[:_CHARS], "at": round(at, 3), **_recipients(report)}
    octets = _encoded(told)
    if len(octets) > MAX_LINE_OCTETS:  # texts alone never are
        few: dict[str, list[str]] = {"rules": [], "findings": [], "names": [], "how": [], "to": []}
        octets = _encoded({**told, **few, "recipients": len(facts.envelope.recipients)})
    return octets


def _encoded(told: Mapping[str, Any]) -> bytes:
    return b"\n%b\n" % json.dumps(told, separators=(",", ":")).encode("ascii")


def _told(report: Report, event: Event) -> dict[str, Any]:
    facts, verdict, client = report.facts, report.verdict, report.facts.client
    return {
        "id": report.id,
        "digest": report.digest,
        "message_id": _text(event["msgid"]),
        "pid": event["pid"],
        "verdict": event["verdict"],
        "ending": event["ending"],
        "rules": verdict.rules[:_MANY],
        "why": _text(event.get("why", "")),
        "findings": list(dict.fromkeys(found.id for found in facts.findings))[:_MANY],
        "sender": _text(facts.envelope.sender),
        "direction": client.direction.value,
        "ip": _text(client.ip or client.claimed_ip),
        "auth_user": _text(client.auth_user),
        "octets": facts.octets,
        "virus": _text(event["virus"]),
        "spam": _text(event["spam"]),
        "ms": event["ms"],
        **_checks(facts),
    }


def _checks(facts: Facts) -> dict[str, Any]:
    """Give what is counted of the checks: outcomes, names of viruses; and the score."""
    virus, spam = facts.virus, facts.spam
    outcomes = {
        name: check.outcome.value
        for name, check in (("virus", virus), ("spam", spam))
        if check is not None
    }
    names = virus.names if virus is not None and virus.outcome is Outcome.FOUND else ()
    score = spam.score.score if spam is not None and spam.score is not None else None
    return {
        "checks": outcomes,
        "names": [name[:_NAME_CHARS] for name in names[:_MANY]],
        "score": float(score) if score is not None and math.isfinite(score) else None,
    }


def _recipients(report: Report) -> dict[str, Any]:
    """Give how many there are, and the first of them, each with the number of its decision."""
    how: dict[tuple[str, tuple[str, ...]], int] = {}
    to: list[tuple[str, int]] = []
    room = _TO_OCTETS
    recipients = report.facts.envelope.recipients
    some = recipients[:MAX_RECIPIENTS]
    for raw, decided in zip(some, report.verdict.decisions, strict=False):
        address = _text(raw)
        room -= len(address) * (2 if address.isascii() else 12) + 8  # as JSON, at most
        if room < 0:
            break
        key = (decided.action.value, decided.rules[:_MANY])
        to.append((address, how.setdefault(key, len(how))))
    return {"recipients": len(recipients), "how": list(how), "to": to}


def _text(value: object) -> str:
    text = readable(value) if isinstance(value, bytes) else str(value)
    return text[:_CHARS]


def append(folder: str, octets: bytes) -> None:
    """Append a line to the file in the folder, or leave it where nobody takes the file in.

    Raises OSError; once an hour also where the file is too large.
    """
    path = os.path.join(folder, NAME)
    for _ in range(_TRIES):
        fd = _opened(folder, path)
        try:
            if _is_too_large(fd):
                return
            if _is_locked(fd) and _is_there(fd, path):
                if os.write(fd, octets) < len(octets):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return
        finally:
            os.close(fd)
    raise OSError(errno.EAGAIN, f"{path} is taken away again and again")


def _opened(folder: str, path: str) -> int:
    with contextlib.suppress(FileNotFoundError):
        return os.open(path, _FLAGS)
    _make(folder, path)
    return os.open(path, _FLAGS)


def _make(folder: str, path: str) -> None:
    """Make the file, if nobody else does: it appears as its owner's, whoever makes it."""
    temporary = os.path.join(folder, f".{NAME}.{os.getpid()}.{os.urandom(4).hex()}")
    fd = os.open(temporary, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.fchmod(fd, 0o640)  # whatever the caller's umask
        given_to_owner(fd, folder)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.close(fd)
        os.unlink(temporary)


def _is_too_large(fd: int) -> bool:
    """Say whether no more is to be written. Raises OSError where the admin is to hear of it."""
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, f"{NAME} is no file")
    if found.st_size < MAX_FILE_OCTETS:
        return False
    if time.time() - found.st_mtime > _ADMIN_KNOWS_S:
        os.utime(fd)  # the next one need not say it
        raise OSError(errno.EFBIG, f"{found.st_size} octets wait, and nobody takes them in")
    return True


def _is_locked(fd: int) -> bool:
    """Take the lock of those who write, if nobody reads; it ends with the descriptor."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_there(fd: int, path: str) -> bool:
    """Say whether the file still bears its name: else somebody may have read it already."""
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    mine = os.fstat(fd)
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
