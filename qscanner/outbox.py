"""The outbox: letters of ours that wait to be sent, one durable file each, beside the quarantine.

    outbox/NAME         waits; the name is made of what it is about, so a retry is the same letter
    outbox/sent/MARK    who was told, and when: nobody is told the same twice within 30 days
    outbox/failed/NAME  what can never be sent, for the admin to look at

Called by  notices (puts letters in), injector (sends them), metrics and `qscanner check` (state).
Ends       raises DiskFull or Later where nothing can be written, Damaged for what is no letter.
Careful    a worker, which has read a stranger's mail, writes here, and what sends has the right to
           send anything: so a letter is a form with its blanks filled in, never a message. What
           is read back is data: types and lengths are checked, values are escaped by letters.
"""

import contextlib
import enum
import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qscanner.intake import as_ours, write_all
from qscanner.outcomes import Later, QScannerError
from qscanner.spool import sync_folder, write_durably

MAX_TO = 500  # recipients of one letter
MAX_ROWS = 200  # of a digest
MAX_WAITING = 10_000
REMEMBERED_S = 30 * 86400.0
_SENT, _FAILED, _ENDING = "sent", "failed", ".json"
_SCHEMA = 1
_MAX_OCTETS = 2 << 20
_MAX_VALUE_CHARS = 2000
_MAX_ROW_CHARS = 200  # of each value: with all rows of four hostile texts it is _MAX_OCTETS
_MAX_NAMES = 20  # of values in a row
_MAX_ADDRESS_OCTETS = 1002
_NEVER_S = 1e11  # seconds since 1970
_TORN_S = 3600.0  # a temporary file that is older has lost its writer
_ABOUT = re.compile("[0-9A-Za-z-]{1,100}")


class Damaged(QScannerError):
    """A file in the outbox is no letter. The text says why."""


class Kind(enum.Enum):
    """What a letter says: each kind has a template of this name."""

    HELD = "held"
    DISCARDED = "discarded"
    ADMIN = "admin"
    ALARM = "alarm"
    ALARM_OVER = "alarm-over"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A form with its blanks filled in.

    `about` is the digest of the message that it speaks of, or another name for one thing. `to`
    are envelope recipients. `at` is when it was written, in seconds since 1970. `values` are not
    escaped: they may be a stranger's. So are those of `rows`, of which a digest has one for each
    message, at most MAX_ROWS.
    """

    about: str
    kind: Kind
    to: tuple[bytes, ...]
    at: float
    values: Mapping[str, str] = field(default_factory=dict)
    rows: tuple[Mapping[str, str], ...] = ()

    @property
    def mark(self) -> str:
        """Give the name under which it is remembered who was told this."""
        return f"{self.about}.{self.kind.value}"

    @property
    def name(self) -> str:
        """Give the name of its file: the same for the same letter to the same recipients."""
        to = hashlib.sha256(b"\0".join(self.to)).hexdigest()[:12]
        return f"{self.mark}.{to}{_ENDING}"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How many letters wait and have failed, and for how many seconds the oldest waits."""

    waiting: int = 0
    oldest_s: float = 0.0
    failed: int = 0


def folder(quarantine: str) -> str:
    """Give the path of the outbox."""
    return os.path.join(quarantine, "outbox")


def put(folder: str, letter: Letter) -> bool:
    """Make a letter durable; False where all whom it is for were told this before.

    Raises DiskFull, or Later where the folder may not be written, or is full of letters.
    """
    if told(folder, letter) >= set(letter.to):
        return False
    if os.path.exists(os.path.join(folder, letter.name)):
        _sync(folder)  # whoever wrote it may not have come so far
        return True
    make(folder)
    if len(waiting(folder)) >= MAX_WAITING:
        raise Later(f"{MAX_WAITING} letters wait in {folder} already")
    write_durably(folder, letter.name, lambda fd: _write(fd, folder, _as_json(letter)))
    return True


def _sync(folder: str) -> None:
    try:
        sync_folder(folder)
    except OSError as error:
        raise as_ours(error, f"cannot look into {folder}") from error


def make(folder: str) -> None:
    """Make the folders where they are not there. Raises Later or DiskFull."""
    for path in (folder, os.path.join(folder, _SENT), os.path.join(folder, _FAILED)):
        try:
            os.mkdir(path, 0o700)
            _give_to_owner(path, os.path.dirname(folder))
        except FileExistsError:
            continue
        except OSError as error:
            raise as_ours(error, f"cannot make the folder {path}") from error


def _give_to_owner(place: int | str, folder: str) -> None:
    """Have what root writes belong to the owner of the folder, who must be able to work on."""
    if os.geteuid() == 0:
        owner = os.stat(folder)
        os.chown(place, owner.st_uid, owner.st_gid)


def _write(fd: int, folder: str, octets: bytes) -> None:
    _give_to_owner(fd, folder)
    write_all(fd, octets)


def waiting(folder: str) -> list[str]:
    """Give the names of all letters that wait, the oldest first."""
    return [name for _, name in sorted(_dated(folder))]


