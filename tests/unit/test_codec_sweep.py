"""codec.sweep: what no leaf decodes comes to light, and ordinary text does not become parts."""

import base64
import binascii
import time

import pytest

from qscanner.codec.effort import Effort
from qscanner.codec.payload import Leaf, Payload
from qscanner.codec.sweep import Swept, sweep

SECRET = b"MZ\x90\0 the payload that must be seen, and it is of some length"
B64 = base64.encodebytes(SECRET)
UU = b"begin 644 a.exe\n" + b"".join(
    binascii.b2a_uu(SECRET[i : i + 45]) for i in range(0, len(SECRET), 45)
)


def swept(text: bytes, *, is_ambiguous: bool = False, encoding: str = "identity") -> Swept:
    leaf = Leaf(path="1", encoding=encoding, payload=Payload.of_octets(text))
    return sweep(text, [leaf], [(0, 0)], is_ambiguous=is_ambiguous, effort=Effort())


def contents(found: Swept) -> list[bytes]:
    return [leaf.decode() for leaf in found.leaves]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"Hello\n\n" + B64, id="base64"),
        pytest.param(b"Hello\n\n" + UU + b"`\nend\n", id="uuencode"),
        pytest.param(b"--A\nContent-Transfer-Encoding: base64\n\n" + B64, id="stray part"),
        pytest.param(b"> Content-Transfer-Encoding: base64\n>\n" + B64, id="quoted header"),
        pytest.param(b"Hello\n\n" + UU.replace(b"begin ", b"BEGIN  ") + b"end\n", id="BEGIN"),
        pytest.param(b'<a href="data:x/y,' + b"%4D%5A" + b"%90" * 30 + b'">', id="data: URI"),
        pytest.param(B64.decode().encode("utf-16"), id="utf-16"),
    ],
)
def test_found(text: bytes) -> None:
    """Each is hidden from a raw look, and its path tells where it comes from."""
    found = swept(text)
    assert any(content.startswith(SECRET[:2]) for content in contents(found))
    assert all(leaf.is_hidden and "~" in leaf.path for leaf in found.leaves)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"-----BEGIN PGP SIGNATURE-----\n\n" + b"iQEzBAEBCAAdFiEE\n" * 9, id="pgp"),
        pytest.param(b"https://example.org/" + b"3f2a" * 30 + b"\n", id="link"),
        pytest.param(b"sha512 " + b"0123456789abcdef" * 8 + b"\n", id="hash"),
        pytest.param(
            b"-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTAN" + b"A" * 40, id="x"
        ),
        pytest.param(b"a = b\nc == d\n=ybegin is of yEnc\nbegin the day\n", id="prose"),
        pytest.param(b"Content-Type: text/plain\nis a header\n", id="talk of headers"),
    ],
)
def test_ordinary(text: bytes) -> None:
    """Keys, hashes and links become no parts."""
    assert swept(text).leaves == []


def test_ambiguous_messages_are_swept_closely() -> None:
    """Short lines, quoted-printable and plain contents count; the unknown comes in one heap."""
    short = b"\n".join(B64.replace(b"\n", b"")[i : i + 7] for i in range(0, 88, 7))
    coded = b"".join(b"=%02X" % octet for octet in SECRET)
    for text in (b"x\n" + short + b"\n", b"some\n--B\n" + coded, b"x\n\n" + SECRET + b"\n--B"):
        assert any(SECRET in content for content in contents(swept(text, is_ambiguous=True)))
    heap = swept(b"A1b2" * 30, is_ambiguous=True).leaves
    assert [leaf.path for leaf in heap] == ["~rest"]


def test_a_signature_ends_no_stray_part() -> None:
    """Two dashes and a blank are no delimiter: base64 goes on behind them."""
    text = b"Hello\nContent-Transfer-Encoding: base64\n\n" + B64[:40] + b"\n-- \n" + B64[40:]
    assert SECRET in contents(swept(text))


def test_untidy_leaves() -> None:
    """A leaf that decoders read differently is read in all ways, and that is told."""
    text = b"\n".join(B64[i : i + 4] + b"X" for i in range(0, 80, 4))
    leaf = Leaf(path="2", declared="a/b", encoding="base64", payload=Payload.of_octets(text))
    found = sweep(text, [leaf], [], is_ambiguous=False, effort=Effort())
    assert any(content.startswith(SECRET[:40]) for content in contents(found))
    assert [(each.id, each.where) for each in found.findings] == [("mime.encoding-ambiguous", "2")]
    assert found.untidy == {"2"}


