"""Octets of strangers as text: readable for rules, printable for people.

Called by  mime, log, headers of ours, replies, tables: wherever foreign octets become text.
Ends       always with text; nothing here raises.
Careful    readable() text is encodable as UTF-8 (no lone surrogates), but may hold control and
           bidi characters: only printable() may reach a log line, a header, a reply, a terminal.
"""

import re
import unicodedata

_DOTS = "..."
_PLAIN = re.compile(r"[ -\[\]-~]*\Z")  # printable ASCII but for the backslash
_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_LAST_BYTE, _LAST_PLANE_0 = 0xFF, 0xFFFF


def readable(octets: bytes) -> str:
    """Give the octets as text: UTF-8 where they are, else Latin-1, so that nothing is lost."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def without_surrogates(text: str) -> str:
    """Give text of the email package (octets are lone surrogates there) as readable() does."""
    if not _has_surrogate(text):
        return text
    try:
        return readable(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:  # a surrogate that no octet became: from UTF-7 or UTF-16
        return text.encode("utf-8", "replace").decode("utf-8")


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)


def printable(text: str | bytes, *, max_octets: int) -> str:
    """Give pure printable ASCII of at most `max_octets`; anything else as \\xNN, \\uNNNN.

    A backslash is doubled, so the result can be read back without doubt; a cut ends in "...".
    """
    if isinstance(text, bytes):
        text = readable(text)
    if len(text) <= max_octets and _PLAIN.match(text):
        return text  # nearly always
    shown = [_shown(char) for char in text[: max(0, max_octets) + 1]]
    size = sum(map(len, shown))
    if size <= max_octets:
        return "".join(shown)
    while shown and size > max_octets - len(_DOTS):  # a cut never halves an escape
        size -= len(shown.pop())
    return "".join(shown) + _DOTS[: max(0, max_octets)]


def _shown(char: str) -> str:
    if char == "\\":
        return "\\\\"
    if " " <= char <= "~":
        return char
    code = ord(char)
    if code > _LAST_PLANE_0:
        return f"\\U{code:08x}"
    return f"\\x{code:02x}" if code <= _LAST_BYTE else f"\\u{code:04x}"


def for_terminal(text: str) -> str:
    """Give text that is safe on a terminal: letters of all scripts stay, controls and bidi do not.

    Control, format (bidi, zero-width), surrogate and unassigned characters are escaped, and what
    separates lines and paragraphs.
    """
    return "".join(
        _shown(char) if unicodedata.category(char) in _ESCAPED else char for char in text
    )
