"""scan, with rules that ask for DKIM, SPF or ARC: from octets and name servers to the verdict."""

import time
from pathlib import Path

import pytest

from qscanner.bench import Bench
from qscanner.codec.envelope import encode
from qscanner.deadline import Deadline
from qscanner.model import Action, Client, Direction, Envelope
from qscanner.report import Mail, Report
from qscanner.scan import scan
from qscanner.settings import Auth, Policy, Settings, Virus
from qscanner.spool import Message
from tests.fakes.dns import Answers, Mood, Zone, serving
from tests.fakes.signed import PLAIN, record, rsa_key, sealed, signed

RULES = """
schema = 1
[[rule]]
id = "hello"
why = "yes"
header.Subject = "hello"
action = "reject"
unless = { from = "@partner.example", auth = "%s" }
"""
RSA = record(rsa_key()[1])
ZONE: Zone = {
    ("partner.example", "TXT"): ['"v=spf1 ip4:192.0.2.1 -all"'],
    ("s1._domainkey.partner.example", "TXT"): RSA,
    ("s1._domainkey.evil.example", "TXT"): RSA,
    ("s1._domainkey.list.example", "TXT"): RSA,
}
GOOD = signed()
FORGED = b"Authentication-Results: mx.example; dkim=pass header.d=partner.example; spf=pass\n"


def scanned(
    folder: Path,
    octets: bytes,
    auth: str,
    *,
    zone: Zone = ZONE,
    sender: bytes = b"jane@partner.example",
    ip: str = "192.0.2.1",
    within: float = 5.0,
) -> tuple[Report, Answers]:
    (folder / "rules.toml").write_text(RULES % auth)
    raw = encode(sender, (b"bob@example.org",))
    with serving(zone) as (server, answers):
        chosen = Settings(
            policy=Policy(dir=str(folder)),
            virus=Virus(engines=()),
            auth=Auth(servers=(server,), within=within, authserv_id="mx.example"),
        )
        one = Mail(
            message=Message.of_octets(octets),
            envelope=Envelope(sender=sender, recipients=(b"bob@example.org",), raw=raw),
            client=Client(uid=7, is_trusted=True, direction=Direction.IN, ip=ip),
        )
        try:
            return scan(one, Bench.of(chosen), Deadline(15)), answers
        finally:
            one.message.close()


@pytest.mark.parametrize(
    ("octets", "auth", "said", "is_excepted"),
    [
        pytest.param(GOOD, "dkim", {}, True, id="signed"),
        pytest.param(PLAIN, "dkim", {}, False, id="unsigned"),
        pytest.param(GOOD + b"more", "dkim", {}, False, id="tampered"),
        pytest.param(signed(domain="evil.example"), "dkim", {}, False, id="signed-by-another"),
        pytest.param(GOOD, "dkim", {"sender": b"x@evil.example"}, False, id="another-sender"),
        pytest.param(PLAIN.replace(b"From:", FORGED + b"From:", 1), "dkim", {}, False,
                     id="forged-note"),
        pytest.param(FORGED + PLAIN, "dkim", {}, True, id="our-own-note"),
        pytest.param(PLAIN, "spf", {}, True, id="spf"),
        pytest.param(PLAIN, "spf", {"ip": "198.51.100.1"}, False, id="spf-from-elsewhere"),
        pytest.param(sealed(PLAIN), "arc", {}, True, id="arc"),
        pytest.param(sealed(PLAIN) + b"more", "arc", {}, False, id="arc-tampered"),
    ],
)  # fmt: skip
def test_an_exception(
    tmp_path: Path, octets: bytes, auth: str, said: dict[str, str | bytes], is_excepted: bool
) -> None:
    """It applies only where the proof that it asks for is there."""
    report, _ = scanned(tmp_path, octets, auth, **said)  # type: ignore[arg-type]
    assert report.verdict.action is (Action.ACCEPT if is_excepted else Action.REJECT)


@pytest.mark.parametrize("mood", [Mood.SERVFAIL, Mood.SILENT])
def test_nobody_answers(tmp_path: Path, mood: Mood) -> None:
    """The exception does not apply, the scan is not held up, and it is told."""
    begun = time.monotonic()
    zone: Zone = dict.fromkeys(ZONE, mood)
    report, _ = scanned(tmp_path, GOOD, "dkim", zone=zone, within=0.3)
    assert report.verdict.action is Action.REJECT
    assert "auth.unavailable" in {each.id for each in report.facts.findings}
    assert time.monotonic() - begun < 5


def test_no_rule_asks(tmp_path: Path) -> None:
    """Then no name server is."""
    report, answers = scanned(tmp_path, GOOD, "user")
    assert report.verdict.action is Action.REJECT
    assert not answers.asked
