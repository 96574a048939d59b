"""TOML text of imported rules and settings: a writer for exactly what rules are made of.

Called by  programs.admin_import, importers.proof.
Ends       always with text that tomllib reads back as the same values.
Careful    texts are strangers'. In a comment nothing but printable characters and tabs is left, in
           a string everything else is escaped: no value can end its line.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from qscanner.codec.text import for_terminal
from qscanner.importers.findings import NewRule, Setting
from qscanner.importers.sources import Line

SCHEMA = 1
_MAX_COMMENT_CHARS = 400
_LAST_PLANE_0 = 0xFFFF
_SHORT = {'"': '\\"', "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def policy(rules: Iterable[NewRule], *, head: Iterable[str] = ()) -> str:
    """Give the text of a policy file with these rules; `head` are lines of comment on top."""
    blocks = ["\n".join([*map(comment, head), f"schema = {SCHEMA}"]), *map(rule, rules)]
    return "\n\n".join(blocks) + "\n"


def rule(new: NewRule) -> str:
    """Give one [[rule]], below a comment that says where it comes from."""
    fields: dict[str, Any] = {"id": new.id, "why": new.why, **new.body}
    fields["action"] = new.action.value
    if new.reply and new.action.value == "reject":
        fields["reply"] = new.reply
    fields |= new.extras
    width = max(map(len, fields))
    notes = [comment(note) for note in new.notes]
    lines = [f"{key:{width}} = {value(each)}" for key, each in fields.items()]
    return "\n".join([origin(new.line), *notes, "[[rule]]", *lines])


def settings(found: Iterable[Setting]) -> list[str]:
    """Give the lines of qscanner.toml that settings are, without doubles: the last one counts."""
    tables: dict[str, dict[str, Any]] = {}
    for each in found:
        tables.setdefault(each.table, {})[each.key] = each.value
    lines: list[str] = []
    for table, keys in tables.items():
        lines += [f"[{table}]", *(f"{key} = {value(each)}" for key, each in keys.items()), ""]
    return lines[:-1]


def origin(line: Line) -> str:
    """Give the comment that says where a rule comes from: file:line: the text."""
    return comment(f"{line.file}:{line.number}: {line.text}")


def comment(text: str) -> str:
    """Give a text as one line of comment; what is not printable is escaped, a long one cut."""
    if len(text) > _MAX_COMMENT_CHARS:
        text = f"{text[:_MAX_COMMENT_CHARS]} ..."
    return f"# {_visible(text)}".rstrip()


def _visible(text: str) -> str:
    safe = "\t".join(map(for_terminal, text.split("\t")))
    return "".join(" " if unicodedata.category(each) in {"Zl", "Zp"} else each for each in safe)


def value(given: Any) -> str:
    """Give a value as TOML: text, boolean, number, list, or table in one line."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, str):
        return string(given)
    if isinstance(given, Mapping):
        inner = ", ".join(f"{_key(key)} = {value(each)}" for key, each in given.items())
        return f"{{ {inner} }}"
    if isinstance(given, list | tuple):
        return f"[{', '.join(map(value, given))}]"
    assert isinstance(given, int | float)
    return repr(given)


def string(text: str) -> str:
    """Give a text in single quotes where it has a backslash and may, else in double quotes."""
    if text.isprintable():  # nearly always; the rest is the slow way to the same
        if "\\" in text and "'" not in text:
            return f"'{text}'"
        if "\\" not in text and '"' not in text:
            return f'"{text}"'
    return f'"{"".join(map(_escaped, text))}"'


def _key(key: str) -> str:
    return key if key and _BARE.issuperset(key) else string(key)


def _must_be_escaped(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _escaped(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    if not _must_be_escaped(char):
        return char
    code = ord(char)
    return f"\\u{code:04x}" if code <= _LAST_PLANE_0 else f"\\U{code:08x}"
