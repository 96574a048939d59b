"""archives: members of zip, tar and compressed files; bombs stop; lies and locks are told."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from dataclasses import replace

import pytest

from qscanner.archives import Budget, Member, members
from qscanner.kinds import kinds
from qscanner.model import Finding
from qscanner.settings import MIB, Limits

PAYLOAD = b"MZ payload" * 50


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return out.getvalue()


def tarred(*files: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def opened(
    content: bytes, name: str = "", limits: Limits | None = None
) -> tuple[list[Member], list[str]]:
    """Give the members and the ids of the findings."""
    found = list(members(content, kinds([name], "", content, None), Budget.of(limits or Limits())))
    return (
        [each for each in found if isinstance(each, Member)],
        [each.id for each in found if isinstance(each, Finding)],
    )


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param(zipped(("a.exe", PAYLOAD)), "a.exe", id="deflate"),
        pytest.param(zipped(("a.exe", PAYLOAD), method=zipfile.ZIP_STORED), "a.exe", id="stored"),
        pytest.param(
            zipped(("a.exe", PAYLOAD), method=zipfile.ZIP_BZIP2), "a.exe", id="zip bzip2"
        ),
        pytest.param(zipped(("a.exe", PAYLOAD), method=zipfile.ZIP_LZMA), "a.exe", id="zip lzma"),
        pytest.param(b"MZ\0" * 9000 + zipped(("a.exe", PAYLOAD)), "a.exe", id="behind a program"),
        pytest.param(tarred(("a.exe", PAYLOAD)), "a.exe", id="tar"),
        pytest.param(gzip.compress(PAYLOAD), None, id="gzip"),
        pytest.param(
            gzip.compress(PAYLOAD[:9]) + gzip.compress(PAYLOAD[9:]), None, id="two gzips"
        ),
        pytest.param(gzip.compress(PAYLOAD) + b"rubbish", None, id="gzip and rubbish"),
        pytest.param(bz2.compress(PAYLOAD), None, id="bzip2"),
        pytest.param(lzma.compress(PAYLOAD), None, id="xz"),
        pytest.param(lzma.compress(PAYLOAD, lzma.FORMAT_ALONE), None, id="lzma"),
    ],
)
def test_content(content: bytes, name: str | None) -> None:
    """Every format that is opened gives its octets, and nothing odd."""
    found, ids = opened(content)
    assert [member.content for member in found] == [PAYLOAD]
    assert found[0].is_stream == (name is None)
    assert found[0].names == ((name,) if name else ())
    assert ids == []


def test_no_archive() -> None:
    """Nothing comes of what is none, and of an empty zip."""
    assert opened(b"plain text") == ([], [])
    assert opened(zipped()) == ([], [])
    assert opened(b"", "a.zip")[0] == []


def test_name_in_gzip() -> None:
    """The name in a gzip header counts."""
    out = io.BytesIO()
    with gzip.GzipFile("a.exe", "wb", fileobj=out) as file:
        file.write(PAYLOAD)
    assert opened(out.getvalue())[0][0].names == ("a.exe",)


def cut_directory(octets: bytes) -> bytes:
    return octets[: octets.index(b"PK\x01\x02")]


def lying(octets: bytes, at: int, new: bytes, mark: bytes = b"PK\x03\x04") -> bytes:
    """Put octets at an offset of the first record that has this mark."""
    place = octets.index(mark) + at
    return octets[:place] + new + octets[place + len(new) :]


STORED = zipped(("a.exe", PAYLOAD), method=zipfile.ZIP_STORED)
ZIP = zipped(("a.exe", PAYLOAD))


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        pytest.param(cut_directory(ZIP), ["archive.odd"], id="no directory"),
        pytest.param(zipped(("b", b"1")) + ZIP, ["archive.odd"], id="bad last"),
        pytest.param(ZIP + zipped(("b", b"1")), ["archive.odd"], id="bad first"),
        pytest.param(cut_directory(ZIP) + zipped(("b", b"1")), ["archive.odd"], id="hidden"),
        pytest.param(lying(ZIP, 30, b"a.txt"), ["archive.odd"], id="names differ"),
        pytest.param(lying(ZIP, 8, b"\0"), ["archive.odd"], id="says stored, is deflated"),
        pytest.param(lying(ZIP, 22, b"\1\0\0\0"), [], id="says one octet"),
        pytest.param(lying(ZIP, 24, b"\1\0\0\0", b"PK\x01\x02"), [], id="directory says so"),
        pytest.param(
            lying(lying(STORED, 6, b"\1"), 8, b"\1", b"PK\x01\x02"),
            [],
            id="says encrypted, is not",
        ),
    ],
)
def test_lying_zips(content: bytes, ids: list[str]) -> None:
    """The octets come whatever the headers say, and what programs disagree about is told."""
    found, got = opened(content)
    assert PAYLOAD in [member.content for member in found]
    assert got == ids


def test_shared_octets() -> None:
    """Entries that overlap are decoded once, and told."""
    octets = zipped(("a", PAYLOAD), ("b", PAYLOAD))
    second = octets.index(b"PK\x01\x02", octets.index(b"PK\x01\x02") + 1)
    octets = octets[: second + 42] + bytes(4) + octets[second + 46 :]
    assert "archive.odd" in opened(octets)[1]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lying(lying(ZIP, 6, b"\1"), 8, b"\1", b"PK\x01\x02"), id="deflated"),
        pytest.param(lying(ZIP, 8, b"\x63"), id="aes"),
    ],
)
def test_encrypted(content: bytes) -> None:
    """The name is there, the octets are not."""
    octets = bytearray(content)
    at = octets.index(b"a.exe") + 5
    octets[at : at + 12] = bytes(range(200, 212))
    found, ids = opened(bytes(octets))
    assert [(member.names[0], member.is_encrypted) for member in found] == [("a.exe", True)]
    assert "archive.encrypted" in ids


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param(ZIP[:45], "a.zip", id="cut zip"),
        pytest.param(b"no zip at all, but called so", "a.zip", id="no zip"),
        pytest.param(b"PK\x03\x04" + b"\xff" * 60, "a.zip", id="broken zip"),
        pytest.param(
            lying(lying(ZIP, 8, b"\x62"), 10, b"\x62", b"PK\x01\x02"), "a.zip", id="ppmd"
        ),
        pytest.param(tarred(("a", PAYLOAD))[:700], "a.tar", id="cut tar"),
        pytest.param(b"no tar", "a.tar", id="no tar"),
        pytest.param(gzip.compress(PAYLOAD)[:20], "a.gz", id="cut gzip"),
        pytest.param(b"no gzip", "a.gz", id="no gzip"),
        pytest.param(b"\x5d\0\0\x80\0" + b"\xff" * 20, "a.lzma", id="broken lzma"),
    ],
)
def test_unreadable(content: bytes, name: str) -> None:
    """What cannot be read is told."""
    assert "archive.unreadable" in opened(content, name)[1]


@pytest.mark.parametrize("name", ["a.rar", "a.7z", "a.cab", "a.iso", "a.cpio", "a.zst"])
def test_not_opened(name: str) -> None:
    """Formats that we know but do not open are told."""
    assert opened(b"\0" * 10, name) == ([], ["archive.not-opened"])


SMALL = replace(Limits(), decoded=4 * MIB, ratio=10, members=5)
ZEROS = bytes(50 * MIB)


@pytest.mark.parametrize(
    ("content", "id_"),
    [
        pytest.param(zipped(("z", ZEROS)), "limit.archive-ratio", id="zip"),
        pytest.param(gzip.compress(ZEROS), "limit.archive-ratio", id="gzip"),
        pytest.param(bz2.compress(ZEROS), "limit.archive-ratio", id="bzip2"),
        pytest.param(lzma.compress(ZEROS), "limit.archive-ratio", id="xz"),
        pytest.param(
            zipped(("z", ZEROS), method=zipfile.ZIP_STORED), "limit.archive-octets", id="stored"
        ),
        pytest.param(
            zipped(*((str(i), b"") for i in range(50))), "limit.archive-members", id="members"
        ),
        pytest.param(
            tarred(*((str(i), b"") for i in range(50))), "limit.archive-members", id="tar members"
        ),
    ],
)
def test_bombs(content: bytes, id_: str) -> None:
    """A bound stops the decoder, is told, and what came before is there."""
    found, ids = opened(content, limits=SMALL)
    assert ids == [id_]
    assert sum(len(member.content) for member in found) <= SMALL.decoded
    assert found


def test_one_budget() -> None:
    """All archives of a message spend the same octets."""
    budget = Budget.of(replace(Limits(), decoded=1000))
    content = gzip.compress(PAYLOAD)
    seen = [list(members(content, frozenset({"gzip"}), budget)) for _ in range(3)]
    assert [isinstance(each[0], Member) for each in seen] == [True, True, False]


def test_random_octets_in_every_format() -> None:
    """Nothing raises, whatever a decoder meets."""
    noise = zlib.compress(bytes(range(256)) * 20, 0)
    for kind in ("zip", "tar", "gzip", "bzip2", "xz"):
        for prefix in (
            b"PK\x03\x04",
            b"\x1f\x8b\x08",
            b"BZh9",
            b"\xfd7zXZ\0",
            b"\x5d\0\0\x80\0",
            b"",
        ):
            list(members(prefix + noise, frozenset({kind}), Budget.of(Limits())))
