"""codec.runs: base64, yEnc and BinHex are found wherever they stand, and prose is not."""

import base64

import pytest

from qscanner.codec import runs

SECRET = b"MZ the payload that must be seen, and it is of some length"
B64 = base64.b64encode(SECRET)
LINES = b"\n".join(B64[i : i + 8] for i in range(0, len(B64), 8))


def found(text: bytes, *, is_thorough: bool = False) -> list[bytes]:
    return [text[a:b] for a, b in runs.base64_runs(text, is_thorough=is_thorough)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(B64, id="alone"),
        pytest.param(b"Hello,\n\n" + B64 + b"\n\nBye", id="in prose"),
        pytest.param(b'<a href="data:x/y;base64,' + B64 + b'">', id="data: URI"),
        pytest.param(b"atob('" + B64 + b"')", id="script"),
        pytest.param(b"UEsD\n" * 3 + B64 + b"\n", id="behind short lines"),
        pytest.param(b"> " + B64[:44] + b"\n> " + B64[44:] + b"\n", id="quoted"),
        pytest.param(b"--A\r\n\r\n" + B64[:48] + b"\r\n" + B64[48:] + b"\r\n--A--", id="part"),
    ],
)
def test_base64(text: bytes) -> None:
    """One run, whole."""
    (run,) = found(text)
    assert base64.b64decode(run.replace(b">", b"")).endswith(SECRET)


def test_short_lines() -> None:
    """Lines of a few characters are looked for only where there is a reason."""
    text = b"Hello there,\n" + LINES + b"\n--A--\n"
    assert found(text) == []
    assert found(text, is_thorough=True) == [LINES]


def test_prose() -> None:
    """Ordinary text has no runs."""
    assert (
        found(b"Some words, and a link: https://example.org/a?b=c\n" * 50, is_thorough=True) == []
    )


@pytest.mark.parametrize(
    ("octets", "want"),
    [
        (b"MZ\x90\0\x03\0", True),
        (b"PK\x03\x04xx", True),
        (b"From: a@b\n\n", True),
        (b"\x99" * 9, False),
    ],
)
def test_worth_decoding(octets: bytes, want: bool) -> None:
    """A key or a hash is not; what begins like a content is."""
    assert runs.is_worth_decoding(base64.b64encode(octets * 5)) is want
    assert runs.begins_like_content(octets) is want


def test_yenc() -> None:
    """Names and octets, with escapes, also of a file without its end."""
    coded = bytes((octet + 42) % 256 for octet in SECRET).replace(b"=", b"=}")
    text = b"=ybegin line=128 size=9 name=a b.exe\r\n" + coded[:9] + b"\r\n" + coded[9:]
    assert list(runs.yenc_files(b"x\n" + text + b"\r\n=yend size=9\r\n")) == [("a b.exe", SECRET)]
    assert list(runs.yenc_files(text)) == [("a b.exe", SECRET)]
    assert len(list(runs.yenc_files(b"=ybegin name=a\n" * 100_000))) == 100


def test_binhex() -> None:
    """The data fork, with its name (RFC 1741), run lengths undone."""
    text = (
        b"(This file must be converted with BinHex 4.0)\n\n"
        b':#@9TBf&b,Q0[E3"849K82cmr2`!!!!!!4!!!!!!mE&Je6b&3*8""8&XdA&"D@$8$\n'
        b'd+&"H+6G$3bNhI54&580"8Le69%&14%&54#e"6P4*9NP599-Y9%969#e\'58a&)54$\n'
        b")+dJUV9B!!!!!:\n"
    )
    ((name, octets),) = runs.binhex_files(text)
    assert (name, octets[:4], len(octets)) == ("eicar.com", b"X5O!", 68)
    assert list(runs.binhex_files(b"\n:" + b"!" * 200)) == []


def test_escapes_of_yenc_are_never_cut() -> None:
    """However many equals signs stand where the work is cut into pieces."""
    for length in range((1 << 16) - 6, (1 << 16) + 3):
        body = b"x" * length + b"======" + b"}" * 4
        text = b"=ybegin line=128 size=9 name=a\n" + body + b"\n=yend size=9\n"
        (_, octets), *_ = runs.yenc_files(text)
        assert len(octets) == length + 3 + 4


@pytest.mark.parametrize(
    "before", [b"", b"\n", b"a\r", b"a\n \t", b"a\n" + b" " * 79, b"A sentence:\n"]
)
def test_binhex_at_the_start_of_a_line(before: bytes) -> None:
    """Behind nothing or blanks, and only there."""
    text = b":" + b'"' * 60 + b"\n"
    assert bool(list(runs.starts_of_binhex(before + text)))
    assert not list(runs.starts_of_binhex(before + b"x" + text))
