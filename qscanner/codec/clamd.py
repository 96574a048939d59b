"""What clamd says, and what is said to it: the pieces of clamd(8)'s protocol that are used.

Called by  checks.clamav. No reads, no clock, no log.
Ends       parse() raises NotAnAnswer for whatever clamd(8) does not promise, half a line included.
Careful    only a whole line that is exactly "OK" is clean; nothing here is clean by default.
"""

import enum
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from qscanner.codec.text import printable, readable

MAX_ANSWER_OCTETS = 4096
CHUNK_OCTETS = 1 << 16
END = struct.pack("!L", 0)
_TOO_LARGE = b"INSTREAM size limit exceeded. ERROR"
_REFUSED = (b"UNKNOWN COMMAND", b"COMMAND READ TIMED OUT", b"COMMAND UNAVAILABLE")
_TEXT = rb"[^\x00-\x1f\x7f]{1,1000}"
_SCANNED = {
    "stream": re.compile(rb"stream: (?:(?P<ok>OK)|(?P<name>" + _TEXT + rb") FOUND)"),
    "fd": re.compile(rb"fd\[\d{1,9}\]: (?:(?P<ok>OK)|(?P<name>" + _TEXT + rb") FOUND)"),
}
_ERROR = re.compile(_TEXT + rb" ERROR")
_VERSION = re.compile(rb"ClamAV ([0-9A-Za-z.+~_-]{1,40})(?:/(\d{1,10})/([A-Za-z0-9: ]{1,40}))?")


class NotAnAnswer(ValueError):
    """These octets are not one whole line of clamd's."""


class Said(enum.Enum):
    """What one answer means."""

    CLEAN = "clean"
    FOUND = "found"
    TOO_LARGE = "too large"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer; `text` is the virus name of FOUND, or the line of ERROR."""

    said: Said
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The answer to VERSION; `database` and `date` are "" where clamd has no daily database."""

    engine: str
    database: str = ""
    date: str = ""


def instream(octets: bytes) -> bytes:
    """Give one chunk of INSTREAM: its length in four octets, most significant first, and it."""
    return struct.pack("!L", len(octets)) + octets


def places(size: int, chunk_octets: int) -> Iterator[slice]:
    """Give the slices that cut `size` octets into chunks; none is empty: that means the end."""
    for start in range(0, size, chunk_octets):
        yield slice(start, min(start + chunk_octets, size))


def line(octets: bytes) -> bytes:
    """Give the one line in the octets without its NUL or newline. Raises NotAnAnswer."""
    if not octets or octets[-1:] not in (b"\0", b"\n"):
        raise NotAnAnswer(f"half an answer: {printable(octets, max_octets=80)}")
    found = octets[:-1]
    if b"\0" in found or b"\n" in found:
        raise NotAnAnswer(f"more than one answer: {printable(octets, max_octets=80)}")
    return found


def parse(octets: bytes, *, asked: str) -> Answer:
    """Give what clamd answered; `asked` is "stream" (INSTREAM) or "fd" (FILDES).

    Raises NotAnAnswer.
    """
    found = line(octets)
    if found == _TOO_LARGE:
        return Answer(said=Said.TOO_LARGE)
    match = _SCANNED[asked].fullmatch(found)
    if match and match["ok"]:
        return Answer(said=Said.CLEAN)
    if match:
        return Answer(said=Said.FOUND, text=readable(match["name"]))
    if found in _REFUSED or _ERROR.fullmatch(found):
        return Answer(said=Said.ERROR, text=printable(found, max_octets=200))
    raise NotAnAnswer(f"an unknown answer: {printable(octets, max_octets=80)}")


def parse_version(found: bytes) -> Version:
    """Give the parts of the line `ClamAV 1.4.6/27402/Sun Nov 22 09:30:10 2026`.

    Raises NotAnAnswer.
    """
    match = _VERSION.fullmatch(found)
    if not match:
        raise NotAnAnswer(f"not a version: {printable(found, max_octets=80)}")
    engine, database, date = (group.decode("ascii") if group else "" for group in match.groups())
    return Version(engine=engine, database=database, date=date)
