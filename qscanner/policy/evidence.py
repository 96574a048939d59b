"""One message, prepared for the questions of rules: facts in the form in which they are looked up.

Called by  policy.decide makes one per message and hands it to every condition.
Ends       always; nothing here raises, whatever the facts hold.
Careful    what is dear is done once, and only when a rule asks for it. `today` is handed in: no
           condition reads a clock.
"""

import datetime
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from qscanner.codec.htmltext import Link, Page, page
from qscanner.model import Facts, Header, Markup, Outcome, Score
from qscanner.patterns import Pattern, as_octets
from qscanner.policy.addresses import Address
from qscanner.policy.mailboxes import Mailbox, mailboxes
from qscanner.policy.networks import Host, host

MAX_MAILBOX_CHARS = 1 << 20  # of one message that are read with care; what is more, coarsely
NOT_SCANNED = "unscannable.not-scanned"  # an engine said so, and no finding says why
_COARSE_CHARS = 256
_BETWEEN_WORDS = re.compile(r"[\s<>,;\"()]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What detecting rules gave for one recipient: the sum of their scores, and their tags."""

    total: float = 0.0
    tags: frozenset[str] = frozenset()


NO_MARKS = Marks()
_NOON = datetime.time(12)


class Evidence:
    """The facts of one message, on one day at one local time."""

    def __init__(
        self,
        facts: Facts,
        today: datetime.date,
        at: datetime.time = _NOON,
        *,
        marks: Marks = NO_MARKS,
    ) -> None:
        self.facts = facts
        self.today = today
        self.at = at
        self.marks = marks
        self.sender = Address.of(facts.envelope.sender)
        self._mailbox_chars = 0
        self._mailboxes: dict[Header, tuple[Mailbox, ...]] = {}

    @functools.cached_property
    def ip(self) -> Host | None:
        """The client's address, None where there is none to believe."""
        return host(self.facts.client.ip)

    @functools.cached_property
    def findings(self) -> tuple[str, ...]:
        """The ids of everything that was found, each once."""
        ids = [finding.id for finding in self.facts.findings]
        for result in (self.facts.virus, self.facts.spam):
            ids += [finding.id for finding in result.findings] if result else []
        virus = self.facts.virus
        if virus and virus.outcome is Outcome.UNSCANNABLE and not virus.findings:
            ids.append(NOT_SCANNED)
        return tuple(dict.fromkeys(ids))

    @functools.cached_property
    def unscanned(self) -> tuple[str, ...]:
        """The ids that say why something was not scanned: a rule must speak of each."""
        virus = self.facts.virus
        ids = [id_ for id_ in self.findings if id_.startswith("unscannable.")]
        if not ids and virus and virus.outcome is Outcome.UNSCANNABLE:
            # An engine may have its own word for it, like archive.encrypted.
            ids = [finding.id for finding in virus.findings]
        return tuple(dict.fromkeys(ids))

    @functools.cached_property
    def viruses(self) -> tuple[str, ...]:
        """The names of the viruses found, "" for one without a name; () where there is none."""
        virus = self.facts.virus
        if virus is not None and virus.outcome is Outcome.FOUND:
            return tuple(dict.fromkeys(virus.names)) or (virus.detail,)
        return ("",) if any(id_.startswith("virus.") for id_ in self.findings) else ()

    @property
    def score(self) -> Score | None:
        """What the spam scorer said, None where it said nothing."""
        return self.facts.spam.score if self.facts.spam else None

    @functools.cached_property
    def _pages(self) -> tuple[Page, ...]:
        return tuple(map(page, self.facts.texts))

    @functools.cached_property
    def links(self) -> tuple[Link, ...]:
        """The links of all texts."""
        return tuple(link for each in self._pages for link in each.links)

    def is_shown(self, pattern: Pattern) -> bool:
        """Say whether a reader of one of the texts sees what the pattern means."""
        return any(pattern.search_octets(octets) for octets in self.shown)

    def is_in_html(self, pattern: Pattern) -> bool:
        """Say whether the pattern is in one of the texts in HTML, tags and all."""
        return any(pattern.search_octets(octets) for octets in self.html)

    @functools.cached_property
    def shown(self) -> tuple[bytes, ...]:
        """What a reader sees of each text, for Pattern.search_octets()."""
        return tuple(as_octets(each.visible) for each in self._pages)

    @functools.cached_property
    def html(self) -> tuple[bytes, ...]:
        """Each text in HTML, tags and all, for Pattern.search_octets()."""
        texts = (each for each in self.facts.texts if each.markup is Markup.HTML)
        return tuple(as_octets(each.text) for each in texts)

    def headers(self, name: str) -> tuple[Header, ...]:
        """Give the fields of that name, which is in lower case."""
        return self._headers.get(name, ())

    @functools.cached_property
    def _headers(self) -> Mapping[str, tuple[Header, ...]]:
        by_name: dict[str, list[Header]] = {}
        for header in self.facts.headers:
            by_name.setdefault(header.name.lower(), []).append(header)
        return {name: tuple(headers) for name, headers in by_name.items()}

    @functools.cached_property
    def from_domains(self) -> frozenset[str]:
        """The domains of all addresses in all From fields; "" for an address without one."""
        found = (each for header in self.headers("from") for each in self.mailboxes(header))
        return frozenset(each.address.domain for each in found if each.address.whole)

    def mailboxes(self, header: Header) -> tuple[Mailbox, ...]:
        """Give the addresses of a field with their names, in both readings of it."""
        found = self._mailboxes.get(header)
        if found is None:
            texts = dict.fromkeys((header.plain, header.decoded))
            found = tuple(each for text in texts for each in self._read(text))
            self._mailboxes[header] = found
        return found

    def _read(self, text: str) -> tuple[Mailbox, ...]:
        self._mailbox_chars += len(text)
        if self._mailbox_chars <= MAX_MAILBOX_CHARS:
            return mailboxes(text)
        # Thousands of From fields: none is overlooked, but of a long one only the ends are read.
        if len(text) > _COARSE_CHARS:
            text = f"{text[: _COARSE_CHARS // 2]} {text[-_COARSE_CHARS // 2 :]}"
        words = dict.fromkeys(word for word in _BETWEEN_WORDS.split(text) if "@" in word) or ("",)
        return tuple(Mailbox(name=text, address=Address.of_text(word)) for word in words)
