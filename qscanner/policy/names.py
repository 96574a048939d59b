"""Sets of names for name_in: .exe is how a name ends, setup.bin a whole name.

Called by  policy.parts.
Ends       pattern() raises ValueError with what would be right; no other does.
Careful    names are strangers': a name with a thousand dots costs no more than one with a few.
"""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MAX_DOTS = 8  # of a name, from its end, that an entry like .tar.gz may span


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Whole names and endings in lower case, with the last day on which each holds."""

    whole: Mapping[str, datetime.date]
    endings: Mapping[str, datetime.date]

    def has(self, name: str, today: datetime.date) -> bool:
        """Say whether the name, or what stands behind its last slash, is in the set."""
        lower = name.lower()
        last = lower.replace("\\", "/").rpartition("/")[2]
        if any(self.whole.get(each, datetime.date.min) >= today for each in (lower, last)):
            return True
        at = len(last)
        for _ in range(MAX_DOTS):
            at = last.rfind(".", 0, at)
            if at < 0:
                return False
            if self.endings.get(last[at:], datetime.date.min) >= today:
                return True
        return False


def names(patterns: Iterable[tuple[str, datetime.date]]) -> Names:
    """Give the set of patterns that pattern() made; of equal ones the later day counts."""
    whole: dict[str, datetime.date] = {}
    endings: dict[str, datetime.date] = {}
    for text, last_day in patterns:
        kind = endings if text.startswith(".") else whole
        kind[text] = max(last_day, kind.get(text, last_day))
    return Names(whole=whole, endings=endings)


def pattern(text: str) -> str:
    """Give a name or an ending in the form that names() takes. Raises ValueError."""
    if "*" in text or "?" in text:
        raise ValueError(f'"{text}": a list of names has no * or ?; write .exe for an ending')
    if text.rstrip(". ") != text:
        raise ValueError(f'"{text}" ends in a dot or blank; names are compared without these')
    if text.startswith(".") and text.count(".") > MAX_DOTS:
        raise ValueError(f'"{text}" has more than {MAX_DOTS} dots')
    return text.lower()
