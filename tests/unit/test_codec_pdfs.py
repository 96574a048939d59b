"""codec.pdfs: what a PDF runs and what files are in it."""

import zlib

import pytest

from qscanner.codec.packages import Carried
from qscanner.codec.pdfs import look
from qscanner.model import Finding


def inflate(octets: bytes) -> bytes:
    try:
        return zlib.decompress(octets)
    except zlib.error:
        return b""


def ids(content: bytes) -> dict[str, str]:
    found = look(b"%PDF-1.7\n" + content, inflate)
    return {each.id: each.detail for each in found if isinstance(each, Finding)}


def stream(dictionary: bytes, octets: bytes, number: int = 5) -> bytes:
    return b"%d 0 obj\n<<%s>>\nstream\n%s\nendstream\nendobj\n" % (number, dictionary, octets)


SCRIPT = b"1 0 obj<</S/JavaScript/JS(app.alert(1))>>endobj\n"


@pytest.mark.parametrize(
    ("content", "id_"),
    [
        pytest.param(SCRIPT, "pdf.javascript", id="script"),
        pytest.param(b"1 0 obj<</S/J#61vaScript>>endobj", "pdf.javascript", id="name in hex"),
        pytest.param(b"1 0 obj<</#4A#53(x)>>endobj", "pdf.javascript", id="short name in hex"),
        pytest.param(b"1 0 obj<</S/Launch/F(cmd.exe)>>endobj", "pdf.launch", id="launch"),
        pytest.param(b"trailer<</Encrypt 4 0 R>>", "pdf.encrypted", id="encrypted"),
        pytest.param(
            stream(b"/Type/ObjStm/Filter/FlateDecode", zlib.compress(b"<</JS(x)>>")),
            "pdf.javascript", id="object stream",
        ),
        pytest.param(
            stream(b"/Type/Obj#53tm/Filter[/AHx/Fl]", zlib.compress(b"<</JS(x)>>").hex().encode()),
            "pdf.javascript", id="two filters",
        ),
        pytest.param(
            stream(b"/Type/ObjStm/Filter/FlateDecode", b"rubbish"), "pdf.unreadable", id="rubbish"
        ),
        pytest.param(
            stream(b"/Type/ObjStm/Filter/LZWDecode", b"abc"), "pdf.unreadable", id="filter we lack"
        ),
        pytest.param(b"1 0 obj<<>>stream\n<</JS(x)>>", "pdf.javascript", id="endless stream"),
    ],
)  # fmt: skip
def test_findings(content: bytes, id_: str) -> None:
    """Wherever a name stands, however it is written."""
    assert id_ in ids(content)


def test_when_opened() -> None:
    """An action that runs by itself is only said together with what it runs."""
    assert ids(b"1 0 obj<</OpenAction[3 0 R /Fit]>>endobj") == {}
    assert ids(b"1 0 obj<</OpenAction 2 0 R>>endobj" + SCRIPT) == {"pdf.javascript": "when opened"}


def test_compressed_octets() -> None:
    """Short names in them mean nothing."""
    assert ids(stream(b"/Filter/DCTDecode", b"...../JS ..../AA ../Encrypt ")) == {}


def test_embedded_file() -> None:
    """It comes out with its names."""
    spec = (
        b"1 0 obj<</Type/Filespec/F(a.exe)/UF<FEFF0062002E006500780065>/EF<</F 5 0 R>>>>endobj\n"
    )
    content = spec + stream(b"/Type/EmbeddedFile/Filter/FlateDecode", zlib.compress(b"MZ!"))
    got = list(look(b"%PDF-1.7\n" + content, inflate))
    assert Finding(id="pdf.embedded-file", detail="a.exe") in got
    assert Carried(names=("a.exe", "b.exe"), content=b"MZ!", is_inflated=True) in got


def test_embedded_file_without_a_filter() -> None:
    """Nor a name."""
    got = look(b"%PDF-1.7\n" + stream(b"/Type/EmbeddedFile", b"MZ!"), inflate)
    assert Carried(content=b"MZ!\n") in list(got)


def test_too_many_streams() -> None:
    """A bound is said."""
    assert "limit.document" in ids(stream(b"/Type/EmbeddedFile", b"x") * 6000)
