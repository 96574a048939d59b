"""Compound files, the form of Office documents before 2007 and of Outlook's .msg: names to octets.

Theory. A compound file ([MS-CFB]) is a small FAT file system: sectors, chains of them, a directory
of storages and streams, and a stream that holds the small ones. Its tree may lie; every entry of
the directory that is a stream is given, whether the tree leads to it or not.

Called by  documents, macros.
Ends       always with a Compound; nothing here raises.
Careful    chains may run in circles: none is longer than the file, and all that is read together
           is at most `most` octets, said in `is_cut`.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from qscanner.codec.text import readable

MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_HEADER = struct.Struct("<8s16xHHHHH6xIIIIIIIIII")  # [MS-CFB] 2.2, up to the first DIFAT entry
_HEADER_SIZE = 512
_ENTRY = struct.Struct("<64sHBBIII16s4x16xIQ")  # 2.6.1
_LAST_SECTOR = 0xFFFFFFFA  # MAXREGSECT: what is above means something else
_SHIFTS = (6, 16)  # of sectors, in any file that a program would read
_MINI_SHIFT, _MINI_CUTOFF = 6, 4096
_STORAGE, _STREAM, _ROOT = 1, 2, 5
_MAX_ENTRIES = 20_000
_NO_ENTRY = 0xFFFFFFFF
_MAX_PATH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class OleEntry:
    """One storage or stream: the names from the root, where its octets are, its class."""

    path: tuple[str, ...]
    is_stream: bool
    start: int
    size: int
    class_id: bytes

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path[-1]


class Compound:
    """A compound file that is read on demand.

    `entries` are all, the root first; `is_broken`: no header, or a chain that ends nowhere;
    `is_cut`: what was asked for is more than `most` octets.
    """

    def __init__(self, content: bytes, *, most: int) -> None:
        self._content = content
        self._left = most
        self.is_broken = False
        self.is_cut = False
        self.entries: list[OleEntry] = []
        self._shift = 9
        self._fat: list[int] = []
        self._mini_fat: list[int] = []
        self._mini = b""
        self._load()

    def streams(self) -> Iterator[OleEntry]:
        """Give the entries that are streams."""
        return (entry for entry in self.entries if entry.is_stream)

    def read(self, entry: OleEntry, most: int | None = None) -> bytes:
        """Give the octets of a stream, at most `most` of them."""
        size = entry.size if most is None else min(entry.size, most)
        if entry.size < _MINI_CUTOFF and self._mini:
            return self._chain(self._mini, self._mini_fat, entry.start, size, _MINI_SHIFT, 0)
        return self._sectors(entry.start, size)

    def _load(self) -> None:
        if len(self._content) < _HEADER_SIZE or not self._content.startswith(MARK):
            self.is_broken = True
            return
        head = _HEADER.unpack_from(self._content, 0)
        self._shift = head[4] if _SHIFTS[0] < head[4] <= _SHIFTS[1] else 9
        directory, mini_fat, difat = head[8], head[11], head[13]
        self._fat = self._read_fat(difat)
        raw = self._sectors(directory, _MAX_ENTRIES * _ENTRY.size)
        self.entries = _tree(raw)
        if not self.entries:
            self.is_broken = True
            return
        root = self.entries[0]
        mini_fat_octets = self._sectors(mini_fat, len(self._content))
        self._mini_fat = _numbers(mini_fat_octets)
        self._mini = self._sectors(root.start, min(root.size, len(self._content)))

    def _read_fat(self, difat: int) -> list[int]:
        """Read the sectors of the FAT: 109 are named in the header, more in a chain (2.5)."""
        size = 1 << self._shift
        places = _numbers(self._content[76:_HEADER_SIZE])
        most = len(self._content) >> self._shift
        for _ in range(most):
            if difat >= _LAST_SECTOR:
                break
            block = _numbers(self._sector(difat))
            if not block:
                break
            places += block[:-1]
            difat = block[-1]
            if len(places) > most + 109:
                break
        octets = [self._sector(place) for place in dict.fromkeys(places) if place < _LAST_SECTOR]
        return _numbers(b"".join(each for each in octets if len(each) == size))

    def _sector(self, number: int) -> bytes:
        at = (number + 1) << self._shift
        return self._content[at : at + (1 << self._shift)]

    def _sectors(self, start: int, size: int) -> bytes:
        shift = self._shift
        return self._chain(self._content, self._fat, start, size, shift, 1 << shift)

    def _chain(  # noqa: PLR0913 - all that a chain is
        self, source: bytes, table: list[int], start: int, size: int, shift: int, before: int
    ) -> bytes:
        """Follow a chain: up to `size` octets, its end, or more sectors than there are."""
        out: list[bytes] = []
        said, size = size, min(size, self._left)
        wanted = min((size + (1 << shift) - 1) >> shift, (len(source) >> shift) + 1)
        for _ in range(wanted):
            if start >= _LAST_SECTOR:
                break
            at = before + (start << shift)
            piece = source[at : at + (1 << shift)]
            if not piece:
                self.is_broken = True
                break
            out.append(piece)
            start = table[start] if start < len(table) else _NO_ENTRY
        octets = b"".join(out)[:size]
        self.is_cut |= len(octets) == size < said
        self._left -= len(octets)
        return octets


def _numbers(octets: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(octets) // 4}I", octets[: len(octets) // 4 * 4]))


def _tree(raw: bytes) -> list[OleEntry]:
    """Give all entries of a directory with their paths; those that no tree leads to as well."""
    rows = [
        _ENTRY.unpack_from(raw, at) for at in range(0, len(raw) - _ENTRY.size + 1, _ENTRY.size)
    ]
    if not rows:
        return []
    paths: dict[int, tuple[str, ...]] = {0: ()}
    _walk(rows, [(rows[0][6], ())], paths)
    for number, row in enumerate(rows):  # orphans: a program that repairs files may find them
        if row[2] in (_STORAGE, _STREAM) and number not in paths:
            paths[number] = (_name(row),)
            _walk(rows, [(row[6], paths[number])], paths)
    return [
        OleEntry(
            path=paths[number] or ("",),
            is_stream=rows[number][2] == _STREAM,
            start=rows[number][8],
            size=rows[number][9] & 0xFFFFFFFF,  # version 3 leaves rubbish in the upper half
            class_id=rows[number][7],
        )
        for number in sorted(paths)
        if number == 0 or rows[number][2] in (_STORAGE, _STREAM)
    ]


def _walk(
    rows: list[tuple[object, ...]],
    ahead: list[tuple[object, tuple[str, ...]]],
    paths: dict[int, tuple[str, ...]],
) -> None:
    """Note the path of every entry that is reached, each once."""
    while ahead:
        number, above = ahead.pop()
        if not isinstance(number, int) or number >= len(rows) or number in paths:
            continue
        row = rows[number]
        paths[number] = (*above[-_MAX_PATH:], _name(row))
        ahead += [(row[4], above), (row[5], above), (row[6], paths[number])]


def _name(row: tuple[object, ...]) -> str:
    raw, length = row[0], row[1]
    assert isinstance(raw, bytes)
    assert isinstance(length, int)
    text = raw[: max(0, min(length, 64) - 2)].decode("utf-16-le", "replace")
    return readable(text.encode("utf-8", "replace"))
