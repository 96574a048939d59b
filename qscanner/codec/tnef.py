"""TNEF (winmail.dat): the files, bodies and messages inside, by name (MS-OXTNEF).

Called by  archives, for each content of that kind.
Ends       with entries, and a last None where the octets stop making sense; nothing raises.
Careful    linear and bounded: lengths are the stranger's, every one is checked against what is
           there. Checksums are ignored, as mail clients do.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from qscanner.codec.text import readable

MARK = b"\x78\x9f\x3e\x22"
_ATTRIBUTE = struct.Struct("<BLL")  # level, id, length
_HEAD, _CHECKSUM = 6, 2
_LEVELS = (1, 2)  # of the message, of a file
_BEGIN, _TITLE, _DATA, _PROPERTIES = 0x9002, 0x8010, 0x800F, 0x9005
_BODY, _MESSAGE_PROPERTIES = 0x800C, 0x9003
_LONG_NAME, _SHORT_NAME, _SHOWN_NAME, _OBJECT = 0x3707, 0x3704, 0x3001, 0x3701
_TEXT, _RTF, _HTML = 0x1000, 0x1009, 0x1013
_NAMES = (_LONG_NAME, _SHORT_NAME, _SHOWN_NAME)
_BODIES = {_TEXT: "body.txt", _RTF: "body.rtf", _HTML: "body.html"}
_STRING8, _UNICODE, _MAPI_OBJECT, _BINARY = 0x1E, 0x1F, 0x0D, 0x102
_FIXED = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_VARIABLE = frozenset({_STRING8, _UNICODE, _MAPI_OBJECT, _BINARY})
_MULTIPLE, _NAMED, _CLSID = 0x1000, 0x8000, 16
_MAX_NAME, _MAX_PROPERTIES = 4096, 10_000
_RTF_HEAD, _RTF_PACKED, _WINDOW = 16, b"LZFu", 4096
_RTF_START = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}"
    rb"{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans SerifSymbolArialTimes New Roman"
    b"Courier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    rb"\pard\plain\f0\fs20\b\i\u\tab\tx"
)


@dataclass(slots=True, kw_only=True)
class TnefEntry:
    """One file or body: its names as written, its octets; `is_cut`: some are missing."""

    names: list[str] = field(default_factory=list)
    content: bytes = field(default=b"", repr=False)
    is_cut: bool = False


def entries(content: bytes, *, most: int) -> Iterator[TnefEntry | None]:
    """Give bodies and files in their order, at most `most` octets from each packed body."""
    here: TnefEntry | None = None
    reader = _Reader(content)
    for what, data in reader.attributes():
        if what == _BEGIN:
            if here:
                yield here
            here = TnefEntry()
        elif what == _MESSAGE_PROPERTIES:
            yield from _bodies(data, most)
        elif what == _BODY and len(data) > 1:
            yield TnefEntry(names=["body.txt"], content=bytes(data), is_cut=reader.is_cut)
        elif what in (_TITLE, _DATA, _PROPERTIES):
            here = here or TnefEntry()
            _add(here, what, data)
            here.is_cut |= reader.is_cut
    if here:
        yield here
    if reader.is_cut or reader.is_odd:
        yield None


class _Reader:
    """Reads the attributes; `is_cut`: one is longer than what is there; `is_odd`: rubbish came."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.is_cut = False
        self.is_odd = not content.startswith(MARK)

    def attributes(self) -> Iterator[tuple[int, memoryview]]:
        """Give number and octets of each."""
        content, at = self._content, _HEAD
        while at + _ATTRIBUTE.size <= len(content) and not self.is_odd and not self.is_cut:
            level, id_, length = _ATTRIBUTE.unpack_from(content, at)
            if level not in _LEVELS:
                break
            start = at + _ATTRIBUTE.size
            self.is_cut = start + length > len(content)
            yield id_ & 0xFFFF, memoryview(content)[start : start + length]
            at = start + length + _CHECKSUM
        self.is_odd = self.is_odd or bool(content[at:].strip(b"\0\r\n"))


