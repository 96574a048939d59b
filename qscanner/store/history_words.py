"""The words of the history: what is known of a message that passed by, and numbers of many.

Called by  history and its neighbours, and the commands `log` and `stats`.
Ends       never by itself.
Careful    text of strangers in here is readable(), not printable().
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

HOUR_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedTo:
    """What became of a message for one recipient; `place` is that in the envelope."""

    place: int
    address: str
    action: str
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """The facts of one message, as the log has them. `at` is seconds since 1970.

    `to` has the first of its `recipients`; `message_id` is without angle brackets, `pid` is qp in
    the log of qmail. `virus` and `spam` are "-" where nobody was asked.
    """

    scan_id: str
    host: str
    at: float
    digest: str
    verdict: str
    ending: str
    sender: str
    recipients: int
    to: tuple[PassedTo, ...]
    message_id: str = ""
    pid: int = 0
    rules: tuple[str, ...] = ()
    why: str = ""
    findings: tuple[str, ...] = ()
    direction: str = ""
    ip: str = ""
    auth_user: str = ""
    octets: int = 0
    virus: str = "-"
    spam: str = "-"
    score: float | None = None
    ms: int = 0
    row: int = field(default=0, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Which messages are asked for; what is left out does not matter. Times: seconds since 1970.

    `sender`, `recipient` are an address, or "@domain". `verdict` is the message's, the mildest
    where recipients differ; `rule` is one of those that decided.
    """

    since: float | None = None
    until: float | None = None
    sender: str | None = None
    recipient: str | None = None
    verdict: str | None = None
    rule: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """How many messages were forgotten, and how many hours of numbers."""

    facts: int = 0
    hours: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """So many messages, with so many octets together."""

    messages: int = 0
    octets: int = 0

    def __add__(self, other: "Sum") -> "Sum":
        return Sum(messages=self.messages + other.messages, octets=self.octets + other.octets)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldNow:
    """What is held of one class: how much, and since when the oldest (seconds since 1970)."""

    messages: int
    octets: int
    oldest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Numbers of the whole hours between two times, which are seconds since 1970.

    `verdicts` are by word and hour (since 1970), `totals` by name and word. `senders` (domains)
    and `recipients` are those with most of the messages that were not accepted: address and how
    many, among the latest `looked_at` of these. `held` is what is held now, by class.
    """

    since: float
    until: float
    verdicts: Mapping[str, Mapping[int, Sum]]
    totals: Mapping[str, Mapping[str, Sum]]
    senders: tuple[tuple[str, int], ...]
    recipients: tuple[tuple[str, int], ...]
    looked_at: int
    held: Mapping[str, HeldNow]
