"""codec.offices: what Office documents fetch, start and carry."""

import struct
import zlib

import pytest

from qscanner.codec.offices import look_ole, look_xml
from qscanner.codec.oles import Compound
from qscanner.codec.packages import Carried
from qscanner.model import Finding
from tests.fakes.compound import compound
from tests.fakes.packages import packed

PACKAGE = packed("a.exe", "a.exe", "a.exe", b"MZ!")


def ole(**streams: bytes) -> list[Carried | Finding]:
    named = {name.replace("__", "/").replace("_1_", "\1"): each for name, each in streams.items()}
    return list(look_ole(Compound(compound(named), most=1 << 20), zlib.decompress))


def ids(found: list[Carried | Finding]) -> list[str]:
    return [each.id for each in found if isinstance(each, Finding)]


def rel(kind: str, target: str, mode: str = "External") -> bytes:
    return (
        f'<Relationships><Relationship Id="r1" TargetMode="{mode}" Target="{target}" '
        f'Type="http://schemas.example/relationships/{kind}"/></Relationships>'
    ).encode()


def record(kind: int, body: bytes) -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


@pytest.mark.parametrize(
    ("streams", "want"),
    [
        pytest.param({"Macros__VBA__dir": b"x"}, ["office.vba"], id="macros"),
        pytest.param({"EncryptedPackage": b"x"}, ["archive.encrypted"], id="encrypted package"),
        pytest.param(
            {"WordDocument": struct.pack("<H8xH", 0xA5EC, 0x100)}, ["archive.encrypted"],
            id="encrypted word",
        ),
        pytest.param(
            {"Workbook": record(0x809, b"x") + record(0x2F, b"x")}, ["archive.encrypted"],
            id="encrypted excel",
        ),
        pytest.param(
            {"Current User": bytes(12) + b"\xdf\xc4\xd1\xf3"}, ["archive.encrypted"],
            id="encrypted presentation",
        ),
        pytest.param(
            {"Workbook": record(0x85, b"\0\0\0\0\0\1\1\0M")}, ["office.xlm"], id="macro sheet"
        ),
        pytest.param({"Workbook": record(0x85, b"\0\0\0\0\0\0\1\0S")}, [], id="sheet"),
        pytest.param(
            {"Workbook": record(0x0A, b"") + record(0x85, b"\0\0\0\0\0\1\1\0M")}, [],
            id="behind the end",
        ),
        pytest.param(
            {"Workbook": record(0x1AE, b"\1\0\6\0\0cmd\3/c calc")}, ["office.dde"], id="dde sheet"
        ),
        pytest.param(
            {"WordDocument": bytes(12) + b"\x13 DDEAUTO c:\\\\cmd.exe \x14\x15"}, ["office.dde"],
            id="dde in word",
        ),
        pytest.param(
            {"WordDocument": bytes(12) + "\x13DDE cmd\x14".encode("utf-16-le")}, ["office.dde"],
            id="dde in utf-16",
        ),
        pytest.param({"WordDocument": bytes(12) + b"\x13 PAGE \x14 about DDE"}, [], id="field"),
        pytest.param(
            {"1Table": "http://a.example/t.dotm".encode("utf-16-le")}, ["office.remote-template"],
            id="template",
        ),
        pytest.param({"a__Equation Native": b"x"}, ["office.equation"], id="equation"),
        pytest.param(
            {"a___1_Ole": bytes.fromhex("e0c9ea79f9bace118c8200aa004ba90b00000000") + b"h\0"},
            ["office.remote-template"], id="link",
        ),
    ],
)  # fmt: skip
def test_compound_files(streams: dict[str, bytes], want: list[str]) -> None:
    """Names of streams, and a few records."""
    assert ids(ole(**streams)) == want


def test_package() -> None:
    """The file in it comes out."""
    got = ole(a___1_Ole10Native=struct.pack("<I", len(PACKAGE)) + PACKAGE)
    assert Finding(id="office.ole-object") in got
    assert Carried(names=("a.exe",), content=b"MZ!") in got


