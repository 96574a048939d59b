"""List files, policies/lists/*.txt: one entry a line, # comments, an optional last day and reason.

    .exe
    trainer@partner.example until 2026-12-31 because the course ends then

Called by  policy.read, which finds the file; what an entry means, its user says.
Ends       read() gives the entries and all problems; it raises nothing.
Careful    an entry holds on its last day too. Only ` until ` and ` because ` with blanks around
           them end an entry, and # begins a comment only after a blank: names may hold anything.
"""

import datetime
import re
from dataclasses import dataclass
from typing import NamedTuple

from qscanner.codec.problems import Problem
from qscanner.policy.addresses import FOREVER

MAX_OCTETS = 32 << 20
MAX_ENTRY_CHARS = 1000
_BARE = re.compile(r"[!$-~]{1,200}")  # neither blank nor comment nor quotation mark
_COMMENT = re.compile(r"(?:^|\s)#.*")


class Entry(NamedTuple):
    """One line: what it lists, the last day on which it holds, and where it stands."""

    text: str
    last_day: datetime.date
    line: int
    source: str


@dataclass(frozen=True, slots=True)
class ListFile:
    """What one list file says. `file` is its name in problems."""

    file: str
    entries: tuple[Entry, ...]

    def problem(self, entry: Entry, text: str) -> Problem:
        """Give a Problem that points at the entry."""
        return _problem(self.file, entry.line, entry.source, text, entry.text)


def read(octets: bytes, *, file: str) -> tuple[ListFile, tuple[Problem, ...]]:
    """Give what the octets of a list file say, and what of it cannot be understood."""
    if len(octets) > MAX_OCTETS:
        problem = Problem(file=file, line=0, text=f"the list has more than {MAX_OCTETS >> 20} MiB")
        return ListFile(file, ()), (problem,)
    entries: list[Entry] = []
    problems: list[Problem] = []
    for number, line in enumerate(octets.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            source = line.rstrip(b"\r").decode()
        except UnicodeDecodeError:
            shown = line.decode("utf-8", "replace")
            problems.append(_problem(file, number, shown, "the line is not UTF-8", ""))
            continue
        if _BARE.fullmatch(source):  # nearly always, and lists are long
            entries.append(Entry(source, FOREVER, number, source))
            continue
        try:
            entry = _entry(source, number)
        except ValueError as error:
            problems.append(_problem(file, number, source, str(error), source.strip()))
            continue
        if entry is not None:
            entries.append(entry)
    return ListFile(file, tuple(entries)), tuple(problems)


def _entry(source: str, number: int) -> Entry | None:
    """Give what one line lists, None where nothing. Raises ValueError."""
    text = (_COMMENT.sub("", source, count=1) if "#" in source else source).strip()
    if not text:
        return None
    last_day = FOREVER
    if " " in text or "\t" in text:
        text = re.split(r"\s+because(?:\s|$)", text, maxsplit=1)[0]
        text, *until = re.split(r"\s+until(?:\s+|$)", text, maxsplit=1)
        if until:
            last_day = _day(until[0])
    if len(text) > MAX_ENTRY_CHARS:
        raise ValueError(f"the entry is longer than {MAX_ENTRY_CHARS} characters")
    return Entry(text, last_day, number, source)


def _day(text: str) -> datetime.date:
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            return datetime.date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f'"{text}" is no date: write until 2026-12-31')


def _problem(file: str, line: int, source: str, text: str, meant: str) -> Problem:
    column = source.find(meant) + 1 if meant else 0
    return Problem(
        file=file, line=line, text=text, source=source, column=column, length=max(1, len(meant))
    )
