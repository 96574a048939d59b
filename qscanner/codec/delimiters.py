"""Delimiter lines of the multiparts that are being read (RFC 2046 section 5.1.1).

Called by  mime only.
Ends       always; nothing here raises.
Careful    linear over all calls together: what was searched is remembered, and looking ahead has a
           budget. Of several open multiparts the outer counts where both delimit at one place.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from qscanner.codec.fields import Octets

_LINE_END = re.compile(rb"\r*\n|\r")
_AHEAD_TIMES, _AHEAD_OCTETS = 8, 1 << 20
_GUESS_OCTETS = 1 << 20
_GUESS = re.compile(rb"(?:\A|\n)--([^\r\n]{1,200}?)[ \t]*\r*\nContent-[A-Za-z-]+[ \t]*:", re.I)

_Owner = TypeVar("_Owner")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delimiter(Generic[_Owner]):
    """One delimiter line: whose, its place in the stack, from its dashes to behind its end."""

    owner: _Owner
    place: int
    start: int
    end: int
    is_close: bool
    has_words: bool = False  # more than blanks behind the boundary


@dataclass(slots=True, kw_only=True)
class _Open(Generic[_Owner]):
    """An open multipart; between the reader and `searched` is no delimiter but `found`."""

    owner: _Owner
    pattern: re.Pattern[bytes]
    slack: int
    found: re.Match[bytes] | None = None
    searched: int = 0

    def next(self, octets: Octets, start: int, stop: int) -> re.Match[bytes] | None:
        """Give the first delimiter line between two offsets."""
        if self.found is None or self.found.start() < start:
            if self.searched >= stop:
                return None
            at = max(start, self.searched - self.slack)
            self.found = self.pattern.search(octets, at, stop)
            self.searched = self.found.start() if self.found else stop
        return self.found if self.found and self.found.start() < stop else None


class Delimiters(Generic[_Owner]):
    """The stack of open multiparts of one message, each with whom it belongs to."""

    def __init__(self, octets: Octets) -> None:
        self._octets = octets
        self._size = len(octets)
        self._eol = b"[\r\n]" if octets.find(b"\r--") >= 0 else b"\n"
        self._ahead = _AHEAD_TIMES * self._size + _AHEAD_OCTETS
        self._stack: list[_Open[_Owner]] = []

    @property
    def is_blind(self) -> bool:
        """Whether so much was looked at ahead that no more is."""
        return self._ahead <= 0

    def enter(self, owner: _Owner, boundaries: Sequence[str], at: int) -> None:
        """Note a multipart that is open from here on."""
        slack = max(map(len, boundaries), default=0) + len("\r\n----")
        pattern = self._pattern(boundaries)
        self._stack.append(_Open(owner=owner, pattern=pattern, slack=slack, searched=at))

    def leave(self, delimiter: Delimiter[_Owner], *, with_owner: bool) -> None:
        """Note that a delimiter line ends what is inside its multipart, or that as well."""
        del self._stack[delimiter.place + (not with_owner) :]

    def next(
        self, start: int, *, stop: int | None = None, among: int | None = None
    ) -> Delimiter[_Owner] | None:
        """Find the next delimiter line, of all open multiparts or the outermost `among`."""
        nearest = None
        end = self._size if stop is None else stop
        for place, part in enumerate(self._stack[:among]):
            found = part.next(self._octets, max(start - 1, 0), end)
            if found:
                line_end = _LINE_END.match(self._octets, found.end())
                nearest = Delimiter(
                    owner=part.owner,
                    place=place,
                    start=found.start() + 1,
                    end=line_end.end() if line_end else found.end(),
                    is_close=found[1] is not None,
                    has_words=found[2] is not None
                    or (line_end is None and found.end() < self._size),
                )
                end = nearest.start  # the line end before it may be that of an inner delimiter
        return nearest

    def goes_on(self, delimiter: Delimiter[_Owner]) -> bool:
        """Say whether more delimiter lines of a multipart follow, within the one around it."""
        outer = self.next(delimiter.end, among=delimiter.place)
        stop = outer.start if outer else self._size
        return bool(self._is_ahead(self._stack[delimiter.place].pattern, delimiter.end, stop))

    def occurring(self, boundaries: Sequence[str], at: int) -> list[str]:
        """Give those boundaries that delimit anything; all where too much was looked at."""
        return [
            boundary
            for boundary in boundaries
            if self._is_ahead(self._pattern([boundary]), at, self._size) is not False
        ]

    def guess(self, at: int) -> str | None:
        """Give what looks like a boundary: a line of dashes before a Content-* field."""
        stop = self._size if not self.is_blind else at
        found = _GUESS.search(self._octets, max(at - 1, 0), min(stop, at + _GUESS_OCTETS))
        self._ahead -= _GUESS_OCTETS // _AHEAD_TIMES
        return found[1].decode("latin-1") if found else None

    def _is_ahead(self, pattern: re.Pattern[bytes], start: int, stop: int) -> bool | None:
        """Say whether something comes; None when too much was looked at already."""
        if self.is_blind:
            return None
        found = pattern.search(self._octets, max(start - 1, 0), stop)
        self._ahead -= (found.end() if found else stop) - start
        return found is not None

    def _pattern(self, boundaries: Sequence[str]) -> re.Pattern[bytes]:
        """Give what finds a delimiter line; words behind a blank are passed over."""
        texts = b"|".join(re.escape(each.encode("latin-1", "replace")) for each in boundaries)
        one_of = texts if len(boundaries) == 1 else b"(?:" + texts + b")"
        return re.compile(
            self._eol
            + b"--"
            + one_of
            + rb"(--)? *(\t[^\r\n]*| [^ \t\r\n][^\r\n]*)?"
            + rb"(?=[\r\n]|\Z|[\0-\x08\x0b\x0c\x0e-\x1f]?[Cc]ontent-[A-Za-z-]{2,30}[ \t:])"
        )
