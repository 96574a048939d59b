"""The message as it leaves: our header lines on top, forged copies out, asked-for edits, no more.

Called by  handover for an accepted message; `qscanner scan` shows the lines.
Ends       with a descriptor of a new file; raises DiskFull.
Careful    the message is never re-serialised: ranges of octets are copied inside the kernel, the
           rest is left out. X-Qscanner stands last of ours, so that a message which begins with a
           continuation line (a blank) cannot speak as one of the X-Spam lines.
"""

import os

from qscanner.codec.block import fields
from qscanner.codec.text import printable
from qscanner.intake import (
    IN_MEMORY_OCTETS,
    copy,
    memory_file,
    seal,
    unlinked_file,
    write_all,
)
from qscanner.model import Edits
from qscanner.spool import Message

OURS = ("X-Qscanner", "X-Spam-Flag", "X-Spam-Status", "X-Spam-Level")
MAX_LINE_OCTETS = 990  # RFC 5322 2.1.1 allows 998
_SUBJECT_OCTETS = 4096  # of a Subject, looked at for the prefix
_ENCODED_WORD_OCTETS = 20  # of text: a word stays below the 75 of RFC 2047 2


def line(name: str, text: str) -> str:
    """Give a header line without newline; `text` becomes printable ASCII and is cut at 990."""
    return f"{name}: {printable(text, max_octets=MAX_LINE_OCTETS - len(name) - 2)}"


def compose(message: Message, lines: tuple[str, ...], edits: Edits, *, folder: str) -> int:
    """Give a file with the lines on top of the message, without forged copies of our lines.

    `folder` is the spool for what is larger than 1 MiB. Raises DiskFull.
    """
    if edits.cuts and not edits.ranges:
        raise ValueError("parts were to be taken out, and nobody said how")
    cuts = [(field.start, field.end, b"") for field in fields(message.octets, *OURS)]
    cuts += edits.ranges
    top = [*lines]
    if edits.subject_prefix:
        top += _prefix_subject(message, edits.subject_prefix, cuts)
    head = "".join(f"{text}\n" for text in top).encode("ascii")
    size = len(head) + message.size
    target = (unlinked_file(folder) if size > IN_MEMORY_OCTETS else None) or memory_file()
    try:
        write_all(target, head)
        at = 0
        for start, end, instead in sorted(cuts):
            copy(message.fd, target, at, start)
            write_all(target, instead)
            at = end
        copy(message.fd, target, at, message.size)
    except BaseException:
        os.close(target)
        raise
    seal(target)
    return target


def _prefix_subject(
    message: Message, prefix: str, cuts: list[tuple[int, int, bytes]]
) -> list[str]:
    """Put the prefix into the first Subject, or give a Subject line where there is none."""
    word = _encoded(prefix)
    found = fields(message.octets, "Subject")
    if not found:
        return [f"Subject: {word.rstrip()}"]
    at = found[0].value_at
    value = bytes(message.octets[at : found[0].end][:_SUBJECT_OCTETS])
    if not value.lstrip().startswith(word.strip().encode("ascii")):
        gap = "" if value[:1].isspace() else " "  # RFC 2047 5: blanks stand around a word
        cuts.append((at, at, f" {word.strip()}{gap}".encode("ascii")))
    return []


def _encoded(text: str) -> str:
    """Give text as it may stand in a header: ASCII, or one RFC 2047 word."""
    if text.isascii() and text.isprintable():
        return text if text.endswith(" ") else text + " "
    cut = text.strip().encode("utf-8")[:_ENCODED_WORD_OCTETS].decode("utf-8", "ignore")
    quoted = "".join(f"={octet:02X}" for octet in cut.encode("utf-8"))
    return f"=?utf-8?q?{quoted}?= "
