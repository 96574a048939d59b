"""codec.transfer: what the encodings mean, as the most lenient mail client reads them."""

import base64
import binascii
import re
import time

import pytest

from qscanner.codec import transfer

SECRET = b"MZ this is the payload of the mail\n" * 3


@pytest.mark.parametrize(
    ("value", "encoding", "is_odd"),
    [
        pytest.param("base64", "base64", False, id="plain"),
        pytest.param("BASE64", "base64", False, id="upper"),
        pytest.param(" base64 \t", "base64", False, id="blanks are ordinary"),
        pytest.param("", "identity", False, id="empty"),
        pytest.param("8bit", "identity", False, id="8bit"),
        pytest.param("base64 (comment)", "base64", True, id="comment"),
        pytest.param("(7bit) base64", "base64", True, id="comment that lies"),
        pytest.param('"base64"', "base64", True, id="quotes"),
        pytest.param("base64;", "base64", True, id="semicolon"),
        pytest.param("base64 foo", "base64", True, id="words"),
        pytest.param("x-base64", "base64", True, id="x"),
        pytest.param("ba\0se64", "base64", True, id="nul"),
        pytest.param("base64\x0b", "base64", True, id="vertical tab"),
        pytest.param("quoted printable", "quoted-printable", True, id="two words"),
        pytest.param("x-uuencode", "uuencode", False, id="uuencode"),
        pytest.param("plain", "identity", True, id="unknown"),
        pytest.param("none", "identity", True, id="none"),
        pytest.param("x-yencode", "yenc", True, id="yenc"),
    ],
)
def test_encodings_of(value: str, encoding: str, is_odd: bool) -> None:
    """Junk around an encoding does not hide it, and is told apart from ordinary blanks."""
    assert transfer.encodings_of(value)[0][0] == encoding
    assert transfer.encodings_of(value)[1] is is_odd


@pytest.mark.parametrize("piece", [1, 3, 1000], ids=["octets", "threes", "whole"])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(base64.encodebytes(SECRET), id="as it should be"),
        pytest.param(base64.b64encode(SECRET).rstrip(b"="), id="no padding"),
        pytest.param(b"!*".join(base64.encodebytes(SECRET).split(b"\n")), id="junk"),
        pytest.param(
            b"".join(base64.b64encode(SECRET[i : i + 7]) for i in range(0, len(SECRET), 7)),
            id="padded pieces",
        ),
        pytest.param(
            b"=".join(re.findall(rb"\A..|.{4}|.+", base64.b64encode(SECRET))),
            id="padding inside of quanta",
        ),
    ],
)
def test_base64(text: bytes, piece: int) -> None:
    """Junk is skipped and padding does not end the reading, however the octets come in pieces."""
    pieces = [text[i : i + piece] for i in range(0, len(text), piece)]
    assert transfer.decode("base64", pieces).startswith(SECRET[:100])


def test_base64_of_padding_only_is_linear() -> None:
    """Millions of paddings are counted, not split."""
    assert len(transfer.decode_base64([b"A=" * 500_000] * 4)) > 0


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param(b"=4D=5A", b"MZ", id="octets"),
        pytest.param(b"=4d=5a", b"MZ", id="lower"),
        pytest.param(b"M= \t\nZ", b"MZ", id="blanks behind a soft break"),
        pytest.param(b"M=\r\nZ", b"MZ", id="soft break"),
        pytest.param(b"M=ZZ", b"M=ZZ", id="no hexadecimal"),
    ],
)
def test_quoted_printable(text: bytes, want: bytes) -> None:
    """RFC 2045 section 6.7, and what clients make of its breaches."""
    assert transfer.decode("quoted-printable", [text]) == want


def test_odd_encodings_may_be_any() -> None:
    """What one program takes for base64 another takes for nothing, or looks for a letter in it."""
    every = {"identity", "base64", "quoted-printable"}
    assert set(transfer.encodings_of("abase64")[0]) == every
    assert set(transfer.encodings_of("rot13")[0]) == every
    assert transfer.encodings_of("base64")[0] == ("base64",)


@pytest.mark.parametrize(
    "begin",
    [b"BEGIN 644 a", b"begin\t644\ta", b"\rbegin 644 a", b"\0begin 644 a", b"x\n Begin  7 a"],
)
def test_lenient_begins(begin: bytes) -> None:
    """Case, blanks and control characters do not matter; nor does a line of a tab."""
    lines = binascii.b2a_uu(SECRET[:45]) + b"\t\n" + binascii.b2a_uu(SECRET[45:60])
    assert transfer.decode("uuencode", [begin + b"\n" + lines + b"`\nend\n"]) == SECRET[:60]


def test_yenc() -> None:
    """Octets plus 42, escapes, and lines that are no data."""
    text = b"=ybegin line=128 size=4 name=a\r\nw\x84=j\r\n=}\r\n=yend size=4\r\n"
    assert transfer.decode("yenc", [text]) == b"MZ\0\x13"


def test_uuencode() -> None:
    """With and without begin line, and a line with rubbish behind it."""
    line = binascii.b2a_uu(SECRET[:45])
    assert transfer.decode("uuencode", [b"begin 644 a\n" + line + b"`\nend\n"]) == SECRET[:45]
    assert transfer.decode("uuencode", [line]) == SECRET[:45]
    assert transfer.decode("uuencode", [line.rstrip() + b"xxx\n"]) == SECRET[:45]
    assert transfer.decode("uuencode", [b"\x80\xff\n"]) == b""


def test_uuencode_of_many_lines() -> None:
    """Decoded at once where all lines are good, one by one where some are not."""
    lines = [binascii.b2a_uu(SECRET[at : at + 45]) for at in range(0, len(SECRET), 45)] * 50_000
    want = SECRET * 50_000
    for last in (b"", b"endless\n", b"end\nM more\n", b"\x80\xff\n"):
        text = b"begin 644 a\n" + b"".join(lines) + last
        assert transfer.decode("uuencode", [text])[: len(want)] == want
    assert transfer.decode("uuencode", [b"".join(lines) + b"end\n" + lines[0]]) == want


def test_base64_with_padding_that_ends_nothing_is_linear() -> None:
    """Such as behind whole quanta: nothing is copied for each."""
    begun = time.process_time()
    assert len(transfer.decode("base64", [b"QUFB=" * 9_999 + b"QUFB" * 250_000])) > 750_000
    assert len(transfer.decode("base64", [b"QUFB" * 250_000 + b"QUFB=" * 9_999])) > 750_000
    assert time.process_time() - begun < 1
