"""qmail's envelope: the grammar, every way of cutting it in pieces, and copying it unchanged."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qscanner.codec.envelope import Decoder, encode, narrow
from qscanner.model import Envelope
from qscanner.outcomes import AddressTooLong, BadEnvelope, CutShort, Ending, QScannerError

LONGEST = b"a" * 1002
MANY = 50_000
ADDRESSES = st.binary(max_size=1002).map(lambda octets: octets.replace(b"\0", b""))


def envelope(sender: bytes, *recipients: bytes, raw: bytes) -> Envelope:
    return Envelope(sender=sender, recipients=recipients, raw=raw)


def feed(decoder: Decoder, octets: bytes, chunk: int) -> None:
    """Feed the octets in pieces of this size."""
    for at in range(0, len(octets), chunk):
        decoder.feed(octets[at : at + chunk])


GOOD = [
    pytest.param(b"Fs@x\0Ta@y\0\0", b"s@x", (b"a@y",), id="usual"),
    pytest.param(b"Fs@x\0Ta@y\0Tb@z\0\0", b"s@x", (b"a@y", b"b@z"), id="two-recipients"),
    pytest.param(b"Fs@x\0\0", b"s@x", (), id="no-recipient"),
    pytest.param(b"F\0Ta@y\0\0", b"", (b"a@y",), id="null-sender"),
    pytest.param(b"F\0\0", b"", (), id="null-sender-no-recipient"),
    pytest.param(b"F#@[]\0Ta@y\0\0", b"#@[]", (b"a@y",), id="double-bounce"),
    pytest.param(b"Fl-@host-@[]\0Ta\0\0", b"l-@host-@[]", (b"a",), id="verp-and-no-at"),
    pytest.param(b"FF\0TT\0T\0\0", b"F", (b"T", b""), id="letters-and-nothing-as-addresses"),
    pytest.param(b"F\xff \r\n\x01\0T\x80\0\0", b"\xff \r\n\x01", (b"\x80",), id="any-octet"),
    pytest.param(b"Fs\0Mx\0Ta\0Qy\0Lz\0Tb\0\0", b"s", (b"a", b"b"), id="other-letters"),
    pytest.param(b"Fs\0Ta\0Ta\0\0", b"s", (b"a", b"a"), id="the-same-twice"),
    pytest.param(b"F" + LONGEST + b"\0T" + LONGEST + b"\0\0", LONGEST, (LONGEST,), id="longest"),
]


@pytest.mark.parametrize("chunk", [1, 2, 1000])
@pytest.mark.parametrize(("raw", "sender", "recipients"), GOOD)
def test_decode(raw: bytes, sender: bytes, recipients: tuple[bytes, ...], chunk: int) -> None:
    """However it is cut: not done before the last octet, then whole, and raw is what came."""
    decoder = Decoder()
    for at in range(0, len(raw), chunk):
        assert not decoder.is_done, "done before the last octet"
        assert decoder.result is None
        decoder.feed(raw[at : at + chunk])
    assert decoder.is_done
    assert decoder.result == Envelope(sender=sender, recipients=recipients, raw=raw)
    assert decoder.finish() == decoder.result


@pytest.mark.parametrize("chunk", [1, 2, 1000])
def test_what_follows_is_left_alone(chunk: int) -> None:
    """Behind the last NUL nothing is read: qmail-queue stops there, too."""
    octets = b"Fs\0Ta\0\0" + b"Tb\0\0 rubbish"
    decoder = Decoder()
    feed(decoder, octets, chunk)
    assert decoder.finish() == envelope(b"s", b"a", raw=b"Fs\0Ta\0\0")


@pytest.mark.parametrize(("raw", "sender", "recipients"), GOOD)
def test_cut_at_every_octet(raw: bytes, sender: bytes, recipients: tuple[bytes, ...]) -> None:
    """An envelope that ends early is an aborted session, wherever it was cut; also at once."""
    for size in {*range(min(len(raw), 40)), len(raw) - 2, len(raw) - 1}:
        decoder = Decoder()
        decoder.feed(raw[:size])
        with pytest.raises(CutShort) as caught:
            decoder.finish()
        assert caught.value.ending is Ending.CUT_SHORT


BAD = [
    pytest.param(b"\0", BadEnvelope, id="nul-first"),
    pytest.param(b"Ta\0", BadEnvelope, id="recipient-first"),
    pytest.param(b"fs\0", BadEnvelope, id="small-f"),
    pytest.param(b"Mx\0", BadEnvelope, id="other-letter-first"),
    pytest.param(b"Fs\0ta\0", BadEnvelope, id="small-t"),
    pytest.param(b"Fs\0Ta\0@\0", BadEnvelope, id="just-below-the-letters"),
    pytest.param(b"Fs\0Ta\0[\0", BadEnvelope, id="just-above-the-letters"),
    pytest.param(b"Fs\0\x80", BadEnvelope, id="eight-bit-letter"),
    pytest.param(b"F" + LONGEST + b"a", AddressTooLong, id="sender-1003"),
    pytest.param(b"Fs\0T" + LONGEST + b"a", AddressTooLong, id="recipient-1003"),
    pytest.param(b"Fs\0T" + LONGEST + b"a\0\0", AddressTooLong, id="recipient-1003-whole"),
    pytest.param(b"Fs\0M" + LONGEST + b"a", AddressTooLong, id="other-entry-1003"),
]


@pytest.mark.parametrize("chunk", [1, 2, 2000])
@pytest.mark.parametrize(("octets", "error"), BAD)
def test_refused(octets: bytes, error: type[QScannerError], chunk: int) -> None:
    """Against the grammar: refused at the octet that breaks it, however it is cut."""
    decoder = Decoder()
    with pytest.raises(error):
        feed(decoder, octets, chunk)
    assert decoder.result is None


def test_a_whole_long_address_needs_no_nul() -> None:
    """1002 octets wait for more; the 1003rd is refused at once, so that memory stays bounded."""
    decoder = Decoder()
    decoder.feed(b"F" + LONGEST)
    with pytest.raises(AddressTooLong):
        decoder.feed(b"a")


@pytest.mark.parametrize("chunk", [7, 4096, 1 << 20])
def test_fifty_thousand_recipients_in_linear_time(chunk: int) -> None:
    """An envelope larger than a pipe is read in a time that grows with its size only."""
    recipients = tuple(b"r%d@example.org" % number for number in range(MANY))
    raw = encode(b"s", recipients)
    begun = time.process_time()
    decoder = Decoder()
    feed(decoder, raw, chunk)
    assert decoder.finish() == Envelope(sender=b"s", recipients=recipients, raw=raw)
    kept = narrow(raw, tuple(number % 2 == 0 for number in range(MANY)))
    assert kept == encode(b"s", recipients[::2])
    assert time.process_time() - begun < 5  # quadratic takes minutes


@given(ADDRESSES, st.lists(ADDRESSES, max_size=5), st.integers(1, 50))
def test_there_and_back(sender: bytes, recipients: list[bytes], chunk: int) -> None:
    """What encode() writes decode reads, for any octets but NUL."""
    raw = encode(sender, tuple(recipients))
    decoder = Decoder()
    feed(decoder, raw, chunk)
    assert decoder.finish() == Envelope(sender=sender, recipients=tuple(recipients), raw=raw)


@given(st.binary(max_size=200) | st.binary(max_size=50).map(lambda octets: b"F" + octets))
def test_any_octets_end_well(octets: bytes) -> None:
    """Whatever comes: an Envelope whose raw octets came, or one of the three errors."""
    decoder = Decoder()
    try:
        decoder.feed(octets)
        found = decoder.finish()
    except (BadEnvelope, AddressTooLong, CutShort):
        return
    assert octets.startswith(found.raw)


@pytest.mark.parametrize(
    ("sender", "recipients"),
    [pytest.param(b"a\0b", (), id="sender"), pytest.param(b"a", (b"b", b"\0"), id="recipient")],
)
def test_no_nul_is_smuggled_in(sender: bytes, recipients: tuple[bytes, ...]) -> None:
    """An address with a NUL would become another entry: it is refused."""
    with pytest.raises(BadEnvelope):
        encode(sender, recipients)


@pytest.mark.parametrize(
    ("raw", "keep", "want"),
    [
        pytest.param(b"Fs\0Ta\0Tb\0\0", (True, False), b"Fs\0Ta\0\0", id="first"),
        pytest.param(b"Fs\0Ta\0Tb\0\0", (False, True), b"Fs\0Tb\0\0", id="last"),
        pytest.param(b"Fs\0Ta\0Tb\0\0", (True, True), b"Fs\0Ta\0Tb\0\0", id="all"),
        pytest.param(b"Fs\0Ta\0\0", (False,), b"Fs\0\0", id="none"),
        pytest.param(b"F\0\0", (), b"F\0\0", id="no-recipient"),
        pytest.param(b"FT\0T\0TT\0\0", (True, False), b"FT\0T\0\0", id="empty-address"),
        pytest.param(
            b"Fs\0Mx\0Ta\0Qy\0Tb\0Lz\0\0",
            (False, True),
            b"Fs\0Mx\0Qy\0Tb\0Lz\0\0",
            id="others-stay",
        ),
    ],
)
def test_narrow(raw: bytes, keep: tuple[bool, ...], want: bytes) -> None:
    """Only the wanted recipients stay; everything else does, in its order."""
    assert narrow(raw, keep) == want


@given(ADDRESSES, st.lists(st.tuples(ADDRESSES, st.booleans()), max_size=6))
def test_narrow_keeps_exactly_the_kept(sender: bytes, wanted: list[tuple[bytes, bool]]) -> None:
    """The narrowed envelope is the one of the kept recipients."""
    raw = encode(sender, tuple(to for to, _ in wanted))
    kept = tuple(to for to, is_kept in wanted if is_kept)
    assert narrow(raw, tuple(is_kept for _, is_kept in wanted)) == encode(sender, kept)
