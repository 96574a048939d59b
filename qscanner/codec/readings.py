"""Other readings of a payload that is not as its encoding should be: what decoders make of it.

Theory. Decoders agree about clean base64 and quoted-printable, and about nothing else: padding in
the middle ends it, or a piece, or is skipped; a line of odd length is cut, filled up, or goes on
in the next; after junk one goes on, stops, or leaves out the line. All of these are tried.

Called by  codec.sweep.
Ends       always with octets; nothing here raises.
Careful    linear, each reading at most as long as the payload: the caller bounds the payload.
"""

import binascii
import re
from collections.abc import Callable, Iterable, Iterator

from qscanner.codec import transfer

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_ALPHABET = bytes(set(range(256)) - set(_ALPHABET))
_NOT_TEXT = bytes(set(range(256)) - set(_ALPHABET) - {ord("=")})
_WITH_EOL = _ALPHABET + b"\r\n"
_QUANTUM = 4
_TIDY_QP = re.compile(rb"=(?![0-9A-Fa-f]{2}|\r?\n)|[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
_CONTROLS = bytes(set(range(32)) - set(b"\t\n")) + b"\x7f"
_DOUBLED = re.compile(rb"(?<!=)={2,}+[ \t]*+(?:\r*+\n|\r)")
_PADDING = re.compile(rb"=+")
_PARAGRAPHS = re.compile(rb"\n[ \t]*+\r?\n")
_FROM_JUNK = re.compile(rb"[^A-Za-z0-9+/=\r\n].*")
_SOFT_BREAK = re.compile(rb"=[ \t]*+(?:\r*\n|\r)")
_NO_TRIPLET = re.compile(rb"=(?![0-9A-Fa-f]{2})[^=\r\n]{0,2}")
_STRAY_EQUALS = re.compile(rb"=(?![0-9A-Fa-f]{2})")
_JUNK_INSIDE = re.compile(rb"=([^0-9A-Fa-f=]{0,8})([0-9A-Fa-f])([^0-9A-Fa-f=]{0,8})([0-9A-Fa-f])")
_ONE_DIGIT = re.compile(rb"=([0-9A-Fa-f])(?![0-9A-Fa-f])")
_TRAILING = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)")


def is_tidy(encoding: str, slices: Iterable[bytes]) -> bool:
    """Say whether every decoder gives the same for an encoded text, that comes in slices."""
    if encoding == transfer.BASE64:
        return _is_tidy_base64(slices)
    if encoding == transfer.QUOTED_PRINTABLE:
        return _TIDY_QP.search(b"".join(slices)) is None
    return encoding == transfer.IDENTITY


def _is_tidy_base64(slices: Iterable[bytes]) -> bool:
    is_padded = False
    carry = b""
    for piece in slices:
        body = (carry + piece).rstrip(b"\r\n") if piece.endswith(b"\n") else carry + piece
        if is_padded and body:
            return False
        padding = body.translate(None, _WITH_EOL)
        is_padded = bool(padding)
        if padding not in (b"", b"=", b"==") or not body.endswith(padding):
            return False
        if body.count(b"\r") != body.count(b"\r\n") + body.endswith(b"\r"):
            return False
        *lines, last = body.split(b"\n")
        if any(len(line.rstrip(b"\r")) % _QUANTUM for line in lines):
            return False
        carry = b"" if piece.endswith(b"\n") else last[len(last) // _QUANTUM * _QUANTUM :]
        if piece.endswith(b"\n") and len(last) % _QUANTUM:
            return False
    return not carry.rstrip(b"\r")


def others(encoding: str, text: bytes) -> Iterator[tuple[str, bytes]]:
    """Give (what it is called, octets) of each other reading that differs from the lenient one."""
    if encoding not in _READERS:
        return
    seen = {transfer.decode(encoding, [text]), b""}
    for name, read in _READERS[encoding]:
        octets = read(text)
        if octets not in seen:
            seen.add(octets)
            yield name, octets


def _quanta(text: bytes) -> bytes:
    """Decode what has no padding; an incomplete quantum gives the octets that it has."""
    text = text.translate(None, _NOT_ALPHABET)
    if len(text) % _QUANTUM == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % _QUANTUM))


