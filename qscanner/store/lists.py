"""Who is allowed and who is blocked, as people said it beside the quarantine: asked by scan.

Called by  bench (the file), scan (once per message); local and shared (the table).
Ends       with what is listed. What cannot be read lists nobody, and says so: no allowance counts
           then, and no block. A file that is missing lists nobody. With PostgreSQL the table is
           asked by commands only, and raises Later where the database is away.
Careful    asked in the path of every message: one stat, and nothing for each recipient where the
           sender is not listed. The file may be another one at any time, or damaged: all of it is
           checked, since a bug here would be "later" for every message. What an entry overrides,
           and what never, is policy's to say.
"""

import json
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qscanner.codec.text import without_surrogates
from qscanner.model import Listed
from qscanner.policy.addresses import Address
from qscanner.store.words import Entry

NAME = "lists"
MAX_OCTETS = 16 << 20  # of the file: 60,000 entries
_NEVER = object()  # a version that nothing has
_TEXTS = ("id", "sender", "recipient", "why", "by")
# Who, then for whom, and then the entries, blocks first.
_BySender = Mapping[str, Mapping[str, tuple[Entry, ...]]]


class Unreadable(Exception):
    """The lists cannot be read now; the text is for people."""


class Damaged(Unreadable):
    """They cannot be read until somebody writes them anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What is listed for each recipient, in their order; () where nothing is for any of them.

    `trouble` says why nobody knows, "" where somebody does.
    """

    listed: tuple[Listed | None, ...] = ()
    trouble: str = ""


NOBODY = Looked()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What was read last, and of which version."""

    version: object = _NEVER
    by_sender: _BySender = field(default_factory=dict)
    trouble: str = ""


class Lists:
    """The entries in force, read again when they have changed.

    `version` gives something that differs after each change, `read` the entries; both may raise
    Unreadable.
    """

    def __init__(
        self,
        version: Callable[[], object],
        read: Callable[[], Iterable[Entry]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._version, self._read, self._clock = version, read, clock
        self._known = _Known()

    @classmethod
    def of_folder(cls, folder: str) -> "Lists":
        """Give those of the file in a quarantine's folder."""
        path = os.path.join(folder, NAME)
        return cls(lambda: _stamp(path), lambda: _from(path))

    @classmethod
    def nobody(cls) -> "Lists":
        """Give lists on which nobody is."""
        return cls(lambda: None, tuple)

    def look(self, sender: bytes, recipients: Sequence[bytes]) -> Looked:
        """Give what is listed for this sender and each of the recipients."""
        known = self._in_force()
        if not known.by_sender:
            return Looked(trouble=known.trouble) if known.trouble else NOBODY
        tables = _tables(known.by_sender, sender)
        if not tables:
            return NOBODY
        now = self._clock()
        found = [_first(tables, each, now) for each in recipients]
        told = {each: _listed(each) for each in dict.fromkeys(found) if each}
        return Looked(listed=tuple(told[each] if each else None for each in found) if told else ())

    def find(self, sender: bytes, recipient: bytes) -> Entry | None:
        """Give the entry for this sender and recipient, the one that says it most exactly.

        An address goes before its domain, and that before all; the recipient's before the
        sender's; and a block before an allowance.
        """
        tables = _tables(self._in_force().by_sender, sender)
        return _first(tables, recipient, self._clock()) if tables else None

    def allowed(self, sender: bytes, recipient: bytes) -> Entry | None:
        """Give the entry that allows this sender for this recipient, None where none does."""
        found = self.find(sender, recipient)
        return found if found and found.is_allowed else None

    def _in_force(self) -> _Known:
        try:
            version = self._version()
            if version != self._known.version:
                self._known = self._read_anew(version)
        except Unreadable as trouble:  # perhaps not the next time: nothing is remembered
            self._known = _Known(trouble=str(trouble))
        return self._known

    def _read_anew(self, version: object) -> _Known:
        try:
            return _Known(version=version, by_sender=_by_sender(self._read()))
        except Damaged as trouble:
            return _Known(version=version, trouble=str(trouble))


def _by_sender(entries: Iterable[Entry]) -> _BySender:
    found: dict[str, dict[str, tuple[Entry, ...]]] = {}
    for one in sorted(entries, key=lambda each: each.is_allowed):
        table = found.setdefault(Address.of_text(one.sender).whole, {})
        to = Address.of_text(one.recipient).whole
        table[to] = (*table.get(to, ()), one)
    return found


def _tables(by_sender: _BySender, sender: bytes) -> list[Mapping[str, tuple[Entry, ...]]]:
    """Give what the lists say of this sender, most exact first.

    The null sender is nobody, and of no domain: bounces are neither allowed nor blocked.
    """
    if not sender or not by_sender:
        return []
    address = Address.of(sender)
    keys = dict.fromkeys((address.whole, f"@{address.domain}"))
    return [by_sender[key] for key in keys if key in by_sender]


def _first(
    tables: Sequence[Mapping[str, tuple[Entry, ...]]], recipient: bytes, now: float
) -> Entry | None:
    address = Address.of(recipient)
    for to in (address.whole, f"@{address.domain}", ""):
        for table in tables:
            for one in table.get(to, ()):
                if one.until is None or one.until > now:
                    return one
    return None


def _listed(one: Entry) -> Listed:
    by = one.by.rpartition(" ")[0] or one.by  # without host and process
    told = one.told + (f", by {by}" if by else "") + (f": {one.why}" if one.why else "")
    return Listed(id=one.id, is_allowed=one.is_allowed, told=without_surrogates(told))


def _stamp(path: str) -> object:
    """Give what differs when the file was changed, None where there is none."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable(f"{path} is no file")
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def _from(path: str) -> list[Entry]:
    try:
        with open(path, "rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from error
    if len(octets) > MAX_OCTETS:
        raise Damaged(f"{path} is larger than {MAX_OCTETS >> 20} MiB")
    try:
        return [_entry(each) for each in json.loads(octets)["entries"]]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise Damaged(f"{path} is damaged: {error}") from error


def _entry(told: Mapping[str, Any]) -> Entry:
    """Give the entry that is written there. Raises what is wrong with it."""
    texts = {name: told[name] for name in _TEXTS}
    until, is_allowed = told["until"], told["is_allowed"]
    if not all(isinstance(each, str) for each in texts.values()):
        raise TypeError("no text where one belongs")
    if type(is_allowed) is not bool:
        raise TypeError("neither allowed nor blocked")
    return Entry(
        **texts,
        is_allowed=is_allowed,
        until=None if until is None else float(until),
        at=float(told["at"]),
    )