def _dated(folder: str) -> list[tuple[float, str]]:
    """Give the files of letters in a folder with their times."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(_ENDING) and not entry.name.startswith("."):
                    with contextlib.suppress(FileNotFoundError):
                        found.append((entry.stat(follow_symlinks=False).st_mtime, entry.name))
    except OSError:
        return []
    return found


def state(folder: str, *, now: float) -> State:
    """Give how the outbox is, for whoever watches it; `now` is in seconds since 1970."""
    letters = _dated(folder)
    return State(
        waiting=len(letters),
        oldest_s=max(0.0, now - min(letters)[0]) if letters else 0.0,
        failed=len(_dated(os.path.join(folder, _FAILED))),
    )


def read(folder: str, name: str) -> Letter:
    """Give the letter in a file. Raises Damaged where it is none, OSError where it is gone."""
    told = _read(os.path.join(folder, name))
    try:
        letter = _from_json(told)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"{name} is no letter: {error!r}") from error
    if letter.name != name:
        raise Damaged(f"{name} holds another letter")
    return letter


def _read(path: str) -> Any:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode) or about.st_size > _MAX_OCTETS:
            raise Damaged(f"{os.path.basename(path)} is no file of a letter")
        return json.loads(os.pread(fd, _MAX_OCTETS, 0))
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{os.path.basename(path)} is no JSON") from error
    finally:
        os.close(fd)


def _as_json(letter: Letter) -> bytes:
    told = {
        "schema": _SCHEMA,
        "about": letter.about,
        "kind": letter.kind.value,
        "to": [each.decode("latin-1") for each in letter.to],
        "at": letter.at,
        "values": {key: value[:_MAX_VALUE_CHARS] for key, value in letter.values.items()},
        "rows": [
            {key: value[:_MAX_ROW_CHARS] for key, value in row.items()}
            for row in letter.rows[:MAX_ROWS]
        ],
    }
    return json.dumps(told, ensure_ascii=True, indent=1).encode("ascii")


def _from_json(told: Any) -> Letter:
    if told["schema"] != _SCHEMA or not _ABOUT.fullmatch(told["about"]):
        raise ValueError("of another version, or about nothing")
    to = tuple(_address(each) for each in told["to"])
    if not 0 < len(to) <= MAX_TO:
        raise ValueError(f"{len(to)} recipients")
    at = float(told["at"])
    if not 0 <= at < _NEVER_S:  # the Date of the letter is made of it
        raise ValueError("of no time")
    return Letter(
        about=told["about"],
        kind=Kind(told["kind"]),
        to=to,
        at=at,
        values={str(key): str(value)[:_MAX_VALUE_CHARS] for key, value in told["values"].items()},
        rows=_rows(told.get("rows", [])),  # letters of the first version have none
    )


def _rows(told: Any) -> tuple[Mapping[str, str], ...]:
    if not isinstance(told, list) or len(told) > MAX_ROWS:
        raise ValueError("rows that are no list, or too many")
    return tuple(_row(each) for each in told)


def _row(told: Any) -> Mapping[str, str]:
    is_row = isinstance(told, dict) and len(told) <= _MAX_NAMES
    if not is_row or not all(isinstance(value, str) for value in told.values()):
        raise ValueError("a row that is none")
    return {key: value[:_MAX_ROW_CHARS] for key, value in told.items()}


def _address(text: str) -> bytes:
    octets = text.encode("latin-1")
    if not octets or len(octets) > _MAX_ADDRESS_OCTETS or b"\0" in octets:
        raise ValueError("an address that is none")
    return octets


def told(folder: str, letter: Letter) -> frozenset[bytes]:
    """Give who was told the same before."""
    path = os.path.join(folder, _SENT, letter.mark)
    try:
        known = _read(path)
        return frozenset(each.encode("latin-1") for each in known["to"])
    except (OSError, Damaged, ValueError, KeyError, TypeError, AttributeError):
        return frozenset()


def remember(folder: str, letter: Letter, to: Iterable[bytes]) -> None:
    """Note durably who was told, beside those who were before. Raises DiskFull or Later."""
    known = sorted(told(folder, letter).union(to))
    octets = json.dumps({"to": [each.decode("latin-1") for each in known]}).encode("ascii")
    sent = os.path.join(folder, _SENT)
    write_durably(sent, letter.mark, lambda fd: _write(fd, folder, octets))


def recently(
    folder: str, *, since: float, kinds: Collection[Kind] = tuple(Kind)
) -> list[tuple[float, bytes]]:
    """Give who was told something of these kinds since then, with the times."""
    found: list[tuple[float, bytes]] = []
    sent, endings = os.path.join(folder, _SENT), {each.value for each in kinds}
    for name, changed in _files(sent):
        if changed >= since and name.rpartition(".")[2] in endings:
            with contextlib.suppress(OSError, Damaged, ValueError, KeyError, TypeError):
                known = _read(os.path.join(sent, name))["to"]
                found += [(changed, each.encode("latin-1")) for each in known]
    return sorted(found)


def remove(folder: str, name: str) -> None:
    """Take a letter out that was sent, or is not to be."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(folder, name))


def fail(folder: str, name: str) -> None:
    """Put a letter aside that can never be sent."""
    with contextlib.suppress(FileNotFoundError):
        os.rename(os.path.join(folder, name), os.path.join(folder, _FAILED, name))


def sweep(folder: str, *, now: float) -> None:
    """Forget marks and failed letters after 30 days, and what a killed writer has left behind."""
    for place, age_s in (
        (os.path.join(folder, _SENT), REMEMBERED_S),
        (os.path.join(folder, _FAILED), REMEMBERED_S),
        (folder, _TORN_S),
    ):
        for name, changed in _files(place):
            is_torn = name.startswith(".") and now - changed > _TORN_S
            if is_torn or (place != folder and now - changed > age_s):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(place, name))


def _files(folder: str) -> list[tuple[str, float]]:
    try:
        with os.scandir(folder) as entries:
            return [
                (entry.name, entry.stat(follow_symlinks=False).st_mtime)
                for entry in entries
                if entry.is_file(follow_symlinks=False)
            ]
    except OSError:
        return []


def clock(moment: float) -> str:
    """Give a time as people read it in a letter, with its zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(moment))
