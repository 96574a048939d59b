"""Rules as values: what a folder of policy files says, once everything in it was understood.

Called by  policy.read makes them; warn, decide and the programs use them.
Careful    `rules` of a Policy stand in reading order. A rule always has a condition and an action.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from qscanner.codec.places import Document, Path
from qscanner.codec.problems import Problem
from qscanner.model import Action, Edits
from qscanner.policy.addresses import Addresses
from qscanner.policy.conditions import Condition
from qscanner.policy.lists import Entry, ListFile


class Mode(enum.Enum):
    """Whether a rule acts, or is only written to the log when it hits."""

    ON = "on"
    LOG_ONLY = "log-only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One table of `when` or `unless`: questions of the message, and of one recipient."""

    conditions: tuple[Condition, ...] = ()
    recipients: tuple[Addresses, ...] = ()  # to, to_in: each must have the recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One sentence of an admin. `file` and `number` (from 0) say where it stands."""

    id: str
    action: Action
    file: str
    number: int
    why: str = ""
    when: tuple[Scope, ...] = (Scope(),)  # one must hold; an empty one does
    unless: tuple[Scope, ...] = ()  # none may hold
    conditions: tuple[Condition, ...] = ()  # all must hold
    reply: str | None = None
    keep: bool = False
    edits: Edits = field(default_factory=Edits)
    is_final: bool = False
    mode: Mode = Mode.ON
    order: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All rules in force, in reading order, and the files they were read from."""

    folder: str
    rules: tuple[Rule, ...] = ()
    documents: Mapping[str, Document] = field(default_factory=dict, repr=False)
    dated: tuple[tuple[ListFile, Entry], ...] = field(default=(), repr=False)  # have a last day

    def problem(self, rule: Rule, text: str, *keys: str) -> Problem:
        """Give a Problem that points at a key of the rule, or at the whole of it."""
        path: Path = ("rule", rule.number, *keys)
        return self.documents[rule.file].problem(path, f'rule "{rule.id}": {text}', at="key")
