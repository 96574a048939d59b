"""The settings file: from qscanner.toml to Settings, or everything that is wrong with it at once.

Called by  the programs at their start.
Ends       with Settings, or raises Problems: file, line, caret, and what would have been right.
Careful    the fields of settings.py are the keys: one that is added there is read here by its
           type, and schema.py says what a type cannot. qscanner-queue waits for this module with
           every message: nothing heavy may be imported.
"""

import os
from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from typing import Any, Literal

from qscanner import schema
from qscanner.codec.places import MAX_OCTETS, Document, Path, parse
from qscanner.codec.problems import Problem, Problems, expected, nearest
from qscanner.settings import Settings

DEFAULT_FILE = "/etc/qscanner/qscanner.toml"
ENVIRONMENT = "QSCANNER_CONFIG"


def find(option: str | None, environment: Mapping[str, str]) -> str:
    """Give the path of the settings file: that of --config, else $QSCANNER_CONFIG, else /etc."""
    return option or environment.get(ENVIRONMENT) or DEFAULT_FILE


def load(path: str) -> Settings:
    """Give the settings in the file at `path`; relative paths in it are relative to its folder.

    Raises Problems with all mistakes: of the file, and of the policies folder and the YARA rule
    files that it names.
    """
    document = parse(_read(path), file=path)
    reader = _Reader(document, os.path.abspath(path))
    settings = reader.settings()
    if reader.problems:
        raise Problems(reader.problems)
    return settings


def keys() -> dict[str, Field[Any]]:
    """Give every key that a settings file may hold, like "virus.clamav.within", with its field."""
    found: dict[str, Field[Any]] = {}
    tables: list[tuple[Any, str]] = [(Settings, "")]
    while tables:
        kind, prefix = tables.pop()
        for name, field in _fields(kind).items():
            if is_dataclass(field.type):
                tables.append((field.type, f"{prefix}{name}."))
            else:
                found[prefix + name] = field
    return found


def _fields(kind: Any) -> dict[str, Field[Any]]:
    """Give the keys of one table. Where the file was found is no key of it."""
    return {
        field.name: field for field in fields(kind) if kind is not Settings or field.name != "file"
    }


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(MAX_OCTETS + 1)  # parse() refuses what is larger
    except FileNotFoundError:
        text = (
            f"no such file: write one (the manual has a sample), or name it with --config "
            f"or ${ENVIRONMENT}"
        )
    except OSError as error:
        text = f"cannot be read by uid {os.geteuid()}: {error.strerror}"
    raise Problems([Problem(file=path, line=0, text=text)])


