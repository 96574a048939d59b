"""codec.payload: pieces of a payload, decoded leaves, uuencoded files in text."""

import binascii
import time

import pytest

from qscanner.codec.payload import Leaf, Payload, has_uu, leaves_of_uu
from qscanner.model import Where


def text_leaf(text: bytes) -> Leaf:
    return Leaf(path="1", payload=Payload.of_octets(text))


def test_pieces() -> None:
    """Octets and stretches of the message come in their order, and in bounded slices."""
    octets = b"0123456789" * 300_000
    payload = Payload(octets=octets, pieces=(b"a", (2, 5), b"z", (0, len(octets))))
    assert payload.all() == b"a234z" + octets
    assert max(map(len, payload.slices())) <= 1 << 20


def test_decode_never_raises() -> None:
    """Whatever an encoding meets; a container has no octets of its own."""
    for encoding in ("base64", "quoted-printable", "uuencode", "identity", "never heard of"):
        leaf = Leaf(path="1", encoding=encoding, payload=Payload.of_octets(bytes(range(256))))
        leaf.decode()
    assert Leaf(path="1", is_container=True, payload=Payload.of_octets(b"x")).decode() == b""


def test_uuencoded_files() -> None:
    """Each becomes a leaf with its name, also base64 ones, and one that has no end."""
    text = (
        b"Hello\nbegin 644 a.exe\n" + binascii.b2a_uu(b"MZ one") + b"`\nend\n"
        b"begin-base64 644 b.exe\nTVogdHdv\n====\n"
        b"begin 755 c.exe\r\n" + binascii.b2a_uu(b"MZ three")
    )
    found = list(leaves_of_uu(text_leaf(text)))
    assert [(leaf.names[0], leaf.decode()) for leaf in found] == [
        ("a.exe", b"MZ one"),
        ("b.exe", b"MZ two"),
        ("c.exe", b"MZ three"),
    ]
    assert [leaf.path for leaf in found] == ["1.uu1", "1.uu2", "1.uu3"]
    assert found[0].where is Where.ATTACHMENT


DATA = binascii.b2a_uu(b"MZ the payload")


@pytest.mark.parametrize(
    "begin",
    [
        b"BEGIN 644 a.exe", b"begin\t644\ta.exe", b"begin  644  a.exe", b"begin 00644 a.exe",
        b"begin 100644 a.exe", b"begin 6 a.exe", b"begin -644 a.exe", b"\rbegin 644 a.exe",
        b"\0begin 644 a.exe", b" begin 644 a.exe",
    ],
)  # fmt: skip
def test_lenient_begins(begin: bytes) -> None:
    """What some decoder takes for the begin of a file is one, and its name counts."""
    for text in (begin + b"\n" + DATA, b"Hello\n" + begin + b"\r\n" + DATA + b"`\nend\n"):
        assert has_uu(text)
        found = list(leaves_of_uu(text_leaf(text)))
        assert [(leaf.names, leaf.decode()) for leaf in found] == [(("a.exe",), b"MZ the payload")]


@pytest.mark.parametrize("begin", [b"begin\n", b"begin 644\n", b"Begin 644\t\n"])
def test_begins_without_a_name(begin: bytes) -> None:
    """They have the file nevertheless."""
    found = list(leaves_of_uu(text_leaf(begin + DATA)))
    assert [(leaf.names, leaf.decode()) for leaf in found] == [((), b"MZ the payload")]


def test_prose_is_no_file() -> None:
    """A line that begins with the word counts only if the next is as long as it says."""
    for text in (b"begin the day\nwith a walk\n", b"Begin\n\nThe end\n", b"we begin 7 a\n" + DATA):
        assert not has_uu(text)


def test_looking_for_begins_is_linear() -> None:
    """Eight megabytes of what nearly is one take a moment."""
    for unit in (b"begin\n", b"\n" + b" " * 79, b"begin " * 99 + b"\n", b"\r", b"begin\n \n"):
        begun = time.process_time()
        assert not has_uu(unit * ((8 << 20) // len(unit)))
        assert time.process_time() - begun < 3


def test_uuencoded_files_are_bounded() -> None:
    """A million begin lines are a hundred leaves."""
    assert len(list(leaves_of_uu(text_leaf(b"begin 644 a\n" * 100_000)))) == 100
    assert list(leaves_of_uu(text_leaf(b"we begin 644 things\n"))) == []
