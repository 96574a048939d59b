"""What stands in the place of a part that was taken out: a small text that says so, as octets.

Called by  stripping, with the octets of the message and the places of the parts.
Ends       with ranges of octets and what is to stand there instead; raises Unsafe where a place
           is not what it should be. Nothing else of the message is touched.
Careful    names of strangers become text that has no controls and no bidi characters. Of what is a
           message by itself (the whole one, or one inside it) only the Content-* fields go.
"""

import base64
import re
from dataclasses import dataclass

from qscanner.codec import block
from qscanner.codec.fields import Octets
from qscanner.codec.text import for_terminal

Range = tuple[int, int, bytes]  # from, to, and what stands there instead

_HEAD_OCTETS = 1 << 20
_LINE_OCTETS = 2000  # of a delimiter line: RFC 2046 5.1.1 allows 70 for the boundary
_SHOWN_NAME = 200  # characters
_SHOWN_WHY = 500
_CONTENT_FIELD = re.compile(rb"^content-[!-9;-~]*[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*+", re.I | re.M)
_MIME_VERSION = re.compile(rb"^mime-version[ \t]*:", re.IGNORECASE | re.MULTILINE)
_BREAK = re.compile("[\u2028\u2029]")  # line and paragraph, in some programs
_BLANK_LINE = re.compile(rb"\n\r*\n")
_DELIMITER_AHEAD = re.compile(rb"\r?\n--")


class Unsafe(ValueError):
    """The part cannot be taken out without a doubt about what else that changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the text says: of the part, of the rule, and where the original message is kept."""

    name: str
    kinds: str
    octets: int
    inside: str  # what was found in it, "" where it is the part itself
    why: str
    is_signed: bool
    held_as: str
    host: str


def text(told: Told, eol: str) -> str:
    """Give the text for the reader of the mail, in lines that end as those of the message do."""
    facts = [
        ("Name", _shown(told.name) or "(without a name)"),
        ("Kind", told.kinds or "unknown"),
        ("Size", f"{told.octets:,} octets"),
        *([("Because of", _shown(told.inside))] if told.inside else []),
        ("Reason", _shown(told.why, _SHOWN_WHY)),
    ]
    lines = [
        "An attachment was taken out of this message by the mail server.",
        "",
        *(f"    {f'{name}:':<12}{value}" for name, value in facts),
        "",
        f"The message as it came is kept in the quarantine of {told.host} as",
        "",
        f"    {told.held_as}",
        "",
        "Please ask your postmaster if you need it.",
        *(_SIGNED if told.is_signed else ()),
        "",
    ]
    return eol.join(lines)


_SIGNED = (
    "",
    "The message is signed or encrypted. Since a part of it is missing, its signature",
    "does not fit any more: that alone says nothing against the sender.",
)


def _shown(name: str, most: int = _SHOWN_NAME) -> str:
    shown = _BREAK.sub(" ", for_terminal(name[: most + 1]))
    return shown if len(shown) <= most else f"{shown[:most]}..."


def ranges(octets: Octets, span: tuple[int, int], told: Told) -> list[Range]:
    """Give what is to be replaced so that the text stands where the part stands.

    `span` is that of codec.extents. Raises Unsafe.
    """
    start, end = span
    is_message = _is_message(octets, start)
    eol = _eol(octets, start)
    if end < len(octets) and not _DELIMITER_AHEAD.match(bytes(octets[end : end + 4])):
        raise Unsafe("no delimiter line follows it")
    fields, body = _part(text(told, eol.decode()), eol)
    last = eol if end == len(octets) else b""
    if not is_message:
        return [(start, end, fields + eol + body + last)]
    head = bytes(octets[start : min(end, start + _HEAD_OCTETS)])
    stop = block.end(head)
    blank = _BLANK_LINE.search(b"\n" + head)  # what mime takes for one
    if stop == len(head) or blank is None or blank.start() != stop:
        raise Unsafe("its header has no certain end")
    version = b"" if _MIME_VERSION.search(head, 0, stop) else b"MIME-Version: 1.0" + eol
    return [
        *(
            (start + found.start(), start + found.end(), b"")
            for found in _CONTENT_FIELD.finditer(head, 0, stop)
        ),
        (start + stop, end, version + fields + eol + body + last),
    ]


def _is_message(octets: Octets, start: int) -> bool:
    """Say whether a message begins here, not a part behind its delimiter line."""
    if start == 0:
        return True
    before = bytes(octets[max(0, start - _LINE_OCTETS) : start])
    if not before.endswith(b"\n"):
        raise Unsafe("it does not begin on a line of its own")
    line = before[before.rfind(b"\n", 0, -1) + 1 :]
    if line.startswith(b"--"):
        return False
    if line.strip(b"\r\n"):
        raise Unsafe("no delimiter line is in front of it")
    return True


def _eol(octets: Octets, start: int) -> bytes:
    """Give how lines end: the one before the part, or the first of the message."""
    at = start - 1 if start else octets.find(b"\n")
    if at < 0:
        raise Unsafe("the message has no line ends")
    return b"\r\n" if at and octets[at - 1 : at] == b"\r" else b"\n"


def _part(said: str, eol: bytes) -> tuple[bytes, bytes]:
    """Give header fields and body of the text; the body is without its last line end."""
    if said.isascii():
        how, body = b"us-ascii|7bit", said.encode("ascii")
    else:
        how = b"utf-8|base64"
        body = base64.encodebytes(said.encode("utf-8")).replace(b"\n", eol)
    charset, _, encoding = how.partition(b"|")
    fields = (
        b"Content-Type: text/plain; charset=" + charset,
        b"Content-Disposition: inline",
        b"Content-Transfer-Encoding: " + encoding,
        b"",
    )
    return eol.join(fields), body.removesuffix(eol)
