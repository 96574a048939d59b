"""A file of another program, line by line, whatever octets it holds.

Called by  programs.admin_import reads the file; the modules of the formats take its lines.
Ends       lines_of() raises SourceError for what is no text of lines at all.
Careful    the file may be old, Latin-1, cut, or written to do harm: text here is for rules and
           terminals only through rules_toml and codec.text.
"""

from dataclasses import dataclass

from qscanner.codec.text import readable

MAX_OCTETS = 4 << 20
MAX_LINES = 10_000


class SourceError(ValueError):
    """The file cannot be one of rules; str() says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: where it stands, and its text without the end. `number` counts from 1."""

    file: str
    number: int
    text: str


def lines_of(octets: bytes, *, file: str) -> tuple[Line, ...]:
    """Give the lines that say something: no empty ones, no comments. Raises SourceError."""
    if len(octets) > MAX_OCTETS:
        raise SourceError(f"it has more than {MAX_OCTETS >> 20} MiB")
    if b"\0" in octets:
        raise SourceError(
            "it is no text: give the file that it was compiled from, not a .cdb or .db"
        )
    numbered = enumerate(octets.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1)
    found = []
    for number, line in numbered:
        if line.strip() and not line.lstrip().startswith(b"#"):
            found.append(Line(file=file, number=number, text=readable(line.rstrip(b"\r"))))
    if len(found) > MAX_LINES:
        raise SourceError(f"it has more than {MAX_LINES} lines of rules")
    return tuple(found)
