"""checks.auth_spf: records of strangers, asked through our resolver."""

import pytest

from qscanner.checks.auth_dns import Names
from qscanner.checks.auth_spf import MAX_RECORD_OCTETS, domain_of, load, passes
from qscanner.outcomes import CheckFailed
from tests.fakes.dns import Mood, Zone, serving, txt

DEEP: Zone = {(f"d{n}.example", "TXT"): [f'"v=spf1 include:d{n + 1}.example"'] for n in range(30)}
ZONE: Zone = {
    ("a.example", "TXT"): ['"some=thing"', '"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"'],
    ("in.example", "TXT"): ['"v=spf1 include:a.example ~all"'],
    ("mx.example", "TXT"): ['"v=spf1 mx -all"'],
    ("mx.example", "MX"): ["10 one.mx.example."],
    ("one.mx.example", "A"): ["192.0.2.1"],
    ("macro.example", "TXT"): ['"v=spf1 exists:%{l}.%{i}.ok.example -all"'],
    ("jane.192.0.2.1.ok.example", "A"): ["127.0.0.2"],
    ("two.example", "TXT"): ['"v=spf1 +all"', '"v=spf1 -all"'],
    ("bad.example", "TXT"): ['"v=spf1 moo:%{ -all"'],
    ("long.example", "TXT"): [txt("v=spf1" + " ip4:198.51.100.1" * 300 + " +all")],
    ("silent.example", "TXT"): Mood.SILENT,
    ("later.example", "TXT"): ['"v=spf1 include:silent.example +all"'],
    **DEEP,
}


@pytest.mark.parametrize(
    ("sender", "ip", "want"),
    [
        pytest.param(b"jane@a.example", "192.0.2.1", "a.example", id="address"),
        pytest.param(b"jane@A.EXAMPLE.", "2001:db8::1", "a.example", id="ip6"),
        pytest.param(b"jane@a.example", "198.51.100.1", "", id="other-address"),
        pytest.param(b"jane@in.example", "192.0.2.1", "in.example", id="include"),
        pytest.param(b"jane@in.example", "198.51.100.1", "", id="softfail"),
        pytest.param(b"jane@mx.example", "192.0.2.1", "mx.example", id="mx"),
        pytest.param(b"jane@macro.example", "192.0.2.1", "macro.example", id="macro"),
        pytest.param(b"bob@macro.example", "192.0.2.1", "", id="macro-fails"),
        pytest.param(b"jane@nobody.example", "192.0.2.1", "", id="no-record"),
        pytest.param(b"jane@two.example", "192.0.2.1", "", id="two-records"),
        pytest.param(b"jane@bad.example", "192.0.2.1", "", id="bad-record"),
        pytest.param(b"jane@d0.example", "192.0.2.1", "", id="too-deep"),
        pytest.param(b"jane@long.example", "192.0.2.1", "", id="too-long"),
        pytest.param(b"", "192.0.2.1", "", id="null-sender"),
        pytest.param(b"jane", "192.0.2.1", "", id="no-domain"),
        pytest.param(b"jane@a.example", "", "", id="no-address"),
        pytest.param(b"x@a.example@nobody.example", "192.0.2.1", "", id="two-ats"),
        pytest.param(b"jane@[192.0.2.1]", "192.0.2.1", "", id="literal"),
        pytest.param(b"j\xe4ne@a.example", "192.0.2.1", "", id="eight-bit"),
    ],
)
def test_passes(sender: bytes, ip: str, want: str) -> None:
    """Only a pass gives the domain, that of the last @."""
    with serving(ZONE) as (server, _):
        assert passes(sender, ip, Names((server,), within_s=5)) == want
    assert len(txt("v=spf1" + " ip4:198.51.100.1" * 300)) > MAX_RECORD_OCTETS


@pytest.mark.parametrize("domain", ["silent.example", "later.example"])
def test_nobody_could_say(domain: str) -> None:
    """No answer is no pass, and no fail either, whatever stands behind it."""
    with serving(ZONE) as (server, _), pytest.raises(CheckFailed):
        passes(b"jane@" + domain.encode(), "192.0.2.1", Names((server,), within_s=0.3))


@pytest.mark.parametrize(
    ("address", "want"),
    [
        (b"a@B.example.", "b.example"),
        (b"a@localhost", ""),
        (b"a@b..c", ""),
        (b"a@" + b"x" * 64 + b".example", ""),
        (b"a@" + b"x.y" * 200, ""),
        (b"a.example", ""),
        (b'"a@b"@c.example', "c.example"),
    ],
)
def test_domain_of(address: bytes, want: str) -> None:
    """The name of a domain with a dot, or nothing."""
    assert domain_of(address) == want


def test_load() -> None:
    """The package is there where tests run."""
    assert load()
