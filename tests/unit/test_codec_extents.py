"""codec.extents: where parts begin and end."""

import pytest

from qscanner.codec.extents import Extent, are_certain
from qscanner.model import Finding


@pytest.mark.parametrize(
    ("octets", "want"),
    [
        (b"ab\n--x", 2),
        (b"ab\r\n--x", 2),
        (b"a\r\r\n--x", 2),
        (b"\n--x", 0),
        (b"\r\n--x", 0),
        (b"ab--x", 2),
        (b"--x", 0),
    ],
    ids=["LF", "CRLF", "CR and CRLF", "only LF", "only CRLF", "no line end", "the first octets"],
)
def test_the_line_end_before_a_delimiter_is_its_own(octets: bytes, want: int) -> None:
    """RFC 2046 5.1.1."""
    extent = Extent()
    extent.cut(octets, octets.index(b"--"))
    assert extent.cuts == [want]


@pytest.mark.parametrize(
    ("start", "want"),
    [(10, (10, 15)), (15, (15, 15)), (20, (20, 30)), (40, (40, 99)), (None, None)],
    ids=["first", "empty", "second", "no delimiter follows", "no header block"],
)
def test_a_part_ends_before_the_next_delimiter(
    start: int | None, want: tuple[int, int] | None
) -> None:
    """Or where the multipart ends."""
    outer, part = Extent(start=0, end=99, cuts=[5, 15, 30]), Extent(start=start)
    outer.hold(part)
    assert part.span == want


def test_what_ends_before_it_begins_is_nowhere() -> None:
    """Nothing is made of offsets that contradict each other."""
    assert Extent(start=5, end=4).span is None


@pytest.mark.parametrize(
    ("ids", "want"),
    [
        ([], True),
        (["name.bidi", "archive.encrypted", "mime.repeated-header"], True),
        (["mime.encoding-ambiguous"], True),
        (["mime.duplicate-boundary"], False),
        (["name.bidi", "limit.parts"], False),
    ],
    ids=["nothing", "other things", "one body", "structure", "a bound"],
)
def test_certain(ids: list[str], want: bool) -> None:
    """Where mail programs may see other parts, nobody knows where one ends."""
    assert are_certain(Finding(id=id_) for id_ in ids) is want
