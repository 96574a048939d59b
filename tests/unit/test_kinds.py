"""kinds: what a part is, by declared type, name, libmagic and our own signatures together."""

import io
import zipfile

import pytest

from qscanner.kinds import KINDS, is_plain_text, kinds, wide_codec
from tests.fakes.compound import compound

PE = bytes.fromhex("4d5a90000300")


def zipped(*names: str, before: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return before + out.getvalue()


OFFICE_WITH_ZIP = compound({"a": zipped("b")}) + bytes(512)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        pytest.param(PE, "pe", id="pe"),
        pytest.param(b" \r\n\n" + PE, "pe", id="pe behind line feeds"),
        pytest.param(b"\x7fELF\2\1", "elf", id="elf"),
        pytest.param(b"X5O!P%@AP[4", "dos-com", id="eicar"),
        pytest.param(b"@echo off\r\ndel", "script", id="batch"),
        pytest.param("\ufeff@echo off".encode("utf-16-le"), "script", id="batch in utf-16"),
        pytest.param(b'<job id="a"><script language="JScript">', "script", id="wsf"),
        pytest.param(b"#!/bin/sh\n", "shell-script", id="shell"),
        pytest.param(b"L\0\0\0\1\x14\2\0", "lnk", id="lnk"),
        pytest.param(b"[InternetShortcut]\nURL=x", "url", id="url"),
        pytest.param(b"<html><hta:application id=x>", "hta", id="hta"),
        pytest.param(b"ITSF\3\0\0\0", "chm", id="chm"),
        pytest.param(bytes(0x8001) + b"CD001", "disk-image", id="iso"),
        pytest.param(bytes(1024) + b"conectix" + bytes(504), "disk-image", id="vhd"),
        pytest.param(bytes.fromhex("e4525c7b8cd8a74daeb15378d02996d3"), "onenote", id="onenote"),
        pytest.param(b"REGEDIT4\n", "reg", id="reg"),
        pytest.param(zipped("word/vbaProject.bin"), "office-macro", id="macro in ooxml"),
        pytest.param(zipped("[Content_Types].xml"), "ooxml", id="ooxml"),
        pytest.param(zipped("META-INF/MANIFEST.MF"), "jar", id="jar"),
        pytest.param(
            bytes.fromhex("d0cf11e0a1b11ae1") + "_VBA_PROJECT".encode("utf-16-le"),
            "office-macro",
            id="macro in ole",
        ),
        pytest.param(b"{\\rtf1", "rtf", id="rtf"),
        pytest.param(b"x" * 500 + b"%PDF-1.4", "pdf", id="pdf further down"),
        pytest.param(b"\n<!-- x --><HTML>", "html", id="html"),
        pytest.param(b'<?xml version="1.0"?>\n<svg xmlns="x">', "svg", id="svg"),
        pytest.param(zipped("a"), "zip", id="zip"),
        pytest.param(
            zipped("a", before=b"MZ" + b"\0x" * 50_000), "zip", id="zip behind a program"
        ),
        pytest.param(b"PK\5\6" + bytes(18), "zip", id="empty zip"),
        pytest.param(b"MZ\0\0" + bytes(5000) + b"Rar!\x1a\7\0", "rar", id="self-extracting rar"),
        pytest.param(bytes(257) + b"ustar\0", "tar", id="tar"),
        pytest.param(b"\x1f\x8b\x08", "gzip", id="gzip"),
        pytest.param(b"BZh91AY&SY", "bzip2", id="bzip2"),
        pytest.param(b"\xfd7zXZ\0", "xz", id="xz"),
        pytest.param(b"\x28\xb5\x2f\xfd", "zstd", id="zstd"),
        pytest.param(b"7z\xbc\xaf\x27\x1c", "7z", id="7z"),
        pytest.param(b"MSCF\0\0\0\0", "cab", id="cab"),
        pytest.param(b"\x78\x9f\x3e\x22", "tnef", id="tnef"),
        pytest.param(b"-----BEGIN PGP MESSAGE-----", "encrypted-mail", id="pgp"),
        pytest.param(b"Hello", "text", id="text"),
        pytest.param(b"MZ is the mark of a program", "text", id="text about programs"),
        pytest.param(
            b"\x89PNG" + bytes(50) + b"MZ" + bytes(58) + b"\x40\0\0\0" + b"PE\0\0",
            "pe",
            id="program behind a picture",
        ),
        pytest.param(
            b"\xff\xd8\xff" + bytes(50) + b"Rar!\x1a\7\0", "rar", id="rar behind a picture"
        ),
        pytest.param(b"\x89PNG" + zipped("a"), "zip", id="zip behind a picture"),
        pytest.param(PE + b"\0" * 100 + b"xlAutoOpen\0", "xll", id="xll"),
        pytest.param(b"\xca\xfe\xba\xbe\0\0\0\2", "macho", id="fat macho"),
        pytest.param(PE + bytes(99_999) + b"<HTA:Application>", "hta", id="hta behind a program"),
        pytest.param(
            b"L\0\0\0\1\x14\2\0" + bytes(500) + b"<script>", "hta", id="page behind a shortcut"
        ),
        pytest.param(b"x" * 50_000 + b"<hta:application>", "hta", id="hta further down"),
        pytest.param(b"WEB\r\n1\r\nhttp://a.example", "url", id="web query"),
        pytest.param(
            b'<?xml version="1.0"?>\n<libraryDescription xmlns="x">', "url", id="library-ms"
        ),
        pytest.param(b"screen mode id:i:2\r\nfull address:s:a.example\r\n", "url", id="rdp"),
        pytest.param(
            compound({"a": b"a"}, class_id=bytes.fromhex("84100c0000000000c000000000000046")),
            "msi",
            id="msi",
        ),
        pytest.param(b"ActiveMime\0\0", "ole", id="mso"),
        pytest.param(b"ID;PWXL;N;E\r\n", "sylk", id="sylk"),
        pytest.param(bytes(54) + b"FAT12   ", "disk-image", id="fat"),
        pytest.param(b"KDMV\1\0", "disk-image", id="vmdk"),
        pytest.param(b"<Relationships xmlns='x'>", "xml", id="xml without its declaration"),
        pytest.param(b"#@~^AAAAAA==", "script", id="encoded script"),
        pytest.param(b"var a = new ActiveXObject('WScript.Shell');", "script", id="jscript"),
        pytest.param(b"SZDD\x88\xf0'3A", "archive", id="szdd"),
        pytest.param(b"\0\1\2\3", "unknown", id="unknown"),
        pytest.param(b"", "empty", id="empty"),
    ],
)
def test_by_content(content: bytes, kind: str) -> None:
    """Signatures alone are enough, whatever a part is called."""
    assert kind in kinds((), "", content, None)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param("a.EXE", {"pe"}, id="exe"),
        pytest.param("a.docm", {"office-macro", "ooxml"}, id="docm"),
        pytest.param("a.tar.gz", {"tar", "gzip", "archive"}, id="last two"),
        pytest.param("a.tgz", {"tar", "gzip", "archive"}, id="tgz"),
        pytest.param("a.ps1", {"script"}, id="powershell"),
        pytest.param("a.jar", {"jar", "zip", "archive"}, id="jar"),
        pytest.param("a.pdf.js", {"script"}, id="double"),
        pytest.param("exe", set(), id="no extension"),
    ],
)
def test_by_name(name: str, found: set[str]) -> None:
    """The extension counts, of the last two as well; every archive is an `archive`."""
    assert kinds([name], "", b"\0", None) == (found or {"unknown"})


