"""The only home of decompressors: the members of zip, tar, gzip, bzip2 and xz, bounded.

Called by  checks.attachments, for each content; nesting is the caller's.
Ends       with Members and Findings, for any octets; nothing is raised but bugs.
Careful    one Budget for all archives of a message: a bound that is hit is a finding, and what
           came out before is still handed on. No member's name ever becomes a path.
"""

import bz2
import lzma
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from qscanner.codec import names as naming
from qscanner.codec import tars, zips
from qscanner.codec.text import readable
from qscanner.model import Finding
from qscanner.settings import MIB, Limits

NOT_OPENED = ("rar", "7z", "cab", "arj", "lha", "ace", "zpaq", "zstd", "lz4", "disk-image", "tnef")
_STREAMS = ("gzip", "bzip2", "xz")
_FED = 64 << 10  # compressed octets that are handed to a decoder at a time
_TAKEN = 256 << 10  # decoded octets that are asked of it at a time
_FREE = 1 * MIB  # decoded octets below which the ratio does not matter
_LZMA_MEMORY = 128 * MIB
_LZMA_HEAD = 9  # version, length of the properties, properties (APPNOTE.TXT 5.8.8)
_MAX_NAME_OCTETS = 4096
_SHOWN_NAME = 200
_RECORD = re.compile(rb"PK(?:\x01\x02|\x03\x04|\x07\x08)")
_MAX_STREAMS = 10_000  # that follow each other in one file
_BROKEN = (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError)
_STORED, _DEFLATED, _BZIP2, _LZMA, _XZ = 0, 8, 12, 14, 95


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member: every form of its names, and its octets as far as they could be had.

    `is_stream`: the one member of a compressed file, which is called like the file without its
    extension. `is_hidden`: other programs may not see it, a virus scanner among them.
    """

    names: tuple[str, ...]
    content: bytes = field(default=b"", repr=False)
    is_encrypted: bool = False
    is_unreadable: bool = False
    is_stream: bool = False
    is_hidden: bool = False


class Budget:
    """What all decoders together may still spend on one message.

    `octets` come out of decoders, `members` are those of all archives and of messages inside,
    `held` is what the chain of archives in archives keeps in memory, `depth` its bound.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.octets = limits.decoded
        self.members = limits.members
        self.depth = limits.depth
        self.held = 0

    @classmethod
    def of(cls, limits: Limits) -> "Budget":
        """Make the budget that the settings allow."""
        return cls(limits)

    def take_member(self) -> bool:
        """Count one member; False when there may be no more."""
        self.members -= 1
        return self.members >= 0


class _Spent(Exception):
    """A bound was hit: `id` of the finding, `content` what came out before."""

    def __init__(self, id_: str, content: bytes) -> None:
        super().__init__(id_)
        self.id = id_
        self.content = content


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    """What one compressed stream gave, and how many octets it took; `is_whole`: up to its end."""

    content: bytes
    taken: int
    is_whole: bool


class _Meter:
    """Counts what comes out of one archive against its ratio and the budget."""

    def __init__(self, content: bytes, budget: Budget) -> None:
        self._budget = budget
        self._most = max(_FREE, len(content) * budget.limits.ratio)

    def room(self) -> tuple[int, str]:
        """Give how many octets may still come, and the finding if they do not suffice."""
        if self._most < self._budget.octets:
            return self._most, "limit.archive-ratio"
        return self._budget.octets, "limit.archive-octets"

    def spend(self, octets: int) -> None:
        """Count octets that came."""
        self._most -= octets
        self._budget.octets -= octets


def members(content: bytes, kinds: frozenset[str], budget: Budget) -> Iterator[Member | Finding]:
    """Give the members of an archive and findings about it; nothing of what is no archive.

    `kinds` are those of kinds.kinds(). The findings have no `where`: the caller knows the path.
    """
    if "zip" in kinds:
        yield from _zip(content, budget)
    if "tar" in kinds:
        yield from _tar(content, kinds, budget)
    for kind in _STREAMS:
        if kind in kinds:
            yield from _stream(content, kind, budget)
    for kind in NOT_OPENED:
        if kind in kinds:
            yield Finding(id="archive.not-opened", detail=kind)
    if "archive" in kinds and kinds.isdisjoint(("zip", "tar", *_STREAMS, *NOT_OPENED)):
        yield Finding(id="archive.not-opened", detail="archive")


