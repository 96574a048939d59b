"""Files of compress(1), .Z: LZW with codes of 9 to 16 bits, as ncompress writes them.

Called by  archives.
Ends       with all pieces; NotLzw where the octets are none, or stop being any.
Careful    linear in what comes in and goes out; one code is up to 64 KiB, so count the pieces.
           Eight codes of one width are a group, which is padded where the width changes.
"""

from collections.abc import Iterator

MARK = b"\x1f\x9d"
_HEAD = 3
_MIN_BITS, _MAX_BITS = 9, 16
_CLEAR = 256
_PIECES = 512  # codes whose octets are handed on together
_MAX_TABLE = 32 << 20  # octets: of zeros, the table is as large as what comes out


class NotLzw(Exception):
    """The octets are not what compress(1) writes."""


def pieces(content: bytes) -> Iterator[bytes]:
    """Give the decoded octets in pieces. Raises NotLzw, behind what could be decoded."""
    if len(content) < _HEAD or not content.startswith(MARK):
        raise NotLzw("no mark")
    bits, has_clear = content[2] & 0x1F, bool(content[2] & 0x80)
    if not _MIN_BITS <= bits <= _MAX_BITS:
        raise NotLzw(f"codes of {bits} bits")
    out: list[bytes] = []
    table = _fresh(has_clear)
    before, kept = b"", 0
    for code in _codes(content, bits, table):
        if code == _CLEAR and has_clear:
            table[_CLEAR + 1 :] = []
            before, kept = b"", 0
            continue
        if code < len(table) and (code != _CLEAR or not has_clear):
            this = table[code]
        elif code == len(table) and before:
            this = before + before[:1]
        else:
            yield b"".join(out)
            raise NotLzw("a code that is not yet known")
        if before and len(table) < 1 << bits:
            table.append(before + this[:1])
            kept += len(before)
            if kept > _MAX_TABLE:
                yield b"".join(out)
                raise NotLzw("its table becomes too large")
        out.append(this)
        before = this
        if len(out) >= _PIECES:
            yield b"".join(out)
            out = []
    yield b"".join(out)


def _fresh(has_clear: bool) -> list[bytes]:
    return [bytes((octet,)) for octet in range(256)] + ([b""] if has_clear else [])


def _codes(content: bytes, bits: int, table: list[bytes]) -> Iterator[int]:
    """Give the codes; their width follows from how long the table is when they are read."""
    at = _HEAD
    width = _MIN_BITS
    while at < len(content):
        group = content[at : at + width]
        at += len(group)
        number = int.from_bytes(group, "little")
        for _ in range(len(group) * 8 // width):
            code = number & ((1 << width) - 1)
            number >>= width
            yield code
            is_cleared = code == _CLEAR and len(table) == _CLEAR + 1
            wanted = _MIN_BITS if is_cleared else _width(len(table), bits)
            if wanted != width or (is_cleared and code == _CLEAR):
                width = wanted
                break  # the rest of the group is padding


def _width(known: int, bits: int) -> int:
    """Give how wide the next code is: the one that is appended with it must fit."""
    return max(_MIN_BITS, min(bits, known.bit_length()))
