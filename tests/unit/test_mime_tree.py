"""mime_tree: the parser is told what is a container, and where; bodies stay out of it."""

from qscanner.mime_tree import MESSAGE, MULTIPART, TEXT, Feeder, MimeLimits


def fed(octets: bytes, limits: MimeLimits | None = None) -> Feeder:
    feeder = Feeder(octets, limits or MimeLimits())
    feeder.run()
    return feeder


def test_tree() -> None:
    """Multiparts and messages have children, everything else is a leaf; depths are counted."""
    root = fed(
        b"Content-Type: multipart/mixed; boundary=A\n\n"
        b"--A\n\nHello\n--A\nContent-Type: message/rfc822\n\nSubject: x\n\nbody\n--A--\n"
    ).root
    assert root
    assert root.role == MULTIPART
    text, message = root.pieces()
    assert (text.role, message.role) == (TEXT, MESSAGE)
    assert [inner.depth for inner in message.pieces()] == [2]


def test_bodies_are_not_fed() -> None:
    """The parser sees a mark; the span says where the body stands."""
    octets = b"Subject: x\n\n" + b"a body\n" * 1000
    feeder = fed(octets)
    assert feeder.root
    assert "body" not in feeder.root.body()
    assert feeder.spans == [(12, len(octets) - 1)]


def test_bounds() -> None:
    """Too deep and too many parts are noted where they are."""
    deep = b"Content-Type: multipart/mixed; boundary=A\n\n--A\n\nHello\n--A\n\nworld\n--A--\n"
    for limits, odd in (
        (MimeLimits(depth=0), "limit.depth"),
        (MimeLimits(parts=1), "limit.parts"),
    ):
        root = fed(deep, limits).root
        assert root
        assert odd in root.odd
