"""policy.networks: hosts in networks."""

import datetime

import pytest

from qscanner.policy.addresses import FOREVER
from qscanner.policy.networks import host, network, networks
from tests.fakes.facts import TODAY


@pytest.mark.parametrize(
    ("entry", "ip", "want"),
    [
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("192.0.2.0/24", "192.0.2.255", True),
        ("192.0.2.0/24", "192.0.3.0", False),
        ("0.0.0.0/0", "192.0.2.7", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("2001:db8::/32", "2001:db8:1::1", True),
        ("2001:db8::/32", "2001:db9::1", False),
        ("192.0.2.0/24", "::ffff:192.0.2.7", True),
        ("fe80::1", "fe80::1%eth0", True),
    ],
)
def test_matching(entry: str, ip: str, want: bool) -> None:
    """One host, a network, both versions."""
    given = host(ip)
    assert given is not None
    assert networks([(network(entry), FOREVER)]).has(given, TODAY) is want


@pytest.mark.parametrize("text", ["", "localhost", "192.0.2", "192.0.2.7/24", "\ud800", "1" * 999])
def test_what_is_no_host(text: str) -> None:
    """Nothing is made of it."""
    assert host(text) is None


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("192.0.2.7/24", 'the network is "192.0.2.0/24"'),
        ("192.0.2", "neither"),
        ("192.0.2.0/33", "neither"),
        ("mail.example.org", "neither"),
    ],
)
def test_what_is_no_network(text: str, advice: str) -> None:
    """Mistakes are refused with what would be right."""
    with pytest.raises(ValueError) as caught:
        network(text)
    assert advice in str(caught.value)


def test_last_day() -> None:
    """Expired entries do not match; of the same entry twice the later day counts."""
    day = datetime.timedelta(days=1)
    given = host("192.0.2.7")
    assert given is not None
    found = networks([(network("192.0.2.7"), TODAY), (network("192.0.2.7"), TODAY - day)])
    assert found.has(given, TODAY)
    assert not found.has(given, TODAY + day)
