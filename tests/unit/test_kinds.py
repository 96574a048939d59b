"""kinds: what a part is, by declared type, name, libmagic and our own signatures together."""

import io
import zipfile

import pytest

from qscanner.kinds import KINDS, is_plain_text, kinds, wide_codec

PE = bytes.fromhex("4d5a90000300")


def zipped(*names: str, before: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return before + out.getvalue()


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
