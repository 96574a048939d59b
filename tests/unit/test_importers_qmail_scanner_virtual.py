"""importers.qmail_scanner_virtual: patterns on the envelope, as addresses and networks."""

import pytest

from qscanner.importers.qmail_scanner_virtual import NAMES, body
from qscanner.patterns import PatternError

FROM = {
    "address": (r"jane@a\.example", "jane@a.example"),
    "unescaped-dot": ("jane@a.example", "jane@a.example"),
    "domain": (r".*@a\.example", "@a.example"),
    "subdomains": (r".*@.*\.a\.example", "@.a.example"),
    "subdomains-in-short": (r".*\.a\.example", "@.a.example"),
    "several": (r"(jane|joe)@a\.example", ["jane@a.example", "joe@a.example"]),
    "anchored": (r"^jane@a\.example$", "jane@a.example"),
}


@pytest.mark.parametrize(("pattern", "wanted"), FROM.values(), ids=FROM)
def test_senders(pattern: str, wanted: object) -> None:
    """What is a few addresses or domains becomes these."""
    assert body(pattern, "MAILFROM") == {"when": {"from": wanted}}
    assert body(pattern, "RCPTTO") == {"when": {"to": wanted}}


@pytest.mark.parametrize(
    "pattern",
    [
        ".*", "jane", "jane.*@a.example", ".*@.*", r".*a\.example", "(?i)j@a.example", "a b@c.d",
        "[^a]@b.c",
    ],
)  # fmt: skip
def test_senders_by_pattern(pattern: str) -> None:
    """What is anything else is refused, with the forms that are possible."""
    with pytest.raises(PatternError, match=r"@example\.org"):
        body(pattern, "MAILFROM")


IPS = {
    "address": (r"192\.0\.2\.7", {"ip": "192.0.2.7"}),
    "two": (r"192\.0\.2\.(7|8)", {"ip": ["192.0.2.7", "192.0.2.8"]}),
    "network": (r"192\.0\.2\..*", {"ip": "192.0.2.0/24"}),
    "large-network": (r"10\..*", {"ip": "10.0.0.0/8"}),
    "octets": (r"10\.1\.\d+\.\d+", {"ip": "10.1.0.0/16"}),
    "ipv6": ("2001:db8::1", {"ip": "2001:db8::1"}),
    "no-dot-behind": (r"10\.1.*", {"env": {"TCPREMOTEIP": r"^10\.1.*$"}}),
    "too-few": (r"10\.\d+", {"env": {"TCPREMOTEIP": r"^10\.\d+$"}}),
    "no-network": (r"10\.999\..*", {"env": {"TCPREMOTEIP": r"^10\.999\..*$"}}),
    "in-the-middle": (r"10\..*\.1", {"env": {"TCPREMOTEIP": r"^10\..*\.1$"}}),
}


@pytest.mark.parametrize(("pattern", "wanted"), IPS.values(), ids=IPS)
def test_clients(pattern: str, wanted: object) -> None:
    """Whole octets become networks; any other pattern is asked of TCPREMOTEIP."""
    assert body(pattern, "REMOTEIPADDR") == {"when": wanted}


FACTS = ("ZIPPASSWORDPROTECTED", "FILELENGTHTOOLONG", "FILEDOUBLEBARRELED", "FILECLSID")
BY_HAND = ("ISSENSITIVEANDNOCRYPTO", "CRYPTODETAILS")


def test_every_name_has_an_answer() -> None:
    """All nine of 2.03: those on the envelope, those that are conditions, those by hand."""
    assert {"MAILFROM", "RCPTTO", "REMOTEIPADDR", *FACTS, *BY_HAND} == NAMES


@pytest.mark.parametrize("name", FACTS)
def test_facts(name: str) -> None:
    """What was true or not: of the patterns that meet "true", a condition."""
    assert body(".*", name) == body("^1$", name) != {}
    with pytest.raises(PatternError, match="can be carried over"):
        body("0", name)


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name: str) -> None:
    """What has no condition here is refused, with the nearest one."""
    with pytest.raises(PatternError, match=r"(header|part) = "):
        body(".*", name)