def _add(here: TnefEntry, what: int, data: memoryview) -> None:
    if what == _TITLE:
        here.names.append(_name(bytes(data[:_MAX_NAME]), _STRING8))
    elif what == _DATA:
        here.content = bytes(data)
    else:
        for id_, type_, value in _properties(data):
            if id_ in _NAMES and type_ in (_STRING8, _UNICODE):
                # The long name is the one that a client uses.
                name = _name(bytes(value[:_MAX_NAME]), type_)
                here.names.insert(0 if id_ == _LONG_NAME else len(here.names), name)
            elif id_ == _OBJECT and type_ in (_MAPI_OBJECT, _BINARY) and not here.content:
                # What is an object has the interface's id before it.
                here.content = bytes(value[_CLSID:] if type_ == _MAPI_OBJECT else value)


def _bodies(data: memoryview, most: int) -> Iterator[TnefEntry]:
    for id_, type_, value in _properties(data):
        if id_ in _BODIES and type_ in _VARIABLE and value:
            octets = bytes(value)
            content = unpacked_rtf(octets, most=most) if id_ == _RTF else octets
            yield TnefEntry(names=[_BODIES[id_]], content=content)


def _name(octets: bytes, type_: int) -> str:
    if type_ == _UNICODE:
        return octets.decode("utf-16-le", "replace").partition("\0")[0]
    return readable(octets.partition(b"\0")[0])


def _properties(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Give id, type and octets of each MAPI property, up to the first that is not readable."""
    count, at = _u32(data, 0), 4
    for _ in range(min(count, _MAX_PROPERTIES)):
        if at + 4 > len(data):
            return
        type_, id_ = struct.unpack_from("<HH", data, at)
        at += 4
        if id_ >= _NAMED:
            at += _named(data, at)
        base = type_ & ~_MULTIPLE
        values = 1
        if type_ & _MULTIPLE or base in _VARIABLE:
            values, at = _u32(data, at), at + 4
        for _ in range(min(values, _MAX_PROPERTIES)):
            if base in _VARIABLE:
                length, at = _u32(data, at), at + 4
                step = _padded(length)
            elif base in _FIXED:
                length = step = _FIXED[base]
            else:
                return
            if at >= len(data):
                return
            yield id_, base, data[at : at + length]
            at += step


def _named(data: memoryview, at: int) -> int:
    """Give how many octets the name of a property takes: a GUID, then a number or a text."""
    is_text = _u32(data, at + _CLSID) == 1
    length = _u32(data, at + _CLSID + 4)
    return _CLSID + 8 + (_padded(length) if is_text else 0)


def _u32(data: memoryview, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _padded(length: int) -> int:
    return length + -length % 4


def unpacked_rtf(octets: bytes, *, most: int) -> bytes:
    """Give the RTF of a packed body, at most `most` octets or few more (MS-OXRTFCP)."""
    if octets[8:12] != _RTF_PACKED:
        return octets[_RTF_HEAD:]
    window = bytearray(_RTF_START.ljust(_WINDOW, b"\0"))
    place = len(_RTF_START)
    out = bytearray()
    at = _RTF_HEAD
    while at < len(octets) and len(out) < most:
        flags = octets[at]
        at += 1
        for bit in range(8):
            if flags >> bit & 1:
                token = int.from_bytes(octets[at : at + 2], "big")
                at += 2
                start, length = token >> 4, (token & 0xF) + 2
                if start == place or at > len(octets):
                    return bytes(out)
                piece = bytearray()
                for step in range(length):
                    octet = window[(start + step) % _WINDOW]
                    piece.append(octet)
                    window[(place + step) % _WINDOW] = octet
            else:
                piece = bytearray(octets[at : at + 1])
                at += 1
                if not piece:
                    return bytes(out)
                window[place] = piece[0]
            place = (place + len(piece)) % _WINDOW
            out += piece
    return bytes(out)
