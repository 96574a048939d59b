"""Anomalies of the message's own header block: findings for policy, harmless by themselves.

Called by  scan, with the View.
Ends       always; nothing here raises.
Careful    ordinary mail has most of these now and then: they are for rules and statistics.
"""

import re
from collections import Counter
from collections.abc import Iterator

from qscanner.mime import View
from qscanner.model import Finding

LONG_LINE = 998  # octets without the line end: RFC 5322 section 2.1.1
_ONCE = {  # RFC 5322 section 3.6: at most one each
    "from": "header.duplicate-from",
    "sender": "header.duplicate-sender",
    "reply-to": "header.duplicate-reply-to",
    "to": "header.duplicate-to",
    "cc": "header.duplicate-cc",
    "bcc": "header.duplicate-bcc",
    "date": "header.duplicate-date",
    "subject": "header.duplicate-subject",
    "message-id": "header.duplicate-message-id",
    "in-reply-to": "header.duplicate-in-reply-to",
    "references": "header.duplicate-references",
}
_BARE_CR = re.compile(rb"\r(?!\r*\n)")
_EIGHT_BIT = re.compile(rb"[\x80-\xff]")
_LONG = re.compile(rb"[^\n]{%d}" % (LONG_LINE + 2))  # a CR may stand before the LF


def look(view: View) -> tuple[Finding, ...]:
    """Give the findings about the header block of a message, `where` is "" for all."""
    return tuple(Finding(id=id_, detail=detail) for id_, detail in _odd(view))


def _odd(view: View) -> Iterator[tuple[str, str]]:
    if b"\0" in view.head:
        yield "header.nul", ""
    if _BARE_CR.search(view.head):
        yield "header.bare-cr", ""
    if _EIGHT_BIT.search(view.head):
        yield "header.8bit", ""
    if _LONG.search(view.head):
        yield "header.long-line", ""
    count = Counter(header.name.lower() for header in view.headers)
    for name, id_ in _ONCE.items():
        if count[name] > 1:
            yield id_, str(count[name])
    if not view.headers:
        yield "header.none", ""
        return
    if not count["from"]:
        yield "header.no-from", ""
    if not count["date"]:
        yield "header.no-date", ""
