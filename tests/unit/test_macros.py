"""macros: what oletools says about the source of macros, and what becomes of its failures."""

import struct
from pathlib import Path

import pytest

from qscanner import macros
from tests.fakes.compound import compound


def packed(source: bytes) -> bytes:
    """Give source as a compressed container ([MS-OVBA] 2.4.1) that uses literals only."""
    tokens = b"".join(b"\0" + source[at : at + 8] for at in range(0, len(source), 8))
    return b"\1" + struct.pack("<H", (len(tokens) - 1) | 0xB000) + tokens


def document(source: bytes) -> bytes:
    return compound({"Macros/VBA/Module1": packed(b'Attribute VB_Name = "a"\r\n' + source)})


@pytest.mark.parametrize(
    ("source", "want"),
    [
        pytest.param(b"Sub AutoOpen()\r\nEnd Sub", {"office.macro-autoexec"}, id="automatic"),
        pytest.param(
            b'Sub a()\r\nShell "calc"\r\nEnd Sub', {"office.macro-suspicious"}, id="shell"
        ),
        pytest.param(
            b"Private Declare PtrSafe Function x Lib \"y\" ()", {"office.macro-suspicious"},
            id="declared",
        ),
        pytest.param(b"Sub a()\r\nx = 1\r\nEnd Sub", set(), id="harmless"),
    ],
)  # fmt: skip
def test_source(source: bytes, want: set[str]) -> None:
    """Words in the source, not those around it."""
    assert macros.load()
    assert {found.id for found in macros.look(document(source))} == want


@pytest.mark.parametrize(
    "content", [b"", b"rubbish", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)], ids=repr
)
def test_rubbish(content: bytes) -> None:
    """Whatever oletools raises is a finding, with nothing of the file in it."""
    assert {found.id for found in macros.look(content)} <= {"office.unreadable"}


def test_too_large() -> None:
    """It is not even begun."""
    (found,) = macros.look(bytes(21 << 20))
    assert found.id == "limit.document"


def test_real_documents(corpora: Path) -> None:
    """Macros that Office wrote."""
    content = (corpora / "files-strelka" / "test.xls").read_bytes()
    assert "office.macro-suspicious" in {found.id for found in macros.look(content)}
