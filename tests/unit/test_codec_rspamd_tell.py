"""codec.rspamd_tell: the orders to rspamd's controller, and its answers, right and wrong."""

import pytest

from qscanner.codec import rspamd_tell
from qscanner.codec.rspamd import BadReply
from qscanner.codec.rspamd_tell import Answer, Said
from tests.fakes.rspamd import SUCCESS, failing, saying_of

KNOWN = b"<x@y> has been already learned as spam, ignore it"
LYING = b"<has been already learned as spam, ignore it> is too short"


@pytest.mark.parametrize(
    ("octets", "said", "words"),
    [
        pytest.param(saying_of(b"200 OK", SUCCESS), Said.LEARNED, "", id="learned"),
        pytest.param(
            failing(404, KNOWN), Said.KNOWN, f"HTTP 404 {KNOWN.decode()}", id="known-404"
        ),
        pytest.param(
            failing(208, KNOWN), Said.KNOWN, f"HTTP 208 {KNOWN.decode()}", id="known-208"
        ),
        pytest.param(
            failing(204, KNOWN), Said.KNOWN, f"HTTP 204 {KNOWN.decode()}", id="known-204"
        ),
        pytest.param(
            failing(401, b"Unauthorized"), Said.REFUSED, "HTTP 401 Unauthorized", id="401"
        ),
        pytest.param(failing(403, b"Forbidden"), Said.REFUSED, "HTTP 403 Forbidden", id="403"),
        pytest.param(
            failing(204, b"<x> contains less tokens than required: 3 < 11"),
            Said.NOT_THIS,
            "HTTP 204 <x> contains less tokens than required: 3 < 11",
            id="too-few-words",
        ),
        pytest.param(
            failing(204, LYING), Said.NOT_THIS, f"HTTP 204 {LYING.decode()}", id="a-lying-id"
        ),
        pytest.param(
            failing(400, b"Empty body is not permitted"),
            Said.NOT_THIS,
            "HTTP 400 Empty body is not permitted",
            id="empty",
        ),
        pytest.param(
            failing(404, b"no classifiers defined"),
            Said.FAILED,
            "HTTP 404 no classifiers defined",
            id="no-classifier",
        ),
        pytest.param(
            saying_of(b"500 Oh dear", b"no JSON"), Said.FAILED, "HTTP 500 Oh dear", id="no-json"
        ),
        pytest.param(
            saying_of(b"500 Oh dear", b'{"error": 7}'), Said.FAILED, "HTTP 500 Oh dear", id="odd"
        ),
        pytest.param(
            saying_of(b"500 \x1b[2J"), Said.FAILED, "HTTP 500 \\x1b[2J", id="control-characters"
        ),
    ],
)
def test_answers(octets: bytes, said: Said, words: str) -> None:
    """What it means, whatever the code; no octet of it can speak to a terminal."""
    assert rspamd_tell.parse(octets) == Answer(said=said, words=words)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        pytest.param(b"SPAMD/1.1 0 EX_OK\r\n\r\n", "not HTTP", id="not-http"),
        pytest.param(saying_of(b"200 OK", SUCCESS)[:30], "success|HTTP|whole", id="half-a-head"),
        pytest.param(saying_of(b"200 OK", SUCCESS)[:-4], "whole|shorter", id="half-a-body"),
        pytest.param(saying_of(b"200 OK", b'{"success":false}'), "without success", id="false"),
        pytest.param(saying_of(b"200 OK", b'{"success":1}'), "without success", id="one"),
        pytest.param(saying_of(b"200 OK", b"[]"), "without success", id="no-object"),
        pytest.param(saying_of(b"200 OK", b"{]"), "without success", id="no-json"),
        pytest.param(saying_of(b"200 OK"), "without success", id="empty"),
        pytest.param(saying_of(b"200 OK", b"[" * 100_000), "without success", id="deep"),
    ],
)
def test_no_answers(octets: bytes, reason: str) -> None:
    """Only what says that it was learned is believed to say so."""
    with pytest.raises(BadReply, match=reason):
        rspamd_tell.parse(octets)


def test_order() -> None:
    """The path says as what, and the password stands in a field of its own."""
    rest = b"HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    assert (
        rspamd_tell.order(12, is_spam=True)
        == b"POST /learnspam " + rest + b"Content-Length: 12\r\n\r\n"
    )
    told = rspamd_tell.order(0, is_spam=False, password="s\\\u00e9 same")
    assert (
        told
        == b"POST /learnham " + rest + b"Password: s\\\xc3\xa9 same\r\nContent-Length: 0\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("x", True),
        ("with blanks and \u00e9", True),
        ("", False),
        ("a\r\nX-B: c", False),
        ("a\0", False),
        ("a" * 501, False),
    ],
)
def test_passwords(text: str, is_one: bool) -> None:
    """What could end the field is no password."""
    assert rspamd_tell.is_password(text) == is_one
