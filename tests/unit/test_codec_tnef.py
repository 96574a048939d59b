"""codec.tnef: files, names, bodies and embedded messages of winmail.dat; rubbish ends it."""

import struct

import pytest

from qscanner.codec.tnef import TnefEntry, entries, unpacked_rtf
from tests.fakes.packed import tnef

FILES = (("a.exe", b"MZ"), ("b.txt", b"text"))


def read(content: bytes) -> list[tuple[list[str], bytes] | None]:
    return [
        (each.names, each.content) if each else None for each in entries(content, most=1 << 20)
    ]


def attribute(id_: int, data: bytes, level: int = 2) -> bytes:
    return struct.pack("<BLL", level, id_, len(data)) + data + b"\0\0"


def text(id_: int, value: bytes, type_: int = 0x1F) -> bytes:
    return struct.pack("<HHLL", type_, id_, 1, len(value)) + value + bytes(-len(value) % 4)


def properties(*each: bytes) -> bytes:
    return struct.pack("<L", len(each)) + b"".join(each)


def test_files() -> None:
    """All of them, in their order, and nothing odd."""
    assert read(tnef(*FILES)) == [(["a.exe"], b"MZ"), (["b.txt"], b"text")]
    assert read(tnef()) == []


def test_properties() -> None:
    """The long name first; what is embedded without the id of its interface."""
    named = (
        struct.pack("<HH", 0x1F, 0x8001) + bytes(16) + struct.pack("<LL", 1, 6) + b"x\0y\0\0\0\0\0"
    )
    named += struct.pack("<LL", 1, 2) + b"v\0\0\0"
    inside = bytes(16) + tnef(*FILES)
    content = tnef() + attribute(0x69002, bytes(14))
    content += attribute(0x18010, b"A~1.EXE\0")
    content += attribute(
        0x69005,
        properties(
            struct.pack("<HHL", 3, 0x0E20, 5),
            named,
            text(0x3707, "long.exe\0".encode("utf-16-le")),
            text(0x3701, inside, 0x0D),
        ),
    )
    assert read(content) == [(["long.exe", "A~1.EXE"], tnef(*FILES))]


def test_bodies() -> None:
    """Plain, HTML and packed RTF."""
    packed = struct.pack("<LL4sL", 20, 9, b"LZFu", 0) + b"\x00hello\r\n\x20"
    content = tnef() + attribute(0x2800C, b"plain\0", 1)
    content += attribute(
        0x69003, properties(text(0x1013, b"<p>", 0x102), text(0x1009, packed, 0x102)), 1
    )
    assert read(content) == [
        (["body.txt"], b"plain\0"),
        (["body.html"], b"<p>"),
        (["body.rtf"], b"hello\r\n "),
    ]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"no tnef", id="none"),
        pytest.param(tnef(*FILES)[:-9], id="cut"),
        pytest.param(tnef(*FILES) + b"rubbish", id="rubbish behind"),
    ],
)
def test_unreadable(content: bytes) -> None:
    """What could be read is there, and a last None."""
    assert list(entries(content, most=100))[-1] is None


def test_cut_anywhere() -> None:
    """Nothing raises, and what is cut says so."""
    whole = tnef(*FILES)
    for end in range(len(whole)):
        for each in entries(whole[:end], most=100):
            assert each is None or isinstance(each, TnefEntry)


def test_packed_rtf_is_bounded() -> None:
    """Two octets are up to 17; it stops."""
    bomb = struct.pack("<LL4sL", 0, 0, b"LZFu", 0) + (b"\xff" + b"\x00\x0f" * 8) * 5000
    assert len(unpacked_rtf(bomb, most=1000)) < 1200
    assert unpacked_rtf(struct.pack("<LL4sL", 0, 0, b"MELA", 0) + b"plain", most=9) == b"plain"
