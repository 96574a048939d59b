"""SpamAssassin's spamd: the order TELL, to learn or to forget a message, and its answer.

Called by  learning, and the fake spamd of the tests. No reads, no clock, no log.
Ends       with an Answer, or raises BadReply for whatever the protocol (spamd/PROTOCOL, 1.5) does
           not promise; NotAllowed where this spamd takes no such orders.
Careful    the answer has no length: it ends with the connection. Where nothing was done, spamd
           says EX_OK all the same: it knew the message, or it learns nothing at all.
"""

from dataclasses import dataclass

from qscanner.codec.spamd import BadReply, check_status, read_fields
from qscanner.codec.text import printable

MAX_REPLY_OCTETS = 4096
_HEAD_END = b"\r\n\r\n"
_LOCAL = b"local"
_STORES = {_LOCAL, b"remote"}
_REFUSED = b"TELL commands"  # "are not enabled", "have not been enabled": releases differ


class NotAllowed(BadReply):
    """This spamd was started without --allow-tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What spamd did to its own database: whether it learned, whether it forgot."""

    did_set: bool = False
    did_remove: bool = False


def order(octets: int, *, is_spam: bool | None, user: str = "") -> bytes:
    """Give the head of the order about a message of that many octets; the message follows.

    `is_spam` None: to forget it. `user` is whose database is meant, "" for nobody's; it must hold
    no blank.
    """
    kind = "spam" if is_spam else "ham"
    what = "Remove: local\r\n" if is_spam is None else f"Message-class: {kind}\r\nSet: local\r\n"
    whose = f"User: {user}\r\n" if user else ""
    return f"TELL SPAMC/1.5\r\nContent-length: {octets}\r\n{whose}{what}\r\n".encode("ascii")


class Decoder:
    """Takes the answer as it comes with feed(); finish() gives the Answer, at its end."""

    def __init__(self) -> None:
        self._raw = bytearray()

    def feed(self, octets: bytes) -> None:
        """Take the next octets. Raises BadReply, as early as it can be known."""
        self._raw += octets
        status_end = self._raw.find(b"\r\n")
        if status_end >= 0:
            _allowed(bytes(self._raw[:status_end]))
        if len(self._raw) > MAX_REPLY_OCTETS:
            raise BadReply(f"the answer has more than {MAX_REPLY_OCTETS} octets")
        end = self._raw.find(_HEAD_END)
        if end >= 0 and self._raw[end:].strip(b"\r\n"):
            raise BadReply("something follows the head of the answer")

    def finish(self) -> Answer:
        """Give the Answer at the end of the connection. Raises BadReply where it is not whole."""
        end = self._raw.find(_HEAD_END)
        if end < 0:
            raise BadReply(f"half an answer: {printable(bytes(self._raw[:80]), max_octets=80)}")
        found = read_fields(bytes(self._raw[:end]).split(b"\r\n")[1:])
        return Answer(
            did_set=_is_local(found.get(b"didset", b"")),
            did_remove=_is_local(found.get(b"didremove", b"")),
        )


def _allowed(status: bytes) -> None:
    try:
        check_status(status)
    except BadReply as error:
        raise (NotAllowed if _REFUSED in status else BadReply)(str(error)) from error


def _is_local(value: bytes) -> bool:
    """Say whether spamd's own database is among those that it names."""
    names = {name.strip() for name in value.split(b",")} - {b""}
    if names - _STORES:
        raise BadReply(f"not a database of spamd's: {printable(value, max_octets=80)}")
    return _LOCAL in names
