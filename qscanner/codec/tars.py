"""Tar archives: header blocks to entries (POSIX pax and ustar; GNU's long names and numbers).

Called by  archives.
Ends       always; nothing here raises.
Careful    linear in the octets: the stdlib's tarfile is quadratic on hostile pax headers and calls
           itself for each long name. Names are only for comparing and showing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from qscanner.codec.text import readable

_BLOCK = 512
_CHECKSUM = slice(148, 156)
_SIZE = slice(124, 136)
_MAX_NAME_OCTETS = 4096
_SIZE_RECORD = re.compile(rb"size=[0-9]{1,20}\n?")
_FILES = (b"0", b"\0", b"7", b"S")  # ordinary, of old, contiguous, sparse


@dataclass(frozen=True, slots=True, kw_only=True)
class TarEntry:
    """One file: its names as written, where its octets are, and whether all of them are there."""

    names: tuple[str, ...]
    start: int
    end: int
    is_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    name: str
    size: int
    type: bytes


def is_tar(content: bytes) -> bool:
    """Say whether the octets begin with a header block whose checksum is right."""
    return _header(content, 0) is not None


def entries(content: bytes) -> Iterator[TarEntry | None]:
    """Give the files in their order; None where octets that are no header stop the reading."""
    at = 0
    names: list[str] = []
    size: int | None = None
    while at + _BLOCK <= len(content):
        header = _header(content, at)
        if header is None:
            if content[at : at + _BLOCK].strip(b"\0"):
                yield None
            return
        start = at + _BLOCK
        length = header.size if size is None else size
        end = min(start + length, len(content))
        if header.type == b"L":
            names.append(
                readable(content[start : min(end, start + _MAX_NAME_OCTETS)].rstrip(b"\0"))
            )
        elif header.type == b"x":
            said = _pax_records(content[start:end])
            names += said.names
            size = said.size
        elif header.type in _FILES:
            is_cut = end - start < length
            yield TarEntry(names=(*names, header.name), start=start, end=end, is_cut=is_cut)
            names, size = [], None
        else:
            names, size = [], None  # folders, links and devices have no octets
        at = start + -(-length // _BLOCK) * _BLOCK


def _header(content: bytes, at: int) -> _Header | None:
    block = content[at : at + _BLOCK]
    if len(block) < _BLOCK:
        return None
    unsigned = sum(block[: _CHECKSUM.start]) + 8 * ord(" ") + sum(block[_CHECKSUM.stop :])
    if unsigned != _number(block[_CHECKSUM]):
        return None
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    full = prefix + b"/" + name if prefix else name
    return _Header(name=readable(full), size=_number(block[_SIZE]), type=block[156:157])


def _number(octets: bytes) -> int:
    if octets[0] & 0x80:  # GNU: base 256
        return int.from_bytes(octets[1:], "big")
    digits = octets.strip(b" \0").partition(b"\0")[0].strip(b" ")
    return int(digits, 8) if digits and not digits.translate(None, b"01234567") else 0


@dataclass(slots=True, kw_only=True)
class _Said:
    """What a pax header says about the next file."""

    names: list[str] = field(default_factory=list)
    size: int | None = None


def _pax_records(data: bytes) -> _Said:
    """Read the records of a pax header: `length keyword=value` and a line feed each."""
    at = 0
    said = _Said()
    while at < len(data):
        length, blank, _rest = data[at : at + 20].partition(b" ")
        if not blank or not length.isdigit() or int(length) < len(length) + 1:
            break
        record = data[at + len(length) + 1 : at + int(length)]
        if record.startswith(b"path="):
            said.names.append(readable(record[5 : 5 + _MAX_NAME_OCTETS].rstrip(b"\n")))
        elif record.startswith(b"size=") and _SIZE_RECORD.fullmatch(record):
            said.size = int(record[5:])
        at += int(length)
    return said
