"""archives: members of zip, tar and compressed files; bombs stop; lies and locks are told."""

import bz2
import gzip
import io
import lzma
import os
import resource
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

import pytest

from qscanner import libarchive_members
from qscanner.archives import Budget, Member, members
from qscanner.kinds import kinds
from qscanner.model import Finding
from qscanner.settings import MIB, Limits
from tests.fakes.packed import EICAR, compressed, rar5, tnef, written

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
            lying(lying(ZIP, 8, b"\x09"), 10, b"\x09", b"PK\x01\x02"), "a.zip", id="deflate64"
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


@pytest.mark.parametrize("name", ["a.ace", "a.arj", "a.zpaq", "a.vhd", "a.cpio", "a.img"])
def test_not_opened(name: str) -> None:
    """Formats that we know but do not open are told."""
    assert opened(b"\0" * 10, name) == ([], ["archive.not-opened"])


@pytest.mark.parametrize("name", ["a.rar", "a.7z", "a.cab", "a.lzh", "a.zst", "a.lz4"])
def test_only_called_so(name: str) -> None:
    """What is not what its name says is unreadable, as with zip; of nothing, there is nothing."""
    assert opened(b"\0" * 10, name) == ([], ["archive.unreadable"])
    assert opened(b"", name) == ([], [])


FILE = ("a.com", EICAR)


@pytest.mark.parametrize(
    ("content", "name", "is_hidden"),
    [
        pytest.param(written("7zip", FILE), "a.com", False, id="7z"),
        pytest.param(rar5(FILE), "a.com", False, id="rar"),
        pytest.param(written("iso9660", FILE), "a.com", False, id="iso"),
        pytest.param(written("cpio_newc", FILE), "a.com", True, id="cpio"),
        pytest.param(written("ar_svr4", FILE), "a.com", True, id="ar"),
        pytest.param(tnef(FILE), "a.com", True, id="tnef"),
        pytest.param(
            b"MZ" + bytes(99) + written("7zip", FILE), "a.com", True, id="7z in a program"
        ),
        pytest.param(b"MZ" + bytes(99) + rar5(FILE), "a.com", True, id="rar in a file"),
        pytest.param(
            b"MZ" + b"7z\xbc\xaf\x27\x1c" * 5 + written("7zip", FILE),
            "a.com",
            True,
            id="7z behind marks",
        ),
        pytest.param(written("7zip", FILE) + zipped(FILE), "a.com", True, id="7z and zip"),
        pytest.param(b"\x28\xb5\x2f\xfd\x20\x44\x21\x02\0" + EICAR, None, True, id="zstd"),
        pytest.param(written("raw", FILE, filter_="lz4"), None, True, id="lz4"),
        pytest.param(written("raw", FILE, filter_="lzip"), None, True, id="lzip"),
        pytest.param(compressed(EICAR), None, True, id="compress"),
        pytest.param(gzip.compress(EICAR), None, False, id="gzip"),
        pytest.param(zipped(FILE), "a.com", False, id="zip"),
        pytest.param(zipped(FILE, method=zipfile.ZIP_LZMA), "a.com", True, id="lzma in a zip"),
        pytest.param(cut_directory(zipped(FILE)), "a.com", True, id="zip without directory"),
        pytest.param(zipped(FILE) + zipped(("b", b"1")), "a.com", True, id="two zips"),
        pytest.param(
            lying(lying(zipped(FILE), 6, b"\1"), 8, b"\1", b"PK\x01\x02"),
            "a.com",
            True,
            id="zip that says encrypted",
        ),
    ],
)
def test_hidden(content: bytes, name: str | None, is_hidden: bool) -> None:
    """Each format gives the octets; hidden where a virus scanner of the raw message is blind."""
    found, _ = opened(content)
    (member,) = {each for each in found if each.content == EICAR}
    assert member.is_hidden is is_hidden
    assert [each.lower() for each in member.names[:1]] == ([name] if name else [])


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        pytest.param(rar5(FILE, is_encrypted=True), ["archive.encrypted"], id="rar"),
        pytest.param(rar5(FILE, main=1), ["archive.unreadable"], id="rar of several"),
        pytest.param(tnef(FILE)[:-9], ["archive.unreadable"], id="cut tnef"),
        pytest.param(b"\x1f\x9d\x9e1234", ["archive.unreadable"], id="broken compress"),
        pytest.param(b"xar!" + bytes(99), ["archive.not-opened"], id="xar"),
        pytest.param(
            b"MZ" + bytes(9) + b"Rar!\x1a\x07" * 20,
            ["archive.odd", "archive.unreadable"],
            id="marks only",
        ),
        pytest.param(
            bytes(0x8001) + b"CD001" + bytes(0x1000) + b"NSR02" + bytes(99),
            ["archive.not-opened", "archive.unreadable"],
            id="udf",
        ),
    ],
)
def test_told(content: bytes, ids: list[str]) -> None:
    """What cannot be had is told, also of formats that others read."""
    assert sorted(set(opened(content)[1])) == ids


