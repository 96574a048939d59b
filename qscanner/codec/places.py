"""TOML with places: what a file says, and on which line and column each key and value stands.

Called by  config for the settings, policy.* for the rules. The only home of tomllib.
Ends       with a Document, or raises Problems, with a hint for the mistakes people make.
Careful    tomllib says what is in the file but not where. So the text is walked a second time:
           the walk only ever sees what tomllib accepted, therefore checks nothing, and keeps its
           own stack, because tomllib goes as deep as Python does.

How the walk works: it knows blanks, comments, the four kinds of strings, "anything else up to a
comma, a bracket, a hash or the end of the line" (numbers, dates, booleans), and the brackets that
open and close. Every key and value it passes is noted under its path; tables by their header.
"""

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any, Literal

from qscanner.codec.mistakes import not_toml, not_utf8
from qscanner.codec.problems import Problem, Problems

Path = tuple[str | int, ...]

MAX_OCTETS = 8 << 20  # of one file
MAX_DEPTH = 64  # of paths whose places are noted; deeper ones fall back to a parent
# Unrolled loops, not possessive quantifiers: Python 3.11.0 to 3.11.4 matches those wrongly
# (gh-106052).
_BLANK = re.compile(r"[ \t\n,]*(?:#[^\n]*[ \t\n,]*)*")
_STRING = re.compile(
    r'"""[^"\\]*(?:(?:\\.|"{1,2}(?!"))[^"\\]*)*"{3,5}'  # up to two quotes may stand before the end
    r"|'''[^']*(?:'{1,2}(?!')[^']*)*'{3,5}"
    r'|"[^"\\]*(?:\\.[^"\\]*)*"'
    r"|'[^']*'",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]}#\n]*")  # a date may have a blank in the middle
