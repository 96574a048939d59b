"""checks.rspamd against a real rspamd."""

import pytest

from qscanner.checks import rspamd as scores
from qscanner.checks.told import Told
from qscanner.model import CheckResult, Outcome
from qscanner.spool import Message
from tests.real.servers import Running

# The server may take long to come up: it compiles its rules first.
pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]
HEAD = b"From: a@example.org\nTo: b@example.org\nSubject: %s\n\n"
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN" + b"*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\n"


def ask(
    octets: bytes, server: Running, transport: str = "tcp", *, told: Told | None = None
) -> CheckResult:
    message = Message.of_octets(octets)
    try:
        return scores.ask(message, getattr(server, transport), told or Told(), within_s=15)
    finally:
        message.close()


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_scores(transport: str, rspamd: Running) -> None:
    """Ham, what a rule dislikes, and GTUBE: score, symbols and judgement."""
    ham = ask(HEAD % b"lunch" + b"See you.\n", rspamd, transport)
    assert ham.outcome is Outcome.CLEAN
    disliked = ask(HEAD % b"lottery" + b"You won.\n", rspamd, transport)
    assert disliked.outcome is Outcome.FOUND
    assert disliked.score is not None
    assert (disliked.score.score, disliked.score.rules) == (7.5, ("TEST_LOTTERY",))
    bad = ask(HEAD % b"x" + GTUBE, rspamd, transport)
    assert bad.outcome is Outcome.FOUND
    assert bad.score is not None
    assert bad.score.rules == ("GTUBE",)


def test_its_rules_may_ask_for_what_we_told(rspamd: Running) -> None:
    """Findings stand in a header, envelope and connection in the question."""
    told = Told(
        sender=b"s@x.example",
        recipients=(b"a@y.example", b"b@y.example"),
        ip="192.0.2.1",
        auth_user="ann",
        head=b"X-Qscanner-Findings: mime.odd-type name.bidi\n",
    )
    result = ask(HEAD % b"x" + b"hello\n", rspamd, told=told)
    assert result.score is not None
    assert set(result.score.rules) == {"TEST_FINDINGS", "TEST_ENVELOPE"}


def test_hostile_octets(rspamd: Running) -> None:
    """NULs, 8-bit octets and lines that look like the protocol change nothing."""
    octets = b"\0\xff\r\r\n.\nHTTP/1.1 200 OK\r\n\r\n{}" * 1000
    assert ask(HEAD % b"x" + octets, rspamd).score is not None
