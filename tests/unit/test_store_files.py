"""The files of held messages: plain, packed, halves, and gone."""

import gzip
import os
from pathlib import Path

import pytest

from qscanner.outcomes import Later
from qscanner.settings import Quarantine
from qscanner.store import files
from qscanner.store.words import OctetsGone
from tests.fakes.holds import Hold, several

LARGE = Hold(octets=b"Subject: x\n\n" + b"y" * 20_000)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    LARGE.keep(Quarantine(dir=str(tmp_path)))
    return str(tmp_path)


def octets(folder: str, digest: str) -> bytes:
    message = files.message(folder, digest)
    try:
        return bytes(message.octets)
    finally:
        message.close()


def test_packed(folder: str) -> None:
    """Smaller on disk, and octet for octet the same; a second time there is nothing to do."""
    files.pack(folder, LARGE.digest)
    files.pack(folder, LARGE.digest)
    assert sorted(os.listdir(folder)) == [
        f"{LARGE.digest}.eml.gz",
        f"{LARGE.digest}.json",
        "journal",
    ]
    packed = Path(folder, f"{LARGE.digest}.eml.gz").read_bytes()
    assert len(packed) < 1000
    assert gzip.decompress(packed) == octets(folder, LARGE.digest) == LARGE.octets
    assert not LARGE.keep(Quarantine(dir=folder)), "a retry is the same hold"
    assert f"{LARGE.digest}.eml" not in os.listdir(folder)


def test_a_packed_one_that_is_damaged(folder: str) -> None:
    """It is told, and a sender who tries again replaces it."""
    files.pack(folder, LARGE.digest)
    file = Path(folder, f"{LARGE.digest}.eml.gz")
    for damaged in (file.read_bytes()[:-9], b"\x1f\x8bxx", b"", b"plain"):
        file.write_bytes(damaged)
        with pytest.raises(OctetsGone):
            octets(folder, LARGE.digest)
        assert LARGE.keep(Quarantine(dir=folder))
        assert octets(folder, LARGE.digest) == LARGE.octets
        Path(folder, f"{LARGE.digest}.eml").unlink()


def test_what_is_worth_packing(folder: str) -> None:
    """Large ones, and those that lie for a while."""
    several(1)[0].keep(Quarantine(dir=folder))
    assert files.plain(folder, 4e9) == [LARGE.digest]
    assert files.plain(folder, 1.0) == []


def test_digests_and_halves(folder: str) -> None:
    """Whole messages by their records; what belongs to none, once it is old."""
    for name in ("00" * 32 + ".eml", ".left.123", "README", "x.json"):
        Path(folder, name).touch()
    assert list(files.digests(folder)) == [LARGE.digest]
    assert list(files.halves(folder, os.stat(folder).st_mtime)) == []
    assert sorted(files.halves(folder, 4e9)) == [".left.123", "00" * 32 + ".eml"]


@pytest.mark.parametrize("octets", [b"", b"{", b"[1]", b"\xff"])
def test_a_damaged_record(octets: bytes, folder: str) -> None:
    """It is none."""
    Path(folder, f"{LARGE.digest}.json").write_bytes(octets)
    assert files.record(folder, LARGE.digest) is None
    assert files.record(folder, "f" * 64) is None


def test_removed(folder: str) -> None:
    """Nothing is left, and a second time is no mistake."""
    for _ in range(2):
        files.remove(folder, [LARGE.digest])
    assert os.listdir(folder) == ["journal"]
    with pytest.raises(OctetsGone):
        files.message(folder, LARGE.digest)


def test_no_folder(tmp_path: Path) -> None:
    """It is "later"."""
    with pytest.raises(Later):
        files.remove(str(tmp_path / "none"), ["a"])
    with pytest.raises(Later):
        list(files.digests(str(tmp_path / "none")))
