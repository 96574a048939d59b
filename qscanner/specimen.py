"""The message of a test, made up as octets, and its envelope and client.

Called by  rehearsal.
Ends       always; octets() raises OSError where a file cannot be read any more.
Careful    what is made here goes the whole path of a real message. So nothing in it may be odd
           that a test did not ask for: one date, one way to encode, names as RFC 2231 says.

A zip archive is made by hand (APPNOTE 6.3.10), members stored: with `encrypted` they only claim
to be, which is all that anybody without the password could see.
"""

import base64
import os
import struct
import zlib
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import quote

from qscanner import client
from qscanner.codec.envelope import encode
from qscanner.model import Client, Direction, Envelope
from qscanner.policy.trials import Enclosed, Specimen

_MIXED = "qscanner-test-mixed"
_ALTERNATIVE = "qscanner-test-alternative"
_DATE = "Mon, 01 Jun 2026 12:00:00 +0000"
_PLAIN_NAME = frozenset(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._- ()[]+,=!#$&'@~{}"
)
_MAX_LINE = 900
_COLUMNS = 76
_MEMBER = struct.Struct("<4sHHHHHIIIHH")
_ENTRY = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_LOCKED, _UTF8 = 0x1, 0x800
_LOCK_OCTETS = 12  # in front of the data of a member with a password
_DOS_DATE = 0x5CC1  # 2026-06-01


def octets(specimen: Specimen) -> bytes:
    """Give the octets of the message. Raises OSError."""
    if specimen.eml:
        with open(specimen.eml, "rb") as file:
            return file.read()
    fields, body = _body(specimen)
    given = {name.lower() for name, _ in specimen.headers}
    own = [
        ("From", _mailbox(specimen.sender)),
        ("To", ", ".join(map(_mailbox, specimen.recipients[:10]))),
        ("Subject", "A test of a rule"),
        ("Date", _DATE),
        ("Message-ID", "<test@qscanner.invalid>"),
        ("MIME-Version", "1.0"),
        *fields,
    ]
    said = [(name, value) for name, values in specimen.headers for value in values]
    lines = [f"{name}: {value}\n" for name, value in own if name.lower() not in given]
    lines += [f"{name}: {value}\n" for name, value in said]
    return "".join(lines).encode("utf-8", "surrogateescape") + b"\n" + body


def _mailbox(address: bytes) -> str:
    return f"<{address.decode('utf-8', 'replace')}>"


def envelope(specimen: Specimen) -> Envelope:
    """Give the envelope as qmail-queue would get it."""
    raw = encode(specimen.sender, specimen.recipients)
    return Envelope(sender=specimen.sender, recipients=specimen.recipients, raw=raw)


def caller(specimen: Specimen) -> Client:
    """Give who brings it: a stranger, where the test says nothing else."""
    told = dict(specimen.environment)
    told |= {"TCPREMOTEIP": specimen.ip} if specimen.ip else {}
    told |= {"SMTPAUTHUSER": specimen.auth} if specimen.auth else {}
    told |= {"RELAYCLIENT": ""} if specimen.is_relay else {}
    environment = {os.fsencode(key): os.fsencode(value) for key, value in told.items()}
    uid = os.getuid()
    found = client.of(uid, environment, (str(uid),))
    is_known = found.is_relay or bool(found.auth_user)
    direction = specimen.direction or (Direction.OUT if is_known else Direction.IN)
    return replace(found, direction=direction, is_host=False)


def _body(specimen: Specimen) -> tuple[list[tuple[str, str]], bytes]:
    """Give the fields that speak of the body, and the body."""
    texts = [("text/plain", specimen.text), ("text/html", specimen.html)]
    shown = [_text(kind, text) for kind, text in texts if text is not None]
    if not shown and not specimen.attached:
        shown = [_text("text/plain", "A test.\n")]
    if len(shown) > 1:
        shown = [_multipart("alternative", _ALTERNATIVE, shown)]
    if not specimen.attached:
        return shown[0]
    return _multipart("mixed", _MIXED, [*shown, *map(_attachment, specimen.attached)])


_Entity = tuple[list[tuple[str, str]], bytes]


def _multipart(kind: str, boundary: str, entities: Iterable[_Entity]) -> _Entity:
    parts = []
    for fields, body in entities:
        head = "".join(f"{name}: {value}\n" for name, value in fields).encode("ascii")
        parts.append(b"--" + boundary.encode("ascii") + b"\n" + head + b"\n" + body + b"\n")
    end = f"--{boundary}--\n".encode("ascii")
    return [("Content-Type", f'multipart/{kind}; boundary="{boundary}"')], b"".join(parts) + end


def _text(kind: str, text: str) -> _Entity:
    content = text.encode("utf-8", "surrogateescape")
    fields = [("Content-Type", f"{kind}; charset=utf-8")]
    if all(len(line) <= _MAX_LINE for line in content.split(b"\n")):
        eight = [("Content-Transfer-Encoding", "8bit")] if not content.isascii() else []
        return fields + eight, content
    return [*fields, ("Content-Transfer-Encoding", "base64")], _base64(content)


def _attachment(enclosed: Enclosed) -> _Entity:
    fields = [
        ("Content-Type", enclosed.type),
        ("Content-Disposition", f"attachment{_filename(enclosed.name)}"),
        ("Content-Transfer-Encoding", "base64"),
    ]
    return fields, _base64(_content(enclosed))


def _filename(name: str) -> str:
    if not name:
        return ""
    content = name.encode("utf-8", "replace")
    if len(content) < _COLUMNS and _PLAIN_NAME.issuperset(content):
        return f'; filename="{name}"'
    return f"; filename*=utf-8''{quote(content, safe='')}"


def _base64(content: bytes) -> bytes:
    text = base64.b64encode(content)
    return b"\n".join(text[at : at + _COLUMNS] for at in range(0, len(text), _COLUMNS))


def _content(enclosed: Enclosed) -> bytes:
    if not enclosed.is_zip:
        return enclosed.octets + bytes(enclosed.filler)
    flags = _UTF8 | (_LOCKED if enclosed.is_encrypted else 0)
    before = bytes(_LOCK_OCTETS) if enclosed.is_encrypted else b""
    archive, entries = b"", b""
    for member in enclosed.members:
        name, content = member.name.encode("utf-8", "replace"), _content(member)
        sizes = len(before) + len(content), len(content)
        told = (flags, 0, 0, _DOS_DATE, zlib.crc32(content), *sizes, len(name), 0)
        at = len(archive)
        archive += _MEMBER.pack(b"PK\3\4", 20, *told) + name + before + content
        entries += _ENTRY.pack(b"PK\1\2", 20, 20, *told, 0, 0, 0, 0, at) + name
    count = len(enclosed.members)
    end = _END.pack(b"PK\5\6", 0, 0, count, count, len(entries), len(archive), 0)
    return archive + entries + end
