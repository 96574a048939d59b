"""What a spam scorer is told beside the message: the envelope, the connection, what we found.

Called by  scan, which makes it; checks.spam and those below it, which send it.
Ends       always; nothing here raises.
Careful    the header lines are for the scorer's eyes only: the message goes on without them. They
           hold names that strangers chose, as printable ASCII without a line end.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from qscanner.codec.text import printable
from qscanner.model import Client, Envelope, Finding, Part

FINDINGS, ATTACHMENTS = "X-Qscanner-Findings", "X-Qscanner-Attachments"
_LINE_OCTETS = 900  # RFC 5322 2.1.1 allows 998 characters
_NAME_OCTETS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The facts; `head` are header lines to stand before the message, as octets."""

    sender: bytes = b""
    recipients: tuple[bytes, ...] = ()
    ip: str = ""
    host: str = ""
    auth_user: str = ""
    head: bytes = field(default=b"", repr=False)

    @property
    def only_recipient(self) -> bytes:
        """The recipient, where there is but one; addresses are compared without their case."""
        once = {recipient.lower(): recipient for recipient in self.recipients}
        return next(iter(once.values())) if len(once) == 1 else b""


def told(
    envelope: Envelope, client: Client, found: Iterable[Finding], parts: Iterable[Part]
) -> Told:
    """Give what a scorer is told of a message and what the other checks found in it."""
    ids = dict.fromkeys(each.id for each in found)
    names = dict.fromkeys(
        printable(part.names[0], max_octets=_NAME_OCTETS) for part in parts if part.names
    )
    return Told(
        sender=envelope.sender,
        recipients=envelope.recipients,
        ip=client.ip,
        host=client.host,
        auth_user=client.auth_user,
        head=_line(FINDINGS, " ", ids) + _line(ATTACHMENTS, "; ", names),
    )


def _line(name: str, between: str, values: Iterable[str]) -> bytes:
    """Give a header line of as many values as fit, none where there are none."""
    line = f"{name}:"
    for value in values:
        longer = f"{line}{' ' if line.endswith(':') else between}{value}"
        if len(longer) > _LINE_OCTETS:
            break
        line = longer
    return (
        b"" if line.endswith(":") and len(line) == len(name) + 1 else f"{line}\n".encode("ascii")
    )
