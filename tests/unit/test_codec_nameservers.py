"""codec.nameservers: addresses with and without a port, and nothing else."""

import pytest

from qscanner.codec.nameservers import parse


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("127.0.0.1", ("127.0.0.1", 53)),
        ("::1", ("::1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_what_is_one(text: str, want: tuple[str, int]) -> None:
    """The port is 53 where none is written."""
    assert parse(text) == want


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dns.example", "no address"),
        ("udp:127.0.0.1:53", "no address"),
        ("[::1]", "no address"),
        ("", "no address"),
        ("127.0.0.1:0", "a port"),
        ("127.0.0.1:65536", "a port"),
        ("127.0.0.1:", "no address"),
    ],
)
def test_what_is_none(text: str, words: str) -> None:
    """It is said what would be right."""
    with pytest.raises(ValueError, match=words):
        parse(text)
