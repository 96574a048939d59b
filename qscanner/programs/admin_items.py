"""What `qscanner check` found about one thing: good, doubtful, wrong, or down, and what to do.

Called by  the admin_check modules.
Ends       never by itself: values.
"""

import enum
from dataclasses import dataclass
from typing import Any

from qscanner.programs.admin_options import Exit


class Level(enum.Enum):
    """How bad it is; the value is the exit code that it asks for."""

    OK = Exit.FINE
    WARNING = Exit.FOUND
    ERROR = Exit.WRONG
    DOWN = Exit.DOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that was looked at: `area` like "clamav", what was seen, and what to do about it.

    `text` may have several lines where it shows a place in a file.
    """

    area: str
    level: Level
    text: str
    todo: tuple[str, ...] = ()


def worst(items: list[Item]) -> Exit:
    """Give the highest exit code that any of them asks for."""
    return max((item.level.value for item in items), default=Exit.FINE)


def as_json(item: Item) -> dict[str, Any]:
    """Give what `qscanner check --json` says of it."""
    return {
        "area": item.area,
        "level": item.level.name.lower(),
        "text": item.text,
        "todo": list(item.todo),
    }
