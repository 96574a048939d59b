"""Members of zips: every entry that anybody lists, by whichever of its methods works.

Called by  archives.
Ends       with Members and Findings, for any octets; nothing is raised but what the clock raises.
Careful    what an entry says of itself is only tried: its checksum decides. libarchive decodes
           what we do not (PPMd, Zstandard) and what is locked, one entry at a time, in a zip that
           is made for it: which entries there are is decided here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from qscanner import libarchive_members, streams
from qscanner.budget import Budget, Member, Meter, Sink, Spent
from qscanner.codec import names as naming
from qscanner.codec import ziplocks, zips
from qscanner.model import Finding

_STORED = 0
_RECORD = re.compile(rb"PK(?:\x01\x02|\x03\x04|\x07\x08)")
_SEEN = frozenset({0, 8, 9, 12})  # methods that clamd knows
_AES = 99
_SHOWN_NAME = 200
_NO_DIRECTORY = b"PK\x05\x06"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whole:
    """The zip at hand."""

    content: bytes
    meter: Meter
    is_hidden: bool
    told: dict[str, Finding]


def members(content: bytes, budget: Budget, *, is_hidden: bool) -> Iterator[Member | Finding]:
    """Give the members of a zip and findings about it; `is_hidden`: all of them are."""
    listing = zips.listing(content, most=max(budget.members, 0) + 1)
    is_odd = bool(listing.odd) or listing.is_piece
    told: dict[str, Finding] = {}
    meter = Meter(len(content), budget)
    whole = _Whole(content=content, meter=meter, is_hidden=is_hidden or is_odd, told=told)
    yield from _entries(listing, whole)
    if listing.is_cut or budget.members < 0:
        yield Finding(id="limit.archive-members", detail="zip")
    if listing.is_piece:
        told["archive.unreadable"] = Finding(id="archive.unreadable", detail="zip: one of several")
    if listing.lost:
        lost = Member(names=naming.forms(listing.lost), is_unreadable=True)
        _tell(lost, told)
        yield lost
    if not listing.entries and not listing.has_directory and content[:4] != _NO_DIRECTORY:
        told["archive.unreadable"] = Finding(id="archive.unreadable", detail="zip")
    yield from told.values()
    for odd in sorted(listing.odd):
        yield Finding(id="archive.odd", detail=f"zip: {odd}")


def _entries(listing: zips.Listing, whole: _Whole) -> Iterator[Member | Finding]:
    for entry in listing.entries:
        if entry.is_folder:
            continue
        if not whole.meter.budget.take_member():
            return
        names = naming.forms(entry.names)
        try:
            member = _member(entry, names, whole)
        except Spent as spent:
            yield Finding(id=spent.id, detail="zip")
            yield Member(names=names, content=spent.content, is_hidden=True)
            return
        _tell(member, whole.told)
        yield member


def _tell(member: Member, told: dict[str, Finding]) -> None:
    """Note once for an archive that a member is encrypted or unreadable, with its name."""
    detail = member.names[0][:_SHOWN_NAME] if member.names else ""
    if member.is_encrypted:
        told.setdefault("archive.encrypted", Finding(id="archive.encrypted", detail=detail))
        if member.content:
            id_ = "archive.opened-with-word"
            told.setdefault(id_, Finding(id=id_, detail=detail))
    elif member.is_unreadable:
        told.setdefault("archive.unreadable", Finding(id="archive.unreadable", detail=detail))


def _member(entry: zips.ZipEntry, names: tuple[str, ...], whole: _Whole) -> Member:
    """Decode one entry by whichever of the methods that are said works. Raises Spent."""
    data = memoryview(whole.content)[entry.data_at :]
    best = b""
    methods = list(entry.methods)
    methods += [streams.DEFLATED] if _STORED in methods else []
    is_hidden = whole.is_hidden or not _SEEN.issuperset(methods) or entry.is_encrypted
    for method in dict.fromkeys(methods):
        if _is_for_library(entry, method):
            content = _by_library(entry, data, b"", whole.meter)
            if content is not None:
                return Member(names=names, content=content, is_hidden=True)
            continue
        sink = Sink(whole.meter)
        is_whole = _decode(entry, method, data, sink)
        content = sink.content()
        if _is_right(entry, method, content, is_whole=is_whole):
            return Member(
                names=names, content=content, is_hidden=is_hidden or method != methods[0]
            )
        best = max(best, content, key=len)
    if entry.is_encrypted:
        return Member(
            names=names,
            content=_unlocked(entry, data, whole.meter),
            is_encrypted=True,
            is_hidden=True,
        )
    return Member(names=names, content=best, is_unreadable=True, is_hidden=True)


def _is_for_library(entry: zips.ZipEntry, method: int) -> bool:
    is_ours = method == _STORED or method in streams.METHODS
    return not is_ours and method != _AES and not entry.is_encrypted


def _decode(entry: zips.ZipEntry, method: int, data: memoryview, sink: Sink) -> bool:
    """Decode by this method; say whether it went to the end. Raises Spent."""
    if method == _STORED:
        if entry.is_encrypted and entry.packed != entry.unpacked:
            return False  # encryption adds octets
        end = _end(entry, data)
        sink.take(data[:end])
        return len(data) >= end
    decoder = streams.zip_decoder(method, bytes(data[: streams.LZMA_HEAD]))
    if decoder is not None:
        if method == streams.LZMA:  # it may have no end of its own
            data = data[streams.LZMA_HEAD : _end(entry, data)]
        return streams.inflate(decoder, data, sink).is_whole
    return False


def _end(entry: zips.ZipEntry, data: memoryview) -> int:
    """Give how many packed octets there are said to be: where nobody says, up to a record."""
    if entry.packed is not None:
        return entry.packed
    following = _RECORD.search(data)
    return following.start() if following else len(data)


def _by_library(entry: zips.ZipEntry, data: memoryview, word: bytes, meter: Meter) -> bytes | None:
    """Give the octets that libarchive finds, None where it finds none. Raises Spent."""
    made = ziplocks.alone(entry, data[: _end(entry, data)])
    try:
        return libarchive_members.octets_of_zip(made, word, meter)
    except libarchive_members.NotThere:
        return None


def _is_right(entry: zips.ZipEntry, method: int, content: bytes, *, is_whole: bool) -> bool:
    """Say whether the octets are what was packed; of what claims to be encrypted prove it."""
    if entry.is_encrypted or method == _STORED:
        if entry.crc is None and not entry.is_encrypted:
            return is_whole
        return is_whole and streams.crc32(content) == entry.crc
    is_full = entry.unpacked is not None and len(content) == entry.unpacked > 0
    return is_whole or (method == streams.LZMA and is_full)


def _unlocked(entry: zips.ZipEntry, data: memoryview, meter: Meter) -> bytes:
    """Give the octets of an encrypted entry, b"" where no word opens it. Raises Spent."""
    budget = meter.budget
    for word in _words(budget):
        if budget.tries <= 0:
            break
        budget.tries -= 1
        budget.check_time()
        if not ziplocks.may_open(entry, data, word):
            continue
        content = _by_library(entry, data, word, meter)
        if content is None:
            continue
        # WinZip's AE-2 has no checksum, but an authentication code that libarchive looks at.
        if streams.crc32(content) == entry.crc or (entry.aes and not entry.crc):
            if word not in budget.fitting:
                budget.fitting.insert(0, word)
            return content
    return b""


def _words(budget: Budget) -> Iterator[bytes]:
    yield from tuple(budget.fitting)
    for word in budget.words():
        for charset in ("utf-8",) if word.isascii() else ("utf-8", "cp1252", "cp437", "cp1251"):
            try:
                yield word.encode(charset)
            except UnicodeEncodeError:
                continue
