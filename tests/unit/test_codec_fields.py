"""codec.fields: header blocks as clients read them, parameters, encoded words; all bounded."""

import pytest

from qscanner.codec import fields

LIMITS = fields.FieldLimits(fields=100, octets=1000, content_octets=200)


@pytest.mark.parametrize(
    ("octets", "want", "odd", "body"),
    [
        pytest.param(
            b"A: 1\nB: 2\n\nbody", [("A", " 1"), ("B", " 2")], set(), b"body", id="plain"
        ),
        pytest.param(b"A: 1\r\n\r\nbody", [("A", " 1")], set(), b"body", id="crlf"),
        pytest.param(b"A: 1\r\r\n\r\r\nbody", [("A", " 1")], set(), b"body", id="crcrlf"),
        pytest.param(b"A: 1\n  2\n\t3\n\nb", [("A", " 1  2\t3")], set(), b"b", id="folded"),
        pytest.param(
            b"A:\n \n b\n\nb",
            [("A", "  b")],
            {"mime.blank-fold"},
            b"b",
            id="folded by a blank line",
        ),
        pytest.param(b"\nbody", [], set(), b"body", id="no fields"),
        pytest.param(b"", [], set(), b"", id="empty"),
        pytest.param(b"body only\nA: 1\n", [], set(), b"body only\nA: 1\n", id="no header"),
        pytest.param(
            b"A: 1\nbody\nmore\n",
            [("A", " 1")],
            {"mime.no-separator"},
            b"body\nmore\n",
            id="no end",
        ),
        pytest.param(
            b"A : 1\n\n", [("A", " 1")], {"mime.blank-before-colon"}, b"", id="blank before colon"
        ),
        pytest.param(
            b"A: 1\njunk\nContent-Type: x/y\n\nb",
            [("A", " 1"), ("Content-Type", " x/y")],
            {"mime.junk-line"},
            b"b",
            id="a line without a colon among fields",
        ),
        pytest.param(
            b"Content-Type(x): x/y\n\n",
            [("Content-Type", " x/y")],
            {"mime.junk-in-name"},
            b"",
            id="comment in a name",
        ),
        pytest.param(
            b"Content\0-Type: x/y\n\n",
            [("Content-Type", " x/y")],
            {"mime.junk-in-name", "mime.control-in-header"},
            b"",
            id="nul in a name",
        ),
        pytest.param(b"From x\nA: 1\n\n", [("A", " 1")], set(), b"", id="mbox line"),
        pytest.param(b">From x\nA: 1\n\n", [("A", " 1")], {"mime.from-line"}, b"", id="its quote"),
        pytest.param(
            b"A: 1\rB: 2\n\n",
            [("A", " 1"), ("B", " 2")],
            {"mime.control-in-header"},
            b"",
            id="bare cr",
        ),
        pytest.param(
            b"A: 1\r\rB: 2\n\n",
            [("A", " 1"), ("B", " 2")],
            {"mime.control-in-header"},
            b"",
            id="two of them",
        ),
        pytest.param(
            b"A: \xff\0\n\n",
            [("A", " \xff\0")],
            {"mime.control-in-header"},
            b"",
            id="8-bit and nul",
        ),
        pytest.param(
            b"A: 1\n Content-Type: x/y\n\n",
            [("A", " 1 Content-Type: x/y"), ("Content-Type", "x/y")],
            {"mime.hidden-field"},
            b"",
            id="field behind a blank",
        ),
        pytest.param(
            b"A: 1\njunk\n Content-Type: x/y\n\nb",
            [("A", " 1 Content-Type: x/y"), ("Content-Type", "x/y")],
            {"mime.junk-line", "mime.hidden-field"},
            b"b",
            id="field behind junk and a blank",
        ),
        *(
            pytest.param(
                b"A: 1\nContent-Type" + fold + b": x/y\n z\n\nb",
                [("A", " 1"), ("Content-Type", " x/y z")],
                {"mime.hidden-field"},
                b"b",
                id=f"a fold before the colon, {name}",
            )
            for name, fold in {
                "blank": b"\n ",
                "tab": b" \r\n\t",
                "twice": b"\n \n ",
                "crcrlf": b"\r\r\n ",
                "cr": b"\r",
                "cr and blank": b"\r ",
            }.items()
        ),
        pytest.param(
            b"Subject\n : 1\n\n",
            [("Subject", " 1")],
            {"mime.blank-before-colon"},
            b"",
            id="a fold in another name",
        ),
        pytest.param(
            b" Content-Type: message; x\nA: 1\n\n",
            [("Content-Type", " message; x"), ("A", " 1")],
            {"mime.hidden-field"},
            b"",
            id="the first line behind a blank",
        ),
        pytest.param(
            b"Content-Type# a/b\nA: 1\n\n",
            [("Content-Type#", "a/b"), ("A", " 1")],
            {"mime.junk-line"},
            b"",
            id="a sign instead of the colon",
        ),
        pytest.param(
            b"Content-Type\xd1\x81 a/b\nA: 1\n\n",
            [("Content-Type??", "a/b"), ("A", " 1")],
            {"mime.junk-line"},
            b"",
            id="a letter instead of the colon",
        ),
        pytest.param(
            b'Content-Type: a/b;\nname="C:x"\nA: 1\n\n',
            [("Content-Type", ' a/b; name="C:x"'), ("A", " 1")],
            {"mime.junk-line"},
            b"",
            id="a parameter without the blank of a fold",
        ),
        pytest.param(
            b"Content-Type: a/b\nname=x\n\nb",
            [("Content-Type", " a/b")],
            {"mime.no-separator"},
            b"name=x\n\nb",
            id="no parameter",
        ),
        pytest.param(
            b"Content-Transfer-Encoding base64\n\n",
            [("Content-Transfer-Encoding", "base64")],
            {"mime.hidden-field"},
            b"",
            id="no colon",
        ),
        pytest.param(
            b"DKIM-Signature: h=From:\n Content-Type:To\n\n",
            [("DKIM-Signature", " h=From: Content-Type:To")],
            set(),
            b"",
            id="list of names",
        ),
        pytest.param(
            b"A: 1\n \n--A=:b\n", [("A", " 1")], {"mime.no-separator"}, b"--A=:b\n", id="blank"
        ),
        pytest.param(
            b"A: 1\n \nB: 2\n\n",
            [("A", " 1 "), ("B", " 2")],
            {"mime.blank-fold"},
            b"",
            id="line of blanks among fields",
        ),
        pytest.param(
            b"A: " + b"x" * 5000, [("A", " " + "x" * 999)], {"limit.header-line"}, b"", id="long"
        ),
        pytest.param(
            b"A: x\n" + b" x\n" * 9000 + b"B: 1\n\nb",
            [("A", " x" + " x" * 499), ("B", " 1")],
            {"limit.header-line"},
            b"b",
            id="long by folding",
        ),
        pytest.param(
            b"Content-Type: " + b"x" * 500 + b"\n\n",
            [("Content-Type", " " + "x" * 199)],
            {"limit.content-header"},
            b"",
            id="long content field",
        ),
        pytest.param(
            b"A: 1\n" * 200 + b"\nb", [("A", " 1")] * 100, {"limit.headers"}, b"b", id="many"
        ),
    ],
)
def test_read_block(
    octets: bytes, want: list[tuple[str, str]], odd: set[str], body: bytes
) -> None:
    """Fields, what was odd, and where the body begins."""
    block = fields.read_block(octets, 0, len(octets), LIMITS)
    assert (block.fields, block.odd, octets[block.body_at :]) == (want, odd, body)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("plain", "plain", id="plain"),
        pytest.param("=?utf-8?B?w6Q=?=", "ä", id="base64"),
        pytest.param("=?utf-8?q?a_=C3=A4?= b", "a ä b", id="quoted-printable"),
        pytest.param("=?utf-8?Q?=C3?=  =?utf-8?Q?=A4?=", "ä", id="a character in two words"),
        pytest.param("a =?x?Q?b?= c =?x?Q?d?=", "a b c d", id="unknown charset"),
        pytest.param("=?utf-8*en?Q?b?=", "b", id="language"),
        pytest.param("=?utf-8?B?QQ?=", "A", id="no padding"),
        pytest.param("=?idna?Q?=FF=FF?=", "ÿÿ", id="a codec that is no charset"),
        pytest.param("=?a\0b?Q?x?=", "x", id="nul in the charset"),
        pytest.param("=?utf-16?B?AGE=?=", "a", id="utf-16 without a mark"),
        pytest.param("=?", "=?", id="nothing"),
    ],
)
def test_decode_words(text: str, want: str) -> None:
    """RFC 2047, leniently."""
    assert fields.decode_words(text) == want


