"""Zip archives: every directory and every local header to entries (PKWARE APPNOTE.TXT 4.3).

Theory. Programs disagree about a zip: some go by the last directory, some by the first, some by
the local headers from the start. The directory is only a hint here. An entry is a local header,
however it was found, with all names and all that anybody says about it.

Called by  archives.
Ends       always with a Listing; nothing here raises.
Careful    at most `most` entries are read, so a million of them cost no more.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from qscanner.codec.text import readable

_LOCAL = struct.Struct("<4sHHHHHLLLHH")  # 4.3.7
_CENTRAL = struct.Struct("<4sHHHHHHLLLHHHHHLL")  # 4.3.12
_END = struct.Struct("<4sHHHHLLH")  # 4.3.16
_LOCAL_MARK, _CENTRAL_MARK, _END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_ENCRYPTED, _SIZES_FOLLOW, _UTF8 = 0x1, 0x8, 0x800
_END64 = struct.Struct("<4sQHHLLQQQQ")  # 4.3.14
_END64_MARK, _LOCATOR_OCTETS = b"PK\x06\x06", 20
_UNICODE_PATH, _UNICODE_PATH_HEAD = 0x7075, 5
_MANY_VOLUMES = 1000  # more than that is no number of a volume
_ZIP64, _FULL = 0x0001, 0xFFFFFFFF
_AES_EXTRA, _AES_OCTETS = 0x9901, 7
_PLAUSIBLE = re.compile(rb"PK\x03\x04.{4}[\x00-\x14\x5d-\x63]\x00", re.DOTALL)
_METHODS = {*range(21), *range(93, 100)}
_TRIES = 10  # marks that turn out to be none, for each entry that is allowed
_AES = 99
_MAX_NAME = 4096
_MAX_DIRECTORIES = 16


@dataclass(slots=True, kw_only=True)
class ZipEntry:
    """One local header: names as written, methods that are said, where it and its octets begin.

    `packed` and `crc` are what the directory says, else the header; None where nobody does.
    `flags`, `time` and `aes` (WinZip's extra field) are what locks need.
    """

    names: list[str] = field(default_factory=list)
    methods: list[int] = field(default_factory=list)
    at: int = 0
    data_at: int = 0
    packed: int | None = None
    unpacked: int | None = None
    crc: int | None = None
    is_encrypted: bool = False
    flags: int = 0
    time: int = 0
    aes: bytes = b""

    @property
    def is_folder(self) -> bool:
        """Whether all names say that it is a folder."""
        return all(name.endswith("/") for name in self.names) and not self.packed


@dataclass(slots=True, kw_only=True)
class Listing:
    """All entries in their order, what is odd about them, and whether there are too many.

    `lost` are names in a directory that lead to no local header; `is_piece`: one volume of many.
    """

    entries: list[ZipEntry] = field(default_factory=list)
    odd: set[str] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)
    is_cut: bool = False
    has_directory: bool = False
    is_piece: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Central:
    at: int  # of the local header
    name: bytes
    flags: int
    method: int
    packed: int
    unpacked: int
    crc: int
    aes: bytes


def listing(content: bytes, *, most: int) -> Listing:
    """Give all entries of a zip, in whatever state it is."""
    found = Listing()
    known: dict[int, ZipEntry] = {}
    for number, end_at in enumerate(_ends(content)):
        found.is_piece |= _is_last_of_many(content, end_at)
        if any(at <= end_at < entry.data_at + (entry.packed or 0) for at, entry in known.items()):
            continue  # the directory of a zip that is stored in this one
        if number and known:
            found.odd.add("several directories")
        for central in _directory(content, end_at):
            found.has_directory = True
            if len(known) + len(found.lost) >= most:
                found.is_cut = True
                break
            _note(content, central, known, found)
    if not found.has_directory and not content.startswith(_END_MARK):
        found.odd.add("no directory")
    _add_unlisted(content, known, found, most)
    found.entries = [known[at] for at in sorted(known)]
    return found


def _ends(content: bytes) -> Iterator[int]:
    """Give the ends of central directories, the last first: that is the one most programs use."""
    at = len(content)
    for _ in range(_MAX_DIRECTORIES):
        at = content.rfind(_END_MARK, 0, at + len(_END_MARK) - 1)
        if at < 0:
            return
        yield at


def _is_last_of_many(content: bytes, end_at: int) -> bool:
    """Say whether the directory ends on another volume than the first (4.3.16)."""
    disk = int.from_bytes(content[end_at + 4 : end_at + 6], "little")
    return 0 < disk < _MANY_VOLUMES


def _directory(content: bytes, end_at: int) -> Iterator[_Central]:
    if end_at + _END.size > len(content):
        return
    end = _END.unpack_from(content, end_at)
    size, offset = end[5], end[6]
    if _FULL in (size, offset) or end[4] == _FULL >> 16:
        end_at, size, offset = _end64(content, end_at) or (end_at, size, offset)
    start = end_at - size
    if start < 0 or content[start : start + 4] != _CENTRAL_MARK:
        start = offset
        size = end_at - start
    shift = end_at - size - offset  # octets before the archive, as in self-extractors
    at = start
    while 0 <= at <= len(content) - _CENTRAL.size and at < end_at:
        head = _CENTRAL.unpack_from(content, at)
        if head[0] != _CENTRAL_MARK:
            return
        name_length, extra, comment = head[10:13]
        at += _CENTRAL.size
        fields = dict(_fields(content[at + name_length : at + name_length + extra]))
        unpacked, packed, said = _wide((head[9], head[8], head[16]), fields)
        here = said + shift
        if not content.startswith(_LOCAL_MARK, max(here, 0)):
            here = said
        yield _Central(
            at=here,
            name=content[at : at + min(name_length, _MAX_NAME)],
            flags=head[3],
            method=head[4],
            crc=head[7],
            packed=packed,
            unpacked=unpacked,
            aes=fields.get(_AES_EXTRA, b"")[:_AES_OCTETS],
        )
        at += name_length + extra + comment


def _end64(content: bytes, end_at: int) -> tuple[int, int, int] | None:
    """Give place, size and offset that the zip64 end of the directory says (4.3.14)."""
    at = content.rfind(_END64_MARK, 0, max(0, end_at - _LOCATOR_OCTETS + len(_END64_MARK)))
    if at < 0 or at + _END64.size > len(content):
        return None
    end = _END64.unpack_from(content, at)
    return at, end[8], end[9]


def _note(content: bytes, central: _Central, known: dict[int, ZipEntry], found: Listing) -> None:
    entry = known.get(central.at)
    if entry is not None:
        found.odd.add("several entries share their octets")
    else:
        entry = _local(content, central.at)
        if entry is None:
            found.lost += _texts(central.name, central.flags)
            return
        if entry.names[0] not in _texts(central.name, central.flags):
            found.odd.add("names in directory and header differ")
        if central.method != entry.methods[0]:
            found.odd.add("methods in directory and header differ")
        known[central.at] = entry
        entry.packed, entry.unpacked, entry.crc = central.packed, central.unpacked, central.crc
    names = dict.fromkeys([*_texts(central.name, central.flags), *entry.names])
    entry.names = list(names)
    entry.aes = entry.aes or (central.aes if len(central.aes) == _AES_OCTETS else b"")
    entry.methods = list(dict.fromkeys([*entry.methods, central.method]))
    entry.is_encrypted |= bool(central.flags & _ENCRYPTED) or central.method == _AES


def _local(content: bytes, at: int) -> ZipEntry | None:
    """Read the local header here; None where there is none that a program would take."""
    if not 0 <= at <= len(content) - _LOCAL.size or not content.startswith(_LOCAL_MARK, at):
        return None
    head = _LOCAL.unpack_from(content, at)
    flags, method, crc, packed, unpacked, name_length, extra = *head[2:4], *head[6:11]
    data_at = at + _LOCAL.size + name_length + extra
    if method not in _METHODS or data_at > len(content):
        return None
    name_at = at + _LOCAL.size
    name = content[name_at : name_at + min(name_length, _MAX_NAME)]
    names = _texts(name, flags)
    fields = dict(_fields(content[name_at + name_length : data_at]))
    names += _unicode_paths(fields)
    unpacked, packed, _ = _wide((unpacked, packed, 0), fields)
    aes = fields.get(_AES_EXTRA, b"")[:_AES_OCTETS]
    is_known = not flags & _SIZES_FOLLOW
    return ZipEntry(
        names=names,
        methods=[method],
        at=at,
        data_at=data_at,
        packed=packed if is_known else None,
        unpacked=unpacked if is_known else None,
        crc=crc if is_known else None,
        is_encrypted=bool(flags & _ENCRYPTED) or method == _AES,
        flags=flags,
        time=head[4],
        aes=aes if len(aes) == _AES_OCTETS else b"",
    )


def _texts(name: bytes, flags: int) -> list[str]:
    """Give a name as UTF-8 (or Latin-1) and, where it does not say UTF-8, as code page 437."""
    both = [readable(name)]
    if not name.isascii() and not flags & _UTF8:
        both.append(name.decode("cp437"))
    return both


def _unicode_paths(fields: dict[int, bytes]) -> Iterator[str]:
    """Give the name in Info-ZIP's Unicode Path extra field (4.6.9)."""
    data = fields.get(_UNICODE_PATH, b"")
    if len(data) > _UNICODE_PATH_HEAD:
        yield readable(data[_UNICODE_PATH_HEAD:][:_MAX_NAME])


def _fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """Give number and octets of each extra field (4.5.1)."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        yield kind, extra[at + 4 : at + 4 + size]
        at += 4 + size


def _wide(said: tuple[int, int, int], fields: dict[int, bytes]) -> tuple[int, int, int]:
    """Give sizes and offset, from the zip64 field where they do not fit into 32 bits (4.5.3)."""
    rest = fields.get(_ZIP64, b"")
    wide = []
    for value in said:
        if value == _FULL and len(rest) >= 8:  # noqa: PLR2004
            value, rest = int.from_bytes(rest[:8], "little"), rest[8:]
        wide.append(value)
    return wide[0], wide[1], wide[2]


def _add_unlisted(content: bytes, known: dict[int, ZipEntry], found: Listing, most: int) -> None:
    """Add the local headers that no directory mentions, outside the octets of those it does."""
    listed = sorted((at, entry.data_at + (entry.packed or 0)) for at, entry in known.items())
    passed = 0
    behind = 0
    for _ in range(_TRIES * most):
        mark = _PLAUSIBLE.search(content, behind)
        if mark is None:
            return
        at = mark.start()
        while passed < len(listed) and listed[passed][1] <= at:
            passed += 1
        if passed < len(listed) and listed[passed][0] <= at:
            behind = max(listed[passed][1], mark.end())
            continue
        entry = _local(content, at)
        behind = mark.end()
        if entry is not None:
            if len(known) >= most:
                break
            if found.has_directory:
                found.odd.add("members that the directory does not list")
            known[at] = entry
            behind = max(behind, entry.data_at + (entry.packed or 0))
    found.is_cut = True
