"""HTML and SVG: whether scripts run in it, whether they build a file, and what data it carries.

Theory. A page that "smuggles" holds a file as text and hands it to the reader as a download, so
that no gateway sees a file. To do so a script needs three things: text that means octets (atob,
arrays of numbers), something to make a file of them (Blob, File, a data: URL), and something to
start the download (msSaveOrOpenBlob, createObjectURL, a click).

Called by  documents.
Ends       always with what was found; nothing here raises.
Careful    every HTML body passes here: one search for the word that all of it needs comes first.
"""

import binascii
import html
import re
from collections.abc import Iterator

from qscanner.codec.packages import Carried
from qscanner.codec.text import readable
from qscanner.codec.transfer import decode_base64
from qscanner.model import Finding

_SHOWN = 100
_END = 2 << 20
_MAX_CARRIED = 1_000
_MIN_LITERAL = 512  # characters of base64 in a script that are worth decoding
_SCRIPT = re.compile(rb"<(?:[a-z0-9_-]{1,20}:)?script\b|\bjavascript\s{0,20}:|\bvbscript\s{0,20}:")
_HANDLER = re.compile(rb"<[a-z][^<>]{0,2000}?[\s\"'/](on[a-z]{3,25})\s{0,20}=")
_SVG_ACTIVE = re.compile(
    rb"<(?:[a-z0-9_-]{1,20}:)?(?:script|handler|iframe|embed|object)\b"
    rb"|\b(?:java|vb)script\s{0,20}:|data:text/html|data:application/(?:x-)?(?:java|ecma)script"
)
_DATA = re.compile(
    rb"(?i)\bdata:([a-z0-9.+/-]{0,100})(?:;[a-z0-9=_.\"'+-]{1,100}){0,5};base64,([a-z0-9+/=_\s%-]+)"
)
_DOWNLOAD = re.compile(rb"(?i)\bdownload\s{0,10}[=(,]\s{0,10}[\"']([^\"'<>]{1,200})[\"']")
_LITERAL = re.compile(rb"[\"'`]([A-Za-z0-9+/]{%d,}={0,2})[\"'`]" % _MIN_LITERAL)
_SAVES = re.compile(rb"mssave(?:oropen)?blob")
_MAKES = re.compile(
    rb"new\s{1,10}(?:blob|file)\s{0,10}\(|createobjecturl|data:application/|showsavefilepicker"
)
_DECODES = re.compile(
    rb"\batob\b|fromcharcode|uint8array|charcodeat|\bunescape\s{0,10}\(|decodeuricomponent|;base64"
)
_STARTS = re.compile(
    rb"\.download\b|\bdownload\s{0,10}=|setattribute\s{0,10}\(\s{0,10}['\"]download|\.click\s{0,10}\(|dispatchevent"
)
_WRITES = re.compile(
    rb"(?:document\.write(?:ln)?|\beval|\bfunction|innerhtml|insertadjacenthtml)\s{0,10}[=(]"
    rb"[\s(\w.]{0,60}?\batob\s{0,10}\("
    rb"|unescape\s{0,10}\(\s{0,10}[\"'](?:%u?[0-9a-f]{2,4}){150}"
)
_ENTITY = re.compile(rb"&(?:#|tab;|newline;|colon;)")


def look_html(text: bytes) -> Iterator[Carried | Finding]:
    """Give what a page does, and the files in it. `text` is what as_utf8() gave."""
    low = text.lower()
    if b"script" in low:
        near = _ends(low)
        found = _SCRIPT.search(_decoded(near))
        if found:
            yield Finding(id="html.script", detail=readable(found[0]).strip("<"))
            how = _smuggles(near)
            if how:
                yield Finding(id="html.smuggling", detail=how)
            yield from _literals(text)
    if b"base64" in low:
        yield from _data(text)


def look_svg(text: bytes) -> Iterator[Carried | Finding]:
    """Give what an SVG does that no picture needs, and the files in it; `text` as above."""
    low = _decoded(_ends(text.lower()))
    found = _SVG_ACTIVE.search(low) or _HANDLER.search(low)
    if found:
        said = found[1] if found.re is _HANDLER else found[0]
        yield Finding(id="svg.script", detail=readable(said).strip("<")[:_SHOWN])
        yield from _literals(text)
    if b"base64" in text.lower():
        yield from _data(text)


def _ends(low: bytes) -> bytes:
    """Give both ends of a huge text: scripts stand there, and payloads in between."""
    return low if len(low) <= 2 * _END else low[:_END] + low[-_END:]


def as_utf8(content: bytes) -> bytes:
    """Give the text as UTF-8: readers take UTF-16 where a mark or NULs say so."""
    for bom, codec in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if content.startswith(bom):
            return content[2:].decode(codec, "replace").encode("utf-8", "replace")
    if content[1:2] == b"\0" or content[:1] == b"\0":
        return content.replace(b"\0", b"")
    return content


def _decoded(low: bytes) -> bytes:
    """Undo entities, where one is used that could hide a word."""
    if not _ENTITY.search(low):
        return low
    return html.unescape(low.decode("latin-1")).encode("utf-8", "replace")


def _smuggles(low: bytes) -> str:
    """Say how a page builds a file or itself; "" where it does not."""
    if _SAVES.search(low):
        return "msSaveBlob"
    if (b"atob" in low or b"unescape" in low) and _WRITES.search(low):
        return "writes what it decodes"
    makes = _MAKES.search(low)
    if makes and _DECODES.search(low) and _STARTS.search(low):
        return readable(makes[0])
    return ""


def _data(text: bytes) -> Iterator[Carried]:
    """Give what data: URLs hold (RFC 2397), called as the page calls a download."""
    names = tuple(dict.fromkeys(readable(found[1]) for found in _DOWNLOAD.finditer(text)))[:5]
    for number, found in enumerate(_DATA.finditer(text)):
        if number >= _MAX_CARRIED:
            return
        is_picture = found[1].lower().startswith(b"image/")
        raw = found[2].replace(b"%2b", b"+").replace(b"%2B", b"+").replace(b"%2f", b"/")
        raw = raw.replace(b"%2F", b"/").translate(bytes.maketrans(b"-_", b"+/"))
        content = decode_base64([raw])
        if content:
            yield Carried(names=() if is_picture else names, content=content)


def _literals(text: bytes) -> Iterator[Carried]:
    """Give long texts in base64: scripts hold files so."""
    for number, found in enumerate(_LITERAL.finditer(text)):
        if number >= _MAX_CARRIED:
            return
        raw = found[1].rstrip(b"=")
        raw = raw[: len(raw) - 1] if len(raw) % 4 == 1 else raw
        yield Carried(content=binascii.a2b_base64(raw + b"=" * (-len(raw) % 4)))
