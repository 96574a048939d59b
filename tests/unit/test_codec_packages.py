"""codec.packages: files in OLE packages."""

import struct

import pytest

from qscanner.codec.oles import MARK
from qscanner.codec.packages import Carried, native, ole_object, package
from tests.fakes.packages import ole1, packed

PACKAGE = packed("bill.txt", "C:\\x\\bill.exe", "C:\\temp\\bill.exe", b"MZ content")


def test_package() -> None:
    """The three names, the last piece of each first, and the data."""
    got = package(PACKAGE)
    assert got == Carried(
        names=("bill.txt", "bill.exe", "C:\\x\\bill.exe", "C:\\temp\\bill.exe"),
        content=b"MZ content",
    )


def test_names_in_utf16() -> None:
    """Newer packages have the names once more."""
    wide = "ü.exe".encode("utf-16-le")
    got = package(PACKAGE + struct.pack("<I", len(wide) // 2) + wide)
    assert got is not None
    assert "ü.exe" in got.names


def test_native() -> None:
    """A stream has its size in front; what is no package is data."""
    got = native(struct.pack("<I", len(PACKAGE)) + PACKAGE)
    assert got is not None
    assert got.content == b"MZ content"
    assert native(b"\4\0\0\0data") == Carried(content=b"data")
    assert native(b"\0") is None


@pytest.mark.parametrize("cut", range(0, len(PACKAGE), 3))
def test_cut_short(cut: int) -> None:
    """As much as there is."""
    got = package(PACKAGE[:cut])
    assert got is None or PACKAGE.endswith(got.content) or got.content in PACKAGE


def test_ole1() -> None:
    """An object says its class; a package in it gives its file, a compound file itself."""
    assert ole_object(ole1("Package", PACKAGE)).class_name == "Package"
    assert ole_object(ole1("Package", PACKAGE)).carried().content == b"MZ content"
    assert ole_object(ole1("Word.Document.8", MARK)).carried().content == MARK
    assert ole_object(b"xx" + MARK).carried().content == MARK
    assert ole_object(b"anything").carried().content == b"anything"


def test_ole1_that_lies() -> None:
    """A length that cannot be leaves the octets as they are."""
    octets = ole1("Package", PACKAGE)[:8] + b"\xff\xff\xff\x7f" + b"rest"
    assert ole_object(octets).data == octets
