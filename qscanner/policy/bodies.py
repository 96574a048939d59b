"""The questions a rule may ask of texts and the links in them: `body = { … }`.

Called by  policy.questions makes them, decide asks them.
Ends       holds() says yes or no; it raises nothing.
Careful    texts are only there where a rule asks: see Policy.needs_texts. The keys about links
           hold on the same link; text and html each on any text.
"""

from dataclasses import dataclass

from qscanner.codec.htmltext import Link, is_mismatch
from qscanner.patterns import Pattern
from qscanner.policy.addresses import Addresses
from qscanner.policy.conditions import quoted
from qscanner.policy.evidence import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """body: what texts say, and where their links lead."""

    name: str
    texts: tuple[Pattern, ...] = ()  # of what a reader sees
    htmls: tuple[Pattern, ...] = ()  # of HTML with its tags
    domains: tuple[Addresses, ...] = ()  # link_domain, link_domain_in: all must have it
    is_mismatch: bool | None = None  # link_mismatch

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant."""
        return (
            (not self.texts or any(map(evidence.is_shown, self.texts)))
            and (not self.htmls or any(map(evidence.is_in_html, self.htmls)))
            and (not self._asks_of_links or self._link(evidence) is not None)
        )

    @property
    def _asks_of_links(self) -> bool:
        return bool(self.domains) or self.is_mismatch is not None

    def _link(self, evidence: Evidence) -> Link | None:
        return next((link for link in evidence.links if self._is_meant(link, evidence)), None)

    def _is_meant(self, link: Link, evidence: Evidence) -> bool:
        return all(each.has_domain(link.domain, evidence.today) for each in self.domains) and (
            self.is_mismatch is None or is_mismatch(link) is self.is_mismatch
        )

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests."""
        told = [
            f"a text has {pattern.source}" for pattern in self.texts if evidence.is_shown(pattern)
        ]
        told += [f"HTML has {each.source}" for each in self.htmls if evidence.is_in_html(each)]
        link = self._link(evidence) if self._asks_of_links else None
        if link is not None:
            shown = f", shown as {quoted(link.shown)}" if link.shown else ""
            told.append(f"a link leads to {quoted(link.domain)}{shown}")
        count = len(evidence.facts.texts)
        return ", ".join(told) or f"none of {count} texts with {len(evidence.links)} links"
