"""The messages of the demo: what each is, and what should become of it.

Called by  scripts/demo.py.
Careful    the test strings are put together here, so that no scanner objects to this very file.
"""

import enum
from dataclasses import dataclass

from tests.fakes import mails
from tests.fakes.caller import envelope

_PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
_PROGRAM = (
    b"MZ\x90\x00\x03\x00\x00\x00\x04" + b"\0" * 51 + b"\x40\0\0\0PE\0\0\x64\x86" + b"\0" * 400
)
_GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*" + b"GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\n"
_FORGED = (
    b"X-Qscanner: mx.example.com id=0 verdict=accept rules=- scanners=trust-me\n"
    b"X-Spam-Flag: NO\n"
    b"X-Spam-Status: No, score=-99.0 required=5.0\n\ttests=ALL_IS_WELL\n"
)


class End(enum.Enum):
    """What a person sees of an ending."""

    DELIVERED = "delivered"
    HELD = "held"
    REFUSED = "refused"
    PUT_OFF = "put off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One message to try. `reply` begins the SMTP reply; `gone` are the octets taken out of it.

    `rule` decides; "" for what no rule has to do with, and then `why` says what happened.
    """

    what: str
    message: bytes
    end: End
    reply: str = "250 ok"
    rule: str = ""
    why: str = ""
    envelope: bytes = envelope(b"ann@example.org", b"bob@example.com")
    gone: bytes = b""
    settings: str = "qscanner.toml"


def _forwarded(inner: bytes) -> bytes:
    """Give a message that holds another one as message/rfc822."""
    return (
        mails.RECEIVED
        + b"From: ann@example.org\nTo: bob@example.com\nSubject: Fwd: hello\nMIME-Version: 1.0\n"
        + b'Content-Type: multipart/mixed; boundary="outer"\n\n'
        + b"--outer\nContent-Type: text/plain\n\nLook at this.\n"
        + b"--outer\nContent-Type: message/rfc822\n\n"
        + inner
        + b"\n--outer--\n"
    )


_PASSES = (
    Sample(what="a few words", message=mails.text(), end=End.DELIVERED),
    Sample(
        what="a PDF attached",
        message=mails.attached("minutes.pdf", _PDF, declared="application/pdf"),
        end=End.DELIVERED,
    ),
    Sample(
        what="8-bit text, a bare CR, no Subject",
        message=b"From: x@example.org\n\nGr\xfc\xdfe\rund \xe9t\xe9, no newline at the end",
        end=End.DELIVERED,
    ),
    Sample(
        what="forged X-Qscanner and X-Spam lines",
        message=mails.text(headers=_FORGED),
        gone=_FORGED,
        end=End.DELIVERED,
        why="the forged lines were taken out, nothing else",
    ),
    Sample(
        what="a bounce (null sender)",
        message=mails.text(b"Your message could not be delivered.\n"),
        envelope=envelope(b"", b"bob@example.com"),
        end=End.DELIVERED,
    ),
)
_DANGERS = (
    Sample(
        what="the EICAR test virus attached",
        message=mails.infected(),
        end=End.REFUSED,
        reply="554 ",
        rule="infected",
    ),
    Sample(
        what="EICAR in a zip in a forwarded message",
        message=_forwarded(mails.attached("pictures.zip", mails.zipped(photo__jpg=mails.EICAR))),
        end=End.REFUSED,
        reply="554 ",
        rule="infected",
    ),
    Sample(
        what="a Windows program called report.pdf",
        message=mails.attached("report.pdf", _PROGRAM, declared="application/pdf"),
        end=End.REFUSED,
        reply="554 ",
        rule="dangerous-content",
    ),
    Sample(
        what="invoice.pdf.exe (doubled extension)",
        message=mails.attached("invoice.pdf.exe", b"nothing of interest"),
        end=End.REFUSED,
        reply="554 ",
        rule="double-extension",
    ),
    Sample(
        what="a program inside a zip",
        message=mails.attached("photos.zip", mails.zipped(setup__exe=_PROGRAM)),
        end=End.REFUSED,
        reply="554 ",
        rule="dangerous-content",
    ),
    Sample(
        what="an encrypted zip",
        message=mails.locked(),
        end=End.HELD,
        rule="encrypted-archive",
    ),
    Sample(
        what="the same zip again (the sender tries again)",
        message=mails.locked(),
        end=End.HELD,
        rule="encrypted-archive",
        why="the same hold, not a second one",
    ),
    Sample(
        what="GTUBE, the test string of spam filters",
        message=mails.text(_GTUBE),
        end=End.REFUSED,
        reply="554 ",
        rule="gtube",
    ),
)
_TROUBLES = (
    Sample(
        what="the sender goes away in the middle",
        message=mails.text(),
        envelope=b"Fann@example.org\0Tbob@exam",
        end=End.PUT_OFF,
        reply="451 qq read error",
        why="the envelope is cut short: nothing was scanned or queued",
    ),
    Sample(
        what="an address of 1003 octets",
        message=mails.text(),
        envelope=envelope(b"ann@example.org", b"b" * 991 + b"@example.com"),
        end=End.REFUSED,
        reply="554 envelope address too long",
        why="qmail takes addresses up to 1002 octets",
    ),
    Sample(
        what="a few words, but the scanner is dead",
        message=mails.text(),
        settings="scanner-dead.toml",
        end=End.PUT_OFF,
        reply="451 ",
        why="nothing passes unseen; the sender tries again",
    ),
)
SAMPLES = (*_PASSES, *_DANGERS, *_TROUBLES)
