"""checks.auth: what is wanted is found out, by the mail server's notes or by ourselves."""

import pytest

from qscanner.checks.auth import DKIM_BAD, METHODS, NOT_VERIFIED, UNAVAILABLE, Verifier
from qscanner.model import CheckResult, Client, Direction, Envelope, Outcome, Proven
from qscanner.settings import Auth
from qscanner.spool import Message
from tests.fakes.dns import Answers, Mood, Zone, serving
from tests.fakes.signed import PLAIN, record, rsa_key, sealed, signed

RSA = record(rsa_key()[1])
ZONE: Zone = {
    ("partner.example", "TXT"): ['"v=spf1 ip4:192.0.2.1 -all"'],
    ("s1._domainkey.partner.example", "TXT"): RSA,
    ("s1._domainkey.list.example", "TXT"): RSA,
}
AWAY: Zone = dict.fromkeys(ZONE, Mood.SERVFAIL)
CLIENT = Client(uid=1, is_trusted=True, direction=Direction.IN, ip="192.0.2.1")
NOTE = b"Authentication-Results: mx.example; dkim=pass header.d=noted.example\n"
GOOD = sealed(signed())
ALL = Proven(
    dkim_domains=frozenset({"partner.example"}), spf_domain="partner.example", is_arc=True
)


def look(
    octets: bytes, *wanted: str, zone: Zone = ZONE, within_s: float = 5.0, **chosen: object
) -> tuple[CheckResult, Answers]:
    envelope = Envelope(sender=b"jane@partner.example", recipients=(b"b@c",), raw=b"")
    message = Message.of_octets(octets)
    with serving(zone) as (server, answers):
        verifier = Verifier.of(Auth(servers=(server,), **chosen))  # type: ignore[arg-type]
        found = verifier.look(message, envelope, CLIENT, frozenset(wanted), within_s=within_s)
    message.close()
    return found, answers


@pytest.mark.parametrize(
    ("wanted", "want"),
    [
        (("dkim",), Proven(dkim_domains=frozenset({"partner.example"}))),
        (("spf",), Proven(spf_domain="partner.example")),
        (("arc",), Proven(is_arc=True)),
        (METHODS, ALL),
        ((), Proven()),
    ],
    ids=["dkim", "spf", "arc", "all", "none"],
)
def test_what_is_wanted(wanted: tuple[str, ...], want: Proven) -> None:
    """And nothing else is looked at."""
    found, answers = look(GOOD, *wanted)
    assert found.proven == want
    assert found.outcome is Outcome.CLEAN
    assert not found.findings
    assert bool(answers.asked) is bool(wanted)


def test_a_note_of_our_own_server() -> None:
    """What it answers nobody is asked for; what it does not, is verified."""
    found, answers = look(NOTE + GOOD, "dkim", authserv_id="mx.example")
    assert found.proven == Proven(dkim_domains=frozenset({"noted.example"}))
    assert not answers.asked
    found, _ = look(NOTE + GOOD, "spf", authserv_id="mx.example")
    assert found.proven == Proven(
        dkim_domains=frozenset({"noted.example"}), spf_domain="partner.example"
    )


def test_a_note_of_a_stranger() -> None:
    """Below the top Received field, it is the sender's own word."""
    forged = PLAIN.replace(b"From:", NOTE + b"From:", 1)
    found, _ = look(forged, "dkim", authserv_id="mx.example")
    assert found.proven == Proven()


def test_nobody_answers() -> None:
    """Nothing is proven, and each that was wanted says why."""
    found, _ = look(GOOD, *METHODS, zone=AWAY)
    assert found.proven == Proven()
    assert {each.id for each in found.findings} == {UNAVAILABLE}
    assert {each.detail.partition(":")[0] for each in found.findings} == set(METHODS)


def test_the_time_is_used_up() -> None:
    """One silent server does not hold up a message for longer than was said."""
    found, _ = look(GOOD, *METHODS, zone=dict.fromkeys(ZONE, Mood.SILENT), within_s=0.3)
    assert found.proven == Proven()
    assert found.ms < 3000
    assert {each.id for each in found.findings} == {UNAVAILABLE}


def test_a_bad_signature() -> None:
    """It is told, for rules that want to know."""
    found, _ = look(signed() + b"more", "dkim")
    assert [each.id for each in found.findings] == [DKIM_BAD]
    assert "partner.example" in found.findings[0].detail


def test_a_large_message() -> None:
    """Its signatures are not verified, its sender is."""
    found, _ = look(GOOD, *METHODS, max=100)
    assert found.proven == Proven(spf_domain="partner.example")
    assert [each.id for each in found.findings] == [NOT_VERIFIED]


def test_nothing_is_installed() -> None:
    """Then nothing is proven, but by notes."""
    message = Message.of_octets(NOTE + GOOD)
    envelope = Envelope(sender=b"jane@partner.example", recipients=(b"b@c",), raw=b"")
    chosen = Verifier(chosen=Auth(authserv_id="mx.example"), methods=frozenset())
    found = chosen.look(message, envelope, CLIENT, frozenset(METHODS), within_s=1)
    message.close()
    assert found.proven == Proven(dkim_domains=frozenset({"noted.example"}))
