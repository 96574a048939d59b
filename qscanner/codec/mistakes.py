"""A file that is not UTF-8 or not TOML: what the parser said, as something an admin can act on.

Called by  codec.places, with the exceptions of decode() and of tomllib.
Ends       with a Problem; a message that is not known here is passed on in the parser's words.
Careful    tomllib often stands behind the mistake, not on it; its words are not promised to stay,
           so the tests name each of them.
"""

import re

from qscanner.codec.problems import Problem

_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_ANY = re.compile("")
_CURLED = "[\u201c\u201d\u201e\u2018\u2019\u201a\xab\xbb]"
_WORD_OF_YES_OR_NO = r"(?i:true|false|yes|no|on|off)\b"
_UNIT_BEHIND_NUMBER = re.compile(r"=\s*[\d.]+\s*[A-Za-z]")

# What the parser says, what stands at its place, and what the admin should do.
_HINTS: tuple[tuple[str, re.Pattern[str], str], ...] = (
    (
        "Unescaped '\\'",
        _ANY,
        r'in "..." a backslash begins an escape: put a regex in single quotes, '
        r"'\.exe$'",
    ),
    ("Invalid hex", _ANY, "in \"...\" a backslash begins an escape: use single quotes, '...'"),
    ("Found invalid character '\\n'", _ANY, "the string does not end on its line: a ' is missing"),
    ("Illegal character '\\n'", _ANY, "the string does not end on its line: a quote is missing"),
    ("Cannot overwrite", _ANY, "this stands twice: keep one of them"),
    ("Cannot declare", _ANY, "this table stands twice: put all its keys below one header"),
    ("Invalid value", re.compile(_CURLED), "use straight quotes: \"...\" or '...'"),
    ("Invalid value", re.compile(_WORD_OF_YES_OR_NO), "true and false are written in lower case"),
    ("Invalid value", re.compile(r"\s*(#|$)"), "a value is missing here"),
    ("Invalid value", re.compile("[A-Za-z/@.]"), 'text stands in quotes: "..."'),
    (
        "Invalid statement",
        re.compile("\ufeff"),
        "the file begins with a byte order mark: save it as UTF-8 without one",
    ),
    ("Expected '='", _ANY, "a line is either [table] or key = value"),
    ("Unclosed array", _ANY, "a comma or the closing ] of a list is missing"),
    ("Unclosed inline table", _ANY, "a comma or the closing } is missing"),
)
# A string without an end is noticed at the end of the file only: what is missing.
_NEVER_ENDS = {"Unterminated string": '"', 'Expected "\'"': "'", "Expected \"'''\"": "'''"}


def not_utf8(octets: bytes, error: UnicodeDecodeError, *, file: str) -> Problem:
    """Give the problem of octets that are not UTF-8, at the first that is not."""
    before = octets[: error.start]
    line_start = before.rfind(b"\n") + 1
    line_end = octets.find(b"\n", error.start)
    source = octets[line_start : line_end if line_end >= 0 else len(octets)].rstrip(b"\r")
    return Problem(
        file=file,
        line=before.count(b"\n") + 1,
        text=f"octet 0x{octets[error.start]:02x} is not UTF-8: save the file as UTF-8",
        source=source.decode("utf-8", "replace"),
        column=len(octets[line_start : error.start].decode("utf-8")) + 1,
    )


def not_toml(lines: tuple[str, ...], error: ValueError, *, file: str) -> Problem:
    """Give the problem of text that tomllib refused; `lines` are without their ends."""
    said = str(error)
    found = _AT.search(said)
    if not found:
        return Problem(file=file, line=0, text=f"not TOML: {said}")
    said = said[: found.start()]
    if not found[1]:
        return _at_the_end(lines, said, file)
    line, column = int(found[1]), int(found[2])
    source = lines[line - 1]
    text = _advice(said, source, column)
    column, length = _meant(said, source, column)
    return Problem(file=file, line=line, text=text, source=source, column=column, length=length)


def _at_the_end(lines: tuple[str, ...], said: str, file: str) -> Problem:
    """Give the problem that shows itself at the end of the file."""
    quote = _NEVER_ENDS.get(said, "")
    line = max(
        (n for n, each in enumerate(lines, start=1) if each.strip() and quote in each), default=1
    )
    source = lines[line - 1]
    if quote:  # none follows the one that opens the string, so it is the last of the file
        text = f"the string never ends: {quote} is missing"
        return Problem(
            file=file, line=line, text=text, source=source, column=source.rfind(quote) + 1
        )
    text = _advice(said, source, len(source.rstrip()) + 1)
    column, length = _meant(said, source, len(source.rstrip()) + 1)
    return Problem(file=file, line=line, text=text, source=source, column=column, length=length)


def _advice(said: str, source: str, column: int) -> str:
    for words, there, advice in _HINTS:
        if said.startswith(words) and there.match(source, column - 1):
            return advice
    if said.startswith("Expected newline") and _UNIT_BEHIND_NUMBER.search(source):
        return 'text, also a number with a unit, stands in quotes: "60 s"'
    return f"not TOML: {said[:1].lower()}{said[1:]}"


def _meant(said: str, source: str, column: int) -> tuple[int, int]:
    """Give column and length of the mistake itself: the parser may stand behind it."""
    if said.startswith(("Cannot", "Expected '='")):
        lead = len(source) - len(source.lstrip())
        return lead + 1, max(1, len(source.strip()))
    if said.startswith(("Unescaped '\\'", "Invalid hex")):
        return source.rfind("\\", 0, column) + 1 or column, 2
    return column, 1
