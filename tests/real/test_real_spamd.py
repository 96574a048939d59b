"""checks.spam against a real spamd."""

import pytest

from qscanner.checks import spam
from qscanner.checks.told import Told
from qscanner.codec.servers import Server
from qscanner.model import CheckResult, Outcome
from qscanner.outcomes import CheckFailed
from qscanner.spool import Message
from tests.fakes.server import nobody
from tests.real.servers import Running

pytestmark = pytest.mark.real
HEAD = b"From: a@example.org\nTo: b@example.org\nSubject: hello\n\n"
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN" + b"*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\n"


def scorer(*servers: Server) -> spam.Scorer:
    return spam.Scorer(servers=servers, ask=spam.ask_spamd, max_octets=500_000)


def look(octets: bytes, spamd: Running, transport: str) -> CheckResult:
    """Ask about these octets, behind a server that is away."""
    message = Message.of_octets(octets)
    asked = [nobody(), getattr(spamd, transport)]
    try:
        return scorer(*asked).look(message, Told(), within_s=15)
    finally:
        message.close()


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_scores(transport: str, spamd: Running) -> None:
    """Ham and GTUBE get the score, the threshold and the rules they are known for."""
    ham = look(HEAD + b"How are you? See you at lunch.\n", spamd, transport)
    assert ham.outcome is Outcome.CLEAN
    assert ham.score is not None
    assert ham.score.score < ham.score.threshold == 5.0
    assert ham.score.rules
    bad = look(HEAD + GTUBE, spamd, transport)
    assert bad.outcome is Outcome.FOUND
    assert bad.score is not None
    assert bad.score.score > 900
    assert "GTUBE" in bad.score.rules


def test_empty_message(spamd: Running) -> None:
    """spamd waits for ever for the body of an empty message, unless it hears that it has ended."""
    result = look(b"", spamd, "unix")
    assert result.score is not None


def test_hostile_octets(spamd: Running) -> None:
    """NULs, 8-bit octets, bare CRs and lines that look like the protocol change nothing."""
    body = b"\0\xff\r\r\n.\nSPAMD/1.1 0 EX_OK\r\nSpam: False ; 0 / 5\r\n\r\n" * 100
    assert look(HEAD + body, spamd, "tcp").score is not None


def test_stuck(spamd: Running) -> None:
    """A spamd whose parent stands still may answer or not, but never late."""
    message = Message.of_octets(HEAD)
    with spamd.stopped():
        for _ in range(3):
            try:
                result = scorer(spamd.tcp).look(message, Told(), within_s=1)
            except CheckFailed:
                continue
            assert result.score is not None
    message.close()
