"""Rules as values: what a folder of policy files says, once everything in it was understood.

Called by  policy.read makes them; warn, decide and the programs use them.
Careful    `rules` of a Policy stand in reading order. A rule always has a condition and an action.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from qscanner.codec.places import Document, Path
from qscanner.codec.problems import Problem
from qscanner.model import Action, Edits, Notify, Release
from qscanner.policy.addresses import Addresses
from qscanner.policy.conditions import Condition
from qscanner.policy.evidence import Evidence
from qscanner.policy.lists import Entry, ListFile
from qscanner.policy.marks import Mark
from qscanner.policy.trials import Trial


class Mode(enum.Enum):
    """Whether a rule acts, or is only written to the log when it hits."""

    ON = "on"
    LOG_ONLY = "log-only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One table of `when` or `unless`: questions of the message, and of one recipient."""

    conditions: tuple[Condition, ...] = ()
    recipients: tuple[Addresses, ...] = ()  # to, to_in: each must have the recipient
    marks: tuple[Mark, ...] = ()  # tag: what detecting rules must have left


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """What every [[rule]] says. `file` and `number` (from 0) are where it stands."""

    id: str
    file: str
    number: int
    why: str = ""
    when: tuple[Scope, ...] = (Scope(),)  # one must hold; an empty one does
    unless: tuple[Scope, ...] = ()  # none may hold
    conditions: tuple[Condition, ...] = ()  # all must hold
    mode: Mode = Mode.ON
    order: float = 0.0
    tests: tuple[Trial, ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector(Sentence):
    """A detecting rule: it decides nothing, but leaves a score, a tag, or both."""

    score: float = 0.0
    tag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Sentence):
    """A deciding rule: all detecting ones were asked before."""

    action: Action
    marks: tuple[Mark, ...] = ()  # total: all must hold
    reply: str | None = None
    keep: bool = False
    edits: Edits = field(default_factory=Edits)
    is_final: bool = False
    release: Release | None = None  # None: the rule does not say
    copy_to: tuple[bytes, ...] = ()
    maildirs: tuple[str, ...] = ()  # of copy_to: absolute paths
    notify: tuple[Notify, ...] = ()
    redirect_to: tuple[bytes, ...] = ()
    strips: bool = False  # the parts that it means are taken out


class Index(Protocol):
    """Says which rules may meet a message at all: see policy.index."""

    def candidates(self, evidence: Evidence) -> list[int]:
        """Give the places of the rules to ask, in their order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All rules in force, in reading order, and the files they were read from.

    `rules` decide; `detectors` are asked before them.
    """

    folder: str
    rules: tuple[Rule, ...] = ()
    detectors: tuple[Detector, ...] = ()
    needs_texts: bool = False  # a rule asks about texts: only then have facts to bring them
    needs_auth: frozenset[str] = frozenset()  # of dkim, spf, arc: only then has anybody to verify
    rule_index: Index | None = field(default=None, repr=False)  # None: few enough to ask all
    detector_index: Index | None = field(default=None, repr=False)
    documents: Mapping[str, Document] = field(default_factory=dict, repr=False)
    dated: tuple[tuple[ListFile, Entry], ...] = field(default=(), repr=False)  # have a last day

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """All rules, the detecting ones first, as they are asked."""
        return (*self.detectors, *self.rules)

    def problem(
        self,
        rule: Sentence,
        text: str,
        *keys: str | int,
        at: Literal["key", "value"] = "key",
    ) -> Problem:
        """Give a Problem that points at a key of the rule or its value, or at the whole of it."""
        path: Path = ("rule", rule.number, *keys)
        return self.documents[rule.file].problem(path, f'rule "{rule.id}": {text}', at=at)
