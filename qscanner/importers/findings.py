"""What comes of a file: rules of ours, warnings, settings. The words of this package.

Called by  the modules of the formats make them; rules_toml writes them, proof tries them.
Careful    `line` is always the place in the old file: an admin compares the two.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qscanner.codec.problems import Problem
from qscanner.importers.sources import Line
from qscanner.model import Action

_NO_ID = re.compile(r"[^A-Za-z0-9.-]+")
_MAX_STEM_CHARS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRule:
    """One rule of ours. `body` is its conditions: plain dicts, lists, texts, numbers, booleans."""

    id: str
    line: Line
    why: str
    body: Mapping[str, Any]
    action: Action
    reply: str = ""
    extras: Mapping[str, Any] = field(default_factory=dict)  # subject_prefix and the like
    notes: tuple[str, ...] = ()  # lines of comment


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """Why a line became no rule, or one that is not quite the same."""

    line: Line
    text: str
    meant: str = ""  # the piece of the line that is meant

    def problem(self) -> Problem:
        """Give it as every other mistake in a file is told: file, line, caret."""
        column = self.line.text.find(self.meant) + 1 if self.meant else 0
        return Problem(
            file=self.line.file,
            line=self.line.number,
            text=self.text,
            source=self.line.text,
            column=column,
            length=max(1, len(self.meant)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A line for qscanner.toml: table, key, value, and where it comes from."""

    table: str
    key: str
    value: Any
    line: Line


@dataclass(slots=True)
class Imported:
    """All that comes of the files; the modules of the formats add to it."""

    rules: list[NewRule] = field(default_factory=list)
    warned: list[Warned] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)

    def warn(self, line: Line, text: str, meant: str = "") -> None:
        """Note why a line is not, or not quite, carried over."""
        self.warned.append(Warned(line=line, text=text, meant=meant))


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One file to translate: its lines, the stem of ids, the action that stands for "blocked"."""

    lines: tuple[Line, ...]
    stem: str
    action: Action | None = None  # None: what the old program did

    def id_of(self, line: Line, suffix: str = "") -> str:
        """Give the id of a rule: imported-STEM-LINE, the same in every run."""
        end = f"-{suffix}" if suffix else ""
        return f"imported-{self.stem}-{line.number}{end}"


def stem_of(name: str) -> str:
    """Give what ids call a file of that name: letters, digits, dots and dashes."""
    base = _NO_ID.sub("-", name.removesuffix(".txt").removesuffix(".conf"))
    return base.strip("-.")[:_MAX_STEM_CHARS].strip("-.") or "rules"


def size_of(octets: int) -> str:
    """Give octets as settings and rules write them: "250 kB", "100 MB", "69 B"."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if octets and octets % scale == 0:
            return f"{octets // scale} {unit}"
    return f"{octets} B"
