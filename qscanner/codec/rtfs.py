"""Rich Text: the objects in it, decoded, and the templates it fetches (RTF specification 1.9.1).

Theory. Word forgives nearly everything in an RTF file, and malware lives in what it forgives:
control words, groups and blanks between the hex digits of an object, an odd digit in front. So
the destinations are searched in the octets, wherever they stand, and of the digits of an object
two readings are taken: those of its own group, and those of all groups inside.

Called by  documents.
Ends       always with what was found; nothing here raises.
Careful    at most _MAX_OBJECTS objects and _MAX_TOKENS control words in objects are looked at;
           beyond that there is a finding.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from qscanner.codec.packages import Carried, OleObject, ole_object
from qscanner.codec.text import readable
from qscanner.model import Finding

_MAX_OBJECTS = 500
_MAX_TOKENS = 100_000
_SHOWN = 200
_HEAD = 64 << 10  # digits within which an object begins
_OBJECT = re.compile(rb"\\objdata(?![a-zA-Z])(?:-?\d{1,10})?")
_UPDATE = re.compile(rb"\\(?:objupdate|objautlink)(?![a-zA-Z])")
_CLASS = re.compile(rb"\\objclass\s{0,20}([^\\{}]{1,100})")
_TEMPLATE = re.compile(rb"\\template(?![a-zA-Z])[\s{]{0,100}([^{}]{1,2000})")
_ESCAPED = re.compile(rb"\\'([0-9a-fA-F]{2})|\\u(-?\d{1,6}) ?\??|\\[a-z]{1,32}-?\d{0,10} ?|\\(.)")
_TOKEN = re.compile(
    rb"\\bin(\d{1,9}) ?|\\[a-zA-Z]{1,250}(?:-?\d{1,250})? ?|\\'..?|\\.|[{}]", re.DOTALL
)
_NOT_HEX = bytes(set(range(256)) - set(b"0123456789abcdefABCDEF"))
_REMOTE = re.compile(r"(?i)\s*(?:https?|ftps?|mhtml|webdav)\s*:|\s*(?:file:)?[\\/]{2,}[^\\/]*@")
_CFB_DIGITS, _OLE1_DIGITS = b"d0cf11e0a1b11ae1", b"0105000002000000"
# The class of the equation editor, and the URL moniker, as octets ([MS-OSHARED] 2.3.7.6).
_EQUATION_CLASS = binascii.a2b_hex(b"02ce020000000000c000000000000046")
_URL_MONIKER = binascii.a2b_hex(b"e0c9ea79f9bace118c8200aa004ba90b")
_EQUATION_STREAM = "Equation Native".encode("utf-16-le")


@dataclass(slots=True)
class _Digits:
    """The hex digits of one object in two readings, and what `\\bin` brought."""

    own: list[bytes]
    every: list[bytes]
    binary: list[bytes]
    is_nested: bool = False


def look(content: bytes) -> Iterator[Carried | Finding]:
    """Give the objects of an RTF file, and findings about it."""
    if _UPDATE.search(content):
        yield Finding(id="rtf.object-update")
    for template in _TEMPLATE.finditer(content):
        target = _plain(template[1])
        if _REMOTE.match(target):
            yield Finding(id="rtf.remote-template", detail=target[:_SHOWN])
    yield from _classes(content)
    tokens = _MAX_TOKENS
    seen = 0
    at = 0
    while found := _OBJECT.search(content, at):
        seen += 1
        if seen > _MAX_OBJECTS or tokens <= 0:
            yield Finding(id="limit.document", detail="rtf: objects")
            return
        digits, at, used = _digits(content, found.end(), tokens)
        tokens -= used
        for octets in _readings(digits):
            yield from _object(octets)


def _classes(content: bytes) -> Iterator[Finding]:
    for number, found in enumerate(_CLASS.finditer(content)):
        name = readable(found[1]).strip()
        yield Finding(id="rtf.object", detail=name[:_SHOWN])
        if name.lower().startswith("equation"):
            yield Finding(id="rtf.equation", detail=name[:_SHOWN])
        if number >= _MAX_OBJECTS:
            return


def _object(octets: bytes) -> Iterator[Carried | Finding]:
    found: OleObject = ole_object(octets)
    yield Finding(id="rtf.object", detail=found.class_name[:_SHOWN])
    is_equation = found.class_name.lower().startswith("equation")
    if is_equation or _EQUATION_CLASS in octets or _EQUATION_STREAM in octets:
        yield Finding(id="rtf.equation", detail=found.class_name[:_SHOWN])
    at = octets.find(_URL_MONIKER)
    if at >= 0:
        url = octets[at + len(_URL_MONIKER) + 4 :][: 2 * _SHOWN].decode("utf-16-le", "replace")
        shown = readable(url.partition("\0")[0].encode("utf-8", "replace"))
        yield Finding(id="rtf.remote-template", detail=shown)
    yield found.carried()


def _digits(content: bytes, at: int, most: int) -> tuple[_Digits, int, int]:
    """Read the digits of one object: to the end of its group. Give them, where, and how many."""
    got = _Digits([], [], [])
    depth = 0
    used = 0
    while used < most:
        token = _TOKEN.search(content, at)
        end = token.start() if token else len(content)
        run = content[at:end].translate(None, _NOT_HEX)
        got.every.append(run)
        if depth == 0:
            got.own.append(run)
        else:
            got.is_nested |= bool(run)
        if token is None:
            return got, len(content), used
        used += 1
        at = token.end()
        if token[0] == b"{":
            depth += 1
        elif token[0] == b"}":
            depth -= 1
            if depth < 0:
                break
        elif token[1]:
            size = min(int(token[1]), len(content) - at)
            got.binary.append(content[at : at + size])
            at += size
    return got, at, used


def _readings(digits: _Digits) -> Iterator[bytes]:
    """Give the octets of an object: what is binary, and its digits in every reading."""
    if any(digits.binary):
        yield b"".join(digits.binary)
    for runs in (digits.own, digits.every) if digits.is_nested else (digits.own,):
        run = b"".join(runs)
        if run:
            yield _unhex(run)


def _unhex(digits: bytes) -> bytes:
    """Decode digits from where an object begins, be that at an odd one."""
    head = digits[:_HEAD].lower()
    places = [head.find(mark) for mark in (_OLE1_DIGITS, _CFB_DIGITS)]
    start = min((place for place in places if place >= 0), default=0) % 2
    return binascii.a2b_hex(memoryview(digits)[start : start + (len(digits) - start) // 2 * 2])


def _plain(raw: bytes) -> str:
    """Give the text of a destination: escapes decoded, control words left out."""

    def decoded(found: re.Match[bytes]) -> bytes:
        if found[1]:
            return binascii.a2b_hex(found[1])
        if found[2]:
            return chr(int(found[2]) % 65536).encode("utf-8", "replace")
        return found[3] or b""

    return readable(_ESCAPED.sub(decoded, raw)).strip()
