"""codec.rspamd: what checks.rspamd cannot see from outside (its tests have the answers)."""

import pytest

from qscanner.codec import rspamd
from tests.fakes.rspamd import answer


def test_a_question() -> None:
    """Empty fields are left out, and whatever a stranger wrote stays one line."""
    fields: list[tuple[str, str | bytes]] = [
        ("From", b""),
        ("IP", "192.0.2.1"),
        ("User", "a\r\nRcpt: x"),
        ("Rcpt", "x" * 3000),
    ]
    head = rspamd.question(12, fields)
    assert head.startswith(
        b"POST /checkv2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"IP: 192.0.2.1\r\nUser: a\\x0d\\x0aRcpt: x\r\nRcpt: xxx"
    )
    assert head.endswith(b"...\r\nContent-Length: 12\r\n\r\n")
    assert len(head) < 1300


@pytest.mark.parametrize("cut", range(1, len(answer()), 7))
def test_every_cut_is_noticed(cut: int) -> None:
    """Half an answer is none, wherever it ends."""
    with pytest.raises(rspamd.BadReply):
        rspamd.parse(answer()[:cut])


def test_odd_symbols_are_left_out() -> None:
    """A name that could not be a rule's is not handed on."""
    said = answer(symbols={"GOOD_1": {}, "bad\r\nname": {}, "x" * 300: {}})
    assert rspamd.parse(said).rules == ("GOOD_1",)


def test_chunks() -> None:
    """HTTP may come in chunks."""
    head, _, body = answer(score=3).partition(b"\r\n\r\n")
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
    assert rspamd.parse(chunked % (len(body), body)).score == 3
    assert head
