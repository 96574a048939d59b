"""The list files of a policy folder: found by name, read once each.

Called by  policy.questions, for every key that ends in _in.
Ends       entries() raises ValueError where there is no such list; what is wrong inside a list is
           noted in `problems`, at its own line.
Careful    a name never leaves the folder: no slash but that of lists/, nothing hidden.
"""

import datetime
import os
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from qscanner.codec.problems import Problem, expected
from qscanner.policy.addresses import FOREVER
from qscanner.policy.lists import MAX_OCTETS, Entry, ListFile, read

T = TypeVar("T")
S = TypeVar("S")
_NAME = re.compile(r"(?:lists/)?([A-Za-z0-9_][A-Za-z0-9._-]*?)(?:\.txt)?")


class Shelf:
    """The folder lists/ below a policy folder."""

    def __init__(self, folder: str, problems: list[Problem]) -> None:
        self._folder = os.path.join(folder, "lists")
        self._problems = problems
        self._files: dict[str, ListFile] = {}
        self._made: dict[tuple[str, object], tuple[tuple[Any, datetime.date], ...]] = {}
        self._together: dict[tuple[object, ...], Any] = {}

    @property
    def dated(self) -> tuple[tuple[ListFile, Entry], ...]:
        """All entries read so far that have a last day."""
        return tuple(
            (file, entry)
            for file in self._files.values()
            for entry in file.entries
            if entry.last_day != FOREVER
        )

    def entries(self, name: str, make: Callable[[str], T]) -> tuple[tuple[T, datetime.date], ...]:
        """Give what `make` makes of each entry of the list, with its last day.

        `name` is like "partners", "partners.txt" or "lists/partners.txt". Raises ValueError where
        there is no such list, or where it cannot be read.
        """
        file = self._file(name)
        key = (file.file, make)
        if key not in self._made:
            self._made[key] = tuple(self._make(file, make))
        return self._made[key]

    def together(
        self,
        lists: tuple[tuple[tuple[T, datetime.date], ...], ...],
        build: Callable[[Iterable[tuple[T, datetime.date]]], S],
    ) -> S:
        """Give the set that `build` makes of several lists of entries(): one, however often asked.

        A hundred rules about one list then cost one look per recipient, not a hundred.
        """
        key = (build, *map(id, lists))  # entries() gives the same object for the same list
        if key not in self._together:
            self._together[key] = build(entry for entries in lists for entry in entries)
        found: S = self._together[key]
        return found

    def _make(self, file: ListFile, make: Callable[[str], T]) -> list[tuple[T, datetime.date]]:
        made = []
        for entry in file.entries:
            try:
                made.append((make(entry.text), entry.last_day))
            except ValueError as error:
                self._problems.append(file.problem(entry, str(error)))
        return made

    def _file(self, name: str) -> ListFile:
        found = _NAME.fullmatch(name)
        if found is None:
            raise ValueError(
                f'"{name}" is no name of a list: write "partners" for lists/partners.txt'
            )
        stem = found[1]
        if stem not in self._files:
            path = os.path.join(self._folder, f"{stem}.txt")
            try:
                with open(path, "rb") as opened:
                    octets = opened.read(MAX_OCTETS + 1)  # read() refuses what is larger
            except FileNotFoundError:
                raise ValueError(f"there is no list {expected(stem, self._there_are())}") from None
            except OSError as error:
                raise ValueError(f"the list cannot be read: {error.strerror}") from None
            self._files[stem], problems = read(octets, file=path)
            self._problems += problems
        return self._files[stem]

    def _there_are(self) -> list[str]:
        try:
            names = sorted(os.listdir(self._folder))
        except OSError:
            return []
        return [name.removesuffix(".txt") for name in names if name.endswith(".txt")]
