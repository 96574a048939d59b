"""codec.readings: what is clean is told from what is not; of the latter every reading is taken."""

import base64
import binascii
import time

import pytest

from qscanner.codec import readings, transfer

SECRET = b"MZ the payload that must be seen by all, whatever it takes"
B64 = base64.b64encode(SECRET)
QUADS = [B64[i : i + 4] for i in range(0, len(B64), 4)]
QP = b"".join(b"=%02X" % octet for octet in SECRET)


@pytest.mark.parametrize(
    ("encoding", "text", "want"),
    [
        pytest.param("base64", base64.encodebytes(SECRET * 9), True, id="base64"),
        pytest.param(
            "base64", base64.encodebytes(SECRET).replace(b"\n", b"\r\n"), True, id="crlf"
        ),
        pytest.param("base64", b"", True, id="nothing"),
        pytest.param("base64", b"\n" + B64 + b"\n\n", True, id="empty lines around"),
        pytest.param("base64", B64[:5] + b"\n" + B64[5:], False, id="odd line"),
        pytest.param("base64", B64 + b"\n" + B64, False, id="behind the padding"),
        pytest.param("base64", B64[:8] + b"!" + B64[8:], False, id="junk"),
        pytest.param("base64", B64[:8] + b"\r" + B64[8:], False, id="bare cr"),
        pytest.param("base64", B64 + b"\nfooter of a list\n", False, id="footer"),
        pytest.param("quoted-printable", b"a=3D=\r\nb=\n=c3=A4", True, id="quoted-printable"),
        pytest.param("quoted-printable", b"a= \t\nb", False, id="soft break before blanks"),
        pytest.param("quoted-printable", b"a=XYb", False, id="no hexadecimal"),
        pytest.param("quoted-printable", b"a\0b", False, id="nul in quoted-printable"),
        pytest.param("quoted-printable", b"a\rb", False, id="bare cr in quoted-printable"),
        pytest.param("identity", b"=X!", True, id="nothing to decode"),
        pytest.param("uuencode", b"x", False, id="uuencode"),
    ],
)
def test_is_tidy(encoding: str, text: bytes, want: bool) -> None:
    """Only what every decoder takes for the same is tidy, also when it comes in slices."""
    assert readings.is_tidy(encoding, [text]) is want
    if text.count(b"\r") != text.count(b"\r\n"):
        return
    lines = text.splitlines(keepends=True)
    assert readings.is_tidy(encoding, lines) is want


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"\n".join(quad + b"X" for quad in QUADS), id="one too many in each line"),
        pytest.param(b"\n".join(quad + b"XXX" for quad in QUADS), id="three too many"),
        pytest.param(
            b"\n".join(base64.b64encode(SECRET[i : i + 1])[:3] for i in range(len(SECRET))),
            id="one padding of two",
        ),
        pytest.param(B64[:20] + b"#comment\n" + B64[20:], id="comment at the end of a line"),
        pytest.param(B64[:20] + b"\nnot this: line\n" + B64[20:], id="line of junk"),
        pytest.param(b"junk\n\n" + b"A\n\n" + B64, id="junk before an empty line"),
        pytest.param(b"abc\n--A\n" + B64, id="delimiter before"),
        pytest.param(b"=".join(QUADS), id="padding between quanta"),
        pytest.param(SECRET, id="not encoded at all"),
    ],
)
def test_base64(text: bytes) -> None:
    """One of the readings, or the lenient one, gives the content."""
    every = [octets for _name, octets in readings.others("base64", text)]
    assert any(SECRET in octets for octets in [*every, transfer.decode("base64", [text])])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(QP.replace(b"=", b"=="), id="doubled signs"),
        pytest.param(QP.replace(b"=", b"=XX="), id="triplets of junk"),
        pytest.param(QP.replace(b"=", b"=  ="), id="triplets of blanks"),
        pytest.param(QP.replace(b"=", b"=G="), id="half a triplet"),
        pytest.param(QP.replace(b"=", b"= "), id="a blank before the digits"),
        pytest.param(b"".join(b"=%X %X" % divmod(one, 16) for one in SECRET), id="between them"),
        pytest.param(b"".join(b"=%X\0%X" % divmod(one, 16) for one in SECRET), id="nul"),
        pytest.param(b"".join(b"=%X=\n%X" % divmod(one, 16) for one in SECRET), id="soft break"),
        pytest.param(QP.replace(b"=", b"=\r="), id="soft break with cr"),
        pytest.param(QP[:60] + b"=\0\n" + QP[60:], id="nul in a soft break"),
        pytest.param(QP[:60] + b"=\x0c\n" + QP[60:], id="form feed in a soft break"),
        pytest.param(QP[:60] + b"=\n\r" + QP[60:], id="soft break with lf cr"),
        pytest.param(QP[:60] + b"\0" + QP[60:], id="nul between triplets"),
        pytest.param(QP.replace(b"=", b"=\r"), id="cr inside of triplets"),
        pytest.param(QP[:60] + b"== \n" + QP[60:], id="soft break with two signs"),
    ],
)
def test_quoted_printable(text: bytes) -> None:
    """Junk inside of what stands for one octet is skipped in some way."""
    assert any(SECRET in octets for _name, octets in readings.others("quoted-printable", text))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"> " + B64[:20] + b"\n> " + B64[20:], id="base64 after all"),
        pytest.param(
            b"begin 644 a\n\r" + binascii.b2a_uu(SECRET[:45])[1:] + binascii.b2a_uu(SECRET[45:]),
            id="a cr says how long the line is",
        ),
    ],
)
def test_uuencode(text: bytes) -> None:
    """What is said to be uuencoded, and is so for some only."""
    assert SECRET in [octets for _name, octets in readings.others("uuencode", text)]


def test_readings_differ() -> None:
    """What is tidy has no other reading that a scanner needs; doubles are left out."""
    assert list(readings.others("identity", b"x")) == []
    every = [octets for _name, octets in readings.others("base64", B64[:9] + b"=" + B64[9:])]
    assert len(every) == len(set(every))


@pytest.mark.parametrize(
    "octets", [b"= \t", b"=", b"=G", b"A=", b"\n", b"A\n", b"\r\n ", b"--", b"\0"]
)
@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "uuencode"])
def test_time_is_linear(encoding: str, octets: bytes) -> None:
    """A megabyte of anything takes no more than a moment."""
    begun = time.process_time()
    list(readings.others(encoding, octets * ((1 << 19) // len(octets))))
    assert time.process_time() - begun < 3
