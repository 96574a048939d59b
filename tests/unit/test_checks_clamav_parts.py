"""checks.clamav_parts: clamd is asked about each hidden content, and nothing is lost of it."""

from collections.abc import Iterator

import pytest

from qscanner.checks import clamav_parts
from qscanner.checks.clamav_known import Known
from qscanner.checks.clamav_parts import ClamavParts
from qscanner.checks.virus import merge
from qscanner.codec.servers import Server
from qscanner.model import Finding, Outcome
from tests.fakes import clamd as fake
from tests.fakes.server import TRANSPORTS, nobody, serving

EVIL = b"evil"


def judge(octets: bytes) -> bytes:
    return b"stream: Test FOUND\0" if EVIL in octets else b"stream: OK\0"


def parts(*servers: Server, within_s: float = 5) -> ClamavParts:
    return ClamavParts(servers, within_s=within_s, known=Known())


@pytest.fixture(params=TRANSPORTS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A clamd that knows one virus."""
    with serving(fake.judging(judge), request.param) as there:
        yield there


def test_says_where_it_was_found(server: Server) -> None:
    """Each content is asked about, and the finding names its path."""
    asked = parts(server)
    for where, content in (("1", b"good"), ("2~base64", EVIL), ("3", b"fine")):
        asked.feed(where, content)
    result = merge(asked.results())
    assert (result.outcome, result.names) == (Outcome.FOUND, ("Test",))
    assert result.findings == (Finding(id="virus.clamav", where="2~base64", detail="Test"),)


def test_nothing_hidden_is_no_result(server: Server) -> None:
    """A message without hidden contents is judged by the others alone."""
    assert parts(server).results() == ()


def test_without_servers_nothing_is_asked() -> None:
    """Where clamav is no engine, this is none either."""
    asked = parts()
    asked.feed("1", EVIL)
    assert asked.results() == ()


def test_the_same_octets_are_asked_about_once() -> None:
    """Readings often agree: that costs nothing."""
    seen: list[bytes] = []

    def note(octets: bytes) -> bytes:
        seen.append(octets)
        return b"stream: OK\0"

    with serving(fake.judging(note)) as server:
        asked = parts(server)
        for where in ("1", "1~base64", "2"):
            asked.feed(where, b"same")
        asked.feed("3", b"other")
        assert merge(asked.results()).outcome is Outcome.CLEAN
    assert seen == [b"same", b"other"]


def test_too_many_are_a_finding(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound nobody is asked, and policy hears of it."""
    monkeypatch.setattr(clamav_parts, "MOST", 3)
    asked = parts(server)
    for number in range(5):
        asked.feed(str(number), b"%d" % number)
    result = merge(asked.results())
    assert result.outcome is Outcome.UNSCANNABLE
    assert [(each.id, each.where) for each in result.findings] == [("limit.virus-parts", "3")]


def test_no_time_is_a_finding(server: Server) -> None:
    """It would be so at each try: it must not be "later" for ever."""
    asked = parts(server, within_s=0)
    asked.feed("1", EVIL)
    result = merge(asked.results())
    assert result.outcome is Outcome.UNSCANNABLE
    assert result.findings[0].id == "limit.virus-parts"


def test_nobody_there_is_unavailable() -> None:
    """A clamd that is away is not the message's doing; it is asked once, not for each part."""
    asked = parts(nobody("unix"))
    asked.feed("1", EVIL)
    asked.feed("2", EVIL * 2)
    result = merge(asked.results())
    assert result.outcome is Outcome.UNAVAILABLE
    assert "nonexistent" in result.detail


def test_what_was_found_before_trouble_counts(server: Server) -> None:
    """A virus is found, whatever happens afterwards."""
    asked = parts(server)
    asked.feed("1", EVIL)
    asked._servers = (nobody("unix"),)
    asked.feed("2", b"more")
    assert merge(asked.results()).outcome is Outcome.FOUND
