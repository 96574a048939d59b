"""The emergency switch: for a while, mail that no virus engine could look at is accepted.

Called by  scan, for a message whose virus check did not answer; `qscanner emergency` and `check`,
           metrics.
Ends       in_force() gives an Emergency, None, or raises Broken: then nothing is switched.
Careful    it opens a door, so it is small and doubts everything: a file that is damaged, from the
           future, for longer than a day, or in a folder that everybody may write does not count.
           Whoever may write the folder of the daemon's socket may switch it; nobody else.
"""

import contextlib
import json
import os
import pwd
import stat
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from qscanner.intake import write_all
from qscanner.outcomes import QScannerError, Unusable
from qscanner.spool import sync_folder, write_durably

NAME = "emergency.json"
LONGEST_S = 24 * 3600.0
MAX_WHY_CHARS = 200
_MAX_OCTETS = 4096
_MODE = 0o644  # whoever scans reads it: the daemon's user, or qmaild while the daemon is away
_CLOCK_SKEW_S = 60.0
_TYPES = {"since": float, "until": float, "who": str, "why": str}


class Broken(QScannerError):
    """The file is there and does not count. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """Who accepts unscanned mail, why, and until when. Times are seconds since 1970."""

    since: float
    until: float
    who: str
    why: str

    @property
    def told(self) -> str:
        """Say it in a line; what people wrote in it is not escaped."""
        return f"until {clock(self.until)}, by {self.who}: {self.why}"


def now() -> float:
    """Give the seconds since 1970. The wall clock: the end is a time of day that people know."""
    return time.time()


def clock(moment: float) -> str:
    """Give a time of day as admins read it, with its zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(moment))


def file(socket: str) -> str:
    """Give the path of the switch: it lies beside the socket of the daemon."""
    return os.path.join(os.path.dirname(socket), NAME)


def in_force(socket: str, *, now: float) -> Emergency | None:
    """Give the emergency at the time `now` (seconds since 1970), None where there is none.

    Raises Broken where there is a file that cannot be believed.
    """
    path = file(socket)
    try:
        octets = _read(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Broken(f"{path} cannot be read: {error.strerror}") from error
    found = _parsed(path, octets)
    if found.since > now + _CLOCK_SKEW_S:
        raise Broken(f"{path} begins in the future: was the clock set back?")
    if found.until - found.since > LONGEST_S:
        raise Broken(f"{path} is for longer than a day")
    return found if now < found.until else None


def left_s(socket: str, *, now: float) -> float:
    """Give for how many seconds it is still in force; 0 where it is not."""
    try:
        found = in_force(socket, now=now)
    except Broken:
        return 0.0
    return found.until - now if found else 0.0


def declare(socket: str, *, for_s: float, who: str, why: str, now: float) -> Emergency:
    """Switch it on for so many seconds, durably. Raises Unusable where that cannot be done."""
    folder = os.path.dirname(socket)
    if not 0 < for_s <= LONGEST_S:
        raise Unusable("an emergency lasts for more than nothing, and for 24 hours at most")
    if not why.strip():
        raise Unusable("an emergency has a reason: say why")
    if not os.path.isdir(folder):
        raise Unusable(f"no folder {folder}, where [daemon] socket is to be: qscanner help daemon")
    found = Emergency(since=now, until=now + for_s, who=who, why=why.strip()[:MAX_WHY_CHARS])
    try:
        _look_at_folder(folder)
        write_durably(folder, NAME, lambda fd: _write(fd, json.dumps(asdict(found))))
    except QScannerError as error:
        raise Unusable(str(error)) from error
    return found


def end(socket: str) -> bool:
    """Switch it off; say whether there was anything to switch off. Raises Unusable."""
    path = file(socket)
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Unusable(f"cannot remove {path}: {error.strerror}") from error
    with contextlib.suppress(OSError):
        sync_folder(os.path.dirname(path))
    return True


def caller(environment: Mapping[str, str]) -> str:
    """Give who we are, for the record: the user, and whoever became that user by sudo."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"uid {uid}"
    behind = environment.get("SUDO_USER", "")
    return f"{name} (sudo: {behind[:40]})" if behind else name


def _write(fd: int, text: str) -> None:
    os.fchmod(fd, _MODE)
    write_all(fd, text.encode("ascii") + b"\n")


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        state = os.fstat(fd)
        if not stat.S_ISREG(state.st_mode) or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise Broken(f"{path} is no file, or others may write it")
        octets = os.read(fd, _MAX_OCTETS + 1)
    finally:
        os.close(fd)
    _look_at_folder(os.path.dirname(path))
    return octets


def _look_at_folder(folder: str) -> None:
    if os.stat(folder).st_mode & stat.S_IWOTH:
        raise Broken(f"everybody may write {folder}: no emergency can be declared there")


def _parsed(path: str, octets: bytes) -> Emergency:
    try:
        told: Any = json.loads(octets) if len(octets) <= _MAX_OCTETS else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or set(told) != set(_TYPES):
        raise Broken(f"{path} is damaged")
    if any(type(told[key]) is not kind for key, kind in _TYPES.items()):
        raise Broken(f"{path} is damaged")
    if not told["since"] <= told["until"]:  # also where one is no number
        raise Broken(f"{path} is damaged")
    return Emergency(**told)
