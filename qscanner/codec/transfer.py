"""Transfer encodings of MIME, read as leniently as the most lenient mail client: text to octets.

Called by  mime, for the payload of a leaf.
Ends       always with octets; nothing here raises. What cannot be decoded is left out.
Careful    linear time on hostile input. A scanner that decodes less than some client is blind, one
           that decodes more is merely busy: so junk is skipped, padding in the middle is passed.
"""

import binascii
import re
from collections.abc import Iterable, Iterator

IDENTITY = "identity"
BASE64 = "base64"
QUOTED_PRINTABLE = "quoted-printable"
UUENCODE = "uuencode"
YENC = "yenc"

_ENCODINGS = {
    "": IDENTITY,
    "7bit": IDENTITY,
    "8bit": IDENTITY,
    "binary": IDENTITY,
    "7-bit": IDENTITY,
    "8-bit": IDENTITY,
    "base64": BASE64,
    "quoted-printable": QUOTED_PRINTABLE,
    "x-uuencode": UUENCODE,
    "uuencode": UUENCODE,
    "x-uue": UUENCODE,
    "uue": UUENCODE,
}
_COMMENT = re.compile(r"\([^()]*\)?")
_JUNK = re.compile(r"[^a-z0-9-]+")
_NO_LETTER = re.compile(r"[^a-z0-9]+")
_MARKS = (
    ("64", BASE64),
    ("quoted", QUOTED_PRINTABLE),
    ("printable", QUOTED_PRINTABLE),
    ("qp", QUOTED_PRINTABLE),
    ("uu", UUENCODE),
    ("yenc", YENC),
)
_BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64_ALPHABET) - {ord("=")})
_QUANTUM = 4
_MAX_PADDED_PIECES = 10_000
_SOFT_BREAK = re.compile(rb"=[ \t]++(?=\r?\n)")
_PADDING = re.compile(rb"=+")
_BEGIN_FIRST = re.compile(
    rb"[ \t\0\x0b\r.]{0,80}+(?P<begin>[Bb][Ee][Gg][Ii][Nn])(?=[ \t\x0b\xa0-])"
)
_BEGIN = re.compile(rb"\n" + _BEGIN_FIRST.pattern)
_SLICE = 1 << 20  # octets that are cut into lines at a time
_YENC_SLICE = 1 << 16
_YENC_SKIP = re.compile(rb"=y(?:begin|part|end)[^\r\n]*")
_YENC_UNESCAPED = {bytes([octet]): bytes([(octet - 64) % 256]) for octet in range(256)}
_YENC_ESCAPE = re.compile(rb"=(.)", re.DOTALL)
_YENC_TABLE = bytes((octet - 42) % 256 for octet in range(256))


def encodings_of(value: str) -> tuple[tuple[str, ...], bool]:
    """Give what a Content-Transfer-Encoding may mean, likeliest first, and if it is odd.

    Blanks around it and its case are not odd (RFC 2045 section 6.1); comments, quotes, further
    words, control characters are. An odd one may be any, or none, for some: what it seems to be is
    first, IDENTITY if it seems to be nothing.
    """
    tidy = value.strip(" \t\r\n").lower()
    if tidy in _ENCODINGS:
        return (_ENCODINGS[tidy],), False
    words = _JUNK.sub(" ", _COMMENT.sub(" ", tidy)).split()
    squeezed = _NO_LETTER.sub("", tidy)
    known = [_ENCODINGS[word] for word in words if word in _ENCODINGS]
    known += [encoding for mark, encoding in _MARKS if mark in squeezed]
    return tuple(dict.fromkeys((*known, IDENTITY, BASE64, QUOTED_PRINTABLE))), True


def decode(encoding: str, pieces: Iterable[bytes]) -> bytes:
    """Give the octets that the pieces of one payload mean in one of the encodings above."""
    if encoding == BASE64:
        return decode_base64(pieces)
    octets = b"".join(pieces)
    if encoding == QUOTED_PRINTABLE:
        return decode_quoted_printable(octets)
    if encoding == UUENCODE:
        return decode_uu(octets)
    if encoding == YENC:
        return decode_yenc(octets)
    return octets