_KEY = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|\'[^\']*\'|[A-Za-z0-9_-]+')
_DOT = re.compile(r"[ \t]*\.[ \t]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands: line and column from 1 (0: the whole file), length in characters."""

    line: int
    column: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file: its data as tomllib gives it, its lines, and where everything stands.

    A path is made of keys and, in arrays, of places from 0: `("rule", 0, "when", "to", 1)`.
    """

    file: str
    data: dict[str, Any]
    lines: tuple[str, ...]
    keys: dict[Path, Place]
    values: dict[Path, Place]

    def key(self, path: Path) -> Place:
        """Give the place of the key at the path, of an array's member that member's place."""
        return self._first(path, self.keys, self.values)

    def value(self, path: Path) -> Place:
        """Give the place of the value at the path; of a table, its header's."""
        return self._first(path, self.values, self.keys)

    def _first(self, path: Path, *wanted: dict[Path, Place]) -> Place:
        for size in range(len(path), 0, -1):
            for places in wanted:
                if path[:size] in places:
                    return places[path[:size]]
        return Place(line=0, column=0, length=1)

    def problem(self, path: Path, text: str, *, at: Literal["key", "value"] = "value") -> Problem:
        """Give a Problem that points at the key or value of the path, or at the nearest parent."""
        place = self.key(path) if at == "key" else self.value(path)
        return Problem(
            file=self.file,
            line=place.line,
            text=text,
            source=self.lines[place.line - 1] if place.line else "",
            column=place.column,
            length=place.length,
        )


def parse(octets: bytes, *, file: str) -> Document:
    """Give what the octets of a TOML file say, with places; `file` is its name in problems.

    Raises Problems where they are not UTF-8 or not TOML 1.0.
    """
    if len(octets) > MAX_OCTETS:
        text = f"the file has more than {MAX_OCTETS >> 20} MiB"
        raise Problems([Problem(file=file, line=0, text=text)])
    try:
        text = octets.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise Problems([not_utf8(octets, error, file=file)]) from None
    lines = tuple(text.split("\n"))
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise Problems([Problem(file=file, line=0, text="nested too deep")]) from None
    except ValueError as error:  # TOMLDecodeError is one; a number of 5000 digits gives another
        raise Problems([not_toml(lines, error, file=file)]) from None
    walk = _Walk(text)
    walk.run()
    return Document(file=file, data=data, lines=lines, keys=walk.keys, values=walk.values)


@dataclass(slots=True, kw_only=True)
class _Open:
    """An array or inline table whose closing bracket was not seen yet."""

    path: Path
    start: int
    is_table: bool
    count: int = 0


class _Walk:
    """One pass over text that tomllib accepted; see the top of the module."""

    def __init__(self, text: str) -> None:
        self.keys: dict[Path, Place] = {}
        self.values: dict[Path, Place] = {}
        self._text = text
        self._at = 0
        self._line_starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self._tables_in: dict[Path, int] = {}  # arrays of tables: how many so far

    def run(self) -> None:
        table: Path = ()
        while self._skip_blank():
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._value(self._key(table))

    def _skip_blank(self) -> bool:
        self._at = self._end_of(_BLANK)
        return self._at < len(self._text)

    def _end_of(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self._text, self._at)
        return found.end() if found else self._at

    def _header(self) -> Path:
        is_array = self._text.startswith("[[", self._at)
        self._at += 1 + is_array
        segments = self._segments()
        self._at = self._text.index("]", self._at) + 1 + is_array
        path: Path = ()
        for name, place in segments[:-1]:
            path = self._latest((*path, name))
            self.keys.setdefault(path, place)
        name, place = segments[-1]
        path = (*path, name)
        if is_array:
            self.keys.setdefault(path, place)
            self.values.setdefault(path, place)
            number = self._tables_in.get(path, 0)
            self._tables_in[path] = number + 1
            path = (*path, number)
        self._note(self.keys, path, place)
        self._note(self.values, path, place)
        return path

    def _latest(self, path: Path) -> Path:
        """A header that goes on below an array of tables means the last of them."""
        return (*path, self._tables_in[path] - 1) if path in self._tables_in else path

    def _key(self, table: Path) -> Path:
        """Take a key and the = behind it; give the path it stands for."""
        path = table
        segments = self._segments()
        for name, place in segments[:-1]:
            path = (*path, name)
            if path not in self.keys:
                self._note(self.keys, path, place)
        name, place = segments[-1]
        path = (*path, name)
        self._note(self.keys, path, place)
        self._at = self._text.index("=", self._at) + 1
        return path

    def _segments(self) -> list[tuple[str, Place]]:
        """Take the names of a key that dots divide."""
        segments = []
        while True:
            self._skip_blank()
            start, self._at = self._at, self._end_of(_KEY)
            segments.append((_name(self._text[start : self._at]), self._place(start)))
            after = self._end_of(_DOT)
            if after == self._at:
                return segments
            self._at = after

    def _value(self, path: Path) -> None:
        """Take one value with everything in it."""
        opened: list[_Open] = []
        inner: Path | None = path
        while inner is not None:
            self._skip_blank()
            start, first = self._at, self._text[self._at]
            if first in "[{":
                opened.append(_Open(path=inner, start=start, is_table=first == "{"))
                self._at += 1
            else:
                self._at = self._end_of(_STRING if first in "\"'" else _PLAIN)
                self._note(self.values, inner, self._place(start))
            inner = self._next_in(opened)

    def _next_in(self, opened: list[_Open]) -> Path | None:
        """Close what ends here; give the path of the value that comes next in what is open."""
        while opened:
            self._skip_blank()
            last = opened[-1]
            if self._text[self._at] in "]}":
                self._at += 1
                self._note(self.values, last.path, self._place(last.start))
                opened.pop()
            elif last.is_table:
                return self._key(last.path)
            else:
                last.count += 1
                return (*last.path, last.count - 1)
        return None

    def _note(self, places: dict[Path, Place], path: Path, place: Place) -> None:
        if len(path) <= MAX_DEPTH:
            places[path] = place

    def _place(self, start: int) -> Place:
        """Give the place of what was just taken; of several lines, the first."""
        line = bisect_right(self._line_starts, start)
        taken = self._text[start : self._at].split("\n", 1)[0].rstrip(" \t")
        column = start - self._line_starts[line - 1] + 1
        return Place(line=line, column=column, length=max(1, len(taken)))


def _name(written: str) -> str:
    if written[0] == '"':
        return (
            str(tomllib.loads(f"name = {written}")["name"]) if "\\" in written else written[1:-1]
        )
    return written[1:-1] if written[0] == "'" else written
