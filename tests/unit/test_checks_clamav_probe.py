"""checks.clamav_probe: what is said of clamds that see all, little, or are not there."""

import socket
import threading
import time
import zipfile
from collections.abc import Callable
from io import BytesIO

import pytest

from qscanner.checks import clamav_probe
from qscanner.checks.clamav_probe import EICAR, eicar_mail, probe
from qscanner.codec.servers import Server
from tests.fakes import clamd as fake
from tests.fakes.server import Script, nobody, serving

OK = b"stream: OK\0"
FOUND = b"stream: Eicar FOUND\0"
LIMIT = b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0"
PADDING = 1 << 20
NOW = 1_795_339_810.0 + 2 * 86400  # two days after the date of fake.VERSION


def looked_at(seen: bytes, *, mails: bool = True) -> bytes:
    """Judge as clamd does that sees everything, zips in zips up to a limit."""
    if seen == EICAR or (mails and b"WDVPIVAl" in seen):
        return FOUND
    return LIMIT if seen.startswith(b"PK") else OK


def up_to(limit: int, above: bytes) -> Callable[[bytes], bytes]:
    """Judge as a clamd that says `above` of what is larger, and of zips in zips."""
    return lambda seen: above if len(seen) > limit or seen.startswith(b"PK") else looked_at(seen)


def asked(server: Server) -> clamav_probe.Probe:
    """Probe with little padding."""
    return probe(server, within_s=5, padding_octets=PADDING, clock=lambda: NOW)


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_a_good_one(transport: str) -> None:
    """Who sees everything has no problem."""
    with serving(fake.judging(looked_at), transport) as server:
        found = asked(server)
    assert found.problems == ()
    assert found.notes == ()
    assert (found.is_reachable, found.finds_eicar, found.padded) == (True, True, "found")
    assert found.alerts_exceeds_max is True
    assert found.takes_descriptors is (True if transport == "unix" else None)
    assert found.version == "1.4.6/27402"
    assert found.signatures_age_days is not None
    assert 1 < found.signatures_age_days < 3


def without_version(peer: socket.socket, stop: threading.Event) -> None:
    """Answer all but VERSION."""
    if peer.recv(8, socket.MSG_PEEK) == b"zVERSION":
        peer.sendall(b"COMMAND UNAVAILABLE\0")
        return
    fake.judging(looked_at)(peer, stop)


BAD: dict[str, tuple[Script, str, tuple[str, ...]]] = {
    "blind above a limit": (
        fake.judging(up_to(100_000, OK)),
        "clean",
        ("MaxFileSize", "MaxScanSize", "StreamMaxLength", "AlertExceedsMax"),
    ),
    "says so above a limit": (
        fake.judging(up_to(100_000, LIMIT)),
        "limit",
        ("MaxFileSize", "MaxScanSize", "StreamMaxLength"),
    ),
    "short streams": (
        fake.judging(up_to(100_000, b"INSTREAM size limit exceeded. ERROR\0")),
        "limit",
        ("StreamMaxLength",),
    ),
    "no signatures": (fake.saying(OK), "", ("database",)),
    "does not read mail": (
        fake.judging(lambda seen: looked_at(seen, mails=False)),
        "",
        ("ScanMail",),
    ),
    "finds everything": (fake.saying(FOUND), "found", ("harmless",)),
    "answers nothing sensible": (fake.judging(lambda _: b"what?\0"), "", ("no answer",)),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_one(name: str) -> None:
    """Every weakness is a problem that names what to change."""
    script, padded, words = BAD[name]
    with serving(script, "tcp") as server:
        found = asked(server)
    assert found.is_reachable
    assert found.padded == padded
    assert found.problems
    assert all(word in " ".join(found.problems) for word in words), found.problems


def test_what_is_good_to_know() -> None:
    """No descriptors, no VERSION: still a scanner that sees everything."""
    refusing = fake.refusing_descriptors(looked_at, b"UNKNOWN COMMAND\0")
    with serving(refusing) as server:
        found = asked(server)
    assert (found.takes_descriptors, found.problems) == (False, ())
    assert "descriptors" in found.notes[0]
    with serving(without_version) as server:
        found = asked(server)
    assert (found.version, found.signatures_age_days, found.problems) == ("", None, ())
    assert "EnableVersionCommand" in found.notes[0]


def test_old_signatures() -> None:
    """Signatures of last month are a problem."""
    with serving(fake.judging(looked_at)) as server:
        found = probe(server, within_s=5, padding_octets=PADDING, clock=lambda: NOW + 30 * 86400)
    assert "32 days old" in found.problems[0]


def test_away_and_silent() -> None:
    """Nobody there, or nobody speaking, is known in time."""
    assert not asked(nobody()).is_reachable
    with serving(fake.not_reading) as server:
        began = time.monotonic()
        found = probe(server, within_s=0.5)
        assert time.monotonic() - began < 2
    assert not found.is_reachable
    assert "no whole answer within" in found.problems[0]


def test_the_messages() -> None:
    """The padded mail is as large as asked; the zips in zips are zips, all the way down."""
    assert PADDING < len(eicar_mail(PADDING)) < PADDING + 2000
    octets, depth = clamav_probe._nested(b"harmless"), 0
    while octets.startswith(b"PK"):
        with zipfile.ZipFile(BytesIO(octets)) as archive:
            assert archive.testzip() is None
            octets = archive.read("inner.zip")
        depth += 1
    assert (octets, depth > 100) == (b"harmless", True)
