"""The questions a rule may ask about who brings a message, when, and for how many.

Called by  policy.questions makes them, decide asks them.
Ends       holds() says yes or no; it raises nothing.
Careful    a name of reverse DNS is written by whoever owns the address: tcpserver asks whether it
           leads back only with -p, and does not ask at all with -H.
"""

import datetime
import re
from dataclasses import dataclass

from qscanner.policy.addresses import Address, Addresses
from qscanner.policy.conditions import quoted
from qscanner.policy.evidence import Evidence

_NAMELESS = frozenset(["", "unknown"])  # what qmail-smtpd shows for a missing TCPREMOTEHOST
_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)
_DAY_MINUTES = 24 * 60
_HOUR_MINUTES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Rdns:
    """rdns: the name of the client's address (TCPREMOTEHOST); "" for an address without one."""

    name: str
    domains: Addresses

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant."""
        host = self._host(evidence)
        if host is None:
            return False
        if not host:
            return self.domains.has_whole("", evidence.today)
        return self.domains.has_domain(host, evidence.today)

    @staticmethod
    def _host(evidence: Evidence) -> str | None:
        """Give the name in lower case, "" for none, None where nobody to believe says anything."""
        if evidence.ip is None:
            return None
        host = Address.of_text(f"@{evidence.facts.client.host}").domain
        return "" if host in _NAMELESS else host

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests."""
        host = self._host(evidence)
        return f"the client is called {quoted(host)}" if host else "the client has no known name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """auth: the client has authenticated itself, or the domains that count are proven.

    `methods` are of dkim, spf and arc. The domain that counts is the sender's (that of From for
    the null sender), that of From, or both: see policy.alignment.
    """

    name: str
    is_anybody: bool
    users: frozenset[str]  # in lower case
    methods: frozenset[str] = frozenset()
    is_about_sender: bool = True
    is_about_from: bool = False

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant."""
        user = evidence.facts.client.auth_user
        if user and (self.is_anybody or user.lower() in self.users):
            return True
        return bool(self.methods) and self._is_proven(evidence)

    def _is_proven(self, evidence: Evidence) -> bool:
        proven = evidence.facts.proven
        if "arc" in self.methods and proven.is_arc:
            return True
        found = proven.dkim_domains if "dkim" in self.methods else frozenset()
        if "spf" in self.methods and proven.spf_domain:
            found |= {proven.spf_domain}
        meant = self._domains(evidence) if found else frozenset()
        return bool(meant) and all(any(_is_below(each, of) for of in found) for each in meant)

    def _domains(self, evidence: Evidence) -> frozenset[str]:
        """Give the domains that must all be proven; none: nothing can be."""
        has_sender = bool(evidence.sender.whole)
        needs_from = self.is_about_from or not has_sender
        if needs_from and not evidence.from_domains:
            return frozenset()
        from_sender = {evidence.sender.domain} if self.is_about_sender and has_sender else set()
        return frozenset(from_sender | (evidence.from_domains if needs_from else set()))

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests."""
        user = evidence.facts.client.auth_user
        who = f"the authenticated user is {quoted(user)}" if user else "nobody is authenticated"
        if not self.methods or (user and self.is_anybody):
            return who
        proven = evidence.facts.proven
        signed = ", ".join(sorted(proven.dkim_domains)) or "no domain"
        told = {
            "dkim": f"DKIM proves {signed}",
            "spf": f"SPF proves {proven.spf_domain or 'no domain'}",
            "arc": f"{'a' if proven.is_arc else 'no'} chain of ARC seals is valid",
        }
        meant = ", ".join(sorted(self._domains(evidence))) or "none"
        said = [told[each] for each in ("dkim", "spf", "arc") if each in self.methods]
        return f"{'; '.join(said)}; the domain that counts is {quoted(meant)}"


def _is_below(domain: str, other: str) -> bool:
    """Say whether a domain is the other one, or a subdomain of it."""
    return domain == other or domain.endswith(f".{other}")


@dataclass(frozen=True, slots=True)
class Span:
    """Minutes of the day, the last one not included; over midnight where `end` is the smaller."""

    begin: int
    end: int

    def has(self, minute: int) -> bool:
        """Say whether the minute of the day is in it."""
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end


def span(text: str) -> Span:
    """Give the span that "22:00-06:00" is. Raises ValueError with what would be right."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is no time of day: write "22:00-06:00"')
    hours, minutes = found.group(1, 3), found.group(2, 4)
    begin, end = (int(h) * _HOUR_MINUTES + int(m) for h, m in zip(hours, minutes, strict=True))
    if max(map(int, minutes)) >= _HOUR_MINUTES or begin >= _DAY_MINUTES or end > _DAY_MINUTES:
        raise ValueError(f'"{text}": there is no such time of day; it ends at 24:00')
    if begin == end:
        raise ValueError(f'"{text}" is no time at all; the whole day is "00:00-24:00"')
    return Span(begin, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeOfDay:
    """time: the local time at which the message is judged."""

    name: str
    spans: tuple[Span, ...]

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant."""
        minute = _minute(evidence.at)
        return any(each.has(minute) for each in self.spans)

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests."""
        return f"it is {evidence.at:%H:%M}"


def _minute(at: datetime.time) -> int:
    return at.hour * _HOUR_MINUTES + at.minute


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientCount:
    """recipients_over: more recipients of the envelope than this."""

    name: str
    over: int

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant."""
        return len(evidence.facts.envelope.recipients) > self.over

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests."""
        return f"the message has {len(evidence.facts.envelope.recipients)} recipients"
