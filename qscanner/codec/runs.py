"""Where encoded octets stand in a text, whatever anybody says of it: base64, uu, yEnc, BinHex.

Called by  codec.sweep.
Ends       always; nothing here raises.
Careful    linear, and cheap where there is nothing: a text is first mapped to what is in the
           alphabet of base64 and what is not, and looked through for long rows of the former.
"""

import binascii
import re
from collections.abc import Iterator
from itertools import islice

from qscanner.codec import transfer
from qscanner.codec.text import readable

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_ALPHABET = bytes(set(range(256)) - set(_ALPHABET))
_IN, _OUT = b"A", b" "
_MASK = bytes(_IN[0] if octet in _ALPHABET else _OUT[0] for octet in range(256))
_LONG = _IN * 40
# How a run goes on: a thousand lines at a time, since (?>...) remembers each until its end. What
# stands in it is not repeated with a + behind the repetition: see codec.fields.
_BEGIN = re.compile(rb"[A-Za-z0-9+/]*+=*+")
_GOES_ON = (
    rb"(?>(?:%s[A-Za-z0-9+/=]++(?=[ \t]*+\r*+(?:\n|\Z))"
    rb"|=*+(?=[A-Za-z0-9+/]{4})[A-Za-z0-9+/]++=++){1,1000})"
)
_REST = re.compile(_GOES_ON % rb"[ \t]*+\r*+\n[ \t>]*+")
_REST_BEHIND_EMPTY_LINES = re.compile(_GOES_ON % rb"[ \t]*+\r*+\n[ \t\r\n>]*+")
_BETWEEN_PIECES = re.compile(rb"=+\s*|\n\s*\n")
_SHORT_LINE = rb"[ \t]*+\r*+\n\s*+[A-Za-z0-9+/=]++(?=[ \t]*+\r*+(?:\n|\Z))"
_SHORT_LINES = re.compile(rb"[ \t>]*+([A-Za-z0-9+/=]++(?>(?:" + _SHORT_LINE + rb"){2,1000}))")
_MORE_SHORT_LINES = re.compile(rb"(?>(?:" + _SHORT_LINE + rb"){1,1000})")
_SHORT_LINES_BEHIND = re.compile(rb"\n" + _SHORT_LINES.pattern)
_MIN_SHORT = 40
_YENC = re.compile(
    rb"=ybegin[ \t](?=[^\r\n]{0,500}?(?:name|line|size)=)"
    rb"(?:[^\r\n]{0,500}?name=([^\r\n]{1,500})|[^\r\n]{0,1000})\r?\n"
)
_BINHEX = re.compile(rb":([!-,\-0-9@A-Z\[`a-r\r\n\t ]{40,}+)")
_BINHEX_ALPHABET = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
_TO_BASE64 = bytes.maketrans(_BINHEX_ALPHABET, _ALPHABET)
_NOT_BINHEX = bytes(set(range(256)) - set(_BINHEX_ALPHABET))
_MAX_BLANKS = 80
_REPEAT = 0x90
_MAX_REPEATED = 64 << 20
# What content begins with that somebody may open, run or look into.
SIGNATURE = re.compile(
    rb"MZ|ZM|PK\x03\x04|PK\x05\x06|PK\x07\x08|\x7fELF|%PDF-|X5O!P|\xd0\xcf\x11\xe0|Rar!\x1a|7z\xbc"
    rb"|\x1f\x8b|BZh|\xfd7zXZ|MSCF|\{\\rt|ITSF|\x4c\0\0\0\x01\x14|\x28\xb5\x2f\xfd|\xca\xfe\xba\xbe"
    rb"|[\xfe\xce\xcf]?\xfa\xed\xfe|\x78\x9f\x3e\x22|\xe4\x52\x5c\x7b|ISc\(|\*\*ACE|.\xea.\0"
    rb"|\s*+(?:<!doctype|<html|<script|<head|<body|<hta|<job|<package|<svg|<\?xml|@echo|#!/|--[^\s-]"
    rb"|(?:received|from|to|subject|date|return-path|mime-version|content-[a-z-]{2,20}|message-id)"
    rb"[ \t]*:|begin [0-7]{3}|WScript|Set |var |function|powershell|X5O!P)"
    rb"|\xff\xfe|\xfe\xff|(?s:..\-lh)",
    re.IGNORECASE,
)
MAX_FILES = 100  # of one encoding in one text
_MAX_SHIFT = 3
_SNIFFED = 128  # characters of base64


def base64_runs(text: bytes, *, is_thorough: bool = False) -> Iterator[tuple[int, int]]:
    """Give (start, end) of all that looks like base64; thorough: also of short lines."""
    mask = text.translate(_MASK)
    rest = _REST_BEHIND_EMPTY_LINES if is_thorough else _REST
    done = 0
    at = mask.find(_LONG)
    while at >= 0:
        start = _begin(text, mask, mask.rfind(_OUT, done, at) + 1 or done, done)
        if is_thorough:
            yield from _short_runs(text, done, start)
        head = _BEGIN.match(text, start)
        done = max(_end(rest, text, head.end() if head else at, len(text)), at + 1)
        yield start, done
        at = mask.find(_LONG, done)
    if is_thorough:
        yield from _short_runs(text, done, len(text))


