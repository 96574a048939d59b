"""Who is allowed and who is blocked, as the program was told: asked by policy for each recipient.

Called by  local and shared (the table), and whoever decides about a message.
Ends       with an entry or None; raises Later where the database is away. A file that is missing
           lists nobody.
Careful    asked in the path of every message: a stat, or a number from the database, and nine
           looks into a dict. An entry never goes over a virus: that is policy's to see to.
"""

import json
import os
import time
from collections.abc import Callable, Iterable

from qscanner.codec.text import readable
from qscanner.store.words import Entry

NAME = "lists"


class Lists:
    """The entries in force, read again when they have changed.

    `version` gives something that differs after each change, `read` the entries.
    """

    def __init__(
        self,
        version: Callable[[], object],
        read: Callable[[], Iterable[Entry]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ask_version, self._read, self._clock = version, read, clock
        self._version: object = None
        self._entries: dict[tuple[str, str], Entry] = {}

    @classmethod
    def of_folder(cls, folder: str) -> "Lists":
        """Give those of a quarantine in files."""
        path = os.path.join(folder, NAME)
        return cls(lambda: _stamp(path), lambda: _from(path))

    def find(self, sender: bytes, recipient: bytes) -> Entry | None:
        """Give the entry for this sender and recipient, the one that says it most exactly.

        An address goes before its domain, and that before all; the recipient's before the
        sender's; and a block before an allowance.
        """
        version = self._ask_version()
        if version != self._version or version is None:
            self._entries = _by_pair(self._read())
            self._version = version
        now = self._clock()
        for to in _keys(recipient):
            for who in _keys(sender):
                found = self._entries.get((who, to))
                if found and (found.until is None or found.until > now):
                    return found
        return None

    def allowed(self, sender: bytes, recipient: bytes) -> Entry | None:
        """Give the entry that allows this sender for this recipient, None where none does."""
        found = self.find(sender, recipient)
        return found if found and found.is_allowed else None


def _by_pair(entries: Iterable[Entry]) -> dict[tuple[str, str], Entry]:
    found: dict[tuple[str, str], Entry] = {}
    for one in entries:
        pair = (one.sender, one.recipient)
        if pair not in found or not one.is_allowed:
            found[pair] = one
    return found


def _keys(address: bytes) -> tuple[str, ...]:
    text = readable(address).lower()
    if "@" not in text:
        return (text, "") if text else ("",)
    return (text, f"@{text.rpartition('@')[2]}", "")


def _stamp(path: str) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _from(path: str) -> list[Entry]:
    try:
        with open(path, "rb") as file:
            return [Entry(**each) for each in json.loads(file.read())["entries"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
