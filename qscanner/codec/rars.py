"""Headers of RAR 4 and 5: names, and what is locked; not the octets.

Called by  archives, since libarchive says "broken" of what is only encrypted, and stops there.
Ends       always; nothing here raises.
Careful    linear: each header is behind the one before. RAR 5: rarlab.com/technote.htm.
"""

import struct
from dataclasses import dataclass

from qscanner.codec.text import readable

MARK, MARK5 = b"Rar!\x1a\x07\x00", b"Rar!\x1a\x07\x01\x00"
_BLOCK4 = struct.Struct("<HBHH")
_MAIN4, _FILE4, _FOLDER4, _MAX_HEADERS = 0x73, 0x74, 0xE0, 20_000
_MAIN5, _FILE5, _LOCK5, _CRYPT5, _FOLDER5 = 1, 2, 4, 1, 1
_MAX_VINT = 10
_MAX_NAME = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class RarEntry:
    """One file by its header; without a name it is the archive: its headers are locked."""

    name: str
    is_encrypted: bool


@dataclass(slots=True, kw_only=True)
class RarHeaders:
    """All files in their order, and whether it is one volume of several."""

    entries: list[RarEntry]
    is_volume: bool = False


def headers(content: bytes, at: int = 0) -> RarHeaders:
    """Give what the headers say, of an archive that begins at this octet."""
    found = RarHeaders(entries=[])
    if content.startswith(MARK5, at):
        _all5(content, at + len(MARK5), found)
    elif content.startswith(MARK, at):
        _all4(content, at + len(MARK), found)
    return found


def _all4(content: bytes, at: int, found: RarHeaders) -> None:
    for _ in range(_MAX_HEADERS):
        if at + _BLOCK4.size > len(content):
            return
        _crc, kind, flags, size = _BLOCK4.unpack_from(content, at)
        head = content[at : at + size]
        if size < _BLOCK4.size:
            return
        added = int.from_bytes(head[7:11], "little") if flags & 0x8000 or kind == _FILE4 else 0
        if kind == _MAIN4:
            found.is_volume |= bool(flags & 0x01)
            if flags & 0x80:
                found.entries.append(RarEntry(name="", is_encrypted=True))
                return
        elif kind == _FILE4 and size > 32 and flags & _FOLDER4 != _FOLDER4:  # noqa: PLR2004
            start = 40 if flags & 0x100 else 32
            if flags & 0x100:
                added |= int.from_bytes(head[32:36], "little") << 32
            length = int.from_bytes(head[26:28], "little")
            name = readable(head[start : start + min(length, _MAX_NAME)].partition(b"\0")[0])
            found.entries.append(RarEntry(name=name, is_encrypted=bool(flags & 0x04)))
        at += size + added


class _Cut(Exception):
    """A header ends too early."""


class _Head:
    """Reads one header of RAR 5. Raises _Cut."""

    def __init__(self, octets: bytes, at: int = 0) -> None:
        self.octets = octets
        self.at = at

    def number(self) -> int:
        """Read a number of 7 bits an octet."""
        value = 0
        for shift in range(_MAX_VINT):
            if self.at >= len(self.octets):
                raise _Cut
            octet = self.octets[self.at]
            self.at += 1
            value |= (octet & 0x7F) << 7 * shift
            if not octet & 0x80:
                return value
        raise _Cut


def _all5(content: bytes, at: int, found: RarHeaders) -> None:
    try:
        for _ in range(_MAX_HEADERS):
            outer = _Head(content[at + 4 : at + 4 + _MAX_VINT])
            size = outer.number()
            start = at + 4 + outer.at
            data = _one5(content[start : start + min(size, 2 << 20)], found)
            if data is None:
                return
            at = start + size + data
    except _Cut:
        return


def _one5(octets: bytes, found: RarHeaders) -> int | None:
    """Read one header; give how many octets of data follow it, None where nothing is readable."""
    head = _Head(octets)
    kind, flags = head.number(), head.number()
    extra = head.number() if flags & 1 else 0
    data = head.number() if flags & 2 else 0
    if kind == _LOCK5:
        found.entries.append(RarEntry(name="", is_encrypted=True))
        return None
    if kind == _MAIN5:
        found.is_volume |= bool(head.number() & 1)
    elif kind == _FILE5:
        of_file = head.number()
        head.number(), head.number()
        head.at += 4 * bool(of_file & 2) + 4 * bool(of_file & 4)
        head.number(), head.number()
        length = head.number()
        name = readable(octets[head.at : head.at + min(length, _MAX_NAME)])
        is_locked = _has_lock(octets, max(0, len(octets) - extra))
        if of_file & _FOLDER5:
            return data
        found.entries.append(RarEntry(name=name, is_encrypted=is_locked))
    return data


def _has_lock(octets: bytes, at: int) -> bool:
    """Say whether one of the records at the end of a file's header is about encryption."""
    head = _Head(octets, at)
    while head.at < len(octets):
        size = head.number()
        behind = head.at + size
        if head.number() == _CRYPT5:
            return True
        head.at = max(behind, head.at)
    return False
