"""documents: members and findings of documents of every kind, within one budget."""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from qscanner import archives, documents
from qscanner.budget import Budget, Member
from qscanner.kinds import kinds
from qscanner.model import Finding
from qscanner.settings import Limits
from tests.fakes.compound import compound
from tests.fakes.packages import ole1, packed

LIMITS = Limits()
PACKAGE = packed("a.exe", "a.exe", "a.exe", b"MZ!")
NATIVE = compound({"a/\1Ole10Native": struct.pack("<I", len(PACKAGE)) + PACKAGE})
RTF = b"{\\rtf1{\\object{\\*\\objdata " + ole1("Package", PACKAGE).hex().encode() + b"}}}"
EMBEDDED = b"5 0 obj<</Type/EmbeddedFile/Filter/FlateDecode>>stream\n%s\nendstream endobj\n"
PDF = b"%PDF-1.7\n" + EMBEDDED % zlib.compress(b"MZ!")
MACRO_SYLK = b"ID;P\r\nO;E\r\nNN;NAuto_open;ER1C1\r\n"


def look(
    content: bytes, name: str = "", limits: Limits = LIMITS
) -> tuple[list[Member], list[str]]:
    """Give the members, and the ids of the findings."""
    said = kinds([name] if name else [], "", content, None)
    found = list(documents.members(content, said, Budget(limits)))
    members = [each for each in found if isinstance(each, Member)]
    return members, [each.id for each in found if isinstance(each, Finding)]


@pytest.mark.parametrize(
    ("content", "id_"),
    [
        pytest.param(NATIVE, "office.ole-object", id="ole"),
        pytest.param(RTF, "rtf.object", id="rtf"),
        pytest.param(PDF, "pdf.embedded-file", id="pdf"),
    ],
)
def test_members(content: bytes, id_: str) -> None:
    """A program in a document is a member that engines see by itself."""
    members, ids = look(content)
    assert [member.content for member in members] == [b"MZ!"]
    assert members[0].is_hidden
    assert id_ in ids


@pytest.mark.parametrize(
    ("content", "name", "id_"),
    [
        pytest.param(b"<svg><script>1</script></svg>", "", "svg.script", id="svg"),
        pytest.param("\ufeff<svg onload='x'/>".encode("utf-16-le"), "", "svg.script", id="wide"),
        pytest.param(b"<html><script>msSaveBlob()</script>", "", "html.smuggling", id="html"),
        pytest.param(
            b"<Relationships xmlns='x'><Relationship Type='a/attachedTemplate' "
            b"Target='http://a.example' TargetMode='External'/>", "", "office.remote-template",
            id="xml without its declaration",
        ),
        pytest.param(b"a,b\n=cmd|'/c calc'!A0,c\n", "a.csv", "office.dde", id="csv"),
        pytest.param(MACRO_SYLK, "", "office.xlm", id="sylk"),
    ],
)  # fmt: skip
def test_text(content: bytes, name: str, id_: str) -> None:
    """Documents that are text."""
    assert id_ in look(content, name)[1]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param(b"a,b\n1,-2\n=SUM(A1:A2),x|y!\n", "a.csv", id="csv"),
        pytest.param(b"ID;PWXL\r\nC;Y1;X1;K1\r\nE\r\n", "", id="sylk"),
        pytest.param(b"see {\\rtf or %PDF or <svg>", "", id="text"),
        pytest.param(b"", "a.pdf", id="empty"),
    ],
)
def test_ordinary(content: bytes, name: str) -> None:
    """Nothing is said."""
    assert look(content, name) == ([], [])


def test_active_mime() -> None:
    """What Office calls editdata.mso holds a compound file."""
    members, ids = look(b"ActiveMime" + bytes(40) + zlib.compress(NATIVE))
    assert [member.content for member in members] == [NATIVE]
    assert ids == []
    assert look(b"ActiveMime" + bytes(100))[1] == ["office.unreadable"]


@pytest.mark.parametrize(
    ("limits", "id_"),
    [
        pytest.param(replace(LIMITS, members=3), "limit.archive-members", id="members"),
        pytest.param(replace(LIMITS, decoded=2000), "limit.archive-octets", id="octets"),
    ],
)
def test_bounds(limits: Limits, id_: str) -> None:
    """A bound that is hit is said."""
    pdf = b"%PDF-1.7\n" + EMBEDDED % zlib.compress(bytes(1000)) * 5
    members, ids = look(pdf, limits=limits)
    assert id_ in ids
    assert sum(len(member.content) for member in members) <= 3000


def test_bombs() -> None:
    """What is inflated is bounded by the ratio."""
    bomb = zlib.compress(bytes(50 << 20), 9)
    members, ids = look(b"%PDF-1.7\n" + EMBEDDED % bomb, limits=replace(LIMITS, ratio=10))
    assert "limit.archive-ratio" in ids
    assert sum(len(member.content) for member in members) <= 2 << 20


def test_kinds_that_are_looked_into() -> None:
    """All are kinds; nothing is done for others."""
    assert list(documents.members(PDF, frozenset({"image"}), Budget(LIMITS))) == []


def every(content: bytes, names: Iterable[str], budget: Budget, depth: int = 0) -> set[str]:
    """Give the ids of all findings in a file, to any depth."""
    said = kinds(names, "", content, None)
    ids = set()
    for make in (archives.members, documents.members):
        for found in make(content, said, budget):
            if isinstance(found, Finding):
                ids.add(found.id)
            elif depth < 8:
                ids |= every(found.content, found.names, budget, depth + 1)
    return ids


@pytest.mark.parametrize(
    ("pattern", "id_"),
    [
        pytest.param("oletools/encrypted__*", "archive.encrypted", id="encrypted"),
        pytest.param("oletools/oleobj__embedded-simple-2007*", "office.ole-object", id="embedded"),
        pytest.param("oletools/oleobj__external_link*", "office.remote-template", id="linked"),
        pytest.param("oletools/msodde__dde-test.docm", "office.dde", id="dde"),
        pytest.param("oletools/excel4-macros__*.x*", "office.xlm", id="xlm"),
        pytest.param("oletools/rtfobj__*.rtf", "rtf.equation", id="rtf"),
        pytest.param("tika/*macro*", "office.vba", id="macros"),
        pytest.param("clamav/clam.pdf", "pdf.embedded-file", id="pdf"),
    ],
)
def test_real_documents(corpora: Path, pattern: str, id_: str) -> None:
    """What other projects keep to test with."""
    files = [file for file in sorted(corpora.glob(f"files-{pattern}")) if file.suffix != ".odt"]
    assert files
    for file in files:
        budget = Budget(LIMITS)
        assert id_ in every(file.read_bytes(), [file.name], budget), file.name
