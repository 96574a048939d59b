"""codec.oles: streams of compound files, honest and looping."""

import struct

from qscanner.codec.oles import MARK, Compound
from tests.fakes.compound import compound

SMALL, LARGE = b"small" * 30, b"large" * 1000
FILE = compound({"a": SMALL, "Storage/b": LARGE, "Storage/c": b"c"})


def test_streams_with_their_paths() -> None:
    """Large streams are in sectors, small ones in the stream of the root."""
    file = Compound(FILE, most=1 << 20)
    assert {entry.path: file.read(entry) for entry in file.streams()} == {
        ("a",): SMALL,
        ("Storage", "b"): LARGE,
        ("Storage", "c"): b"c",
    }
    assert not file.is_broken
    assert not file.is_cut


def test_a_part_of_a_stream() -> None:
    """No more is read than is asked for."""
    file = Compound(FILE, most=1 << 20)
    (entry,) = (entry for entry in file.streams() if entry.name == "b")
    assert file.read(entry, 7) == LARGE[:7]


def test_an_entry_without_a_tree() -> None:
    """What no storage leads to is given all the same."""
    at = FILE.index("a".encode("utf-16-le") + b"\0\0", 512)
    root = FILE.index("Root Entry".encode("utf-16-le"))
    alone = FILE[: root + 76] + struct.pack("<I", 0xFFFFFFFF) + FILE[root + 80 :]
    assert at > 0
    assert {entry.name for entry in Compound(alone, most=1 << 20).streams()} == {"a", "b", "c"}


def test_a_chain_in_a_circle() -> None:
    """It ends with the size that is said, and with the allowance."""
    fat = [0xFFFFFFFD, *[1] * 127]
    looping = FILE[:512] + struct.pack("<128I", *fat) + FILE[1024:]
    file = Compound(looping, most=10_000)
    total = sum(len(file.read(entry)) for entry in file.streams())
    assert total <= 10_000


def test_more_than_the_allowance() -> None:
    """Is said."""
    file = Compound(FILE, most=2_000)
    for entry in file.streams():
        file.read(entry)
    assert file.is_cut


def test_broken() -> None:
    """Any octets are read."""
    assert Compound(b"", most=100).is_broken
    assert not Compound(MARK + bytes(600), most=100).is_cut
    for cut in range(0, len(FILE), 97):
        file = Compound(FILE[:cut], most=1 << 20)
        assert all(len(file.read(entry)) <= cut for entry in file.streams())
