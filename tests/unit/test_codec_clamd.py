"""codec.clamd: what clamd says, to the letter."""

import pytest

from qscanner.codec import clamd
from qscanner.codec.clamd import Answer, NotAnAnswer, Said, Version

RIGHT = {
    "ok": (b"stream: OK\0", Answer(said=Said.CLEAN)),
    "found": (b"stream: A.B-1 FOUND\0", Answer(said=Said.FOUND, text="A.B-1")),
    "found with colon": (b"stream: x: y FOUND\n", Answer(said=Said.FOUND, text="x: y")),
    "found, latin": (b"stream: V\xe9 FOUND\0", Answer(said=Said.FOUND, text="V\u00e9")),
    "too large": (b"INSTREAM size limit exceeded. ERROR\0", Answer(said=Said.TOO_LARGE)),
    "error": (b"stream: Broken ERROR\0", Answer(said=Said.ERROR, text="stream: Broken ERROR")),
    "unknown": (b"UNKNOWN COMMAND\0", Answer(said=Said.ERROR, text="UNKNOWN COMMAND")),
}


@pytest.mark.parametrize("name", RIGHT)
def test_answers(name: str) -> None:
    """Each answer of clamd(8) means what it says, for a stream and for a descriptor."""
    octets, want = RIGHT[name]
    assert clamd.parse(octets, asked="stream") == want
    if want.said in (Said.CLEAN, Said.FOUND):
        by_descriptor = octets.replace(b"stream:", b"fd[13]:")
        assert clamd.parse(by_descriptor, asked="fd") == want
        for other, asked in ((octets, "fd"), (by_descriptor, "stream")):
            with pytest.raises(NotAnAnswer):
                clamd.parse(other, asked=asked)


@pytest.mark.parametrize("name", RIGHT)
def test_every_cut_is_noticed(name: str) -> None:
    """An answer that ends early, wherever, or with rubbish behind it, is none."""
    octets, _ = RIGHT[name]
    for end in range(len(octets)):
        with pytest.raises(NotAnAnswer):
            clamd.parse(octets[:end], asked="stream")
    for rubbish in (b"\0", b"\n", b"x", octets):
        with pytest.raises(NotAnAnswer):
            clamd.parse(octets + rubbish, asked="stream")


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\0",
        b"OK\0",
        b"stream: \0",
        b"stream:OK\0",
        b"stream: OK \0",
        b" stream: OK\0",
        b"stream:  FOUND\0",
        b"stream: \x1bX FOUND\0",
        b"fd[]: OK\0",
        b"stream: " + b"A" * 3000,
    ],
    ids=repr,
)
def test_nearly(octets: bytes) -> None:
    """Nearly right is wrong."""
    for asked in ("stream", "fd"):
        with pytest.raises(NotAnAnswer):
            clamd.parse(octets, asked=asked)


def test_chunks() -> None:
    """The chunks are the octets, none is empty, and each says its length."""
    for size in (0, 1, 9, 10, 11, 20, 25):
        octets = bytes(range(size))
        pieces = [octets[place] for place in clamd.places(size, 10)]
        assert b"".join(pieces) == octets
        assert all(pieces)
    assert clamd.instream(b"abc") == b"\0\0\0\x03abc"
    assert clamd.END == b"\0\0\0\0"


def test_version() -> None:
    """A version has three parts, or one, and nothing strange in it."""
    full = clamd.parse_version(b"ClamAV 1.4.6/27402/Sun Nov 22 09:30:10 2026")
    assert full == Version(engine="1.4.6", database="27402", date="Sun Nov 22 09:30:10 2026")
    assert clamd.parse_version(b"ClamAV 1.4.6") == Version(engine="1.4.6")
    for wrong in (b"", b"ClamAV ", b"ClamAV 1/x/y", b"clamav 1.4.6", b"ClamAV 1.4.6\nX: y"):
        with pytest.raises(NotAnAnswer):
            clamd.parse_version(wrong)
