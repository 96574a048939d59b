"""codec.zips: every directory and every local header of zips, honest and lying."""

import io
import struct
import zipfile
import zlib

import pytest

from qscanner.codec import zips


def made(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return out.getvalue()


def names(octets: bytes) -> list[str]:
    return [entry.names[0] for entry in zips.listing(octets, most=100).entries]


def test_plain() -> None:
    """An ordinary zip has its names and nothing odd, also behind other octets."""
    octets = made(("a.txt", b"1"), ("ä.exe", b"2"))
    for before in (b"", b"MZ" + b"\0" * 5000):
        listing = zips.listing(before + octets, most=100)
        assert [entry.names[0] for entry in listing.entries] == ["a.txt", "ä.exe"]
        assert (listing.odd, listing.lost, listing.is_cut) == (set(), [], False)


def test_a_stored_zip_inside_is_not_odd() -> None:
    """The members of a stored zip are not taken for hidden members of the outer one."""
    octets = made(("in.zip", made(("a", b"1"))), method=zipfile.ZIP_STORED)
    listing = zips.listing(octets, most=100)
    assert names(octets) == ["in.zip"]
    assert listing.odd == set()


def test_two_in_one() -> None:
    """Of concatenated zips most programs see one: here all members, and that it is odd."""
    octets = made(("a.txt", b"1")) + made(("b.exe", b"2"))
    assert set(names(octets)) == {"a.txt", "b.exe"}
    assert "several directories" in zips.listing(octets, most=100).odd


def test_no_directory() -> None:
    """Cut before the directory: the local headers tell."""
    octets = made(("a.exe", b"1"))
    cut = octets[: octets.index(b"PK\x01\x02")]
    assert names(cut) == ["a.exe"]
    assert zips.listing(cut, most=100).odd == {"no directory"}


def test_names_that_differ() -> None:
    """Directory and local header disagree: both names count."""
    octets = made(("a.txt", b"1")).replace(b"a.txt", b"a.exe", 1)
    listing = zips.listing(octets, most=100)
    assert listing.entries[0].names == ["a.txt", "a.exe"]
    assert listing.odd == {"names in directory and header differ"}


def test_a_hidden_member() -> None:
    """A local header that the directory does not mention."""
    hidden = made(("b.exe", b"2"))
    hidden = hidden[: hidden.index(b"PK\x01\x02")]
    octets = hidden + made(("a.txt", b"1"))
    assert set(names(octets)) == {"a.txt", "b.exe"}
    assert "members that the directory does not list" in zips.listing(octets, most=100).odd


def test_bounds() -> None:
    """Neither a big directory nor a million marks cost more than they may."""
    many = made(*((f"{number}", b"") for number in range(300)))
    assert zips.listing(many, most=100).is_cut
    assert len(zips.listing(many, most=100).entries) <= 100
    marks = b"PK\x03\x04\x14\0\0\0\x08\0" * 1_000_000
    assert len(zips.listing(marks, most=100).entries) <= 100


def test_rubbish() -> None:
    """Anything at all."""
    for octets in (
        b"",
        b"PK",
        b"PK\x05\x06",
        b"PK\x05\x06" * 50,
        b"PK\x01\x02" * 50,
        b"PK\x03\x04",
    ):
        zips.listing(octets, most=10)


def zip64(*, offset_is_wide: bool) -> bytes:
    """Give a zip of one member whose sizes, and maybe the place of the directory, are 64 bits."""
    full, name, content = 0xFFFFFFFF, b"a.exe", b"program"
    crc, wide = zlib.crc32(content), struct.pack("<HHQQ", 1, 16, len(content), len(content))
    common = (45, 0, 0, 0, 33, crc, full, full, len(name), len(wide))
    local = struct.pack("<4sHHHHHLLLHH", b"PK\x03\x04", *common) + name + wide + content
    central = struct.pack("<4sHHHHHHLLLHHHHHLL", b"PK\x01\x02", 45, *common, 0, 0, 0, 0, 0)
    central += name + wide
    at, size = len(local), len(central)
    end = b""
    if offset_is_wide:
        end = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, size, at)
        end += struct.pack("<4sLQL", b"PK\x06\x07", 0, at + size, 1)
        at = size = full
    return (
        local + central + end + struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 1, 1, size, at, 0)
    )


@pytest.mark.parametrize("offset_is_wide", [False, True])
def test_zip64(offset_is_wide: bool) -> None:
    """Sizes and places that do not fit into 32 bits are read from where they are; none is odd."""
    found = zips.listing(zip64(offset_is_wide=offset_is_wide), most=9)
    (entry,) = found.entries
    assert (entry.names, entry.packed, entry.unpacked) == (["a.exe"], 7, 7)
    assert found.odd == set()
    assert found.has_directory


def test_one_of_several_volumes() -> None:
    """The directory says on which disk it is."""
    content = bytearray(zip64(offset_is_wide=False))
    content[content.index(b"PK\x05\x06") + 4] = 1
    assert zips.listing(bytes(content), most=9).is_piece
