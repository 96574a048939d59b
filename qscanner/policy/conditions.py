"""The questions a rule may ask of a whole message: one class per key of the language.

Called by  policy.questions makes them, decide asks them.
Ends       holds() says yes or no; it raises nothing, whatever the evidence holds.
Careful    several values of one key are OR. What is not known (no address, no score) is "no".
           because() quotes strangers: whoever prints it makes it printable first.
"""

from dataclasses import dataclass
from typing import Protocol

from qscanner.model import Direction
from qscanner.patterns import Pattern
from qscanner.policy.addresses import Addresses
from qscanner.policy.evidence import Evidence
from qscanner.policy.networks import Networks

MAX_QUOTED_CHARS = 80


class Condition(Protocol):
    """One question. `name` is the key as it stands in the file, like "when.from"."""

    @property
    def name(self) -> str:
        """The key as it stands in the file."""
        ...

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant."""
        ...

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests, in words, whether it holds or not."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """from, from_in: the sender of the envelope."""

    name: str
    addresses: Addresses

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant."""
        return self.addresses.has(evidence.sender, evidence.today)

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests."""
        whole = evidence.sender.whole
        told = f"the sender is {quoted(whole)}" if whole else "the sender is empty"
        pattern = self.addresses.pattern_of(evidence.sender, evidence.today)
        return told if pattern is None or pattern == whole else f"{told}, in {quoted(pattern)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Directions:
    """direction: in, out, local."""

    name: str
    directions: frozenset[Direction]

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant."""
        return evidence.facts.client.direction in self.directions

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests."""
        return f"the direction is {evidence.facts.client.direction.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ip:
    """ip, ip_in: the client's address."""

    name: str
    networks: Networks

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant."""
        return evidence.ip is not None and self.networks.has(evidence.ip, evidence.today)

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests."""
        return f"the client is {evidence.ip or 'without a known address'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """relay: whether the client may relay (RELAYCLIENT)."""

    name: str
    is_relay: bool

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant."""
        return evidence.facts.client.is_relay is self.is_relay

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests."""
        return f"the client {'may' if evidence.facts.client.is_relay else 'may not'} relay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """env: a variable of the caller's environment is set, and matches one of the patterns."""

    name: str
    variable: str
    patterns: tuple[Pattern, ...]

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant."""
        value = evidence.facts.client.environment.get(self.variable)
        return value is not None and any(pattern.search(value) for pattern in self.patterns)

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests."""
        value = evidence.facts.client.environment.get(self.variable)
        return f"{self.variable} is {'not set' if value is None else quoted(value)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """size_over, size_under: octets of the message, neither bound included."""

    name: str
    over: int | None = None
    under: int | None = None

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant."""
        return within(evidence.facts.octets, over=self.over, under=self.under)

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests."""
        return f"the message has {evidence.facts.octets} octets"


def within(octets: int, *, over: int | None, under: int | None) -> bool:
    """Say whether the size is above the one bound and below the other, where these are given."""
    return (over is None or octets > over) and (under is None or octets < under)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """finding: something was found whose id matches one of the globs."""

    name: str
    globs: tuple[Pattern, ...]

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant."""
        return any(self.speaks_of(id_) for id_ in evidence.findings)

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests."""
        meant = next((id_ for id_ in evidence.findings if self.speaks_of(id_)), None)
        if meant is None:
            return f"found was {', '.join(evidence.findings) or 'nothing'}"
        found = next((each for each in evidence.facts.findings if each.id == meant), None)
        where = f" in {quoted(found.where)}" if found and found.where else ""
        detail = f": {quoted(found.detail)}" if found and found.detail else ""
        return f"{meant} was found{where}{detail}"

    def speaks_of(self, finding_id: str) -> bool:
        """Say whether a finding with this id is meant."""
        return any(glob.search(finding_id) for glob in self.globs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Viruses:
    """virus: a virus was found whose name matches one of the globs."""

    name: str
    globs: tuple[Pattern, ...]

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant."""
        return any(self.speaks_of(virus) for virus in evidence.viruses)

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests."""
        meant = [virus for virus in evidence.viruses if self.speaks_of(virus)]
        names = ", ".join(quoted(virus) for virus in meant or evidence.viruses if virus)
        return (
            f"the virus found is {names or 'without a name'}" if evidence.viruses else "no virus"
        )

    def speaks_of(self, virus: str) -> bool:
        """Say whether a virus of this name is meant."""
        return any(glob.search(virus) for glob in self.globs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spam:
    """spam: the score, absolute or over the scorer's threshold, and which of its rules hit."""

    name: str
    at_least: float | None = None
    below: float | None = None
    over_required: float | None = None
    rules: tuple[Pattern, ...] = ()

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant."""
        said = evidence.score
        if said is None:
            return False
        return (
            (self.at_least is None or said.score >= self.at_least)
            and (self.below is None or said.score < self.below)
            and (self.over_required is None or said.score - said.threshold >= self.over_required)
            and (not self.rules or any(p.search(rule) for p in self.rules for rule in said.rules))
        )

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests."""
        said = evidence.score
        if said is None:
            return "the message has no score"
        meant = [rule for rule in said.rules if any(each.search(rule) for each in self.rules)]
        hit = f", {', '.join(map(quoted, meant))} hit" if meant else ""
        return f"the score is {said.score:g} of {said.threshold:g}{hit}"


def quoted(text: str) -> str:
    """Give what a stranger wrote in quotes, cut to a length that fits a line."""
    return f'"{text}"' if len(text) <= MAX_QUOTED_CHARS else f'"{text[:MAX_QUOTED_CHARS]}…"'
