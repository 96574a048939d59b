"""codec.payload: pieces of a payload, decoded leaves, uuencoded files in text."""

import binascii

from qscanner.codec.payload import Leaf, Payload, leaves_of_uu
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


def test_uuencoded_files_are_bounded() -> None:
    """A million begin lines are a hundred leaves."""
    assert len(list(leaves_of_uu(text_leaf(b"begin 644 a\n" * 100_000)))) == 100
    assert list(leaves_of_uu(text_leaf(b"we begin 644 things\n"))) == []
