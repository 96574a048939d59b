"""SpamAssassin's spamd: the question SYMBOLS and its answer (spamd/PROTOCOL, version 1.5).

Called by  checks.spam, codec.spamd_tell, and the fake spamd of the tests. No reads, no clock,
           no log.
Ends       with a Reply, or raises BadReply for whatever the protocol does not promise.
Careful    the score decides about mail: "nan" and "1e9" are numbers to float(), and a body that
           is shorter or longer than its Content-length is not the answer to our question.
"""

import re
from dataclasses import dataclass

from qscanner.codec.text import printable

MAX_HEAD_OCTETS = 4096
MAX_BODY_OCTETS = 1 << 16
MAX_REPLY_OCTETS = MAX_HEAD_OCTETS + MAX_BODY_OCTETS
_HEAD_END = b"\r\n\r\n"
_STATUS = re.compile(rb"SPAMD/\d{1,2}\.\d{1,2} (\d{1,3}) ([\x20-\x7e]{1,200})")
_FIELD = re.compile(rb"([A-Za-z][A-Za-z0-9-]{0,60}):[ \t]*([\x20-\x7e]{0,500})")
_NUMBER = rb"(-?\d{1,7}(?:\.\d{1,6})?)"
_SPAM = re.compile(rb"(True|Yes|False|No) ?; ?" + _NUMBER + rb" ?/ ?" + _NUMBER)
_RULE = re.compile(rb"[A-Za-z0-9_.-]{1,200}")


class BadReply(ValueError):
    """These octets are no whole, sensible answer of spamd's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What spamd thinks of a message: its judgement, score, threshold, and the rules that hit."""

    is_spam: bool
    score: float
    threshold: float
    rules: tuple[str, ...] = ()


def question(octets: int, user: str = "") -> bytes:
    """Give the head of the question about a message of that many octets; the message follows.

    `user` is whose preferences count, "" for nobody's; it must hold no blank.
    """
    whose = f"User: {user}\r\n" if user else ""
    return f"SYMBOLS SPAMC/1.5\r\nContent-length: {octets}\r\n{whose}\r\n".encode("ascii")


class Decoder:
    """Takes the answer as it comes with feed(); `result` is the Reply once all of it was seen.

    What comes behind it is an error, and finish() says whether it was whole at the end.
    """

    def __init__(self) -> None:
        self._raw = bytearray()
        self._body_at = 0  # where the body begins; 0: the head is not whole
        self._body_octets = 0
        self._spam = re.match(b"", b"")
        self.result: Reply | None = None

    def feed(self, octets: bytes) -> None:
        """Take the next octets. Raises BadReply, as early as it can be known."""
        self._raw += octets
        if not self._body_at:
            self._take_head()
        if not self._body_at:
            return
        have = len(self._raw) - self._body_at
        if have > self._body_octets:
            raise BadReply(f"the body is longer than its Content-length {self._body_octets}")
        if have == self._body_octets and self.result is None:
            self.result = self._reply()

    def finish(self) -> Reply:
        """Give the Reply at the end of the answer. Raises BadReply where it is not whole."""
        if self.result is None:
            raise BadReply(f"half an answer: {printable(bytes(self._raw[:80]), max_octets=80)}")
        return self.result

    def _take_head(self) -> None:
        end = self._raw.find(_HEAD_END)
        status_end = self._raw.find(b"\r\n")
        if status_end >= 0:
            check_status(bytes(self._raw[:status_end]))
        if end > MAX_HEAD_OCTETS or (end < 0 and len(self._raw) > MAX_HEAD_OCTETS):
            raise BadReply(f"the head has more than {MAX_HEAD_OCTETS} octets")
        if end < 0:
            return
        fields = read_fields(bytes(self._raw[:end]).split(b"\r\n")[1:])
        self._body_octets = _length(fields.get(b"content-length", b""))
        self._spam = _SPAM.fullmatch(fields.get(b"spam", b""))
        if not self._spam:
            raise BadReply("no Spam field with a judgement, a score and a threshold")
        self._body_at = end + len(_HEAD_END)

    def _reply(self) -> Reply:
        assert self._spam is not None, "the head is whole"
        judgement, score, threshold = self._spam.groups()
        return Reply(
            is_spam=judgement in (b"True", b"Yes"),
            score=float(score),
            threshold=float(threshold),
            rules=_rules(bytes(self._raw[self._body_at :])),
        )


def check_status(line: bytes) -> None:
    """Raise BadReply where it is not spamd, or spamd refuses (its codes are sysexits.h's)."""
    status = _STATUS.fullmatch(line)
    if not status:
        raise BadReply(f"not spamd's: {printable(line, max_octets=80)}")
    if int(status[1]) != 0:
        raise BadReply(f"spamd says {printable(status[1] + b' ' + status[2], max_octets=120)}")


def read_fields(lines: list[bytes]) -> dict[bytes, bytes]:
    """Give the fields of a head by their names in lower case. Raises BadReply."""
    fields: dict[bytes, bytes] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if not field:
            raise BadReply(f"not a header field: {printable(line, max_octets=80)}")
        name = field[1].lower()
        if name in fields:
            raise BadReply(f"two fields {printable(field[1], max_octets=40)}")
        fields[name] = field[2].strip()
    return fields


def _length(value: bytes) -> int:
    if not re.fullmatch(rb"\d{1,9}", value):
        raise BadReply("no Content-length")
    if int(value) > MAX_BODY_OCTETS:
        raise BadReply(f"the body has more than {MAX_BODY_OCTETS} octets")
    return int(value)


def _rules(body: bytes) -> tuple[str, ...]:
    """Give the names in `ONE,TWO`; spamd before 3.4 ends them with CR LF."""
    names = [name.strip() for name in body.strip().split(b",")] if body.strip() else []
    for name in names:
        if not _RULE.fullmatch(name):
            raise BadReply(f"not a rule's name: {printable(name, max_octets=80)}")
    return tuple(name.decode("ascii") for name in names)