def test_decode_words_is_bounded() -> None:
    """Words far behind are left as they are; the email package takes 9 s for these."""
    decoded = fields.decode_words("=?utf-8?B?QQ==?= " * 20_000)
    assert decoded.startswith("AAAA")
    assert decoded.endswith("=?utf-8?B?QQ==?= ")


@pytest.mark.parametrize(
    ("value", "want"),
    [
        pytest.param('a/b; name="x;y"', [("name", "x;y", "x;y")], id="quoted"),
        pytest.param('a/b; name="x\\"y"', [("name", 'x"y', 'x\\"y')], id="escaped"),
        pytest.param("a/b; NAME = x", [("name", "x", "x")], id="blanks and case"),
        pytest.param("a/b; (c;d) name=x", [("name", "x", "x")], id="comment"),
        pytest.param('a/b; name="x', [("name", "x", "x")], id="open quote"),
        pytest.param("a/b; x*", [], id="no value"),
    ],
)
def test_parameters(value: str, want: list[tuple[str, str, str]]) -> None:
    """RFC 2045 section 5.1, and what comes instead."""
    assert list(fields.parameters(value)) == want


def test_parameters_are_bounded() -> None:
    """The email package is quadratic in these."""
    assert len(list(fields.parameters("a/b" + ";a=1" * 100_000))) <= 501


