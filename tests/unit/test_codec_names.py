"""codec.names: every form of a name that some client may use, and what is suspicious about it."""

import pytest

from qscanner.codec import names


@pytest.mark.parametrize(
    ("name", "form"),
    [
        pytest.param("a.exe\0.txt", "a.exe", id="cut at a nul"),
        pytest.param("a.e\0xe", "a.exe", id="nul removed"),
        pytest.param('"a.exe"', "a.exe", id="quotes"),
        pytest.param('a".exe', "a.exe", id="quote inside"),
        pytest.param("a.exe. .", "a.exe", id="dots and blanks at the end"),
        pytest.param("a.exe::$DATA", "a.exe", id="ntfs stream"),
        pytest.param("C:\\x\\a.exe", "a.exe", id="windows path"),
        pytest.param("../x/a.exe", "a.exe", id="path"),
        pytest.param("a\uff0e\uff45\uff58\uff45", "a.exe", id="full width"),
        pytest.param("a\u200b.e\u202exe", "a.exe", id="invisible"),
    ],
)
def test_forms(name: str, form: str) -> None:
    """The form is there, and the name as written comes first."""
    found = names.forms([name])
    assert form in found
    assert found[0] == name


def test_forms_are_bounded() -> None:
    """Neither many nor long names make more than a bounded number of bounded forms."""
    found = names.forms(["\ufdfa" * 100_000, *(f'"{i}"' for i in range(10_000))])
    assert len(found) <= names.MAX_NAMES
    assert max(map(len, found)) <= names.MAX_NAME
    assert names.forms([" ", ""]) == ()


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        pytest.param("report.pdf", [], id="plain"),
        pytest.param("v1.2.exe", [], id="version"),
        pytest.param("a.tar.gz", [], id="tar.gz"),
        pytest.param("דוח\u200f.pdf", [], id="right to left mark"),
        pytest.param("fdp.\u202eexe", ["name.bidi"], id="override"),
        pytest.param("a\0.exe", ["name.control"], id="nul"),
        pytest.param("a" * 300, ["name.long"], id="long"),
        pytest.param(
            "a.pdf" + " " * 20 + ".exe", ["name.padded", "name.double-extension"], id="padded"
        ),
        pytest.param("a.pdf.exe", ["name.double-extension"], id="double"),
        pytest.param("a.PDF . exe", ["name.double-extension"], id="double with blanks"),
    ],
)
def test_look(name: str, ids: list[str]) -> None:
    """Each oddity is one finding; ordinary names have none."""
    assert [finding.id for finding in names.look([name, name], "1")] == ids
