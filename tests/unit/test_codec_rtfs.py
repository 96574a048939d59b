"""codec.rtfs: objects in Rich Text, whatever stands between their digits."""

import pytest

from qscanner.codec.packages import Carried
from qscanner.codec.rtfs import look
from qscanner.model import Finding
from tests.fakes.packages import ole1, packed

DIGITS = ole1("Package", packed("a.exe", "a.exe", "a.exe", b"MZ!")).hex().encode()


def ids(content: bytes) -> set[str]:
    return {found.id for found in look(content) if isinstance(found, Finding)}


def carried(content: bytes) -> list[bytes]:
    return [found.content for found in look(content) if isinstance(found, Carried)]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(DIGITS, id="plain"),
        pytest.param(DIGITS.upper(), id="upper"),
        pytest.param(
            b"\r\n".join(DIGITS[n : n + 3] for n in range(0, len(DIGITS), 3)), id="lines"
        ),
        pytest.param(b"\\foo12 " + DIGITS[:9] + b"\\bar " + DIGITS[9:], id="control words"),
        pytest.param(b"{\\*\\junk abc}" + DIGITS, id="group in front"),
        pytest.param(DIGITS[:9] + b"{\\*\\junk abc}" + DIGITS[9:], id="group between"),
        pytest.param(DIGITS[:9] + b"{" + DIGITS[9:] + b"}", id="digits in a group"),
        pytest.param(b"0" + DIGITS, id="odd digit"),
        pytest.param(b"\\'41" + DIGITS, id="escape"),
        pytest.param(
            b"\\bin%d " % (len(DIGITS) // 2) + bytes.fromhex(DIGITS.decode()), id="binary"
        ),
    ],
)
def test_an_object(body: bytes) -> None:
    """The file in the package comes out."""
    content = b"{\\rtf1{\\object\\objemb{\\*\\objdata " + body + b"}}text}"
    assert b"MZ!" in carried(content)
    assert "rtf.object" in ids(content)


@pytest.mark.parametrize(
    ("content", "id_"),
    [
        pytest.param(b"{\\object\\objupdate{\\*\\objdata 00}}", "rtf.object-update", id="update"),
        pytest.param(b"{\\*\\objclass Equation.3}", "rtf.equation", id="equation"),
        pytest.param(
            b"{\\objdata " + ole1("eQuatiON.3", b"x").hex().encode() + b"}", "rtf.equation",
            id="equation in the object",
        ),
        pytest.param(b"{\\*\\template http://a.example/t}", "rtf.remote-template", id="template"),
        pytest.param(
            b"{\\*\\template \\'68ttp://a.example/t}", "rtf.remote-template", id="escaped template"
        ),
        pytest.param(
            b"{\\objdata e0c9ea79f9bace118c8200aa004ba90b00000000"
            + "http://a".encode("utf-16-le").hex().encode() + b"}",
            "rtf.remote-template", id="url moniker",
        ),
    ],
)  # fmt: skip
def test_findings(content: bytes, id_: str) -> None:
    """What it would do."""
    assert id_ in ids(b"{\\rtf1" + content + b"}")


def test_ordinary() -> None:
    """Text, a picture, a local template."""
    content = b"{\\rtf1{\\*\\template C:\\\\Users\\\\a\\\\b.dot}{\\pict 0102}\\par Text \\'e4}"
    assert list(look(content)) == []


def test_too_many_objects() -> None:
    """A bound is said."""
    assert "limit.document" in ids(b"{\\rtf1" + b"{\\objdata 00}" * 600)
    assert "limit.document" in ids(b"{\\rtf1{\\objdata " + b"{\\a}" * 60_000 + b"}{\\objdata 00}")
