"""policy.addresses: which patterns mean which addresses, and what is no pattern."""

import datetime
import time

import pytest

from qscanner.policy.addresses import (
    FOREVER,
    MAX_LABELS,
    Address,
    addresses,
    domain_pattern,
    domains_above,
    pattern,
)
from tests.fakes.facts import TODAY


@pytest.mark.parametrize(
    ("text", "octets", "want"),
    [
        ("jane@example.org", b"jane@example.org", True),
        ("jane@example.org", b"JANE@Example.ORG", True),
        ("Jane@Example.org", b"jane@example.org", True),
        ("jane@example.org", b"jane@example.org.", True),
        ("jane@example.org", b"mary@example.org", False),
        ("@example.org", b"jane@example.org", True),
        ("@example.org", b"jane@mail.example.org", False),
        ("@example.org", b"jane@notexample.org", False),
        ("@.example.org", b"jane@example.org", True),
        ("@.example.org", b"jane@a.mail.example.org", True),
        ("@.example.org", b"jane@notexample.org", False),
        ("@example.org", b"jane@evil.example@example.org", True),
        ("@evil.example", b"jane@evil.example@example.org", False),
        ("", b"", True),
        ("", b"jane@example.org", False),
        ("", b"jane", False),
        ("@example.org", b"", False),
        ("@example.org", b"example.org", False),
        ("@[192.0.2.1]", b"jane@[192.0.2.1]", True),
        ("#@[]", b"#@[]", True),
        ("j\u00fcrgen@example.org", "J\u00dcRGEN@example.org".encode(), True),
        ("j\u00fcrgen@example.org", b"j\xfcrgen@example.org", True),
        ("@example.org", b"\xff\x00\n@example.org", True),
    ],
)
def test_matching(text: str, octets: bytes, want: bool) -> None:
    """The whole address, its domain, or that with subdomains; never by a part of a word."""
    assert addresses([(pattern(text), FOREVER)]).has(Address.of(octets), TODAY) is want


@pytest.mark.parametrize(
    ("text", "domain", "want"),
    [
        ("example.org", "example.org", True),
        ("@Example.org", "example.org", True),
        ("example.org", "mail.example.org", False),
        (".example.org", "mail.example.org", True),
        (".example.org", "example.org", True),
    ],
)
def test_domain_patterns(text: str, domain: str, want: bool) -> None:
    """Without the @ that addresses need."""
    found = addresses([(domain_pattern(text), FOREVER)])
    assert found.has(Address.of_text(f"a@{domain}"), TODAY) is want


@pytest.mark.parametrize(
    ("make", "text", "advice"),
    [
        (pattern, "example.org", '"@example.org"'),
        (pattern, "postmaster", "no @"),
        (pattern, "*@example.org", "has no *"),
        (pattern, "a@*.org", "has no *"),
        (pattern, "jane@", "no usable domain"),
        (pattern, "@a..b", "no usable domain"),
        (pattern, "Jane <jane@example.org>", "no usable domain"),
        (pattern, "a@b, c@d", "no usable domain"),
        (pattern, "@" + "a." * MAX_LABELS + "org", "labels"),
        (domain_pattern, "jane@example.org", "where a domain belongs"),
        (domain_pattern, "*.example.org", "has no *"),
        (domain_pattern, "", "no usable domain"),
    ],
)
def test_what_is_no_pattern(make: object, text: str, advice: str) -> None:
    """Mistakes are refused with what would be right."""
    assert callable(make)
    with pytest.raises(ValueError) as caught:
        make(text)
    assert advice in str(caught.value)


@pytest.mark.parametrize("text", ["a@example.org", "@example.org", "@.example.org"])
def test_last_day(text: str) -> None:
    """An entry holds on its last day, not after; of the same entry twice the later day counts."""
    day = datetime.timedelta(days=1)
    who = Address.of(b"a@example.org")
    found = addresses([(pattern(text), TODAY), (pattern(text), TODAY - day)])
    assert found.has(who, TODAY)
    assert not found.has(who, TODAY + day)


def test_domains_above() -> None:
    """From the longest to the shortest, bounded, with the domain itself always among them."""
    assert domains_above("a.b.c") == ("a.b.c", "b.c", "c")
    many = "x." * 1000 + "org"
    above = domains_above(many)
    assert above[0] == many
    assert above[-1] == "org"
    assert len(above) == MAX_LABELS + 1


def test_a_hundred_thousand_entries_are_fast() -> None:
    """Lookups do not depend on how many entries there are."""
    many = addresses((f"user{n}@example.org", FOREVER) for n in range(100_000))
    who = Address.of(b"user99999@example.org")
    begun = time.monotonic()
    assert all(many.has(who, TODAY) for _ in range(10_000))
    assert time.monotonic() - begun < 2
