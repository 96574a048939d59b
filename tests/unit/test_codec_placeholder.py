"""codec.placeholder: octets around the part stay as they are, and the text says what went."""

import base64
from dataclasses import replace
from email import message_from_bytes
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qscanner.codec import placeholder
from qscanner.codec.placeholder import Range, Told, Unsafe, text

TOLD = Told(
    name="invoice.exe",
    kinds="pe",
    octets=12345,
    inside="",
    why='No programs (rule "programs")',
    is_signed=False,
    held_as="ab" * 32,
    host="mx.example",
)
EOLS = pytest.mark.parametrize("eol", [b"\n", b"\r\n"], ids=["LF", "CRLF"])


def edited(octets: bytes, ranges: list[Range]) -> bytes:
    out, at = b"", 0
    for start, end, instead in sorted(ranges):
        assert start >= at, "ranges do not overlap"
        out += octets[at:start] + instead
        at = end
    return out + octets[at:]


def bodies(octets: bytes) -> list[str]:
    found = message_from_bytes(octets)
    leaves = [part for part in found.walk() if not part.is_multipart()]
    return [_decoded(part) for part in leaves]


def _decoded(part: Message) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode("utf-8").replace("\r\n", "\n").rstrip("\n")


WANT = text(TOLD, "\n").rstrip("\n")


@EOLS
@pytest.mark.parametrize("body", [b"MZ\nx", b"", b"\n\n"], ids=["some", "none", "blank lines"])
@pytest.mark.parametrize("place", ["first", "middle", "last", "unclosed"])
def test_a_part(place: str, body: bytes, eol: bytes) -> None:
    """All octets in front of its header block and behind its body are what they were."""
    before = b"Content-Type: multipart/mixed; boundary=b\n\nPreamble\n--b\n"
    after = b"\n--b--\nEpilogue"
    if place in ("middle", "last"):
        before += b"\nOne\n--b\n"
    if place in ("first", "middle"):
        after = b"\n--b\n\nThree" + after
    if place == "unclosed":
        after = b""
    before, after = before.replace(b"\n", eol), after.replace(b"\n", eol)
    part = b"Content-Type: x/y; name=invoice.exe\n\n".replace(b"\n", eol) + body
    octets = before + part + after
    got = edited(octets, placeholder.ranges(octets, (len(before), len(before + part)), TOLD))
    assert got.startswith(before)
    assert got.endswith(after)
    inserted = got[len(before) : len(got) - len(after)]
    assert inserted.endswith(eol) is (place == "unclosed")
    assert inserted.count(b"\n") == inserted.count(eol)
    assert WANT in bodies(got)
    assert "invoice.exe" not in got.replace(inserted, b"").decode()


MESSAGES = [
    pytest.param(
        b"A: b\nContent-Type: x/y;\n name=a\nB: c\ncontent-foo : x\n\nMZ",
        b"A: b\nB: c\nMIME-Version: 1.0\n",
        id="fields-among-others",
    ),
    pytest.param(
        b"Mime-Version: 1.0\nContent-Type: x/y\n\nMZ", b"Mime-Version: 1.0\n", id="version"
    ),
    pytest.param(b"Content-Type: x/y\n\n", b"MIME-Version: 1.0\n", id="only-such-and-no-body"),
    pytest.param(b"\nMZ", b"MIME-Version: 1.0\n", id="no-header"),
    pytest.param(
        b"X-Content-Type: a\nA: b\n Content-Type: in a fold\n\nMZ\n",
        b"X-Content-Type: a\nA: b\n Content-Type: in a fold\nMIME-Version: 1.0\n",
        id="what-only-looks-so",
    ),
]


@EOLS
@pytest.mark.parametrize(("octets", "want"), MESSAGES)
def test_a_whole_message(octets: bytes, want: bytes, eol: bytes) -> None:
    """Its Content-* fields go, with the body; all its other lines stay."""
    octets, want = octets.replace(b"\n", eol), want.replace(b"\n", eol)
    got = edited(octets, placeholder.ranges(octets, (0, len(octets)), TOLD))
    assert got.startswith(want + b"Content-Type: text/plain; charset=us-ascii" + eol)
    assert got.endswith(eol)
    assert got.count(b"\n") == got.count(eol)
    assert bodies(got) == [WANT]


