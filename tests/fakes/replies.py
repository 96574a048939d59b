"""What each kind of qmail makes of an exit code and a text: qmail_close(), then qmail-smtpd.

Called by  fakes/caller.py, and tests that compare outcomes.REPLIES with what a sender would hear.
Ends       always with a text; nothing here raises.
Careful    written from the programs' own sources, not from ours: it is there to disagree with us.

Source: notqmail's qmail.c and qmail-smtpd.c; the other rows from the programs they name.
"""

import enum
import time
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of qmail: where it hears a text, with which exit codes, and its own replies.

    `text_fd` None: it has no channel. `reads_variable`: $ERROR_FD names the descriptor instead.
    """

    text_fd: int | None
    text_codes: frozenset[int] = frozenset()
    max_octets: int = 255  # with the letter; what follows is never read
    min_octets: int = 3
    reads_variable: bool = False
    own: Mapping[int, str] = field(default_factory=dict)


class Flavour(enum.Enum):
    """The kinds of qmail in use."""

    NOTQMAIL = Row(text_fd=6, text_codes=frozenset({82}))
    CURTI = Row(text_fd=4, text_codes=frozenset({82}))  # netqmail with the customerror patch
    SAGREDO = Row(
        text_fd=4,
        text_codes=frozenset({82, 88}),
        reads_variable=True,
        own={
            32: "DPrivate key file does not exist (#5.3.5)",
            33: "DPrivate key file does not exist (#5.3.5)",
            82: "Zunable to exec qq (#4.3.0)",
            88: "Zunable to exec qq (#4.3.0)",
        },
    )
    INDIMAIL = Row(
        text_fd=2,
        text_codes=frozenset({88}),
        max_octets=1023,
        reads_variable=True,
        own={
            32: "Dqq spam or junk mail threshold exceeded (#5.7.1)",
            33: "Dqq message contains virus (#5.7.1)",
            34: "Dqq message contains banned attachment (#5.7.1)",
            82: "Zqq unable to exec qq (#4.3.0)",
        },
    )
    STOCK = Row(text_fd=None)  # qmail 1.03, netqmail, eQmail


# qmail.c, qmail_close(): D is permanent, Z is temporary.
_IN_QUEUE = "Zqq trouble creating files in queue (#4.3.0)"
_COMMON = {
    11: "Denvelope address too long for qq (#5.1.3)",
    115: "Denvelope address too long for qq (#5.1.3)",
    31: "Dmail server permanently rejected message (#5.3.0)",
    51: "Zqq out of memory (#4.3.0)",
    52: "Zqq timeout (#4.3.0)",
    53: "Zqq write error or disk full (#4.3.0)",
    54: "Zqq read error (#4.3.0)",
    55: "Zqq unable to read configuration (#4.3.0)",
    56: "Zqq trouble making network connection (#4.3.0)",
    61: "Zqq trouble in home directory (#4.3.0)",
    **dict.fromkeys(range(62, 67), _IN_QUEUE),
    71: "Zmail server temporarily rejected message (#4.3.0)",
    72: "Zconnection to mail server timed out (#4.4.1)",
    73: "Zconnection to mail server rejected (#4.4.1)",
    74: "Zcommunication with mail server failed (#4.4.2)",
    81: "Zqq internal bug (#4.3.0)",
    91: "Zqq internal bug (#4.3.0)",
    120: "Zunable to exec qq (#4.3.0)",
}
_CRASHED = "Zqq crashed (#4.3.0)"
_PERMANENT = "Dqq permanent problem (#5.3.0)"
_TEMPORARY = "Zqq temporary problem (#4.3.0)"


def closing(flavour: Flavour, code: int | None, text: bytes, *, is_flagerr: bool = False) -> str:
    """Give what qmail_close() gives: "" for queued, else a letter and a text.

    `code` None: killed by a signal. `is_flagerr`: the caller itself could not write everything.
    """
    row = flavour.value
    if code is None:
        return _CRASHED
    if code == 0:
        return _COMMON[54] if is_flagerr else ""
    if code in row.text_codes and len(text) >= row.min_octets:
        return text.partition(b"\0")[0].decode("latin-1")
    if code in row.own:
        return row.own[code]
    return _COMMON.get(code, _PERMANENT if 11 <= code <= 40 else _TEMPORARY)


def smtp_reply(closed: str, *, pid: int = 0) -> str:
    """Give the line that qmail-smtpd sends for what qmail_close() gave, without its CRLF."""
    if not closed:
        return f"250 ok {int(time.time())} qp {pid}"
    return ("554 " if closed[0] == "D" else "451 ") + closed[1:]
