"""PDF: what runs when it is opened, and the files in it (ISO 32000-1).

Theory. A reader goes by the cross-reference table, or repairs it; a scanner that believed any
table would be led by it. So the file is read from start to end: what is outside of streams is
structure, object streams are inflated and are structure too, embedded files are inflated. Names
may be written in hex (`/J#61vaScript`, 7.3.5).

Called by  documents.
Ends       always with what was found; nothing here raises.
Careful    the dictionary of a stream is what stands within 4 KiB before it; at most _MAX_STREAMS.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from qscanner.codec.packages import Carried, Inflate
from qscanner.codec.text import readable
from qscanner.model import Finding

_MAX_STREAMS = 50_000
_MAX_INFLATED = 5_000  # object streams and embedded files
_MAX_NAMES = 2_000  # of embedded files
_NAMES_OF_ONE = 8
_DICTIONARY = 4 << 10
_WINDOW = 2 << 10  # octets around /EF in which the names of the file are
_STREAM = re.compile(rb">>[\0\t\n\f\r ]{0,64}stream(?:\r\n|\n|\r)?")
_EDGE = rb"(?![A-Za-z0-9#_.+-])"


def _name(text: str) -> bytes:
    """Give the pattern of a name with each of its characters plain or in hex."""
    return b"".join(b"(?:%c|#%02x|#%02X)" % (ord(char), ord(char), ord(char)) for char in text)


def _names(*texts: str) -> bytes:
    return rb"/(?:" + b"|".join(_name(text) for text in texts) + rb")" + _EDGE


_LONG = re.compile(
    rb"/(?=[JL#])(?:(" + _name("JavaScript") + rb")|(" + _name("Launch") + rb"))" + _EDGE
)
_SHORT = re.compile(
    rb"/(?=[JOAE#])(?:("
    + _name("JS")
    + rb")|("
    + _name("OpenAction")
    + rb"|"
    + _name("AA")
    + rb")|("
    + _name("Encrypt")
    + rb")|("
    + _name("EF")
    + rb"))"
    + _EDGE
)
_OBJECT_STREAM = re.compile(_names("ObjStm"))
_EMBEDDED = re.compile(_names("EmbeddedFile"))
_FILTER = re.compile(
    rb"/(?:FlateDecode|Fl|ASCIIHexDecode|AHx|ASCII85Decode|A85|LZWDecode|LZW|RunLengthDecode|RL"
    rb"|Crypt|DCTDecode|JBIG2Decode|JPXDecode|CCITTFaxDecode)" + _EDGE
)
_PREDICTOR = re.compile(rb"/Predictor\s{1,16}(?!1\b)\d")
_UNHEX = re.compile(rb"#([0-9a-fA-F]{2})")
_NUMBER = re.compile(rb"(\d{1,10})[\0\t\n\f\r ]{1,16}\d{1,5}[\0\t\n\f\r ]{1,16}obj")
_FILE_NAME = re.compile(
    rb"/(?:UF|F)\s{0,16}(?:\(((?:[^()\\]|\\.){0,1024})\)|<([0-9a-fA-F\s]{0,4096})>)"
)
_FILE_STREAM = re.compile(rb"/(?:UF|F)\s{1,16}(\d{1,10})\s{1,16}\d{1,5}\s{1,16}R")
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_UNESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


@dataclass(slots=True)
class _Seen:
    """What was found so far; `names` are those of embedded files by the number of their object."""

    has_script: bool = False
    has_launch: bool = False
    is_automatic: bool = False
    is_encrypted: bool = False
    is_unreadable: bool = False
    names: dict[int, list[str]] = field(default_factory=dict)
    files: int = 0
    inflated: int = 0


def look(content: bytes, inflate: Inflate) -> Iterator[Carried | Finding]:
    """Give the embedded files of a PDF, and findings about it."""
    seen = _Seen()
    # Long names are looked for everywhere: what seems to be in a stream may be outside for a
    # reader that goes by the table.
    _search_long(content, seen)
    files: list[tuple[int, bytes, bytes]] = []
    at = 0
    for count, (dictionary, before, start, end) in enumerate(_streams(content), 1):
        _search(content[at:before], seen)
        # Without an end it is cut, or no stream: the rest is structure as well.
        at = end if content.startswith(b"endstream", end) else start
        if _EMBEDDED.search(dictionary):
            files.append((_number(dictionary), dictionary, content[start:end]))
        elif _OBJECT_STREAM.search(dictionary):
            seen.inflated += 1
            octets = _decoded(dictionary, content[start:end], inflate)
            seen.is_unreadable |= not octets and end > start
            _search_long(octets, seen)
            _search(octets, seen)
        if count >= _MAX_STREAMS or seen.inflated + len(files) >= _MAX_INFLATED:
            yield Finding(id="limit.document", detail="pdf: streams")
            break
    _search(content[at:], seen)
    yield from _findings(seen)
    for number, dictionary, octets in files:
        yield from _file(seen, number, dictionary, _decoded(dictionary, octets, inflate))


def _findings(seen: _Seen) -> Iterator[Finding]:
    automatic = "when opened" if seen.is_automatic else ""
    if seen.has_script:
        yield Finding(id="pdf.javascript", detail=automatic)
    if seen.has_launch:
        yield Finding(id="pdf.launch", detail=automatic)
    if seen.is_encrypted:
        yield Finding(id="pdf.encrypted")
    elif seen.is_unreadable:
        yield Finding(id="pdf.unreadable", detail="an object stream")


def _file(
    seen: _Seen, number: int, dictionary: bytes, octets: bytes
) -> Iterator[Carried | Finding]:
    names = tuple(dict.fromkeys(seen.names.get(number, [])))
    yield Finding(id="pdf.embedded-file", detail=names[0][:200] if names else "")
    is_inflated = b"Fl" in _UNHEX.sub(_of_hex, dictionary)
    if octets:
        yield Carried(names=names, content=octets, is_inflated=is_inflated)
    elif not seen.is_encrypted:
        yield Finding(id="pdf.unreadable", detail="an embedded file")


def _streams(content: bytes) -> Iterator[tuple[bytes, int, int, int]]:
    """Give (dictionary, start of the keyword, start of the octets, their end) of each stream."""
    at = 0
    while found := _STREAM.search(content, at):
        end = content.find(b"endstream", found.end())
        end = end if end >= 0 else len(content)
        floor = max(at, found.start() - _DICTIONARY)
        begin = content.rfind(b"obj", floor, found.start())
        # The number stands before `obj`.
        begin = max(floor, begin - 32) if begin >= 0 else floor
        yield content[begin : found.start() + 2], found.start(), found.end(), end
        at = end


def _search_long(octets: bytes, seen: _Seen) -> None:
    for found in _LONG.finditer(octets):
        seen.has_script |= found[1] is not None
        seen.has_launch |= found[2] is not None
        if seen.has_script and seen.has_launch:
            return


def _search(octets: bytes, seen: _Seen) -> None:
    """Look at structure: short names, which compressed octets contain by accident."""
    for found in _SHORT.finditer(octets):
        seen.has_script |= found[1] is not None
        seen.is_automatic |= found[2] is not None
        seen.is_encrypted |= found[3] is not None
        if found[4] is not None and seen.files < _MAX_NAMES:
            seen.files += 1
            _note_file(octets, found.end(), seen)


def _note_file(octets: bytes, at: int, seen: _Seen) -> None:
    """Note the names of an embedded file (7.11.3): those that stand near its /EF."""
    behind = octets[at : at + _WINDOW].partition(b"endobj")[0]
    before = octets[max(0, at - _WINDOW) : at].rpartition(b"endobj")[2]
    numbers = [int(found[1]) for found in _FILE_STREAM.finditer(behind[:200])]
    names = [_text(found) for found in _FILE_NAME.finditer(before)][-2:]
    names += [_text(found) for found in _FILE_NAME.finditer(behind)][:2]
    for number in numbers:
        known = seen.names.setdefault(number, [])
        known += [name for name in names if name and len(known) < _NAMES_OF_ONE]


def _text(found: re.Match[bytes]) -> str:
    """Give a text string (7.9.2.2): in parentheses or in hex, UTF-16 where it says so."""
    if found[1] is not None:
        raw = _ESCAPE.sub(_of_escape, found[1])
    else:
        digits = found[2].translate(None, b" \t\r\n\f\0\v")
        raw = binascii.a2b_hex(digits + b"0" * (len(digits) % 2))
    if raw[:2] in (b"\xfe\xff", b"\xff\xfe"):
        raw = raw.decode("utf-16", "replace").encode("utf-8", "replace")
    return readable(raw)


def _of_escape(found: re.Match[bytes]) -> bytes:
    each: bytes = found[1]
    if each[:1].isdigit() and each[:1] < b"8":
        return bytes([int(each, 8) & 0xFF])
    return _UNESCAPED.get(each, each)


def _of_hex(found: re.Match[bytes]) -> bytes:
    return binascii.a2b_hex(found[1])


def _number(dictionary: bytes) -> int:
    numbers = _NUMBER.findall(dictionary)
    return int(numbers[-1]) if numbers else -1


def _decoded(dictionary: bytes, octets: bytes, inflate: Inflate) -> bytes:
    """Undo the filters in their order (7.4); b"" where there is one that we lack."""
    said = _UNHEX.sub(_of_hex, dictionary)
    if _PREDICTOR.search(said):
        return b""
    for found in _FILTER.finditer(said):
        match found[0]:
            case b"/FlateDecode" | b"/Fl":
                octets = inflate(octets)
            case b"/ASCIIHexDecode" | b"/AHx":
                octets = _of_hex_filter(octets)
            case b"/ASCII85Decode" | b"/A85":
                octets = _of_85(octets)
            case _:
                return b""
    return octets


def _of_hex_filter(octets: bytes) -> bytes:
    digits = re.sub(rb"[^0-9a-fA-F]", b"", octets.partition(b">")[0])
    return binascii.a2b_hex(digits + b"0" * (len(digits) % 2))


def _of_85(octets: bytes) -> bytes:
    try:
        return base64.a85decode(
            octets.partition(b"~>")[0].removeprefix(b"<~"), ignorechars=bytes(range(33))
        )
    except ValueError:
        return b""