def decode_base64(pieces: Iterable[bytes]) -> bytes:
    """Decode base64 (RFC 2045 6.8): other octets are skipped, padding ends a piece only."""
    out: list[bytes] = []
    carry = b""
    padded_pieces = 0
    for piece in pieces:
        text = piece.translate(None, _NOT_BASE64)
        if b"=" not in text and b"=" not in carry:
            # Nearly all of nearly every payload: no padding to look for, nothing to copy.
            whole = carry + text if carry else text
            cut = len(whole) // _QUANTUM * _QUANTUM
            out.append(binascii.a2b_base64(whole[:cut]))
            carry = whole[cut:]
            continue
        padded_pieces += text.count(b"=")
        if padded_pieces > _MAX_PADDED_PIECES:
            # Padding is junk like any other from here: a million pieces cost too much.
            text = text.translate(None, b"=")
        whole = carry + text
        held = whole[len(whole.rstrip(b"=")) :][:_QUANTUM]  # the next piece may go on with it
        whole = whole.rstrip(b"=")
        start = behind = length = 0
        # Most have padding at their end only: the search costs ten times the decoding.
        for padding in _PADDING.finditer(whole) if b"=" in whole else ():
            length += padding.start() - behind
            behind = padding.end()
            if _ends_piece(length, len(padding[0])):
                out.append(_last_quanta(whole[start : padding.start()].translate(None, b"=")))
                start, length = behind, 0
        run = whole[start:].translate(None, b"=")
        cut = len(run) // _QUANTUM * _QUANTUM
        out.append(binascii.a2b_base64(run[:cut]))
        carry = run[cut:] + held
    out.append(_last_quanta(carry.rstrip(b"=")))
    return b"".join(out)


def _ends_piece(length: int, padding: int) -> bool:
    """Say whether so much padding completes the last four characters; else it is junk."""
    return (length % _QUANTUM, padding) in {(2, 2), (3, 1)}


def _last_quanta(text: bytes) -> bytes:
    if len(text) % _QUANTUM == 1:  # six bits make no octet
        text = text[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % _QUANTUM))


def decode_quoted_printable(octets: bytes) -> bytes:
    """Decode quoted-printable; blanks behind a soft line break are deleted (RFC 2045 6.7 (3))."""
    return binascii.a2b_qp(_SOFT_BREAK.sub(b"=", octets))


def decode_uu(octets: bytes, *, has_controls: bool = False) -> bytes:
    """Decode one uuencoded file (uuencode(5)), from a `begin` line, if any, to its `end` line.

    `has_controls`: lines may begin with a control character, a CR too, which says how long they
    are; otherwise such lines are left out, and a CR ends a line.
    """
    out = bytearray()  # a list of millions of short lines would take fifty times their memory
    is_begun = False
    begin = _BEGIN_FIRST.match(octets) or _BEGIN.search(octets)
    start = begin.start("begin") if begin else max(octets.find(b"begin "), 0)
    for lines in _lines(octets, start, has_controls=has_controls):
        if not is_begun and lines[0][:5].lower() == b"begin":
            del lines[0]
        is_begun = True
        end = next((place for place, line in enumerate(lines) if line[:3] == b"end"), None)
        while end is not None and lines[end].rstrip() != b"end":
            end = next((at for at in range(end + 1, len(lines)) if lines[at][:3] == b"end"), None)
        try:
            out += b"".join(map(binascii.a2b_uu, lines[:end]))
        except binascii.Error:
            out += b"".join(map(_uu_line, lines[:end]))
        if end is not None:
            break
    return bytes(out)


def _lines(octets: bytes, start: int, *, has_controls: bool) -> Iterator[list[bytes]]:
    """Give the lines that are not empty, some at a time; each of CR and LF ends one."""
    least = 0 if has_controls else ord(" ")
    size = len(octets)
    while start < size:
        stop = octets.find(b"\n", start + _SLICE) + 1 or size
        text = octets[start:stop]
        text = text.replace(b"\r\n", b"\n") if has_controls else text.replace(b"\r", b"\n")
        lines = [line for line in text.split(b"\n") if line and line[0] >= least]
        if lines:
            yield lines
        start = stop


def _uu_line(line: bytes) -> bytes:
    # Some encoders leave rubbish behind the line; its first octet says how much counts.
    length = (((line[0] - 32) & 63) * 4 + 5) // 3
    is_whole = length >= len(line)
    if is_whole and line.upper() != line:  # no data: to raise and to catch costs five times this
        return b""
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        if is_whole:
            return b""
        try:
            return binascii.a2b_uu(line[:length])
        except binascii.Error:
            return b""


def decode_yenc(octets: bytes) -> bytes:
    """Decode what stands between the lines of a yEnc file, or is said to (yenc.org, draft 1.3)."""
    body = _YENC_SKIP.sub(b"", octets).translate(None, b"\r\n")
    out = bytearray()
    at = 0
    while at < len(body):  # some at a time: each escape is an object for a moment
        piece = body[at : at + _YENC_SLICE]
        if (len(piece) - len(piece.rstrip(b"="))) % 2:  # half of an escape at its end
            piece = body[at : at + _YENC_SLICE + 1]
        out += _YENC_ESCAPE.sub(_yenc_unescaped, piece)
        at += len(piece)
    return bytes(out).translate(_YENC_TABLE)


def _yenc_unescaped(found: re.Match[bytes]) -> bytes:
    return _YENC_UNESCAPED[found[1]]