def _whole_quanta(text: bytes) -> bytes:
    text = text.translate(None, _NOT_ALPHABET)
    return binascii.a2b_base64(text[: len(text) // _QUANTUM * _QUANTUM])


def _pieces(text: bytes) -> bytes:
    """Each padded piece by itself."""
    text = text.translate(None, _NOT_TEXT)
    return b"".join(_quanta(piece) for piece in _PADDING.split(text))


def _first(text: bytes) -> bytes:
    """Up to the first padding."""
    return _quanta(text.translate(None, _NOT_TEXT).partition(b"=")[0])


def _unpadded(text: bytes) -> bytes:
    """Padding is junk."""
    return _quanta(text)


def _zeros(text: bytes) -> bytes:
    """Padding counts as zero bits."""
    return _quanta(text.replace(b"=", b"A"))


def _lines(text: bytes) -> bytes:
    """Each line by itself."""
    return b"".join(map(_quanta, text.splitlines()))


def _cut_lines(text: bytes) -> bytes:
    """Each line by itself, without its incomplete end."""
    return b"".join(map(_whole_quanta, text.splitlines()))


def _before_junk(text: bytes) -> bytes:
    """Of each line what comes before junk."""
    return _unpadded(_FROM_JUNK.sub(b"", text))


def _clean_lines(text: bytes) -> bytes:
    """Without the lines that hold junk."""
    lines = (line.strip() for line in text.splitlines())
    return transfer.decode_base64([line for line in lines if not line.translate(None, _NO_JUNK)])


_NO_JUNK = _ALPHABET + b"="


def _paragraphs(text: bytes) -> bytes:
    """Behind the first empty line."""
    found = _PARAGRAPHS.search(text)
    return transfer.decode_base64([text[found.end() :]]) if found else b""


def _to_delimiter(text: bytes) -> bytes:
    """Behind the first line that looks like a delimiter, or before it."""
    before, dashes, behind = text.partition(b"\n--")
    if not dashes and text.startswith(b"--"):
        before, behind = b"", text
    return transfer.decode_base64([before if before.strip() else behind.partition(b"\n")[2]])


def _url_safe(text: bytes) -> bytes:
    return transfer.decode_base64([text.replace(b"-", b"+").replace(b"_", b"/")])


def _raw(text: bytes) -> bytes:
    return text


def _qp(text: bytes) -> bytes:
    return transfer.decode_quoted_printable(_SOFT_BREAK.sub(b"", text))


def _without_controls(text: bytes) -> bytes:
    """Control characters are left out."""
    return _qp(text.translate(None, _CONTROLS))


def _doubled(text: bytes) -> bytes:
    """A soft line break may have more than one equals sign."""
    return _qp(_DOUBLED.sub(b"", text))


def _without_stray(text: bytes) -> bytes:
    """An equals sign that begins nothing is left out."""
    return _qp(_STRAY_EQUALS.sub(b"", _SOFT_BREAK.sub(b"", text)))


def _without_triplets(text: bytes) -> bytes:
    """With an equals sign that begins nothing, the two octets behind it are left out."""
    return _qp(_NO_TRIPLET.sub(b"", _SOFT_BREAK.sub(b"", text)))


def _junk_inside(text: bytes) -> bytes:
    """Junk between an equals sign and its digits is left out."""
    return _qp(_JUNK_INSIDE.sub(rb"=\2\4", _SOFT_BREAK.sub(b"", text)))


def _junk_kept(text: bytes) -> bytes:
    """The same, and what is left of stray signs is left out too."""
    return _without_stray(_JUNK_INSIDE.sub(rb"=\2\4", _SOFT_BREAK.sub(b"", text)))


def _digits(text: bytes) -> bytes:
    """A single digit is enough."""
    return _qp(_ONE_DIGIT.sub(rb"=0\1", _SOFT_BREAK.sub(b"", text)))


def _trimmed(text: bytes) -> bytes:
    """Blanks at the end of a line are left out (RFC 2045 section 6.7 (3))."""
    return _qp(_TRAILING.sub(b"", text))


def _kept_breaks(text: bytes) -> bytes:
    """Blanks behind a soft line break are kept."""
    return binascii.a2b_qp(text)


def _pieced(text: bytes) -> bytes:
    """As base64, after all."""
    return transfer.decode_base64([text])


def _uu_controls(text: bytes) -> bytes:
    """A control character before a line says how long it is (its lower six bits less 32)."""
    return transfer.decode_uu(text, has_controls=True)


_READERS: dict[str, tuple[tuple[str, Callable[[bytes], bytes]], ...]] = {
    transfer.BASE64: (
        ("pieces", _pieces),
        ("lines", _lines),
        ("cut-lines", _cut_lines),
        ("first", _first),
        ("unpadded", _unpadded),
        ("before-junk", _before_junk),
        ("clean-lines", _clean_lines),
        ("paragraph", _paragraphs),
        ("delimited", _to_delimiter),
        ("url-safe", _url_safe),
        ("zeros", _zeros),
        ("raw", _raw),
    ),
    transfer.QUOTED_PRINTABLE: (
        ("breaks", _qp),
        ("controls", _without_controls),
        ("doubled", _doubled),
        ("stray", _without_stray),
        ("triplets", _without_triplets),
        ("junk", _junk_inside),
        ("junk-stray", _junk_kept),
        ("digits", _digits),
        ("trimmed", _trimmed),
        ("kept", _kept_breaks),
        ("raw", _raw),
    ),
    transfer.UUENCODE: (
        ("base64", _pieced),
        ("controls", _uu_controls),
    ),
}
