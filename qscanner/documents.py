"""Documents: what PDF, RTF, Office, Outlook, HTML and SVG files carry, and what they would do.

Called by  checks.attachments, for each content; nesting is the caller's: a newer Office document
           is a zip, whose members come here one by one.
Ends       with Members and Findings, for any octets; nothing is raised but bugs.
Careful    one Budget for all that is embedded in a message: a bound that is hit is a finding.
           A scanner that was given the raw message may not have seen what is given here.
"""

import re
from collections.abc import Iterator

from qscanner import macros, streams
from qscanner.budget import Budget, Member, Meter, Sink, Spent
from qscanner.codec import markup, names, offices, oles, pdfs, rtfs
from qscanner.codec.packages import Carried
from qscanner.codec.text import readable
from qscanner.model import Finding

WITH_INSIDE = frozenset({"pdf", "rtf", "ole", "html", "svg", "xml", "csv", "sylk"})

_READ_AGAIN = 3  # streams of a compound file may share sectors; so much of it is read at most
_ACTIVE_MIME = b"ActiveMime"
_ZLIB_WITHIN = 0x100
_DEFLATE, _ZLIB_CHECK = 8, 31  # RFC 1950 section 2.2
_FORMULA = re.compile(
    rb"(?:^|[,;\t\"\n\r])[ ]{0,20}+[=+@-]([^\n\r,;|]{1,240}+)\|[^\n\r!|]{0,500}+!"
)
_SYLK_MACRO = re.compile(rb"(?m)^(?:O;[^\n]{0,200}?\bE\b|NN;N(?i:auto_)|C;[^\n]{0,200};M)")


def members(content: bytes, kinds: frozenset[str], budget: Budget) -> Iterator[Member | Finding]:
    """Give what is embedded in a document and findings about it; nothing of what is none.

    `kinds` are those of kinds.kinds(). The findings have no `where`: the caller knows the path.
    """
    if not content or kinds.isdisjoint(WITH_INSIDE):
        return
    inflater = _Inflater(content, budget)
    told: set[tuple[str, str]] = set()
    for found in _look(content, kinds, inflater):
        if isinstance(found, Carried):
            if not found.content:
                continue
            if not budget.take_member():
                yield Finding(id="limit.archive-members", detail="document")
                break
            yield from _member(found, budget)
        elif (found.id, found.detail) not in told:
            told.add((found.id, found.detail))
            yield found
    if inflater.spent:
        yield Finding(id=inflater.spent, detail="document")


def _member(found: Carried, budget: Budget) -> Iterator[Member | Finding]:
    content = found.content
    if not found.is_inflated:
        if len(content) > budget.octets:
            content = content[: max(budget.octets, 0)]
            yield Finding(id="limit.archive-octets", detail="document")
        budget.octets -= len(content)
        budget.check_time()
    yield Member(names=names.forms(map(_tidy, found.names)), content=content, is_hidden=True)


def _tidy(name: str) -> str:
    return readable(name.encode("utf-8", "replace"))


def _look(
    content: bytes, kinds: frozenset[str], inflater: "_Inflater"
) -> Iterator[Carried | Finding]:
    """Look in every way that one of the kinds, or the octets, call for."""
    if "pdf" in kinds and b"%PDF" in content[:4096]:
        yield from pdfs.look(content, inflater.inflate)
    if "rtf" in kinds:
        yield from rtfs.look(content)
    if content.startswith(oles.MARK):
        yield from _ole(content, inflater)
    elif content.startswith(_ACTIVE_MIME):
        yield from _active_mime(content, inflater)
    yield from _text(content, kinds)


def _text(content: bytes, kinds: frozenset[str]) -> Iterator[Carried | Finding]:
    if not kinds.isdisjoint(("html", "svg", "xml")):
        text = markup.as_utf8(content)
        if "html" in kinds:
            yield from markup.look_html(text)
        if "svg" in kinds:
            yield from markup.look_svg(text)
        if "xml" in kinds:
            yield from offices.look_xml(text)
    if "csv" in kinds:
        found = _FORMULA.search(content)
        if found:
            yield Finding(id="office.dde", detail=readable(found[1]))
    if "sylk" in kinds and _SYLK_MACRO.search(content):
        yield Finding(id="office.xlm")


def _ole(content: bytes, inflater: "_Inflater") -> Iterator[Carried | Finding]:
    file = oles.Compound(content, most=_READ_AGAIN * len(content))
    has_macros = False
    for found in offices.look_ole(file, inflater.inflate):
        has_macros |= isinstance(found, Finding) and found.id == "office.vba"
        yield found
    if has_macros:
        yield from macros.look(content)


def _active_mime(content: bytes, inflater: "_Inflater") -> Iterator[Carried | Finding]:
    """Open what Office calls editdata.mso or oledata.mso: a head, then a compound file in zlib."""
    at = content.find(b"\x78", len(_ACTIVE_MIME), _ZLIB_WITHIN)
    octets = inflater.inflate(content[at:]) if at >= 0 else b""
    if octets:
        yield Carried(content=octets, is_inflated=True)
    else:
        yield Finding(id="office.unreadable", detail="ActiveMime")


class _Inflater:
    """Decodes zlib streams of one document against its ratio and the budget.

    `spent` is the id of the finding when a bound was hit, else "".
    """

    def __init__(self, content: bytes, budget: Budget) -> None:
        self._meter = Meter(len(content), budget)
        self.spent = ""

    def inflate(self, octets: bytes) -> bytes:
        """Decode one stream as far as it goes, with the head of RFC 1950 or without."""
        if self.spent:
            return b""
        has_head = len(octets) > 1 and octets[0] & 0x0F == _DEFLATE
        has_head = has_head and int.from_bytes(octets[:2], "big") % _ZLIB_CHECK == 0
        sink = Sink(self._meter)
        decoder = streams.zip_decoder(streams.DEFLATED, b"")
        try:
            streams.inflate(decoder, memoryview(octets)[2 if has_head else 0 :], sink)
        except Spent as spent:
            self.spent = spent.id
        return sink.content()
