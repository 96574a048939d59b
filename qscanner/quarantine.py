"""Keeping: the message and what is known of it as two files, durable before anybody is answered.

Called by  handover, for what is held and for copies a rule asks for.
Ends       when both files and their folder are on disk; raises DiskFull or Later.
Careful    the digest is the name: each retry of a sender is the same hold, and the first copy
           stays; but a later try may be held for more recipients, whom the record must name.
           The JSON file is written last: where it stands, the message is whole.
"""

import base64
import contextlib
import errno
import json
import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any

from qscanner.codec.block import below_received
from qscanner.codec.text import readable
from qscanner.intake import copy, write_all
from qscanner.model import Action, Client, Envelope, Facts, Verdict
from qscanner.outcomes import Later
from qscanner.spool import Message, sync_folder, write_durably

SCHEMA = 1
_HELD = Action.QUARANTINE.value
_PIECE = 1 << 20  # octets that are compared at a time
_NO_FILE = {errno.ENOENT, errno.ELOOP, errno.ENXIO}  # nothing, a symbolic link, a socket


def keep(folder: str, digest: str, message: Message, record: Mapping[str, Any]) -> bool:
    """Make message and record durable under the digest.

    Gives whether it is held now for somebody for whom it was not held before. Raises DiskFull
    where there is no room, Later where the folder may not be written by us.
    """
    before = _before(folder, digest, message)
    if before is not None and _held_for(record) <= _held_for(before):
        return False
    if before is None:
        write_durably(folder, f"{digest}.eml", lambda fd: copy(message.fd, fd, 0, message.size))
    octets = json.dumps(_joined(before or {}, record), ensure_ascii=True, indent=1).encode("ascii")
    write_durably(folder, f"{digest}.json", lambda fd: write_all(fd, octets))
    return True


def _before(folder: str, digest: str, message: Message) -> dict[str, Any] | None:
    """Give the record of the hold that stands there, and make sure that it is on disk.

    None where there is none, or where what bears the name is no record, or not this message: a
    damaged disk or a stranger's file must not be answered for.
    """
    path = os.path.join(folder, digest)
    try:
        with _opened(f"{path}.eml") as kept, _opened(f"{path}.json") as known:
            if not (_is_file(kept) and _is_file(known)):
                return None
            os.fsync(kept)
            os.fsync(known)
            found = _read(known) if _is_same(kept, message) else None
        sync_folder(folder)
    except OSError as error:
        if error.errno in _NO_FILE:
            return None
        raise Later(f"cannot look into the quarantine {folder}: {error.strerror}") from error
    return found


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)  # no FIFO waits
    try:
        yield fd
    finally:
        os.close(fd)


def _is_file(fd: int) -> bool:
    return stat.S_ISREG(os.fstat(fd).st_mode)


def _is_same(fd: int, message: Message) -> bool:
    """Say whether a file holds the message, but for the Received field of another try."""
    kept = Message.of(fd)
    here, there = below_received(kept.octets), below_received(message.octets)
    is_same = kept.size - here == message.size - there and all(
        kept.octets[here + at : here + at + _PIECE]
        == message.octets[there + at : there + at + _PIECE]
        for at in range(0, kept.size - here, _PIECE)
    )
    kept.release()
    return is_same


def _read(fd: int) -> dict[str, Any] | None:
    """Give the record in a file, None where it is none."""
    try:
        found = json.loads(os.pread(fd, os.fstat(fd).st_size, 0))
        _held_for(found)
    except (ValueError, RecursionError, AttributeError, TypeError):
        return None
    return dict(found)


def _held_for(record: Mapping[str, Any]) -> set[int]:
    """Give the places of the recipients for whom it is held; -1 where it is held as a whole."""
    to = record.get("envelope", {}).get("recipients", [])
    held = {place for place, each in enumerate(to) if each.get("action") == _HELD}
    return held | ({-1} if record.get("action") == _HELD else set())


def _joined(before: Mapping[str, Any], record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the record, with those for whom it was held at an earlier try still among the held.

    The digest covers the envelope, so the recipients are the same, in the same order.
    """
    held = _held_for(before) - {-1}
    if not held:
        return record
    was, now = (each["envelope"]["recipients"] for each in (before, record))
    to = [was[place] if place in held else each for place, each in enumerate(now)]
    return {**record, "envelope": {**record["envelope"], "recipients": to}}


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
        "release": verdict.release.value,
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
