"""Writes small compound files ([MS-CFB]) for tests, as Office would: small streams together."""

import struct
from collections.abc import Mapping

MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SECTOR, _MINI, _CUTOFF = 512, 64, 4096
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def _padded(octets: bytes, size: int) -> bytes:
    return octets + bytes(-len(octets) % size)


def compound(streams: Mapping[str, bytes], *, class_id: bytes = bytes(16)) -> bytes:
    """Give a compound file with these streams; a name with `/` is in storages."""
    rows: list[list[object]] = [["Root Entry", 5, _FREE, _FREE, _FREE, class_id, _END, 0]]
    places = {"": 0}
    mini, body = b"", b""
    mini_fat: list[int] = []
    fat = [_FAT]
    for path, octets in streams.items():
        steps = path.split("/")
        for depth in range(1, len(steps) + 1):
            here, above = "/".join(steps[:depth]), "/".join(steps[: depth - 1])
            if here in places:
                continue
            parent = rows[places[above]]
            # Each new entry becomes the child; the one before it becomes its right neighbour.
            rows.append([steps[depth - 1], 1, _FREE, parent[4], _FREE, bytes(16), 0, 0])
            parent[4] = places[here] = len(rows) - 1
        row = rows[places[path]]
        row[1], row[7] = 2, len(octets)
        if len(octets) < _CUTOFF:
            row[6] = len(mini_fat)
            count = (len(octets) + _MINI - 1) // _MINI
            mini_fat += _chain(len(mini_fat), count)
            mini += _padded(octets, _MINI)
        else:
            row[6] = len(fat)
            fat += _chain(len(fat), (len(octets) + _SECTOR - 1) // _SECTOR)
            body += _padded(octets, _SECTOR)

    def add(octets: bytes) -> int:
        nonlocal body, fat
        start = len(fat)
        fat += _chain(start, (len(octets) + _SECTOR - 1) // _SECTOR)
        body += _padded(octets, _SECTOR)
        return start if octets else _END

    rows[0][6], rows[0][7] = add(mini), len(mini)
    mini_at = add(struct.pack(f"<{len(mini_fat)}I", *mini_fat))
    directory = add(b"".join(_row(row) for row in rows))
    assert len(fat) <= _SECTOR // 4, "the FAT has one sector only"
    fat += [_FREE] * (_SECTOR // 4 - len(fat))
    head = MARK + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    head += struct.pack("<10I", 0, 1, directory, 0, _CUTOFF, mini_at, 1, _END, 0, 0)
    return head + _padded(b"\xff" * 432, 4) + struct.pack("<128I", *fat) + body


def _chain(start: int, count: int) -> list[int]:
    return [start + step for step in range(1, count)] + [_END] if count else []


def _row(row: list[object]) -> bytes:
    name, kind, left, right, child, class_id, start, size = row
    raw = str(name).encode("utf-16-le")
    return struct.pack(
        "<64sHBBIII16s4x16xIQ",
        raw,
        len(raw) + 2,
        kind,
        1,
        left,
        right,
        child,
        class_id,
        start,
        size,
    )
