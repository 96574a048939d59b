"""codec.canonical: the body as signatures hash it, compared with what dkimpy makes of it."""

import base64
import hashlib
import re
import time

import dkim.canonicalization
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qscanner.codec.canonical import Body


def hashed(octets: bytes, *, is_relaxed: bool, piece: int = 1 << 20) -> tuple[bytes, int]:
    body = Body(is_relaxed=is_relaxed)
    for at in range(0, len(octets), piece):
        body.feed(octets[at : at + piece])
    return body.finish(), body.octets


def theirs(octets: bytes, *, is_relaxed: bool) -> tuple[bytes, int]:
    way = dkim.canonicalization.Relaxed if is_relaxed else dkim.canonicalization.Simple
    text = way.canonicalize_body(b"\r\n".join(re.split(b"\r?\n", octets)))
    return hashlib.sha256(text).digest(), len(text)


@pytest.mark.parametrize(
    ("is_relaxed", "want"),
    [
        pytest.param(False, "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=", id="simple"),
        pytest.param(True, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", id="relaxed"),
    ],
)
def test_the_empty_body(is_relaxed: bool, want: str) -> None:
    """The values that RFC 6376 3.4.3 and 3.4.4 give for it."""
    assert base64.b64encode(hashed(b"", is_relaxed=is_relaxed)[0]).decode() == want


@pytest.mark.parametrize("is_relaxed", [False, True], ids=["simple", "relaxed"])
@pytest.mark.parametrize("piece", [1, 2, 1000])
@pytest.mark.parametrize(
    "octets",
    [b" C \r\nD \t E\r\n\r\n\r\n", b"a\nb\n", b"no end", b"\n\n\n", b" \n\t\n", b"a \r\r\n\r\n",
     b"\r", b" ", b"a  \r", b"a\r\r\r\n\r", b"x \t \t y\n\n\nz  \n\r\n \n", b" \r \r \n"],
)  # fmt: skip
def test_pieces(octets: bytes, piece: int, is_relaxed: bool) -> None:
    """However it is cut, the hash and the size are those of dkimpy."""
    want = theirs(octets, is_relaxed=is_relaxed)
    assert hashed(octets, is_relaxed=is_relaxed, piece=piece) == want


@given(st.lists(st.sampled_from([b" ", b"\t", b"\r", b"\n", b"\r\n", b"a", b"  \r\n"])),
       st.booleans(), st.integers(1, 5))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_any_body(words: list[bytes], is_relaxed: bool, piece: int) -> None:
    """So it is for anything made of what matters."""
    octets = b"".join(words)
    want = theirs(octets, is_relaxed=is_relaxed)
    assert hashed(octets, is_relaxed=is_relaxed, piece=piece) == want


@pytest.mark.parametrize("word", [b" ", b"\n", b"\r", b" \r", b"\t \r\n", b"a "])
def test_hostile_bodies_are_linear(word: bytes) -> None:
    """Four megabytes of whatever is dear for patterns that go back."""
    begun = time.monotonic()
    hashed(word * ((1 << 22) // len(word)), is_relaxed=True)
    assert time.monotonic() - begun < 5
