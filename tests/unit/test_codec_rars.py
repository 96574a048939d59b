"""codec.rars: names and locks in the headers of RAR 4 and 5; anything else is nothing."""

import struct

import pytest

from qscanner.codec import rars
from tests.fakes.packed import rar5


def rar4(*names: bytes, flags: int = 0, main: int = 0) -> bytes:
    def block(kind: int, said: int, body: bytes) -> bytes:
        return struct.pack("<HBHH", 0, kind, said, 7 + len(body)) + body

    out = rars.MARK + block(0x73, main, bytes(6))
    for name in names:
        body = struct.pack("<LLBLLBBHL", 3, 3, 2, 0, 0, 29, 0x30, len(name), 0) + name
        out += block(0x74, flags | 0x8000, body) + b"abc"
    return out


@pytest.mark.parametrize(
    ("content", "want"),
    [
        pytest.param(rar4(b"a.exe", b"b"), [("a.exe", False), ("b", False)], id="4"),
        pytest.param(rar4(b"a.exe", flags=4), [("a.exe", True)], id="4, locked"),
        pytest.param(rar4(b"folder", flags=0xE0), [], id="4, a folder"),
        pytest.param(rar4(b"a", main=0x80), [("", True)], id="4, locked headers"),
        pytest.param(rar5(("a.exe", b"abc")), [("a.exe", False)], id="5"),
        pytest.param(
            rar5(("a.exe", b"abc"), is_encrypted=True), [("a.exe", True)], id="5, locked"
        ),
        pytest.param(
            rars.MARK5 + bytes(4) + b"\x03\x04\x00\x00" + bytes(40), [("", True)], id="5, headers"
        ),
        pytest.param(b"no rar", [], id="none"),
    ],
)
def test_headers(content: bytes, want: list[tuple[str, bool]]) -> None:
    """Whole, behind a program, and cut at every octet."""
    assert [(each.name, each.is_encrypted) for each in rars.headers(content).entries] == want
    behind = rars.headers(b"MZ" + content, 2).entries
    assert [(each.name, each.is_encrypted) for each in behind] == want
    for end in range(len(content)):
        rars.headers(content[:end])


def test_volumes() -> None:
    """One of several is told."""
    assert rars.headers(rar4(b"a", main=1)).is_volume
    assert rars.headers(rar5(("a", b"b"), main=1)).is_volume
    assert not rars.headers(rar5(("a", b"b"))).is_volume