def _inflate(decoder: Any, data: memoryview, meter: _Meter) -> _Stream:
    """Decode one stream as far as it goes. Raises _Spent."""
    out: list[bytes] = []
    fed = 0
    pending = b""
    try:
        while not decoder.eof:
            if not pending and getattr(decoder, "needs_input", True):
                pending = bytes(data[fed : fed + _FED])
                fed += len(pending)
            room, id_ = meter.room()
            piece = decoder.decompress(pending, min(_TAKEN, room + 1))
            is_fed_up = not pending and not piece
            # zlib hands back what it did not take; the others keep it.
            pending = getattr(decoder, "unconsumed_tail", b"")
            out.append(piece[:room])
            meter.spend(min(len(piece), room))
            if len(piece) > room:
                raise _Spent(id_, b"".join(out))
            if is_fed_up:  # the end of the octets came before that of the stream
                break
    except _BROKEN:
        return _Stream(content=b"".join(out), taken=fed, is_whole=False)
    taken = fed - len(decoder.unused_data) if decoder.eof else fed
    return _Stream(content=b"".join(out), taken=taken, is_whole=decoder.eof)


def _decoder(kind: str) -> Any:
    if kind == "gzip":
        return zlib.decompressobj(zlib.MAX_WBITS | 16)
    if kind == "bzip2":
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(lzma.FORMAT_AUTO, memlimit=_LZMA_MEMORY)


def _stream(content: bytes, kind: str, budget: Budget) -> Iterator[Member | Finding]:
    """Give the one member of a gzip (RFC 1952), bzip2, xz file; streams may follow each other."""
    if not budget.take_member():
        yield Finding(id="limit.archive-members", detail=kind)
        return
    meter = _Meter(content, budget)
    octets = memoryview(content)
    out: list[bytes] = []
    at = 0
    is_readable = False
    try:
        for _ in range(_MAX_STREAMS):
            stream = _inflate(_decoder(kind), octets[at:], meter)
            out.append(stream.content)
            at += stream.taken
            is_readable = is_readable or stream.is_whole
            if not stream.is_whole or at >= len(content):
                break
    except _Spent as spent:
        out.append(spent.content)
        is_readable = True
        yield Finding(id=spent.id, detail=kind)
    if not is_readable:
        yield Finding(id="archive.unreadable", detail=kind)
    names = naming.forms([_gzip_name(content)] if kind == "gzip" else [])
    yield Member(names=names, content=b"".join(out), is_unreadable=not is_readable, is_stream=True)


def _gzip_name(content: bytes) -> str:
    """Give the file name in the header of a gzip file, "" for none (RFC 1952 2.3)."""
    flags = content[3:4]
    if not flags or not flags[0] & 0x08:
        return ""
    extra = 2 + int.from_bytes(content[10:12], "little") if flags[0] & 0x04 else 0
    name = content[10 + extra : 10 + extra + _MAX_NAME_OCTETS]
    return readable(name.partition(b"\0")[0])


def _tar(content: bytes, kinds: frozenset[str], budget: Budget) -> Iterator[Member | Finding]:
    if not tars.is_tar(content):
        if content and not kinds & {*_STREAMS, "zstd", "lz4"}:  # then only its name says tar
            yield Finding(id="archive.unreadable", detail="tar")
        return
    is_told = False
    for entry in tars.entries(content):
        if entry is None:
            yield Finding(id="archive.odd", detail="tar: rubbish between members")
            return
        if not budget.take_member():
            yield Finding(id="limit.archive-members", detail="tar")
            return
        if entry.is_cut and not is_told:
            is_told = True
            yield Finding(id="archive.unreadable", detail="tar: cut short")
        yield Member(
            names=naming.forms(entry.names),
            content=content[entry.start : entry.end],
            is_unreadable=entry.is_cut,
        )