@EOLS
def test_a_message_in_a_message(eol: bytes) -> None:
    """A forwarded message that is nothing but an attachment keeps who wrote it."""
    before = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n"
    inner = b"From: ann@example.org\nContent-Type: x/y; name=invoice.exe\n\nMZ"
    before, inner, after = (
        each.replace(b"\n", eol) for each in (before, inner, b"\n--b\n\nlast\n--b--\n")
    )
    octets = before + inner + after
    got = edited(octets, placeholder.ranges(octets, (len(before), len(before + inner)), TOLD))
    assert got.startswith(before + b"From: ann@example.org" + eol + b"MIME-Version: 1.0" + eol)
    assert got.endswith(WANT.encode().replace(b"\n", eol) + after)
    assert bodies(got) == [WANT, "last"]


MULTIPART = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nA: b\n\nMZ\n--b--\n"
AT = MULTIPART.index(b"A: b")
DOUBTFUL = [
    pytest.param(MULTIPART, (AT, AT + 5), id="ends-in-the-middle"),
    pytest.param(MULTIPART, (AT + 1, MULTIPART.index(b"\n--b--")), id="begins-in-a-line"),
    pytest.param(MULTIPART.replace(b"--b\n", b"xxb\n"), (AT, AT + 8), id="no-delimiter-in-front"),
    pytest.param(MULTIPART.replace(b"\n", b"\r"), (AT, AT + 8), id="old-mac"),
    pytest.param(b"A: b\rC: d\r\rMZ", (0, 12), id="old-mac-message"),
    pytest.param(b"Content-Type: x/y", (0, 17), id="only-a-header"),
    pytest.param(b"Content-Type: x/y\n", (0, 18), id="header-without-end"),
    pytest.param(b"A: b\n\r\r\nContent-Type: x/y\n\nMZ", (0, 30), id="odd-blank-line"),
    pytest.param(b"\r\r\nContent-Type: x/y\n\nMZ", (0, 24), id="odd-blank-line-first"),
    pytest.param(b"A: " + b"x" * (1 << 20) + b"\n\nMZ", (0, (1 << 20) + 7), id="header-of-1-MiB"),
]


@pytest.mark.parametrize(("octets", "span"), DOUBTFUL)
def test_doubtful_places(octets: bytes, span: tuple[int, int]) -> None:
    """Where a place is not what it should be, nothing is replaced."""
    with pytest.raises(Unsafe):
        placeholder.ranges(octets, span, TOLD)


def test_the_words() -> None:
    """What was taken, why, and where the message is."""
    said = text(replace(TOLD, inside="2/a.zip/b.exe", is_signed=True), "\n")
    for word in ("invoice.exe", "pe", "12,345 octets", 'rule "programs"', "2/a.zip/b.exe",
                 "mx.example", "ab" * 32, "signature"):  # fmt: skip
        assert word in said
    assert "signature" not in text(TOLD, "\n")
    assert "(without a name)" in text(replace(TOLD, name=""), "\n")
    assert "Because of" not in text(TOLD, "\n")


@EOLS
def test_names_of_all_scripts(eol: bytes) -> None:
    """They stay readable, in base64; what would turn a line round is escaped."""
    told = replace(TOLD, name="Rechnung M\u00fcller \u8acb\u6c42\u66f8\u202etxt.exe")
    octets = b"A: b\n\nMZ\n".replace(b"\n", eol)
    got = edited(octets, placeholder.ranges(octets, (0, len(octets)), told))
    assert got.isascii()
    assert max(map(len, got.splitlines())) < 100
    (body,) = bodies(got)
    assert "Rechnung M\u00fcller \u8acb\u6c42\u66f8\\u202etxt.exe" in body
    assert base64.b64encode(b"An attachment was taken out")[:20] in got


@given(st.text(max_size=400), st.text(max_size=400), st.sampled_from([b"\n", b"\r\n"]))
def test_any_name(name: str, why: str, eol: bytes) -> None:
    """No name makes a line of its own, a long line, or another part."""
    told = replace(TOLD, name=_encodable(name), inside=_encodable(why), why=_encodable(why))
    octets = b"A: b\n\nMZ\n".replace(b"\n", eol)
    got = edited(octets, placeholder.ranges(octets, (0, len(octets)), told))
    assert got.isascii()
    assert all(len(line) < 998 for line in got.split(eol))
    assert bodies(got) == [text(told, "\n").rstrip("\n")]
    like = replace(TOLD, inside="x" if told.inside else "")
    assert len(bodies(got)[0].splitlines()) == len(text(like, "\n").splitlines())


def _encodable(name: str) -> str:
    return name.encode("utf-8", "replace").decode("utf-8")