class _Reader:
    """One reading of one document; `problems` grows as it goes."""

    def __init__(self, document: Document, file: str) -> None:
        self.problems: list[Problem] = []
        self._document = document
        self._file = file
        self._wrong: set[Path] = set()  # what has a problem of its own is not judged again

    def settings(self) -> Settings:
        """Give the settings, with the default wherever `problems` says that something is wrong."""
        settings: Settings = self._table(Settings, self._document.data, ())
        self._compare_times(settings)
        self._look_at_servers(settings)
        self._look_at_files(settings)
        return settings

    def _table(self, kind: Any, data: dict[str, Any], path: Path) -> Any:
        """Give one dataclass of settings.py, filled from one table of the file."""
        known = _fields(kind)
        given: dict[str, Any] = {}
        for name, value in data.items():
            here = (*path, name)
            if name not in known:
                self._problem(here, _unknown(here, value, tuple(known)), at="key")
            elif is_dataclass(known[name].type) is not isinstance(value, dict):
                self._problem(here, _misplaced(here, value), at="key")
            elif not isinstance(value, dict):
                given[name] = self._value(here, value, known[name])
            else:
                given[name] = self._table(known[name].type, value, here)
        for name, field in known.items():
            if name not in given and is_dataclass(field.type):
                given[name] = self._table(field.type, {}, (*path, name))
        if kind is Settings:
            given["file"] = self._file
        return kind(**{**self._default_paths(known, path), **given})

    def _default_paths(self, known: dict[str, Field[Any]], path: Path) -> dict[str, Any]:
        return {
            name: schema.single(_dotted((*path, name)), field.default, str, folder=self._folder)
            for name, field in known.items()
            if field.type is str and _dotted((*path, name)) in schema.PATHS
        }

    @property
    def _folder(self) -> str:
        return os.path.dirname(self._file)

    def _value(self, path: Path, value: Any, field: Field[Any]) -> Any:
        """Give the value of one key, or its default where it is wrong."""
        if field.type not in {str, int, float, bool} and isinstance(value, list):
            return self._list(path, value)
        try:
            return schema.single(_dotted(path), value, field.type, folder=self._folder)
        except ValueError as wrong:
            self._problem(path, f"{_dotted(path)}: {wrong}")
            return field.default

    def _list(self, path: Path, values: list[Any]) -> tuple[Any, ...]:
        dotted = _dotted(path)
        found: list[Any] = []
        for number, value in enumerate(values):
            try:
                kind = int if dotted in schema.RANGES else str
                found.append(schema.single(dotted, value, kind, folder=self._folder))
                is_twice = found.index(found[-1]) < len(found) - 1
                if is_twice and dotted not in schema.WORDS:
                    self._problem((*path, number), f'{dotted}: "{value}" stands twice')
            except ValueError as wrong:
                self._problem((*path, number), f"{dotted}: {wrong}")
        return tuple(found)

    def _compare_times(self, settings: Settings) -> None:
        """No check may be given more time than the message has."""
        if ("limits", "time") in self._wrong:
            return
        whole = self._written(("limits", "time"), settings.limits.time)
        withins = {
            ("virus", "clamav", "within"): settings.virus.clamav.within,
            ("virus", "yara", "within"): settings.virus.yara.within,
            ("virus", "command", "within"): settings.virus.command.within,
            ("spam", "spamd", "within"): settings.spam.spamd.within,
            ("spam", "rspamd", "within"): settings.spam.rspamd.within,
            ("spam", "command", "within"): settings.spam.command.within,
            ("auth", "within"): settings.auth.within,
        }
        for path, within in withins.items():
            # A default that is too long does no harm: what remains of the message's time counts.
            if within > settings.limits.time and self._is_given(path):
                said = self._written(path, within)
                text = f"{_dotted(path)}: {said} is longer than limits.time, {whole}"
                self._problem(path, text)

    def _look_at_servers(self, settings: Settings) -> None:
        """What is used needs a server."""
        used = {
            ("virus", "clamav", "servers"): "clamav" in settings.virus.engines
            and not settings.virus.clamav.servers,
            ("spam", "spamd", "servers"): settings.spam.scorer == "spamd"
            and not settings.spam.spamd.servers,
            ("spam", "rspamd", "servers"): settings.spam.scorer == "rspamd"
            and not settings.spam.rspamd.servers,
        }
        for path, is_missing in used.items():
            if is_missing and path not in self._wrong:
                self._problem(path, f'{_dotted(path)}: needs a server like "tcp:127.0.0.1:1234"')

    def _look_at_files(self, settings: Settings) -> None:
        """The policies folder and the rule files of YARA must be there."""
        if not os.path.isdir(settings.policy.dir) and ("policy", "dir") not in self._wrong:
            text = f"policy.dir: no folder {settings.policy.dir}: make it, or say where it is"
            self._problem(("policy", "dir"), text)
        virus, spam = settings.virus, settings.spam
        for path, words, is_used in (
            (("virus", "command", "program"), virus.command.program, "command" in virus.engines),
            (("spam", "command", "program"), spam.command.program, spam.scorer == "command"),
            (("spam", "learn", "spam"), spam.learn.spam, False),
            (("spam", "learn", "ham"), spam.learn.ham, False),
        ):
            self._look_at_program(path, words, is_used=is_used)
        if ("virus", "yara", "rules") in self._wrong:
            return
        for number, file in enumerate(settings.virus.yara.rules):
            if not os.path.isfile(file):
                self._problem(
                    ("virus", "yara", "rules", number), f"virus.yara.rules: no file {file}"
                )

    def _look_at_program(self, path: Path, words: tuple[str, ...], *, is_used: bool) -> None:
        """A program that is used must be named, and be there."""
        if path in self._wrong or not (words or is_used):
            return
        if not words:
            text = 'needs a program with its arguments, like ["/usr/bin/scan", "-"]'
            self._problem(path, f"{_dotted(path)}: {text}")
        elif not os.path.isabs(words[0]) or not os.access(words[0], os.X_OK):
            text = f"{words[0]} is no program that can be started: write its whole path"
            self._problem((*path, 0), f"{_dotted(path)}: {text}")

    def _is_given(self, path: Path) -> bool:
        return path in self._document.values and path not in self._wrong

    def _written(self, path: Path, seconds: float) -> str:
        if not self._is_given(path):
            return f"which is {seconds:g} s by default"
        place = self._document.value(path)
        source = self._document.lines[place.line - 1]
        return source[place.column - 1 : place.column - 1 + place.length]

    def _problem(self, path: Path, text: str, *, at: Literal["key", "value"] = "value") -> None:
        self._wrong.update(path[:size] for size in range(2, len(path) + 1))
        self.problems.append(self._document.problem(path, text, at=at))


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))


def _unknown(path: Path, value: Any, known: tuple[str, ...]) -> str:
    """Give what to say of a key or table that no field has: where it belongs, or what is near."""
    name, table = str(path[-1]), _dotted(path[:-1])
    homes = [key.rpartition(".")[0] for key in sorted(keys()) if key.endswith(f".{name}")]
    where = f"[{table}]: " if table else ""
    if homes and not nearest(name, known) and not isinstance(value, dict):
        return f'{where}unknown key "{name}": it belongs in {_either(homes)}'
    return f"{where}unknown {'key' if table else 'table'} {expected(name, known)}"


def _either(tables: list[str]) -> str:
    *others, last = [f"[{each}]" for each in tables]
    return f"{', '.join(others)} or {last}" if others else last


def _misplaced(path: Path, value: Any) -> str:
    dotted = _dotted(path)
    if isinstance(value, dict):
        return (
            f"{dotted} is a key, not a table: write {path[-1]} = ... below [{_dotted(path[:-1])}]"
        )
    return f"{dotted} is a table, not a key: write [{dotted}], and its keys below"
