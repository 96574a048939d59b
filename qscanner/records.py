"""What is stored of a message that was held: envelope, client, and what the checks found then.

Called by  `qscanner policy explain` and `replay`.
Ends       with a Past, or None where there is no record, or one that nobody can read.
Careful    the folder belongs to us, its files may be damaged all the same: everything is checked.
           Variables of the environment are not stored; rules with `env` see what stands for them.
"""

import base64
import binascii
import contextlib
import errno
import gzip
import json
import os
import re
import zlib
from dataclasses import dataclass
from typing import Any

from qscanner.codec.envelope import Decoder
from qscanner.codec.text import without_surrogates
from qscanner.model import (
    CheckResult,
    Client,
    Direction,
    Envelope,
    Finding,
    Outcome,
    Score,
)
from qscanner.outcomes import QScannerError

PLAIN, PACKED, RECORD = ".eml", ".eml.gz", ".json"  # held messages are packed after a while
MESSAGES = (PLAIN, PACKED)
MAX_OCTETS = 16 << 20  # of a record: 50,000 recipients are 8 MiB
MAX_UNPACKED_OCTETS = 1 << 30
REQUIRED = 5.0
_DIGEST = re.compile(r"[0-9a-f]{8,64}")
_ID = re.compile(r"[0-9a-f]{8,16}-[0-9a-f]{4,12}")
# Findings of scanners that are asked, and not of our own looking.
_THEIRS = ("virus.", "clamav.", "spam.", "unscannable.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a record says. `virus` and `spam` are None where nothing is stored about them.

    `action`, `rules` and `why` are what was decided when it came, `kept_at` is when (RFC 3339).
    """

    envelope: Envelope
    client: Client
    findings: tuple[Finding, ...] = ()  # of scanners that were asked
    virus: CheckResult | None = None
    spam: CheckResult | None = None
    action: str = ""
    rules: tuple[str, ...] = ()
    why: str = ""
    kept_at: str = ""


def beside(path: str) -> Past | None:
    """Give what the record beside a message says; `path` is that of either."""
    stem = stem_of(path)
    if stem is None:
        return None
    try:
        with open(stem + RECORD, "rb") as file:
            return past(json.loads(file.read(MAX_OCTETS)))
    except (OSError, ValueError, RecursionError):
        return None


def past(record: Any) -> Past | None:
    """Give what a record says, None where it is none."""
    try:
        return _past(record)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    except QScannerError:  # the envelope
        return None


def stem_of(path: str) -> str | None:
    """Give the path without its ending, None where it is neither message nor record."""
    for ending in (*MESSAGES, RECORD):
        if path.endswith(ending):
            return path.removesuffix(ending)
    return None


def message_at(stem: str) -> str | None:
    """Give the path of the message there, plain or packed, None where there is none."""
    return next((stem + each for each in MESSAGES if os.path.exists(stem + each)), None)


def unpacked(path: str) -> bytes:
    """Give the octets of a packed message (RFC 1952). Raises OSError."""
    try:
        with gzip.open(path) as file:
            return file.read(MAX_UNPACKED_OCTETS)
    except (EOFError, zlib.error) as error:
        raise OSError(errno.EIO, "it is damaged") from error


def find(folder: str, word: str) -> str | None:
    """Give the path of the message that is held under a digest, its beginning, or a scan's id."""
    stem = None
    if _DIGEST.fullmatch(word):
        stems = {stem_of(name) for name in _names(folder) if name.startswith(word)} - {None}
        stem = stems.pop() if len(stems) == 1 else None
    elif _ID.fullmatch(word):
        stem = _with_id(folder, word)
    return message_at(os.path.join(folder, stem)) if stem else None


def _with_id(folder: str, id_: str) -> str | None:
    wanted = json.dumps(id_).encode("ascii")
    for name in _names(folder):
        if name.endswith(RECORD):
            with contextlib.suppress(OSError), open(os.path.join(folder, name), "rb") as file:
                if wanted in file.read(MAX_OCTETS):
                    return name.removesuffix(RECORD)
    return None


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _past(record: dict[str, Any]) -> Past:
    """Take a record apart. Raises what is wrong with it."""
    findings = tuple(
        Finding(id=_text(each["id"]), where=_text(each["where"]), detail=_text(each["detail"]))
        for each in record.get("findings", ())
    )
    return Past(
        envelope=_envelope(record["envelope"]),
        client=_client(record["client"]),
        findings=tuple(each for each in findings if each.id.startswith(_THEIRS)),
        virus=_virus(findings),
        spam=_spam(record.get("score")),
        action=_text(record.get("action", "")),
        rules=tuple(map(_text, record.get("rules", ()))),
        why=_text(record.get("why", "")),
        kept_at=_text(record.get("kept_at", "")),
    )


def _envelope(told: dict[str, Any]) -> Envelope:
    decoder = Decoder()
    try:
        decoder.feed(base64.b64decode(told["octets"], validate=True))
    except binascii.Error as error:
        raise ValueError("the envelope is not base64") from error
    return decoder.finish()


def _client(told: dict[str, Any]) -> Client:
    direction, uid = Direction(told["direction"]), int(told["uid"])
    ip = _text(told["ip"])
    if told["is_trusted"] is not True:
        return Client(uid=uid, direction=direction, claimed_ip=ip)
    user, host = _text(told["auth_user"]), _text(told["host"])
    stands = {"TCPREMOTEIP": ip, "TCPREMOTEHOST": host, "SMTPAUTHUSER": user}
    environment = {name: value for name, value in stands.items() if value}
    is_relay = told["is_relay"] is True
    if is_relay:
        environment["RELAYCLIENT"] = ""
    return Client(
        uid=uid,
        is_trusted=True,
        direction=direction,
        ip=ip,
        host=host,
        auth_user=user,
        is_relay=is_relay,
        environment=environment,
    )


def _virus(findings: tuple[Finding, ...]) -> CheckResult | None:
    """Give what the engines found, None where nothing is stored of that."""
    theirs = tuple(each for each in findings if each.id.startswith("virus."))
    if not theirs:
        return None
    names = tuple(dict.fromkeys(each.detail for each in theirs if each.detail))
    return CheckResult(
        outcome=Outcome.FOUND, detail=", ".join(names), names=names, findings=theirs
    )


def _spam(score: Any) -> CheckResult | None:
    """Give what the scorer said. What it calls spam is not stored: taken for what most do."""
    if score is None:
        return None
    found = Score(score=float(score), threshold=REQUIRED)
    outcome = Outcome.FOUND if found.score >= REQUIRED else Outcome.CLEAN
    return CheckResult(outcome=outcome, score=found)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return without_surrogates(value)
