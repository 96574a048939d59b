"""One TOML table as it is being read: values of the right type, or a problem at the right place.

Called by  policy.questions, sentence and read.
Ends       never by itself: a wrong value is noted in `problems` and read as if it were not there.
Careful    whoever reads a table calls only() once, so that no key is overlooked; a key nobody
           knows is a mistake, since a misspelt exception would silently be none.
"""

import enum
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Literal, TypeVar

from qscanner.codec import units
from qscanner.codec.places import Document, Path
from qscanner.codec.problems import Problem, expected

T = TypeVar("T")
Choice = TypeVar("Choice", bound=enum.Enum)

_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (str, "text"),
    (int, "a whole number"),
    (float, "a number"),
    (list, "a list"),
    (dict, "a table"),
)


class Table:
    """A table of a document; `label` stands in front of every problem, like `rule "a": `."""

    def __init__(
        self, document: Document, path: Path, problems: list[Problem], *, label: str = ""
    ) -> None:
        self.document = document
        self.path = path
        self.problems = problems
        self.label = label
        data: Any = document.data
        for step in path:
            data = data[step]
        self.data: Mapping[str, Any] = data

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def wrong(self, text: str, *keys: str | int, at: Literal["key", "value"] = "value") -> None:
        """Note a problem with what stands under the keys, or with the table itself."""
        path = (*self.path, *keys)
        self.problems.append(self.document.problem(path, f"{self.label}{text}", at=at))

    def only(self, known: Collection[str], *, not_yet: Mapping[str, str] | None = None) -> None:
        """Note every key that is not known, and those of `not_yet` with what is missing."""
        for key in self.data:
            if not_yet and key in not_yet:
                text = f'"{key}" is not yet possible: this version {not_yet[key]}'
                self.wrong(text, key, at="key")
            elif key not in known:
                self.wrong(f"unknown key {expected(key, sorted(known))}", key, at="key")

    def text(self, key: str) -> str | None:
        """Give a text, None where there is none."""
        return self._typed(key, str)

    def flag(self, key: str) -> bool | None:
        """Give true or false, None where it does not say."""
        return self._typed(key, bool)

    def number(self, key: str) -> float | None:
        """Give a finite number, None where there is none."""
        value = self.data.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            # A whole number has no bound in TOML here; a float has.
            value = float(max(min(value, 10**15), -(10**15)))
        elif value is None:
            return None
        if isinstance(value, float) and math.isfinite(value):
            return value
        self._mistyped("a finite number", value, key)
        return None

    def whole(self, key: str) -> int | None:
        """Give a whole number of 0 or more, None where there is none."""
        value = self._typed(key, int)
        if value is not None and value < 0:
            self.wrong(f'"{key}" cannot be below 0', key)
            return None
        return value

    def size(self, key: str) -> int | None:
        """Give octets, None where it does not say: "100 MiB"."""
        if key not in self.data:
            return None
        value = self.data[key]
        if isinstance(value, int) and not isinstance(value, bool):
            self.wrong(f'"{key}" is a size with its unit: "{value} B"? "{value} MiB"?', key)
            return None
        text = self.text(key)
        return None if text is None else self._made(text, units.octets, (key,))

    def choices(self, key: str, kind: type[Choice]) -> tuple[Choice, ...]:
        """Give members of an enum by their values, () where there are none."""
        return self.made(key, lambda text: choice(text, kind, key))

    def made(self, key: str, make: Callable[[str], T]) -> tuple[T, ...]:
        """Give what `make` makes of each text under the key: one text, or a list of them."""
        found = (self._made(text, make, at) for text, at in self._texts(key))
        return tuple(each for each in found if each is not None)

    def table(self, key: str) -> "Table | None":
        """Give the table under the key, None where there is none; an empty one is a problem."""
        value = self._typed(key, dict)
        if value is None:
            return None
        if not value:
            self.wrong(f'"{key}" is empty', key, at="key")
            return None
        return self.inner(key)

    def tables(self, key: str) -> tuple["Table", ...]:
        """Give the tables under the key: one, or a list of them."""
        value = self.data.get(key)
        if not isinstance(value, list):
            one = self.table(key)
            return () if one is None else (one,)
        if not value:
            self.wrong(f'"{key}" is an empty list', key)
        found = []
        for number, each in enumerate(value):
            if isinstance(each, dict) and each:
                found.append(self.inner(key, number))
            else:
                self._mistyped("a table with at least one key", each, key, number)
        return tuple(found)

    def inner(self, *keys: str | int) -> "Table":
        """Give the table that is known to stand under the keys."""
        return Table(self.document, (*self.path, *keys), self.problems, label=self.label)

    def _texts(self, key: str) -> Iterator[tuple[str, tuple[str | int, ...]]]:
        value = self.data.get(key)
        if isinstance(value, str):
            yield value, (key,)
        elif isinstance(value, list):
            if not value:
                self.wrong(f'"{key}" is an empty list', key)
            for number, each in enumerate(value):
                if isinstance(each, str):
                    yield each, (key, number)
                else:
                    self._mistyped("text", each, key, number)
        elif key in self.data:
            self._mistyped("text, or a list of texts", value, key)

    def _made(self, text: str, make: Callable[[str], T], at: tuple[str | int, ...]) -> T | None:
        try:
            return make(text)
        except ValueError as error:
            self.wrong(str(error), *at)
            return None

    def _typed(self, key: str, kind: type[T]) -> T | None:
        value = self.data.get(key)
        # True is an int for Python, not for an admin.
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            return value
        if key in self.data:
            self._mistyped(dict(_TYPES)[kind], value, key)
        return None

    def _mistyped(self, wanted: str, value: object, *keys: str | int) -> None:
        given = next((name for kind, name in _TYPES if isinstance(value, kind)), "a date or time")
        given = "an empty table" if value == {} else given
        self.wrong(f'"{_last_name(keys)}" must be {wanted}, not {given}', *keys)


def _last_name(keys: tuple[str | int, ...]) -> str:
    return next(str(key) for key in reversed(keys) if isinstance(key, str))


def choice(text: str, kind: type[Choice], what: str) -> Choice:
    """Give the member of an enum that has this value. Raises ValueError with the allowed ones."""
    values = {str(member.value): member for member in kind}
    if text not in values:
        raise ValueError(f"unknown {what} {expected(text, list(values))}")
    return values[text]
