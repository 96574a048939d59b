"""The header block of a message as octets: where it ends, and which lines are whose.

Called by  outgoing (our own lines, edits), scan (the digest): whoever cuts a message that must
           otherwise stay octet for octet (RFC 5322 2.2).
Ends       always, in linear time; nothing here raises.
Careful    lines end in LF, with or without CR: what qmail delivers. Works on bytes and mappings.
"""

import re
from dataclasses import dataclass
from functools import cache
from mmap import mmap

Octets = bytes | mmap

_BLANK_FIRST = re.compile(rb"\r?\n")
_BLANK_LINE = re.compile(rb"\n\r?\n")
_FIELD_END = re.compile(rb"\n(?![ \t])")  # searched for: a repeated group takes memory per line
_TOP_OCTETS = 1 << 16  # a Received field that is longer is not one of a receiving server


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One header field: its name as written, and where it and its value stand in the message."""

    name: str
    start: int
    value_at: int
    end: int  # behind its last newline


def end(octets: Octets) -> int:
    """Give the offset of the blank line that ends the header, or the length without one."""
    if _BLANK_FIRST.match(octets):
        return 0
    blank = _BLANK_LINE.search(octets)
    return len(octets) if blank is None else blank.start() + 1


def fields(octets: Octets, *names: str) -> list[Field]:
    """Give the header fields of these names, in any case, in their order in the message."""
    stop = end(octets)
    return [
        Field(
            name=match[1].decode("ascii"),
            start=match.start(),
            value_at=match.end(),
            end=_field_end(octets, match.end(), stop),
        )
        for match in _named(names).finditer(octets, 0, stop)
    ]


@cache
def _named(names: tuple[str, ...]) -> re.Pattern[bytes]:
    """Give what finds only these fields: a million others cost next to nothing."""
    wanted = b"|".join(re.escape(name.encode("ascii")) for name in names)
    return re.compile(rb"^(" + wanted + rb")[ \t]*:", re.MULTILINE | re.IGNORECASE)


def _field_end(octets: Octets, at: int, stop: int) -> int:
    found = _FIELD_END.search(octets, at, stop)
    return found.end() if found else stop


def below_received(octets: Octets) -> int:
    """Give the offset below the top Received field, 0 where the message begins otherwise.

    The receiving server writes it anew for each try of a sender, so a digest leaves it out.
    """
    stop = min(len(octets), _TOP_OCTETS)
    top = _named(("Received",)).match(octets, 0, stop)
    return _field_end(octets, top.end(), stop) if top else 0
