"""codec.spamd: the answers of spamd, whole and in pieces, right and wrong."""

import pytest

from qscanner.codec import spamd
from qscanner.codec.spamd import BadReply, Reply

HEAD = b"SPAMD/1.1 0 EX_OK\r\n"


def answer(
    spam: str = "False ; 0.1 / 5.0", body: bytes = b"", *, length: str | None = None
) -> bytes:
    """Give an answer as spamd 4.0.1 writes it."""
    said = str(len(body)) if length is None else length
    return HEAD + f"Content-length: {said}\r\nSpam: {spam}\r\n\r\n".encode() + body


RIGHT = {
    "ham": (
        answer(body=b"NO_RECEIVED,TVD_SPACE_RATIO"),
        Reply(is_spam=False, score=0.1, threshold=5, rules=("NO_RECEIVED", "TVD_SPACE_RATIO")),
    ),
    "spam": (
        answer("True ; 1000.0 / 5.0", b"GTUBE"),
        Reply(is_spam=True, score=1000, threshold=5, rules=("GTUBE",)),
    ),
    "no rules": (answer("No ; -1.5 / 4.25"), Reply(is_spam=False, score=-1.5, threshold=4.25)),
    "yes": (answer("Yes ; 6 / 5"), Reply(is_spam=True, score=6, threshold=5)),
    "old, with an end of line": (
        answer(body=b"ONE,TWO\r\n"),
        Reply(is_spam=False, score=0.1, threshold=5, rules=("ONE", "TWO")),
    ),
    "fields in other order and case": (
        HEAD + b"SPAM: True ; 5.0 / 5.0\r\nX-Other: a\r\ncontent-LENGTH:1\r\n\r\nA",
        Reply(is_spam=True, score=5, threshold=5, rules=("A",)),
    ),
}


@pytest.mark.parametrize("chunk", [1, 2, 1000])
@pytest.mark.parametrize("name", RIGHT)
def test_decode(name: str, chunk: int) -> None:
    """The result is there with the last octet and not before; what follows is refused."""
    octets, want = RIGHT[name]
    decoder = spamd.Decoder()
    for i in range(0, len(octets), chunk):
        assert decoder.result is None, "done before the last octet"
        decoder.feed(octets[i : i + chunk])
    assert decoder.result == want
    assert decoder.finish() == want
    with pytest.raises(BadReply, match="longer"):
        decoder.feed(b"\n")


@pytest.mark.parametrize("name", RIGHT)
def test_every_cut_is_noticed(name: str) -> None:
    """An answer that ends early, wherever, is half an answer."""
    octets, _ = RIGHT[name]
    for end in range(len(octets)):
        decoder = spamd.Decoder()
        decoder.feed(octets[:end])
        with pytest.raises(BadReply, match="half an answer"):
            decoder.finish()


WRONG = {
    "no spamd": (b"HTTP/1.1 200 OK\r\n\r\n", "not spamd's"),
    "refusal": (b"SPAMD/1.0 76 Bad header line: x\r\n", "76 Bad header"),
    "pong": (b"SPAMD/1.5 0 PONG\r\n\r\n", "Content-length"),
    "no length": (HEAD + b"Spam: True ; 5 / 5\r\n\r\n", "Content-length"),
    "no judgement": (HEAD + b"Content-length: 0\r\n\r\n", "no Spam field"),
    "two judgements": (
        HEAD + b"Spam: True ; 9 / 5\r\nSpam: False ; 0 / 5\r\nContent-length: 0\r\n\r\n",
        "two fields",
    ),
    "two lengths": (answer().replace(b"Spam:", b"Content-Length: 0\r\nSpam:"), "two fields"),
    "negative length": (answer(length="-1"), "Content-length"),
    "signed length": (answer(length="+0"), "Content-length"),
    "huge length": (answer(length="70000"), "more than"),
    "absurd length": (answer(length="9" * 30), "Content-length"),
    "length too small": (answer(body=b"A" * 50, length="10"), "longer"),
    "nan": (answer("True ; nan / 5.0"), "no Spam field"),
    "inf": (answer("True ; inf / 5.0"), "no Spam field"),
    "minus inf": (answer("False ; -inf / 5.0"), "no Spam field"),
    "exponent": (answer("False ; 1e9 / 5.0"), "no Spam field"),
    "threshold nan": (answer("False ; 1.0 / nan"), "no Spam field"),
    "long number": (answer("False ; 99999999 / 5.0"), "no Spam field"),
    "no judgement word": (answer("Maybe ; 1.0 / 5.0"), "no Spam field"),
    "rule with control characters": (answer(body=b"A,\x1b[2J"), "not a rule"),
    "rule with a line": (answer(body=b"A\r\nX-Forged: 1"), "not a rule"),
    "empty rule": (answer(body=b"A,,B"), "not a rule"),
    "bare newlines": (answer().replace(b"\r\n", b"\n") + b"\r\n\r\n", "not spamd's"),
    "folded field": (answer().replace(b"Spam:", b" folded\r\nSpam:"), "not a header field"),
    "endless head": (HEAD + b"X-A: b\r\n" * 1000, "head has more"),
    "endless line": (b"SPAMD/1.1 " + b"0" * 5000, "head has more"),
}


@pytest.mark.parametrize("chunk", [1, 2, 100_000])
@pytest.mark.parametrize("name", WRONG)
def test_refused(name: str, chunk: int) -> None:
    """Whatever the protocol does not promise is refused, however it comes in."""
    octets, reason = WRONG[name]
    decoder = spamd.Decoder()

    def feed_all() -> None:
        for i in range(0, len(octets), chunk):
            decoder.feed(octets[i : i + chunk])
        decoder.finish()

    with pytest.raises(BadReply, match=reason):
        feed_all()


def test_question() -> None:
    """The question names the octets that follow it."""
    assert spamd.question(12) == b"SYMBOLS SPAMC/1.5\r\nContent-length: 12\r\n\r\n"
