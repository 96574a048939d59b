"""Addresses, and sets of patterns for them: a@b, @domain, @.domain with subdomains, "" for null.

Called by  policy.evidence and policy.headers (Address), policy.conditions and decide (Addresses).
Ends       pattern() and domain_pattern() raise ValueError with what would be right; no other does.
Careful    an address is whatever a stranger sent: any octets. Matching ignores case, in the local
           part too, because nobody who writes rules wants to lose to "Postmaster@". The work per
           address is bounded however many dots it has.
"""

import datetime
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from qscanner.codec.text import readable

MAX_LABELS = 32  # of a domain, from its end, that @.domain looks at
FOREVER = datetime.date.max
_NO_ADDRESS = re.compile(r'[\s<>,;"]')
_NEVER = datetime.date.min


@dataclass(frozen=True, slots=True)
class Address:
    """An address in lower case: the whole, and what stands behind its last @ without end dots."""

    whole: str
    domain: str

    @classmethod
    def of(cls, octets: bytes) -> "Address":
        """Give the address of an envelope, which may hold any octets."""
        return cls.of_text(readable(octets))

    @classmethod
    def of_text(cls, text: str) -> "Address":
        """Give the address that a text is; without an @ its domain is ""."""
        lower = text.lower()
        local, at, domain = lower.rpartition("@")
        domain = domain.rstrip(".") if at else ""
        return cls(whole=f"{local}@{domain}" if at else lower, domain=domain)


def domains_above(domain: str) -> tuple[str, ...]:
    """Give the domain itself and all it is a subdomain of: a.b.c, b.c, c (MAX_LABELS of them)."""
    labels = domain.rsplit(".", MAX_LABELS)
    above = tuple(".".join(labels[at:]) for at in range(len(labels)))
    return above if len(labels) <= MAX_LABELS else (domain, *above[1:])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Addresses:
    """Patterns, any of which may match. The values are the last days on which they hold.

    `whole` has addresses, and "" for the null sender; `domains` exact domains; `below` domains
    that stand for their subdomains too. Compared by identity, so that a set of them is cheap.
    """

    whole: Mapping[str, datetime.date]
    domains: Mapping[str, datetime.date]
    below: Mapping[str, datetime.date]

    def has(self, address: Address, today: datetime.date) -> bool:
        """Say whether a pattern matches the address and has not expired."""
        return self.has_whole(address.whole, today) or self.has_domain(address.domain, today)

    def pattern_of(self, address: Address, today: datetime.date) -> str | None:
        """Give the pattern that matches the address, as an admin writes it; None where none."""
        if self.has_whole(address.whole, today):
            return address.whole
        if not self.has_domain(address.domain, today):
            return None
        if self.domains.get(address.domain, _NEVER) >= today:
            return f"@{address.domain}"
        above = domains_above(address.domain)
        return next(f"@.{name}" for name in above if self.below.get(name, _NEVER) >= today)

    def has_whole(self, whole: str, today: datetime.date) -> bool:
        """Say so of the patterns that name a whole address."""
        last_day = self.whole.get(whole)
        return last_day is not None and last_day >= today

    def has_domain(self, domain: str, today: datetime.date) -> bool:
        """Say so of the patterns that name a domain."""
        if not domain:
            return False
        last_day = self.domains.get(domain)
        if last_day is not None and last_day >= today:
            return True
        if not self.below:
            return False
        return any(
            self.below[name] >= today for name in domains_above(domain) if name in self.below
        )


def addresses(patterns: Iterable[tuple[str, datetime.date]]) -> Addresses:
    """Give the set of patterns that pattern() or domain_pattern() made; the later day counts."""
    whole: dict[str, datetime.date] = {}
    domains: dict[str, datetime.date] = {}
    below: dict[str, datetime.date] = {}
    for text, last_day in patterns:
        if text.startswith("@."):
            kind, key = below, text[2:]
        elif text.startswith("@"):
            kind, key = domains, text[1:]
        else:
            kind, key = whole, text
        kind[key] = max(last_day, kind.get(key, last_day))
    return Addresses(whole=whole, domains=domains, below=below)


def pattern(text: str) -> str:
    """Give a pattern for addresses in the form that addresses() takes. Raises ValueError."""
    if not text:
        return ""
    if "@" not in text:
        if "." in text:
            raise ValueError(f'"{text}" is no address: for a whole domain write "@{text}"')
        raise ValueError(f'"{text}" is no address: it has no @')
    local, _, domain = text.rpartition("@")
    if "*" in local or "*" in domain:
        raise ValueError(
            f'"{text}": an address has no *; write "@domain" for a domain, '
            f'"@.domain" for it and its subdomains'
        )
    return f"{local}{_domain(domain, text)}".lower()


def domain_pattern(text: str) -> str:
    """Give a pattern for domains, "example.org" or ".example.org", as pattern() does."""
    domain = text.removeprefix("@")
    if "@" in domain:
        raise ValueError(f'"{text}" is an address where a domain belongs')
    if "*" in domain:
        raise ValueError(f'"{text}": a domain has no *; write ".domain" for it and its subdomains')
    return _domain(domain, text).lower()


def _domain(domain: str, text: str) -> str:
    """Give @domain or @.domain without end dots, where that can be one."""
    name = domain.removeprefix(".").rstrip(".")
    if not name or ".." in name or _NO_ADDRESS.search(text):
        raise ValueError(f'"{text}" has no usable domain')
    if name.count(".") >= MAX_LABELS:
        raise ValueError(f'"{text}" has more than {MAX_LABELS} labels')
    return f"@.{name}" if domain.startswith(".") else f"@{name}"