def test_tidy_leaves_cost_nothing() -> None:
    """What a leaf decodes is not looked at again."""
    found = swept(B64, encoding="base64")
    assert (found.leaves, found.findings) == ([], [])


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        pytest.param(b"Content-Type: a/b; name=x\n\nx\n" * 5000, "limit.sweep", id="stray parts"),
        pytest.param(b"".join(b"%s\n\n" % base64.b64encode(b"MZ%060d" % i) for i in range(300)),
                     "limit.sweep", id="contents"),
    ],
)  # fmt: skip
def test_bounds(text: bytes, id_: str) -> None:
    """What is not looked at is told."""
    assert id_ in {finding.id for finding in swept(text).findings}


@pytest.mark.parametrize(
    "file",
    [
        pytest.param("begin 644 {0}\n#0V%T\n`\nend\n", id="uuencode"),
        pytest.param("=ybegin line=128 size=3 name={0}\nabc{0}\n=yend size=3\n", id="yenc"),
    ],
)
def test_files_in_a_text_are_bounded(file: str) -> None:
    """Beyond a hundred none is decoded, and that is told; below it nothing is."""
    for count, ids in ((50, set[str]()), (150, {"limit.sweep"})):
        text = "".join(file.format(number) for number in range(count)).encode()
        assert {finding.id for finding in swept(text).findings} == ids


def test_binhex_bombs_are_bounded() -> None:
    """What grows while it is decoded is counted as it comes out."""
    bomb = b":" + b'"' * 40 + b"A" * 20 + b"*2rm" * 90_000 + b":\n\n"
    found = sweep(bomb * 100, [], [(0, 0)], is_ambiguous=True, effort=Effort(looks=150 << 20))
    assert "limit.sweep" in {finding.id for finding in found.findings}


def test_one_effort_for_messages_in_each_other() -> None:
    """What one look has spent the next lacks; nothing is handed on by both."""
    text = b"".join(b"%s\n\n" % base64.b64encode(b"MZ%060d" % i) for i in range(150))
    effort = Effort()
    leaf = Leaf(path="1", payload=Payload.of_octets(text))
    first, second, third = (
        sweep(each, [leaf], [(0, 0)], is_ambiguous=False, effort=effort)
        for each in (text, text, text.replace(b"T", b"U"))
    )
    assert [len(each.leaves) for each in (first, second)] == [150, 0]
    assert first.findings == second.findings == []
    assert third.leaves == []


@pytest.mark.parametrize("is_ambiguous", [False, True])
def test_fragments(is_ambiguous: bool) -> None:
    """In a tidy message it may be chance that something begins like a content."""
    found = swept(b"Hello\n\n" + B64, is_ambiguous=is_ambiguous)
    assert [leaf.is_fragment for leaf in found.leaves] == [not is_ambiguous]


def test_encoded_messages_are_looked_through_once() -> None:
    """That is, when they are read as messages."""
    inner = b"Subject: x\n\n" + B64
    for declared, count in (("message/rfc822", 0), ("text/plain", 1)):
        payload = Payload.of_octets(base64.encodebytes(inner))
        leaf = Leaf(path="1", declared=declared, encoding="base64", payload=payload)
        found = sweep(payload.all(), [leaf], [], is_ambiguous=False, effort=Effort())
        assert len(found.leaves) == count


def test_readings_are_bounded() -> None:
    """Of millions of odd lines one reading is taken, and that is told."""
    found = swept(b"A\n" * 1_000_000, encoding="base64")
    assert "limit.readings" in {finding.id for finding in found.findings}


@pytest.mark.parametrize(
    "octets",
    [
        b"A", b"A\n", b"A" * 40 + b" ", b"A" * 40 + b"=", b"begin 644 a\n", b"=ybegin name=a\n",
        b"\n:", b"=41", b"data:", b"content-type:", b"Content-Type: a/b\n\n", b"\0", b"a\0",
        b"\nMZ\x90", b"\n--",
    ],
)  # fmt: skip
def test_time_is_linear(octets: bytes) -> None:
    """Two megabytes of anything take no more than a moment."""
    begun = time.process_time()
    swept(octets * ((2 << 20) // len(octets)), is_ambiguous=True)
    assert time.process_time() - begun < 3


def test_zips_in_a_row_are_one_content() -> None:
    """The reader of zips finds all of them; a program in the same text stands for itself."""
    text = b"x\n" + (b"\nPK\x03\x04" + b"y" * 30) * 5 + b"\nMZ\x90 z\n--B\n\nPK\x03\x04 other\n"
    found = [content[:4] for content in contents(swept(text, is_ambiguous=True))]
    assert (found.count(b"PK\x03\x04"), found.count(b"MZ\x90 ")) == (2, 1)
