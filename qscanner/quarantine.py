"""Keeping: the message and what is known of it as two files, durable before anybody is answered.

Called by  handover, for what is held and for copies a rule asks for.
Ends       when both files and their folder are on disk; raises DiskFull or Later.
Careful    the digest is the name: each retry of a sender is the same hold, and the first copy
           stays. The JSON file is written last: where it stands, the message is whole.
"""

import base64
import json
import os
from collections.abc import Mapping
from typing import Any

from qscanner.codec.text import readable
from qscanner.model import Client, Envelope, Facts, Verdict
from qscanner.outcomes import Later
from qscanner.spool import Message, copy, sync_folder, write_all, write_durably

SCHEMA = 1


def keep(folder: str, digest: str, message: Message, record: Mapping[str, Any]) -> bool:
    """Make message and record durable under the digest. Gives whether this is a new hold.

    Raises DiskFull where there is no room, Later where the folder may not be written by us.
    """
    if _is_kept(folder, digest):
        return False
    octets = json.dumps(record, ensure_ascii=True, indent=1).encode("ascii")
    write_durably(folder, f"{digest}.eml", lambda fd: copy(message.fd, fd, 0, message.size))
    write_durably(folder, f"{digest}.json", lambda fd: write_all(fd, octets))
    return True


def _is_kept(folder: str, digest: str) -> bool:
    """Say whether a whole hold stands there, and make sure that it is on disk before we do."""
    try:
        for ending in ("eml", "json"):
            fd = os.open(os.path.join(folder, f"{digest}.{ending}"), os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        sync_folder(folder)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Later(f"cannot look into the quarantine {folder}: {error.strerror}") from error
    return True


def record(
    *, id: str, digest: str, kept_at: str, facts: Facts, verdict: Verdict
) -> dict[str, Any]:
    """Give what the JSON file says: envelope, client, findings, rules, and why.

    `kept_at` is the time in RFC 3339. Addresses are text for people; `envelope.octets` (base64)
    is the truth.
    """
    return {
        "schema": SCHEMA,
        "id": id,
        "digest": digest,
        "kept_at": kept_at,
        "action": verdict.action.value,
        "rules": list(verdict.rules),
        "why": verdict.why,
        "octets": facts.octets,
        "envelope": _envelope(facts.envelope, verdict),
        "client": _client(facts.client),
        "findings": [
            {"id": found.id, "where": found.where, "detail": found.detail}
            for found in facts.findings
        ],
    }


def _envelope(envelope: Envelope, verdict: Verdict) -> dict[str, Any]:
    return {
        "sender": readable(envelope.sender),
        "recipients": [
            {"address": readable(to), "action": decided.action.value, "rules": list(decided.rules)}
            for to, decided in zip(envelope.recipients, verdict.decisions, strict=False)
        ],
        "octets": base64.b64encode(envelope.raw).decode("ascii"),
    }


def _client(client: Client) -> dict[str, Any]:
    return {
        "uid": client.uid,
        "is_trusted": client.is_trusted,
        "direction": client.direction.value,
        "ip": client.ip or client.claimed_ip,
        "host": client.host,
        "auth_user": client.auth_user,
        "is_relay": client.is_relay,
    }
