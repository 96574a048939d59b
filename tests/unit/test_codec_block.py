"""The header block as octets: which lines are whose, in linear time, on bytes and on mappings."""

import mmap
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qscanner.codec.block import Octets, below_received, end, fields

NAMES = ("X-Spam-Flag", "X-Qscanner")
BODY = b"\nX-Spam-Flag: in the body\n"


def mapped(octets: bytes) -> Octets:
    """Give the octets as Message has them: mapped, where there are any."""
    if not octets:
        return octets
    mapping = mmap.mmap(-1, len(octets))
    mapping[:] = octets
    return mapping


HEADERS = [
    pytest.param(b"", [], id="empty"),
    pytest.param(b"A: b\n", [], id="none"),
    pytest.param(b"X-Spam-Flag: a\nA: b\n", [b"X-Spam-Flag: a\n"], id="at-the-top"),
    pytest.param(b"A: b\nX-Spam-Flag: a\n", [b"X-Spam-Flag: a\n"], id="last"),
    pytest.param(b"A: b\nx-sPAM-fLAG: a\nA: b\n", [b"x-sPAM-fLAG: a\n"], id="any-case"),
    pytest.param(b"X-Spam-Flag : a\n", [b"X-Spam-Flag : a\n"], id="blank-before-colon"),
    pytest.param(b"X-Spam-Flag \t\t: a\n", [b"X-Spam-Flag \t\t: a\n"], id="tabs-before-colon"),
    pytest.param(b"X-Spam-Flag:\n", [b"X-Spam-Flag:\n"], id="no-value"),
    pytest.param(b"X-Spam-Flag:a\n b\n\tc\nA: b\n", [b"X-Spam-Flag:a\n b\n\tc\n"], id="folded"),
    pytest.param(b"X-Spam-Flag:\n \n\t\nA: b\n", [b"X-Spam-Flag:\n \n\t\n"], id="blank-folds"),
    pytest.param(b"X-Spam-Flag: a\r\n b\r\nA: b\r\n", [b"X-Spam-Flag: a\r\n b\r\n"], id="crlf"),
    pytest.param(
        b"X-Spam-Flag: a\nA: b\nX-Qscanner: c\nX-Spam-Flag: d\n",
        [b"X-Spam-Flag: a\n", b"X-Qscanner: c\n", b"X-Spam-Flag: d\n"],
        id="several-in-order",
    ),
    pytest.param(b"X-Spam-Flags: a\nX-Spam-Fla: b\nXX-Spam-Flag: c\n", [], id="other-names"),
    pytest.param(b"A: b\n X-Spam-Flag: a\n", [], id="a-continuation"),
    pytest.param(b"A: X-Spam-Flag: a\n", [], id="a-value"),
    pytest.param(b"X-Spam-Flag\n: a\n", [], id="colon-on-the-next-line"),
    pytest.param(b"no colon\n\x00\xff\nX-Spam-Flag: a\n", [b"X-Spam-Flag: a\n"], id="among-junk"),
]


@pytest.mark.parametrize("tail", [b"", BODY, b"\r" + BODY], ids=["no-body", "body", "crlf-body"])
@pytest.mark.parametrize(("header", "want"), HEADERS)
def test_fields(header: bytes, want: list[bytes], tail: bytes) -> None:
    """Every variant of our names is found in its whole length, nothing below the blank line."""
    octets = header + tail
    for view in (octets, mapped(octets)):
        found = fields(view, *NAMES)
        assert [octets[each.start : each.end] for each in found] == want
        for each in found:
            assert octets[each.start : each.value_at].rstrip(b": \t") == each.name.encode()
            assert octets[each.value_at - 1 : each.value_at] == b":"
        assert end(view) == len(header)


def test_without_a_final_newline() -> None:
    """A message that ends inside the field."""
    for octets in (b"X-Spam-Flag: a", b"X-Spam-Flag:", b"X-Spam-Flag: a\n b"):
        (found,) = fields(octets, *NAMES)
        assert (found.start, found.end) == (0, len(octets))
        assert end(octets) == len(octets)


@pytest.mark.parametrize(
    ("octets", "want"),
    [
        pytest.param(b"\nbody", 0, id="lf-first"),
        pytest.param(b"\r\nbody", 0, id="crlf-first"),
        pytest.param(b"\rA: b\n\n", 6, id="cr-first-is-no-line"),
        pytest.param(b"A: b\n\n\n", 5, id="the-first-blank-line"),
        pytest.param(b"A: b\r\n\r\nx", 6, id="crlf"),
        pytest.param(b"A: b\n \nB: c\n\n", 12, id="a-line-of-blanks-is-none"),
        pytest.param(b"A: b", 4, id="none"),
    ],
)
def test_end(octets: bytes, want: int) -> None:
    """The header ends at the first empty line."""
    assert end(octets) == want
    assert end(mapped(octets)) == want


@pytest.mark.parametrize(
    ("octets", "below"),
    [
        pytest.param(b"Received: a\nB: c\n", b"B: c\n", id="one-line"),
        pytest.param(b"Received: a\n\tb\n c\nB: c\n", b"B: c\n", id="folded"),
        pytest.param(b"received : a\r\n b\r\nB: c\n", b"B: c\n", id="crlf-and-small"),
        pytest.param(b"Received: a\nReceived: b\n\n", b"Received: b\n\n", id="only-the-top-one"),
        pytest.param(b"B: c\nReceived: a\n", None, id="not-on-top"),
        pytest.param(b"Received-SPF: a\nB: c\n", None, id="another-name"),
        pytest.param(b"\nReceived: a\n", None, id="in-the-body"),
        pytest.param(b" Received: a\n", None, id="a-continuation"),
        pytest.param(b"Received: a", b"", id="nothing-else"),
        pytest.param(b"", None, id="empty"),
    ],
)
def test_below_received(octets: bytes, below: bytes | None) -> None:
    """Only the top Received field is left out, whole; None: nothing is."""
    want = 0 if below is None else len(octets) - len(below)
    assert below_received(octets) == want
    assert below_received(mapped(octets)) == want


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"A: b\n" * 200_000, id="lines"),
        pytest.param(b"X-Spam-Flag: a\n" * 200_000, id="forged-lines"),
        pytest.param(b"X-Spam-Flag:" + b" a\n" * 2_000_000, id="continuations"),
        pytest.param(b"X-Spam-Flag" + b" " * 5_000_000, id="blanks-before-no-colon"),
        pytest.param(b"A" * 5_000_000, id="one-line"),
        pytest.param(b"\r" * 5_000_000, id="carriage-returns"),
    ],
)
def test_linear_time(octets: bytes) -> None:
    """What is large and hostile costs no more than its octets; quadratic takes hours."""
    begun = time.process_time()
    fields(octets, *NAMES)
    below_received(octets)
    assert time.process_time() - begun < 5


@given(st.lists(st.sampled_from([b"X-Spam-Flag", b":", b" ", b"\n", b"\r\n", b"a", b"\t"])))
def test_what_is_found_stands_alone(pieces: list[bytes]) -> None:
    """Fields begin at a line, end at a line, do not overlap, and taking them out leaves none."""
    octets = b"".join(pieces)
    at, rest = 0, b""
    for found in fields(octets, *NAMES):
        assert at <= found.start < found.end <= end(octets)
        assert found.start == 0 or octets[found.start - 1 : found.start] == b"\n"
        assert not octets[found.end : found.end + 1].startswith((b" ", b"\t"))
        rest += octets[at : found.start]
        at = found.end
    assert fields(rest + octets[at : end(octets)], *NAMES) == []
