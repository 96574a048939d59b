"""rspamd's controller over HTTP: the orders POST /learnspam and /learnham, and their answers.

Called by  learning, and the fake rspamd of the tests. No reads, no clock, no log.
Ends       with an Answer, or raises BadReply for whatever is no answer of a controller's.
Careful    releases say "known already" with different codes (208, 404), and hold the message's
           own Message-ID in front of their words: only how they end counts. The password is in no
           text that is made here.
"""

import enum
import json
import re
from dataclasses import dataclass

from qscanner.codec.rspamd import MAX_REPLY_OCTETS, OK, BadReply, response
from qscanner.codec.text import printable

__all__ = ["MAX_REPLY_OCTETS", "Answer", "BadReply", "Said", "is_password", "order", "parse"]

_NOT_THIS, _REFUSED = (204, 400), (401, 403)
_KNOWN = re.compile(r"has been already learned as \w+, ignore it\Z")
_PASSWORD = re.compile(r"[^\x00-\x1f\x7f]{1,500}")
_WORDS_OCTETS = 200


class Said(enum.Enum):
    """What a controller may say to an order."""

    LEARNED = "learned"
    KNOWN = "known"  # as what it is said to be
    NOT_THIS = "not this"  # it cannot learn from this message
    REFUSED = "refused"  # it wants a password, or another one
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a controller said, and in which words, as printable ASCII."""

    said: Said
    words: str = ""


def is_password(text: str) -> bool:
    """Say whether text can be sent as a password: one line, not empty, not endless."""
    return bool(_PASSWORD.fullmatch(text))


def order(octets: int, *, is_spam: bool, password: str = "") -> bytes:
    """Give the head of the order about a message of that many octets; the message follows.

    `password` is "" for none, else as is_password() wants it.
    """
    path = "/learnspam" if is_spam else "/learnham"
    secret = f"Password: {password}\r\n" if password else ""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{secret}"
    return f"{head}Content-Length: {octets}\r\n\r\n".encode()


def parse(octets: bytes) -> Answer:
    """Give what an answer says, all octets up to the end of the connection. Raises BadReply."""
    heard = response(octets)
    told = _told(heard.body)
    if heard.status == OK:
        if told.get("success") is not True:
            raise BadReply("HTTP 200 without success")
        return Answer(said=Said.LEARNED)
    error = told.get("error")
    words = error if isinstance(error, str) and error else heard.reason
    shown = f"HTTP {heard.status} {printable(words, max_octets=_WORDS_OCTETS)}"
    if _KNOWN.search(words.strip()):
        return Answer(said=Said.KNOWN, words=shown)
    if heard.status in _REFUSED:
        return Answer(said=Said.REFUSED, words=shown)
    said = Said.NOT_THIS if heard.status in _NOT_THIS else Said.FAILED
    return Answer(said=said, words=shown)


def _told(body: bytes) -> dict[str, object]:
    """Give the object in the body; an empty one where it is none (204 has no body at all)."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
