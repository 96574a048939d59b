"""codec.servers: every form of an address, and what is said of those that are none."""

import re

import pytest

from qscanner.codec.servers import Server, parse


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("unix:/run/clamav/clamd.ctl", Server(kind="unix", path="/run/clamav/clamd.ctl", text="")),
        ("unix:/run/a:b", Server(kind="unix", path="/run/a:b", text="")),
        ("tcp:127.0.0.1:3310", Server(kind="tcp", host="127.0.0.1", port=3310, text="")),
        ("tcp:av.example.org:1", Server(kind="tcp", host="av.example.org", port=1, text="")),
        ("tcp:[::1]:65535", Server(kind="tcp", host="::1", port=65535, text="")),
        ("tcp:[fe80::1%eth0]:783", Server(kind="tcp", host="fe80::1%eth0", port=783, text="")),
    ],
    ids=["unix", "unix with colon", "IPv4", "name", "IPv6", "IPv6 with zone"],
)
def test_a_server(text: str, server: Server) -> None:
    """The parts are right, and the admin's own words are kept."""
    found = parse(text)
    assert found.text == text
    assert (found.kind, found.path, found.host, found.port) == (
        server.kind,
        server.path,
        server.host,
        server.port,
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no server: unix:/path, tcp:host:port"),
        ("/run/clamd.ctl", "is no server: unix:/path"),
        ("127.0.0.1:3310", "is no server: unix:/path"),
        ("udp:127.0.0.1:3310", "is no server: unix:/path"),
        ("unix:run/clamd", "begins with /"),
        ("unix:", "begins with /"),
        ("unix:/a\0b", "begins with /"),
        ("unix:/" + "x" * 107, "at most 107 octets"),
        ("tcp:localhost", "the port is missing"),
        ("tcp:localhost:", "the port is missing"),
        ("tcp:localhost:clamd", "the port is missing"),
        ("tcp:[::1]", "the port is missing"),
        ("tcp:::1:3310", "stands in brackets"),
        ("tcp:a b:1", "is no server"),
        ("tcp:host:0", "from 1 to 65535"),
        ("tcp:host:65536", "from 1 to 65535"),
        ("tcp:host:\u0661", "is no server"),
        ("tcp:host:1 ", "is no server"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_no_server(text: str, why: str) -> None:
    """What is wrong is named, and how it should look."""
    with pytest.raises(ValueError, match=re.escape(why)):
        parse(text)


def test_the_longest_path() -> None:
    """The kernel takes 107 octets (unix(7)), so we do."""
    assert len(parse("unix:/" + "x" * 106).path) == 107