@pytest.mark.parametrize(
    "type_",
    [
        pytest.param("application/vnd.microsoft.portable-executable", id="since 5.44"),
        pytest.param("application/x-dosexec", id="before"),
        pytest.param("application/x-msdownload", id="senders"),
    ],
)
def test_by_type(type_: str) -> None:
    """Releases of libmagic, and senders, have several words for one thing."""
    assert kinds((), type_, b"\0", None) == {"pe"}
    assert kinds((), "", b"\0", type_) == {"pe"}


@pytest.mark.parametrize(
    ("names", "declared", "content", "kind"),
    [
        pytest.param(
            (), "text/plain", b"var a = new ActiveXObject('WScript.Shell');", "script", id="script"
        ),
        pytest.param((), "text/plain", b"About <hta:application", "hta", id="hta"),
        pytest.param((), "", b"\xca\xfe\xba\xbe\0\0\0\x34", "macho", id="java class"),
        pytest.param((), "text/html", b"<html xmlns:o='x'><p>", "xml", id="page of Outlook"),
        pytest.param((), "", OFFICE_WITH_ZIP, "zip", id="zip that Office keeps"),
        pytest.param((), "image/png", b"\x89PNG MZ PE\0\0 Rar", "pe", id="letters in a picture"),
        pytest.param(["a.csv"], "", b"ID;Name\n1;x\n", "sylk", id="table"),
    ],
)
def test_what_it_is_not(names: tuple[str, ...], declared: str, content: bytes, kind: str) -> None:
    """What people write about programs, and what only looks alike."""
    assert kind not in kinds(names, declared, content, None)


def test_union() -> None:
    """A part that lies has the kinds it claims and those it is."""
    assert kinds(["a.pdf"], "image/png", PE, "application/zip") == {
        "pdf", "image", "pe", "zip", "archive",
    }  # fmt: skip


def test_reports_are_text() -> None:
    """message/delivery-status is no message."""
    assert kinds((), "message/delivery-status", b"a: b", None) == {"text"}
    assert kinds((), "message/rfc822", b"a: b", None) == {"message"}


def test_plain_text() -> None:
    """What libmagic need not be asked about."""
    assert is_plain_text("Grüße\n".encode("latin-1"))
    assert is_plain_text(b"")
    assert not is_plain_text(PE)


def test_wide_text() -> None:
    """UTF-16, with a mark or without."""
    assert wide_codec("\ufeffabc".encode("utf-16-be")) == "utf-16-be"
    assert wide_codec("@echo off".encode("utf-16-le")) == "utf-16-le"
    assert wide_codec(b"plain text, no NUL") is None
    assert wide_codec(bytes(100)) is None


def test_the_vocabulary_is_closed() -> None:
    """Nothing but KINDS comes out; they are lower case."""
    assert kinds(["a.exe"], "x/y", b"", None) <= KINDS
    assert all(kind == kind.lower() for kind in KINDS)
