"""codec.lzw: what compress(1) writes, whole and broken; its table is bounded."""

import pytest

from qscanner.codec import lzw
from tests.fakes.packed import compressed


def decoded(octets: bytes) -> bytes:
    return b"".join(lzw.pieces(octets))


# A run of one letter: each code is the one that it makes.
RUN = bytes.fromhex("1f9d9061020a1c48b0e0c082")


def test_short() -> None:
    """Codes of nine bits, in groups of eight; a code that is used while it is made."""
    assert decoded(compressed(b"hello, world: nine bits")) == b"hello, world: nine bits"
    assert set(decoded(RUN)) == {ord("a")}


def test_wider_codes() -> None:
    """After 256 new codes the width is 10 bits, and the group before it is padded."""
    codes = [octet % 256 for octet in range(255)]
    number = sum(code << 9 * place for place, code in enumerate(codes))
    first = number.to_bytes(9 * 32, "little")[: 9 * 32]
    second = sum(code << 10 * place for place, code in enumerate(b"abcdefgh")).to_bytes(
        10, "little"
    )
    assert decoded(b"\x1f\x9d\x90" + first + second)[:255] == bytes(codes)


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x1f\x8b\x08", id="gzip"),
        pytest.param(b"\x1f\x9d\x1e" + bytes(9), id="30 bits"),
        pytest.param(b"\x1f\x9d\x90\xff\xff\xff", id="a code that nobody made"),
    ],
)
def test_broken(octets: bytes) -> None:
    """Told, not guessed."""
    with pytest.raises(lzw.NotLzw):
        decoded(octets)


def test_the_table_is_bounded() -> None:
    """A run that grows by one octet a code is stopped by what the table keeps."""
    width, codes, known = 9, [0], 257
    out = bytearray(b"\x1f\x9d\x90")
    group: list[int] = []
    for code in [*codes, *range(257, 20_000)]:
        group.append(code)
        known += 1
        if len(group) == 8 or known - 1 == 1 << width:
            out += sum(each << width * place for place, each in enumerate(group)).to_bytes(
                width, "little"
            )
            group = []
        if known - 1 == 1 << width:
            width += 1
    sizes: list[int] = []
    with pytest.raises(lzw.NotLzw):
        sizes.extend(map(len, lzw.pieces(bytes(out))))
    assert sum(sizes) < 100 << 20
