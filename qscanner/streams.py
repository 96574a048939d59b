"""The only home of zlib, bz2 and lzma: streams, and files that are one (gzip, bzip2, xz).

Called by  archives, zip_members.
Ends       inflate() raises Spent; members() with Members and Findings, for any octets.
Careful    a decoder is asked for small pieces, never for all: see budget.
"""

import bz2
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from qscanner.budget import Budget, Member, Meter, Sink, Spent
from qscanner.codec import names as naming
from qscanner.codec.text import readable
from qscanner.model import Finding
from qscanner.settings import MIB

KINDS = ("gzip", "bzip2", "xz")
LZMA_HEAD = 9  # version, length of the properties, properties (APPNOTE.TXT 5.8.8)
DEFLATED, BZIP2, LZMA, XZ = 8, 12, 14, 95  # methods of a zip (APPNOTE.TXT 4.4.5)
METHODS = frozenset({DEFLATED, BZIP2, LZMA, XZ})
_FED = 64 << 10  # compressed octets that are handed to a decoder at a time
_TAKEN = 256 << 10  # decoded octets that are asked of it at a time
_LZMA_MEMORY = 128 * MIB
_MAX_NAME_OCTETS = 4096
_MAX_STREAMS = 10_000  # that follow each other in one file
_BROKEN = (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError)
_HAS_EXTRA, _HAS_NAME = 0x04, 0x08


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """How many octets one compressed stream took; `is_whole`: up to its end."""

    taken: int
    is_whole: bool


def inflate(decoder: Any, data: memoryview, sink: Sink) -> Stream:
    """Decode one stream into the sink as far as it goes. Raises Spent."""
    fed = 0
    pending = b""
    try:
        while not decoder.eof:
            if not pending and getattr(decoder, "needs_input", True):
                pending = bytes(data[fed : fed + _FED])
                fed += len(pending)
            piece = decoder.decompress(pending, min(_TAKEN, sink.room() + 1))
            is_fed_up = not pending and not piece
            # zlib hands back what it did not take; the others keep it.
            pending = getattr(decoder, "unconsumed_tail", b"")
            sink.take(piece)
            if is_fed_up:  # the end of the octets came before that of the stream
                break
    except _BROKEN:
        return Stream(taken=fed, is_whole=False)
    taken = fed - len(decoder.unused_data) if decoder.eof else fed
    return Stream(taken=taken, is_whole=decoder.eof)


def zip_decoder(method: int, head: bytes) -> Any:
    """Give the decoder of a zip's method, None for one that we lack; `head`: LZMA_HEAD octets."""
    if method == DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS)
    if method == BZIP2:
        return bz2.BZ2Decompressor()
    if method == XZ:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY)
    if method != LZMA or len(head) < LZMA_HEAD:
        return None
    rest, dictionary = divmod(head[4], 9)[0], int.from_bytes(head[5:9], "little")
    chosen = {"id": lzma.FILTER_LZMA1, "lc": head[4] % 9, "lp": rest % 5, "pb": rest // 5}
    chosen["dict_size"] = min(max(dictionary, 4096), _LZMA_MEMORY)
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[chosen])
    except (lzma.LZMAError, ValueError):
        return None


def crc32(content: bytes) -> int:
    """Give the checksum that zip and gzip use."""
    return zlib.crc32(content)


def members(content: bytes, kind: str, budget: Budget) -> Iterator[Member | Finding]:
    """Give the one member of a gzip (RFC 1952), bzip2, xz file; streams may follow each other."""
    if not budget.take_member():
        yield Finding(id="limit.archive-members", detail=kind)
        return
    sink = Sink(Meter(len(content), budget))
    spent = ""
    try:
        whole, is_cut = _inflate_all(content, kind, sink)
    except Spent as bound:
        whole, is_cut, spent = 1, False, bound.id
        yield Finding(id=bound.id, detail=kind)
    if not whole:
        yield Finding(id="archive.unreadable", detail=kind)
    yield Member(
        names=naming.forms([_gzip_name(content)] if kind == "gzip" else []),
        content=sink.content(),
        is_unreadable=not whole,
        is_stream=True,
        is_hidden=whole != 1 or is_cut or bool(spent),
    )


def _inflate_all(content: bytes, kind: str, sink: Sink) -> tuple[int, bool]:
    """Give how many streams are whole, and whether anything else follows. Raises Spent."""
    octets = memoryview(content)
    at = 0
    for number in range(_MAX_STREAMS):
        stream = inflate(_decoder(kind), octets[at:], sink)
        at += stream.taken
        if not stream.is_whole:
            return number, True
        if at >= len(content):
            return number + 1, False
    return _MAX_STREAMS, True


def _decoder(kind: str) -> Any:
    if kind == "gzip":
        return zlib.decompressobj(zlib.MAX_WBITS | 16)
    if kind == "bzip2":
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(lzma.FORMAT_AUTO, memlimit=_LZMA_MEMORY)


def _gzip_name(content: bytes) -> str:
    """Give the file name in the header of a gzip file, "" for none (RFC 1952 2.3)."""
    flags = content[3:4]
    if not flags or not flags[0] & _HAS_NAME:
        return ""
    extra = 2 + int.from_bytes(content[10:12], "little") if flags[0] & _HAS_EXTRA else 0
    name = content[10 + extra : 10 + extra + _MAX_NAME_OCTETS]
    return readable(name.partition(b"\0")[0])
