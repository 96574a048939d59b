"""The screen that lines are for: how wide it is, what it shows, and strangers' words made safe.

Called by  whatever prints tables and trees for people.
Ends       never by itself.
Careful    names, senders and subjects are strangers' words: they pass safe() before anything else.
"""

import os
import shutil
import sys
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from qscanner.codec.text import for_terminal, printable

_MAX_CHARS = 400  # of one text, before it is folded or fitted
_ESCAPE = 10  # octets of the longest escape for a character
_NARROW, _WIDE, _PIPE = 50, 120, 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What the lines are for: columns, and whether it shows more than ASCII."""

    width: int = _PIPE
    is_unicode: bool = False

    @classmethod
    def here(cls) -> "Screen":
        """Give that of standard output: UTF-8 is believed of a terminal only."""
        if not sys.stdout.isatty():
            return cls()
        width = shutil.get_terminal_size().columns
        locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "C")
        is_unicode = "utf8" in locale.lower().replace("-", "")
        return cls(
            width=min(max(width, _NARROW), _WIDE),
            is_unicode=is_unicode and sys.stdout.encoding.lower() == "utf-8",
        )

    def safe(self, text: str) -> str:
        """Give strangers' words as they may be shown, of at most 400 characters."""
        cut = text[:_MAX_CHARS] + ("..." if len(text) > _MAX_CHARS else "")
        if self.is_unicode:
            return for_terminal(cut)
        return printable(cut, max_octets=len(cut) * _ESCAPE)

    def fitted(self, text: str, cells: int) -> str:
        """Give a safe text in so many columns: what is too long loses its middle, not its end."""
        if cell_len(text) <= cells:
            return text
        dots = "…" if self.is_unicode else "..."
        end = max(1, (cells - len(dots)) // 2)
        tail = text
        while cell_len(tail) > end:
            tail = tail[1:]
        head = set_cell_size(text, max(1, cells - len(dots) - end)).rstrip()
        return head + dots + tail