def _zip(content: bytes, budget: Budget) -> Iterator[Member | Finding]:
    listing = zips.listing(content, most=max(budget.members, 0) + 1)
    meter = _Meter(content, budget)
    told: dict[str, Finding] = {}
    for entry in listing.entries:
        if not entry.is_folder:
            if not budget.take_member():
                break
            names = naming.forms(entry.names)
            try:
                member = _zip_member(content, entry, names, meter)
            except _Spent as spent:
                yield Finding(id=spent.id, detail="zip")
                yield Member(names=names, content=spent.content)
                break
            _tell(member, told)
            yield member
    if listing.is_cut or budget.members < 0:
        yield Finding(id="limit.archive-members", detail="zip")
    if listing.lost:
        lost = Member(names=naming.forms(listing.lost), is_unreadable=True)
        _tell(lost, told)
        yield lost
    if not listing.entries and not listing.has_directory and content[:4] != b"PK\x05\x06":
        told["archive.unreadable"] = Finding(id="archive.unreadable", detail="zip")
    yield from told.values()
    for odd in sorted(listing.odd):
        yield Finding(id="archive.odd", detail=f"zip: {odd}")


def _tell(member: Member, told: dict[str, Finding]) -> None:
    """Note once for an archive that a member is encrypted or unreadable, with its name."""
    detail = member.names[0][:_SHOWN_NAME] if member.names else ""
    if member.is_encrypted:
        told.setdefault("archive.encrypted", Finding(id="archive.encrypted", detail=detail))
    elif member.is_unreadable:
        told.setdefault("archive.unreadable", Finding(id="archive.unreadable", detail=detail))


def _zip_member(
    content: bytes, entry: zips.ZipEntry, names: tuple[str, ...], meter: _Meter
) -> Member:
    """Decode one entry by whichever of the methods that are said works. Raises _Spent."""
    data = memoryview(content)[entry.data_at :]
    best = b""
    methods = entry.methods if _STORED not in entry.methods else [*entry.methods, _DEFLATED]
    for method in dict.fromkeys(methods):
        if method == _STORED:
            stream = _stored(entry, data, meter)
        else:
            decoder = _zip_decoder(method, bytes(data[:_LZMA_HEAD]))
            if decoder is None:
                continue
            stream = _inflate(decoder, data[_LZMA_HEAD:] if method == _LZMA else data, meter)
        if _is_right(entry, method, stream):
            return Member(names=names, content=stream.content)
        best = max(best, stream.content, key=len)
    if entry.is_encrypted:
        return Member(names=names, is_encrypted=True)
    return Member(names=names, content=best, is_unreadable=True)


def _stored(entry: zips.ZipEntry, data: memoryview, meter: _Meter) -> _Stream:
    """Take octets that are not compressed. Raises _Spent."""
    if entry.is_encrypted and entry.packed != entry.unpacked:
        return _Stream(content=b"", taken=0, is_whole=False)  # encryption adds octets
    end = entry.packed
    if end is None:  # the size follows the octets: up to the next record of the zip
        following = _RECORD.search(data)
        end = following.start() if following else len(data)
    room, id_ = meter.room()
    content = bytes(data[: min(end, room)])
    meter.spend(len(content))
    if room < min(end, len(data)):
        raise _Spent(id_, content)
    return _Stream(content=content, taken=len(content), is_whole=len(content) == end)


def _is_right(entry: zips.ZipEntry, method: int, stream: _Stream) -> bool:
    """Say whether the octets are what was packed; of what claims to be encrypted prove it."""
    if entry.is_encrypted or method == _STORED:
        if entry.crc is None and not entry.is_encrypted:
            return stream.is_whole
        return zlib.crc32(stream.content) == entry.crc
    is_full = entry.unpacked is not None and len(stream.content) == entry.unpacked > 0
    return stream.is_whole or (method == _LZMA and is_full)


def _zip_decoder(method: int, head: bytes) -> Any:
    """Give the decoder of a zip's method (APPNOTE.TXT 4.4.5), None for one that we lack."""
    if method == _DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS)
    if method == _BZIP2:
        return bz2.BZ2Decompressor()
    if method == _XZ:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY)
    if method != _LZMA or len(head) < _LZMA_HEAD:
        return None
    rest, dictionary = divmod(head[4], 9)[0], int.from_bytes(head[5:9], "little")
    chosen = {"id": lzma.FILTER_LZMA1, "lc": head[4] % 9, "lp": rest % 5, "pb": rest // 5}
    chosen["dict_size"] = min(max(dictionary, 4096), _LZMA_MEMORY)
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[chosen])
    except (lzma.LZMAError, ValueError):
        return None