def test_other_files_in_it() -> None:
    """Streams that are files by themselves, and objects of presentations."""
    assert Carried(content=b"PK\3\4x") in ole(Package=b"PK\3\4x")
    small = Carried(content=b"MZ!", is_inflated=True)
    assert small in ole(_123=bytes(4) + zlib.compress(b"MZ!"))
    packed_object = b"\x10\0\x11\x10" + struct.pack("<I", 100) + bytes(4) + zlib.compress(b"MZ!")
    got = ole(**{"PowerPoint Document": b"junk" + packed_object})
    assert Carried(content=b"MZ!", is_inflated=True) in got


def test_outlook_attachments() -> None:
    """With both names."""
    storage = "__attach_version1.0_#00000000/__substg1.0_"
    file = compound(
        {
            f"{storage}37010102": b"MZ!",
            f"{storage}3707001F": "long.exe".encode("utf-16-le"),
            f"{storage}3704001E": b"LONG.EXE",
        }
    )
    got = list(look_ole(Compound(file, most=1 << 20), zlib.decompress))
    (only,) = got
    assert isinstance(only, Carried)
    assert set(only.names) == {"long.exe", "LONG.EXE"}
    assert only.content == b"MZ!"


@pytest.mark.parametrize(
    ("content", "want"),
    [
        pytest.param(
            rel("attachedTemplate", "http://a.example/t.dotm"), ["office.remote-template"],
            id="template",
        ),
        pytest.param(
            rel("oleObject", "mhtml:http://a.example!x-usc:http://a.example"),
            ["office.remote-template"], id="object",
        ),
        pytest.param(
            rel("attachedTemplate", "&#104;ttps://a.example/t"), ["office.remote-template"],
            id="entities",
        ),
        pytest.param(
            rel("attachedTemplate", "file:///\\\\s\\t.dotx"), ["office.linked-file"], id="host"
        ),
        pytest.param(rel("attachedTemplate", "file:///C:\\Users\\a\\Normal.dotm"), [], id="local"),
        pytest.param(rel("hyperlink", "http://a.example"), [], id="hyperlink"),
        pytest.param(rel("image", "http://a.example/a.png"), [], id="picture"),
        pytest.param(rel("externalLinkPath", "http://a.example/b.xlsx"), [], id="workbook"),
        pytest.param(rel("vbaProject", "vbaProject.bin", "Internal"), ["office.vba"], id="macros"),
        pytest.param(rel("xlMacrosheet", "m.xml", "Internal"), ["office.xlm"], id="macro sheet"),
        pytest.param(rel("oleObject", "o.bin", "Internal"), ["office.ole-object"], id="ole"),
        pytest.param(
            b"<w:r><w:fldChar w:fldCharType='begin'/><w:instrText>DDE</w:instrText>"
            b"<w:instrText>AUTO cmd</w:instrText>", ["office.dde"], id="dde in pieces",
        ),
        pytest.param(b"<w:fldSimple w:instr=' DDE \"cmd\" x>y'>a", ["office.dde"], id="simple"),
        pytest.param(
            b"<w:instrText>QUOTE 68 68 69 32 99 109 100</w:instrText>", ["office.dde"], id="quoted"
        ),
        pytest.param(b"<ddeLink ddeService='cmd' ddeTopic='/c'>", ["office.dde"], id="dde link"),
        pytest.param(b"<w:instrText>PAGE</w:instrText><w:t>DDEAUTO x</w:t>", [], id="text"),
        pytest.param(b"<xm:macrosheet xmlns:xm='x'>", ["office.xlm"], id="macrosheet"),
    ],
)  # fmt: skip
def test_xml(content: bytes, want: list[str]) -> None:
    """Relationships, fields, sheets."""
    assert ids(list(look_xml(b"<?xml version='1.0'?>" + content))) == want


def test_binary_in_xml() -> None:
    """Word 2003 and flat files hold octets in base64."""
    got = list(look_xml(b"<w:binData w:name='a/editdata.mso'>TVoh</w:binData>"))
    assert got == [Carried(names=("editdata.mso",), content=b"MZ!")]


def test_bounds() -> None:
    """Are said."""
    many = {f"a{number}__Workbook": b"x" for number in range(70)}
    assert ids(ole(**many)) == ["limit.document"]
    assert ids(list(look_xml(b"<Relationship A='b'/>" * 60_000))) == ["limit.document"]
