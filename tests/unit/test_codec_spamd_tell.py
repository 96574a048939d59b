"""codec.spamd_tell: the order TELL and its answers, whole and in pieces, right and wrong."""

import pytest

from qscanner.codec import spamd_tell
from qscanner.codec.spamd import BadReply
from qscanner.codec.spamd_tell import Answer, NotAllowed

OK = b"SPAMD/1.1 0 EX_OK\r\n"
RIGHT = {
    "learned": (OK + b"DidSet: local\r\n\r\n\r\n", Answer(did_set=True)),
    "learned here and there": (OK + b"DidSet: local,remote\r\n\r\n", Answer(did_set=True)),
    "learned there only": (OK + b"DidSet: remote\r\n\r\n", Answer()),
    "forgotten": (OK + b"DidRemove: local\r\n\r\n\r\n", Answer(did_remove=True)),
    "nothing done": (OK + b"\r\n\r\n", Answer()),
    "with a length": (
        OK + b"Content-length: 0\r\ndidset: local , remote\r\n\r\n",
        Answer(did_set=True),
    ),
}


@pytest.mark.parametrize("chunk", [1, 2, 1000])
@pytest.mark.parametrize("name", RIGHT)
def test_decode(name: str, chunk: int) -> None:
    """In any number of pieces."""
    octets, want = RIGHT[name]
    decoder = spamd_tell.Decoder()
    for start in range(0, len(octets), chunk):
        decoder.feed(octets[start : start + chunk])
    assert decoder.finish() == want
    with pytest.raises(BadReply, match="something follows"):
        decoder.feed(b"x")


@pytest.mark.parametrize("name", RIGHT)
def test_every_cut_is_noticed(name: str) -> None:
    """An answer that ends before its head does, wherever, is half an answer."""
    octets, _ = RIGHT[name]
    for end in range(octets.index(b"\r\n\r\n") + 3):
        decoder = spamd_tell.Decoder()
        decoder.feed(octets[:end])
        with pytest.raises(BadReply, match="half an answer"):
            decoder.finish()


WRONG = {
    "not spamd": (b"HTTP/1.1 200 OK\r\n\r\n", "not spamd's"),
    "a failure": (b"SPAMD/1.0 76 Bad header line: x\r\n", "76 Bad header"),
    "another store": (OK + b"DidSet: elsewhere\r\n\r\n", "not a database"),
    "control characters": (OK + b"DidSet: local\x1b[2J\r\n\r\n", "not a header field"),
    "twice": (OK + b"DidSet: local\r\nDidSet: remote\r\n\r\n", "two fields"),
    "no field": (OK + b"DidSet\r\n\r\n", "not a header field"),
    "a body": (OK + b"\r\nDidSet: local\r\n\r\n", "something follows"),
    "endless head": (OK + b"X-A: b\r\n" * 1000, "more than"),
    "endless line": (b"SPAMD/1.1 " + b"0" * 5000, "more than"),
    "endless end": (OK + b"\r\n" * 5000, "more than"),
}


@pytest.mark.parametrize("chunk", [1, 2, 100_000])
@pytest.mark.parametrize("name", WRONG)
def test_refused(name: str, chunk: int) -> None:
    """Whatever the protocol does not promise is refused, however it comes in."""
    octets, reason = WRONG[name]
    decoder = spamd_tell.Decoder()

    def feed_all() -> None:
        for start in range(0, len(octets), chunk):
            decoder.feed(octets[start : start + chunk])
        decoder.finish()

    with pytest.raises(BadReply, match=reason):
        feed_all()


@pytest.mark.parametrize(
    "words",
    [
        b"69 Service Unavailable: TELL commands are not enabled, set the --allow-tell switch.",
        b"69 Service Unavailable: TELL commands have not been enabled.",
    ],
    ids=["4.0.1", "older"],
)
def test_no_orders_taken(words: bytes) -> None:
    """A spamd without --allow-tell is told from one that fails, with the first line."""
    with pytest.raises(NotAllowed, match="69 Service"):
        spamd_tell.Decoder().feed(b"SPAMD/1.0 " + words + b"\r\n")


def test_order() -> None:
    """The order names the octets that follow it, what is to be done, and for whom."""
    head = b"TELL SPAMC/1.5\r\nContent-length: 12\r\n"
    spam, ham = (
        b"Message-class: spam\r\nSet: local\r\n\r\n",
        b"Message-class: ham\r\nSet: local\r\n\r\n",
    )
    assert spamd_tell.order(12, is_spam=True) == head + spam
    assert spamd_tell.order(12, is_spam=False, user="ann") == head + b"User: ann\r\n" + ham
    assert spamd_tell.order(12, is_spam=None) == head + b"Remove: local\r\n\r\n"