def test_a_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without libarchive, its formats are not opened, and that is told."""

    def missing() -> NoReturn:
        raise libarchive_members.NotThere

    content = written("7zip", FILE)
    monkeypatch.setattr(libarchive_members, "library", missing)
    assert opened(content) == ([], ["archive.not-opened"])
    assert libarchive_members.version() is None


SMALL = replace(Limits(), decoded=4 * MIB, ratio=10, members=5)
ZEROS = bytes(50 * MIB)


@pytest.mark.parametrize(
    ("content", "id_"),
    [
        pytest.param(zipped(("z", ZEROS)), "limit.archive-ratio", id="zip"),
        pytest.param(gzip.compress(ZEROS), "limit.archive-ratio", id="gzip"),
        pytest.param(bz2.compress(ZEROS), "limit.archive-ratio", id="bzip2"),
        pytest.param(written("7zip", ("z", ZEROS)), "limit.archive-ratio", id="7z"),
        pytest.param(
            written("raw", ("z", ZEROS), filter_="zstd"), "limit.archive-ratio", id="zstd"
        ),
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


def cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def ten_gigabytes() -> bytes:
    """Give a gzip of 10 GB of zeros: the same 10 MB, a thousand times."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece = packer.compress(bytes(10 * MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + piece * 1000


def overlapping() -> bytes:
    """Give a zip whose 2,000 entries are all the same 10 MB."""
    octets = zipped(("a", bytes(10 * MIB)))
    start, end = octets.index(b"PK\x01\x02"), octets.index(b"PK\x05\x06")
    directory = octets[start:end] * 2000
    sizes = len(directory).to_bytes(4, "little") + start.to_bytes(4, "little") + b"\0\0"
    return octets[:start] + directory + octets[end : end + 8] + b"\xd0\x07\xd0\x07" + sizes


# Measuring the coverage makes our own loops several times slower.
MOST_S = 12 if os.environ.get("QSCANNER_COVERAGE") else 3


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(ten_gigabytes, id="10 GB"),
        pytest.param(overlapping, id="overlap"),
        pytest.param(lambda: tarred(*((str(n), b"") for n in range(20_000))), id="many in a tar"),
        pytest.param(lambda: zipped(*((str(n), b"") for n in range(20_000))), id="many in a zip"),
        pytest.param(lambda: b"PK\x03\x04" * 2_500_000, id="10 MB of marks"),
        pytest.param(lambda: b"MZ" + b"7z\xbc\xaf\x27\x1c" * 1_000_000, id="6 MB of 7z marks"),
        pytest.param(lambda: written("7zip", ("z", bytes(60 * MIB))), id="7z of 60 MB"),
        pytest.param(lambda: b"\x1f\x9d\x90" + b"\0\1" * MIB, id="compress of clear codes"),
        pytest.param(lambda: tnef() + b"\1" * (4 * MIB), id="tnef"),
    ],
)
def test_costs(make: Callable[[], bytes]) -> None:
    """Less than 3 s of processor time, and no more octets than one content may have."""
    content = make()
    begun = cpu_s()
    found, ids = opened(content)
    assert cpu_s() - begun < MOST_S
    assert sum(len(member.content) for member in found) <= Limits().message
    assert ids or found