TIDY = b"From: a@b\r\nSubject: x\r\n y z\r\nContent-Type: text/plain;\r\n\tcharset=x\r\n\r\nbody"


def test_tidy_blocks_are_read_at_once() -> None:
    """As the lexer reads them, which stays for all others."""
    block = fields.read_block(TIDY, 0, len(TIDY), LIMITS)
    assert block == fields.Block(
        fields=[
            ("From", " a@b"),
            ("Subject", " x y z"),
            ("Content-Type", " text/plain;\tcharset=x"),
        ],
        body_at=TIDY.index(b"body"),
    )


@pytest.mark.parametrize(
    "junk",
    [
        b"\n", b"\r", b" ", b"\n ", b"\0", b":", b"(", b'"', b"\xff", b"\n  \n", b"\n\n", b"x\n",
        b"\n\tContent-Type a/b", b"\n content-type: a/b", b"\nContent-Type a/b", b"\nFrom a",
        b"\nContent-Type (x): a/b", b"y" * 2000, b"\nA:\n", b"\r\r\n", b"\n--b",
    ],
)  # fmt: skip
def test_tidy_or_not_the_reading_is_one(junk: bytes) -> None:
    """No octet, wherever it stands, makes a block tidy that the lexer reads in another way."""
    for at in range(len(TIDY)):
        octets = TIDY[:at] + junk + TIDY[at:]
        # Behind a field with a NUL no block is tidy.
        slow = b"X: \0\r\n" + octets
        fast_block = fields.read_block(octets, 0, len(octets), LIMITS)
        slow_block = fields.read_block(slow, 0, len(slow), LIMITS)
        if fast_block.odd or octets[:1] in b" \t\r\n" or not fast_block.fields:
            continue  # the lexer has read both
        if not slow_block.odd - {"mime.control-in-header"}:
            assert slow_block.fields[1:] == fast_block.fields
            assert slow_block.body_at == fast_block.body_at + len(slow) - len(octets)
        else:
            assert b"From a" in junk