def _end(more: re.Pattern[bytes], text: bytes, at: int, stop: int) -> int:
    """Give where a run ends that goes on from here as long as a pattern matches."""
    while (found := more.match(text, at, stop)) and found.end() > at:
        at = found.end()
    return at


def _begin(text: bytes, mask: bytes, start: int, floor: int) -> int:
    """Go back over shorter lines before a long one, as long as they hold whole quanta."""
    while start > floor and text[start - 1 : start] == b"\n":
        end = start - 2 if text[start - 2 : start - 1] == b"\r" else start - 1
        before = max(text.rfind(b"\n", floor, end) + 1, floor)
        line = text[before:end]
        if not line or len(line) % 4 or mask[before:end].strip(_IN) or line.endswith(b"="):
            break
        start = before
    return start


def _short_runs(text: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    found = _SHORT_LINES.match(text, 0, stop) if start == 0 else None
    at = max(start - 1, 0)
    while found := found or _SHORT_LINES_BEHIND.search(text, at, stop):
        at = _end(_MORE_SHORT_LINES, text, found.end(), stop)
        if at - found.start(1) >= _MIN_SHORT:
            yield found.start(1), at
        found = None


def begins_like_content(octets: bytes) -> bool:
    """Say whether octets begin with what somebody may open, run or look into."""
    return SIGNATURE.match(octets) is not None


def is_worth_decoding(run: bytes) -> bool:
    """Say whether base64 decodes to something that begins like a content."""
    head = run[:_SNIFFED].lstrip(b"=").partition(b"=")[0].translate(None, _NOT_ALPHABET)
    return begins_like_content(binascii.a2b_base64(head[: len(head) // 4 * 4]))


def pieces(run: bytes) -> Iterator[bytes]:
    """Give those parts of a run that begin like a content.

    Between paddings and empty lines; behind up to three characters or lines that are something
    else, such as a word before the first line.
    """
    every = [piece for piece in _BETWEEN_PIECES.split(run) if piece]
    ends_of_lines = (found.end() for found in islice(re.finditer(rb"\n", run), _MAX_SHIFT))
    starts = (*range(1, _MAX_SHIFT + 1), *ends_of_lines)
    every = [*(every if len(every) > 1 else ()), *(run[start:] for start in starts)]
    yield from filter(is_worth_decoding, every)


def _at_line_start(
    pattern: re.Pattern[bytes], text: bytes, *, blanks: bytes
) -> Iterator[re.Match[bytes]]:
    """Give the matches that stand at the start of a line, behind at most 80 blanks.

    To say so in the pattern would make the search ten times as slow.
    """
    for found in pattern.finditer(text):
        at = found.start()
        before = text[max(at - _MAX_BLANKS, 0) : at].rstrip(blanks)
        if before.endswith((b"\n", b"\r")) or (not before and at <= _MAX_BLANKS):
            yield found


def yenc_files(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Give (name, octets) of each yEnc file (yenc.org, draft 1.3)."""
    begins = list(islice(_at_line_start(_YENC, text, blanks=b""), MAX_FILES))
    stops = [found.start() for found in begins[1:]] + [len(text)]
    for found, stop in zip(begins, stops, strict=False):  # of no begin there is one stop
        end = text.find(b"\n=yend", found.end(), stop)
        body = text[found.end() : end if end >= 0 else stop].rstrip(b"\r")
        yield readable(found[1] or b"").strip(), transfer.decode_yenc(body)


def starts_of_binhex(text: bytes) -> Iterator[re.Match[bytes]]:
    """Give what looks like a BinHex file: all of its characters are in the first group."""
    return _at_line_start(_BINHEX, text, blanks=b" \t")


def binhex_files(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Give (name, octets) of the data fork of each BinHex 4 file (RFC 1741 appendix A)."""
    for found in islice(starts_of_binhex(text), MAX_FILES):
        packed = found[1].translate(None, _NOT_BINHEX).translate(_TO_BASE64)
        packed += b"A" * (-len(packed) % 4)
        octets = _unrepeated(binascii.a2b_base64(packed))
        length = octets[0] if octets else 0
        name, header = octets[1 : 1 + length], octets[1 + length :]
        if 0 < length < 64 and len(header) > 21:  # noqa: PLR2004  version, type, flags, sizes, CRC
            size = int.from_bytes(header[11:15], "big")
            yield readable(name), header[21 : 21 + size]


def _unrepeated(octets: bytes) -> bytes:
    """Undo the run lengths: 90 and a count after an octet; 90 00 is 90 itself."""
    first, *others = octets.split(bytes([_REPEAT]))
    out = bytearray(first)
    for other in others:
        count = other[0] if other else 0
        if not count:
            out.append(_REPEAT)
        elif out and len(out) < _MAX_REPEATED:
            out += out[-1:] * (count - 1)
        out += other[1:]
    return bytes(out)
