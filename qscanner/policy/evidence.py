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

from qscanner.model import Facts, Header, Outcome, Score
from qscanner.policy.addresses import Address
from qscanner.policy.mailboxes import Mailbox, mailboxes
from qscanner.policy.networks import Host, host

MAX_MAILBOX_CHARS = 1 << 20  # of one message that are read with care; what is more, coarsely
NOT_SCANNED = "unscannable.not-scanned"  # an engine said so, and no finding says why
_COARSE_CHARS = 256
_BETWEEN_WORDS = re.compile(r"[\s<>,;\"()]+")


class Evidence:
    """The facts of one message on one day."""

    def __init__(self, facts: Facts, today: datetime.date) -> None:
        self.facts = facts
        self.today = today
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

    def headers(self, name: str) -> tuple[Header, ...]:
        """Give the fields of that name, which is in lower case."""
        return self._headers.get(name, ())

    @functools.cached_property
    def _headers(self) -> Mapping[str, tuple[Header, ...]]:
        by_name: dict[str, list[Header]] = {}
        for header in self.facts.headers:
            by_name.setdefault(header.name.lower(), []).append(header)
        return {name: tuple(headers) for name, headers in by_name.items()}

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
