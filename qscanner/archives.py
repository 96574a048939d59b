"""The members of every kind of archive, bounded: which module opens what, and what none opens.

Called by  checks.attachments, for each content; nesting is the caller's.
Ends       with Members and Findings, for any octets; nothing is raised but bugs, and what the
           clock of the budget raises.
Careful    one Budget for all archives of a message: a bound that is hit is a finding, and what
           came out before is still handed on. No member's name ever becomes a path. A content of
           several kinds is opened as each of them.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace

from qscanner import libarchive_members, streams, zip_members
from qscanner.budget import Budget, Member, Meter, Sink, Spent
from qscanner.codec import lzw, rars, tars, tnef
from qscanner.codec import names as naming
from qscanner.libarchive_members import NotThere, Options
from qscanner.model import Finding

__all__ = ["WITH_INSIDE", "Budget", "Member", "begins_like_one", "members"]

# What libarchive opens: our kind, its format, the mark that the archive begins with.
_FORMATS = (
    ("7z", "7zip", b"7z\xbc\xaf\x27\x1c"),
    ("rar", "", b"Rar!\x1a\x07"),
    ("cab", "cab", b"MSCF\0\0\0\0"),
    ("lha", "lha", b""),
)
_FILTERS = ("zstd", "lz4")
# What has no kind of its own: marks at the beginning, name, format, filter.
_OTHERS = (
    (b"!<arch>\n", "ar", "ar", ""),
    (b"070701", "cpio", "cpio", ""),
    (b"070702", "cpio", "cpio", ""),
    (b"070707", "cpio", "cpio", ""),
    (b"\xc7\x71", "cpio", "cpio", ""),
    (b"\x71\xc7", "cpio", "cpio", ""),
    (b"LZIP", "lzip", "", "lzip"),
    (b"\xed\xab\xee\xdb", "rpm", "", "rpm"),
    (b"begin ", "uuencode", "", "uu"),
)
_CLOSED = ((b"xar!", "xar"), (b"ALZ\x01", "alz"), (b"EGGA\xa3\xe3", "egg"), (b"MSWIM\0", "wim"))
_CLEAR = (
    *(mark for mark, *_ in _OTHERS if len(mark) >= len(b"LZIP")),
    lzw.MARK,
    tnef.MARK,
    *(mark for mark, _ in _CLOSED),
)
NOT_OPENED = frozenset({"arj", "ace", "zpaq"})
_OPENED = frozenset(
    {
        "zip",
        "tar",
        "tnef",
        "disk-image",
        *streams.KINDS,
        *_FILTERS,
        *(kind for kind, *_ in _FORMATS),
    }
)
WITH_INSIDE = frozenset({"archive", *NOT_OPENED, *_OPENED})
_BEGINNINGS = _OPENED - {*streams.KINDS, *_FILTERS}  # the others are said of a .tar.gz, too
_SEEN = frozenset({"7z", "rar", "cab"})  # clamd looks into them; see zip_members for zip
_ISO_AT, _ISO_MARK = 0x8001, b"CD001"
_UDF = (b"NSR02", b"NSR03")
_UDF_WITHIN = (0x8800, 0x18000)
_MAX_STARTS = 8
_MAX_RTF = 8 << 20
_MAX_LZW = 16 << 20


def begins_like_one(content: bytes) -> bool:
    """Say whether octets begin like an archive, whatever kinds they have."""
    return content.startswith(_CLEAR)


def members(content: bytes, kinds: frozenset[str], budget: Budget) -> Iterator[Member | Finding]:
    """Give the members of an archive and findings about it; nothing of what is no archive.

    `kinds` are those of kinds.kinds(). The findings have no `where`: the caller knows the path.
    """
    if not content:
        return
    is_hidden = len(kinds & _BEGINNINGS) > 1
    if "zip" in kinds:
        yield from zip_members.members(content, budget, is_hidden=is_hidden)
    if "tar" in kinds:
        yield from _tar(content, kinds, budget, is_hidden=is_hidden)
    for kind in streams.KINDS:
        if kind in kinds:
            yield from streams.members(content, kind, budget)
    if "tnef" in kinds or content.startswith(tnef.MARK):
        yield from _tnef(content, budget)
    yield from _by_library(content, kinds, budget, is_hidden=is_hidden)
    yield from _by_mark(content, kinds, budget)
    for kind in sorted(NOT_OPENED & kinds):
        yield Finding(id="archive.not-opened", detail=kind)


def _by_library(
    content: bytes, kinds: frozenset[str], budget: Budget, *, is_hidden: bool
) -> Iterator[Member | Finding]:
    """Give what libarchive finds in what has a kind of its own."""
    for kind, format_, mark in _FORMATS:
        if kind in kinds:
            options = Options(format=format_, is_hidden=is_hidden or kind not in _SEEN)
            yield from _at_mark(content, kind, mark, options, budget)
    if "disk-image" in kinds:
        yield from _disk_image(content, budget)
    for kind in _FILTERS:
        if kind in kinds:
            yield from _ask(content, kind, Options(filter=kind), budget)


def _by_mark(content: bytes, kinds: frozenset[str], budget: Budget) -> Iterator[Member | Finding]:
    """Give what is in an archive that only its mark tells from others; a last resort."""
    is_known = not kinds.isdisjoint({*_OPENED, *NOT_OPENED, "jar"})
    if content.startswith(_CLEAR) or "archive" in kinds:
        for mark, kind, format_, filter_ in _OTHERS:
            if content.startswith(mark):
                is_known = True
                yield from _ask(content, kind, Options(format=format_, filter=filter_), budget)
        for mark, kind in _CLOSED:
            if content.startswith(mark):
                is_known = True
                yield Finding(id="archive.not-opened", detail=kind)
        if content.startswith(lzw.MARK):
            is_known = True
            yield from _compress(content, budget)
    if "archive" in kinds and not is_known and not content.startswith(tnef.MARK):
        yield Finding(id="archive.not-opened", detail="archive")


def _ask(
    content: bytes, kind: str, options: Options, budget: Budget
) -> Iterator[Member | Finding]:
    try:
        yield from libarchive_members.members(content, kind, options, budget)
    except NotThere:
        yield Finding(id="archive.not-opened", detail=kind)


def _at_mark(
    content: bytes, kind: str, mark: bytes, options: Options, budget: Budget
) -> Iterator[Member | Finding]:
    """Open what begins at each mark, like the archive behind a program that opens itself."""
    starts = list(itertools.islice(_starts(content, mark), _MAX_STARTS + 1)) if mark else [0]
    is_opened = False
    tried = starts[:_MAX_STARTS] or [0]
    for at in tried:
        this = replace(options, at=at, is_hidden=options.is_hidden or at > 0)
        opened = (
            _rar(content, this, budget) if kind == "rar" else _ask(content, kind, this, budget)
        )
        for found in opened:
            if isinstance(found, Member):
                is_opened = True
            elif found.id == "archive.unreadable" and at not in (0, tried[-1]) and not is_opened:
                continue  # the mark stands there by chance
            yield found
    if len(starts) > _MAX_STARTS:
        yield Finding(id="archive.odd", detail=f"{kind}: begins in many places")


def _starts(content: bytes, mark: bytes) -> Iterator[int]:
    at = content.find(mark)
    while at >= 0:
        yield at
        at = content.find(mark, at + 1)


def _rar(content: bytes, options: Options, budget: Budget) -> Iterator[Member | Finding]:
    """Give what libarchive does; it knows nothing of locks and stops at the first."""
    said = rars.headers(content, options.at)
    locked = {_plain(entry.name) for entry in said.entries if entry.is_encrypted}
    given: set[str] = set()
    is_stopped = is_told = False
    for found in _ask(content, "rar", options, budget):
        if isinstance(found, Finding):
            is_told |= found.id == "archive.encrypted"
            if locked and found.id == "archive.unreadable":
                is_stopped = True
                continue
            yield found
        elif locked.intersection(map(_plain, found.names)):
            given.update(map(_plain, found.names))
            yield replace(
                found, content=b"", is_encrypted=True, is_unreadable=False, is_hidden=True
            )
        else:
            given.update(map(_plain, found.names))
            yield found
    for entry in said.entries if is_stopped else ():
        if entry.name and _plain(entry.name) not in given and budget.take_member():
            names = naming.forms([entry.name])
            yield Member(names=names, is_encrypted=entry.is_encrypted, is_unreadable=True)
    if locked and not is_told:
        yield Finding(id="archive.encrypted", detail="rar")
    if said.is_volume:
        yield Finding(id="archive.unreadable", detail="rar: one of several")


def _plain(name: str) -> str:
    return name.replace("\\", "/")


def _disk_image(content: bytes, budget: Budget) -> Iterator[Member | Finding]:
    """Give the files of an ISO 9660; other file systems of disks are not opened."""
    is_iso = content.startswith(_ISO_MARK, _ISO_AT)
    has_udf = any(content.find(mark, *_UDF_WITHIN) >= 0 for mark in _UDF)
    if is_iso:
        options = Options(format="iso9660", is_hidden=has_udf)
        yield from _ask(content, "iso", options, budget)
    if has_udf or not is_iso:
        yield Finding(id="archive.not-opened", detail="disk-image")


def _compress(content: bytes, budget: Budget) -> Iterator[Member | Finding]:
    if not budget.take_member():
        yield Finding(id="limit.archive-members", detail="compress")
        return
    sink = Sink(Meter(len(content), budget))
    is_whole = True
    try:
        for piece in lzw.pieces(content[:_MAX_LZW]):
            sink.take(piece)
    except Spent as spent:
        yield Finding(id=spent.id, detail="compress")
    except lzw.NotLzw as error:
        is_whole = False
        yield Finding(id="archive.unreadable", detail=f"compress: {error}")
    if len(content) > _MAX_LZW:
        yield Finding(id="limit.archive-octets", detail="compress")
    yield Member(
        names=(),
        content=sink.content(),
        is_unreadable=not is_whole,
        is_stream=True,
        is_hidden=True,
    )


def _tnef(content: bytes, budget: Budget) -> Iterator[Member | Finding]:
    meter = Meter(len(content), budget)
    for entry in tnef.entries(content, most=min(_MAX_RTF, max(budget.octets, 0))):
        if entry is None:
            yield Finding(id="archive.unreadable", detail="tnef")
            return
        if not budget.take_member():
            yield Finding(id="limit.archive-members", detail="tnef")
            return
        room, id_ = meter.room()
        if len(entry.content) > room:
            yield Finding(id=id_, detail="tnef")
            return
        meter.spend(len(entry.content))
        yield Member(
            names=naming.forms(entry.names),
            content=entry.content,
            is_unreadable=entry.is_cut,
            is_hidden=True,
        )


def _tar(
    content: bytes, kinds: frozenset[str], budget: Budget, *, is_hidden: bool
) -> Iterator[Member | Finding]:
    if not tars.is_tar(content):
        is_packed = kinds & {*streams.KINDS, *_FILTERS} or begins_like_one(content)
        if not is_packed:  # then only its name says tar
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
            is_hidden=is_hidden,
        )
