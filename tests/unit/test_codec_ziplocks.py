"""codec.ziplocks: which words fit the lock of a member; a zip of just that member."""

import io
import zipfile

import pytest

from qscanner.codec import ziplocks, zips
from tests.fakes.packed import written


def locked(encryption: str) -> bytes:
    return written(
        "zip", ("a.exe", b"MZ" * 99), options=f"zip:encryption={encryption}", password="sesame"
    )


@pytest.mark.parametrize("encryption", ["zipcrypt", "aes128", "aes256"])
def test_may_open(encryption: str) -> None:
    """The right word fits; hardly another does."""
    content = locked(encryption)
    (entry,) = zips.listing(content, most=9).entries
    data = memoryview(content)[entry.data_at :]
    assert entry.is_encrypted
    assert ziplocks.may_open(entry, data, b"sesame")
    wrong = [b"wrong%d" % number for number in range(60)]
    assert sum(ziplocks.may_open(entry, data, word) for word in wrong) < 5
    assert not ziplocks.may_open(entry, data, b"")
    assert not ziplocks.may_open(entry, data[:3], b"sesame")


def test_alone() -> None:
    """Another reader finds the one member, and its octets."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", b"1" * 50)
        archive.writestr("y", b"2" * 50)
    content = out.getvalue()
    entry = zips.listing(content, most=9).entries[1]
    packed = memoryview(content)[entry.data_at :][: entry.packed]
    with zipfile.ZipFile(io.BytesIO(ziplocks.alone(entry, packed))) as alone:
        assert alone.namelist() == ["a"]
        assert alone.read("a") == b"2" * 50
