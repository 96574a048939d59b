"""What the scanning side answers the queue program: how to end, and what to exec.

Called by  handover (encode) and the queue program (decode), over a SOCK_SEQPACKET socket: one
           answer is one packet, so it arrives whole or not at all.
Ends       decode raises FrameError for anything that is not exactly an answer.
Careful    the answer comes from a process that has read a stranger's mail: it is data, never code.
"""

from dataclasses import dataclass

from qscanner.outcomes import Ending

MAX_OCTETS = 8192
_MAGIC = b"qscanner answer 1"
_FIELDS = 5


class FrameError(Exception):
    """These octets are no answer: cut, of another version, or rubbish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How the queue program is to end.

    `words` is the reply's text without letter and code, None for the table's own. `program` is
    what to exec when the ending is ACCEPTED; the message and the envelope travel beside the
    answer as two descriptors. `error_text` is the setting that says where a text may go.
    """

    ending: Ending
    words: str | None = None
    error_text: str = "auto"
    program: str = ""


def encode(answer: Answer) -> bytes:
    """Give the packet of an answer. Raises FrameError where a field cannot stand in one."""
    try:
        fields = (
            _MAGIC,
            answer.ending.name.encode("ascii"),
            b"-" if answer.words is None else b"+" + answer.words.encode("utf-8"),
            answer.error_text.encode("ascii"),
            answer.program.encode("utf-8", "surrogateescape"),
        )
    except UnicodeEncodeError as error:
        raise FrameError("a field of the answer cannot be written") from error
    packet = b"\0".join(fields) + b"\0"
    if packet.count(b"\0") != _FIELDS or len(packet) > MAX_OCTETS:
        raise FrameError("a field of the answer holds a NUL or is too long")
    return packet


def decode(packet: bytes) -> Answer:
    """Give the answer of a packet. Raises FrameError for anything but exactly an answer."""
    fields = packet.split(b"\0")
    if len(fields) != _FIELDS + 1 or fields[0] != _MAGIC or fields[-1] or len(packet) > MAX_OCTETS:
        raise FrameError("not an answer of this version")
    _, name, words, error_text, program, _ = fields
    try:
        return Answer(
            ending=Ending[name.decode("ascii")],
            words=_words(words),
            error_text=error_text.decode("ascii"),
            program=program.decode("utf-8", "surrogateescape"),
        )
    except (KeyError, UnicodeDecodeError) as error:
        raise FrameError("a field of the answer is not what it should be") from error


def _words(field: bytes) -> str | None:
    if field == b"-":
        return None
    if not field.startswith(b"+"):
        raise FrameError("a field of the answer is not what it should be")
    return field[1:].decode("utf-8")
