"""importers.sources: lines of files of any octets."""

import pytest

from qscanner.importers.sources import MAX_LINES, MAX_OCTETS, Line, SourceError, lines_of


def test_lines() -> None:
    """Comments and empty lines are left out but counted; CRLF, a BOM and Latin-1 are read."""
    octets = b"\xef\xbb\xbfa\r\n\n# b\n  # c\n\xe9\n\xc3\xa9"
    assert lines_of(octets, file="f") == (
        Line(file="f", number=1, text="a"),
        Line(file="f", number=5, text="é"),
        Line(file="f", number=6, text="é"),
    )


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"a\0b", "no text"),
        (b"a" * (MAX_OCTETS + 1), "MiB"),
        (b"a\n" * (MAX_LINES + 1), "lines"),
    ],
    ids=["compiled", "large", "many"],
)
def test_refused(octets: bytes, why: str) -> None:
    """What is no list of rules is refused as a whole."""
    with pytest.raises(SourceError, match=why):
        lines_of(octets, file="f")
