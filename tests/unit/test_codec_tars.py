"""codec.tars: entries of tar archives of all sorts, cut and lying ones too."""

import io
import tarfile

import pytest

from qscanner.codec import tars


def tar(*files: tuple[str, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize(
    "format",
    [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT],
    ids=["ustar", "gnu", "pax"],
)
def test_entries(format: int) -> None:
    """Names, long ones too, and where the octets are."""
    long = "/".join(["folder" * 10] * 3) + "/b.exe"
    octets = tar(("a.txt", b"one"), (long, b"two" * 999), format=format)
    assert tars.is_tar(octets)
    found = [entry for entry in tars.entries(octets) if entry]
    assert [octets[entry.start : entry.end] for entry in found] == [b"one", b"two" * 999]
    assert long in found[1].names
    assert not any(entry.is_cut for entry in found)


def test_a_cut_one() -> None:
    """A size beyond the end, also as a pax header says it."""
    octets = tar(("a.bin", b"x" * 5000))
    cut = list(tars.entries(octets[:2000]))
    assert [(entry.is_cut, entry.end - entry.start) for entry in cut if entry] == [(True, 1488)]


def test_rubbish() -> None:
    """What is no tar, and rubbish where a header should be."""
    assert not tars.is_tar(b"")
    assert not tars.is_tar(b"x" * 512)
    assert list(tars.entries(tar(("a", b"1"))[:1024] + b"rubbish" * 100))[1:] == [None]


def test_hostile_pax_header_is_linear() -> None:
    """A million digits: the stdlib's pattern is quadratic in them."""
    octets = bytearray(tar(("pax", b"1" * 1_000_000), format=tarfile.USTAR_FORMAT))
    octets[156:157] = b"x"
    checksum = sum(octets[:148]) + 8 * 32 + sum(octets[156:512])
    octets[148:156] = b"%06o\0 " % checksum
    assert list(tars.entries(bytes(octets))) == []
