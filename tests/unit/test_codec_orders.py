"""What dispatcher and worker say to each other, and what a worker gone mad might say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qscanner.codec import orders

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize("uid", [0, 1003, 65534, 2**32 - 1])
@pytest.mark.parametrize("digests", [(), (DIGEST,), (DIGEST, DIGEST[::-1])])
def test_take(uid: int, digests: tuple[str, ...]) -> None:
    """uid and digests come as they went."""
    taken = orders.taken(orders.take(uid, digests))
    assert (taken.uid, taken.not_to_scan) == (uid, frozenset(digests))


@pytest.mark.parametrize("packet", [b"", b"take", b"take x", b"give 1", b"take -1", b"\xff"])
def test_no_take(packet: bytes) -> None:
    """Anything else is refused."""
    with pytest.raises(orders.OrderError):
        orders.taken(packet)


def test_busy() -> None:
    """The digest of what was begun."""
    assert orders.heard(orders.busy(DIGEST)) == ("busy", DIGEST)


@pytest.mark.parametrize(("retires", "word"), [(False, "done"), (True, "last")])
def test_done(retires: bool, word: str) -> None:
    """Facts come as they went, and whether it was the last time."""
    facts: orders.Facts = {"verdict": "accept", "octets": 12, "scan_s": 0.5}
    assert orders.heard(orders.done(facts, retires=retires)) == (word, facts)


def test_too_many_facts() -> None:
    """What does not fit into a packet is left out: the worker is free all the same."""
    packet = orders.done({"rules": "x" * orders.MAX_OCTETS}, retires=True)
    assert orders.heard(packet) == ("last", {})
    assert len(packet) <= orders.MAX_OCTETS


BAD = [
    pytest.param(b"", id="empty"),
    pytest.param(b"busy", id="no-digest"),
    pytest.param(b"busy " + b"g" * 64, id="no-hex"),
    pytest.param(b"busy " + b"a" * 63, id="short-digest"),
    pytest.param(b"busy " + b"a" * 64 + b"\n", id="newline"),
    pytest.param(b"done", id="no-facts"),
    pytest.param(b"done {", id="no-json"),
    pytest.param(b"done []", id="no-object"),
    pytest.param(b"done " + b"[" * 8000, id="deep"),
    pytest.param(b"done " + b"9" * 8000, id="long-number"),
    pytest.param(b"exec /bin/sh", id="other"),
]


@pytest.mark.parametrize("packet", BAD)
def test_not_heard(packet: bytes) -> None:
    """Whatever else a worker says is refused by one exception."""
    with pytest.raises(orders.OrderError):
        orders.heard(packet)


def test_only_words_and_numbers() -> None:
    """Facts of other kinds are left out."""
    told = {"a": [1], "b": {"c": 1}, "d": None, "e": "x", "f": 1.5}
    assert orders.heard(b"done " + json.dumps(told).encode()) == ("done", {"e": "x", "f": 1.5})


@given(st.binary(max_size=200))
def test_anything(packet: bytes) -> None:
    """The decoders raise nothing but OrderError."""
    for prefix in (b"", b"done ", b"busy ", b"take "):
        for decode in (orders.heard, orders.taken):
            try:
                decode(prefix + packet)
            except orders.OrderError:
                continue
