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
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from qscanner.codec.block import below_received
from qscanner.codec.text import readable
from qscanner.intake import copy, write_all
from qscanner.model import BLOCKED, Action, Client, Envelope, Facts, Outcome, Verdict
from qscanner.outcomes import Later
from qscanner.spool import Message, sync_folder, write_durably

SCHEMA = 2  # 1 had no class, subject, score, release
_HELD = Action.QUARANTINE.value
_PACKED = b"\x1f\x8b"  # RFC 1952
_STRIPPED = -2  # in the place of a recipient
_PIECE = 1 << 20  # octets that are compared at a time
# Kinds of findings, and words in the ids of rules, that speak of what a message carries.
_BANNED = {"name", "archive", "office", "pdf", "rtf", "html", "svg"}
_OF_CONTENTS = (
    "name",
    "content",
    "program",
    "extension",
    "attach",
    "macro",
    "document",
    "archive",
    "page",
)
_NO_FILE = {errno.ENOENT, errno.ELOOP, errno.ENXIO}  # nothing, a symbolic link, a socket


def keep(folder: str, digest: str, message: Message, record: Mapping[str, Any]) -> bool:
    """Make message and record durable under the digest.

    Gives whether it is held now for somebody for whom it was not held before. Raises DiskFull
    where there is no room, Later where the folder may not be written by us.
    """
    before = _before(folder, digest, message)
    if before is not None and held_for(record) <= held_for(before):
        return False
    if before is None:
        write_durably(folder, f"{digest}.eml", _writer(folder, message))
    octets = json.dumps(joined(before or {}, record), ensure_ascii=True, indent=1).encode("ascii")
    write_durably(folder, f"{digest}.json", _writer(folder, octets))
    return True


def _writer(folder: str, what: Message | bytes) -> Callable[[int], None]:
    """Give what fills a file of the folder."""

    def write(fd: int) -> None:
        given_to_owner(fd, folder)
        if isinstance(what, bytes):
            write_all(fd, what)
        else:
            copy(what.fd, fd, 0, what.size)

    return write


def given_to_owner(fd: int, folder: str) -> None:
    """Give a file that root makes to the owner of the folder, who must use it."""
    if os.geteuid() == 0:
        owner = os.stat(folder)
        os.fchown(fd, owner.st_uid, owner.st_gid)


def _before(folder: str, digest: str, message: Message) -> dict[str, Any] | None:
    """Give the record of the hold that stands there, and make sure that it is on disk.

    None where there is none, or where what bears the name is no record, or not this message: a
    damaged disk or a stranger's file must not be answered for.
    """
    path = os.path.join(folder, digest)
    try:
        with _opened_message(path) as kept, _opened(f"{path}.json") as known:
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


@contextlib.contextmanager
def _opened_message(path: str) -> Iterator[int]:
    """Give the message file, plain or packed (store.files packs what has lain for a while)."""
    is_packed = not os.path.lexists(f"{path}.eml") and os.path.lexists(f"{path}.eml.gz")
    with _opened(f"{path}.eml.gz" if is_packed else f"{path}.eml") as fd:
        yield fd


def _unpacked(fd: int) -> Message | None:
    """Give the message in a file, plain or packed; None where it is damaged."""
    if os.pread(fd, len(_PACKED), 0) != _PACKED or not _is_packed(fd):
        return Message.of(fd)
    import gzip  # seldom: a sender who tries again after an hour
    import zlib

    try:
        return Message.of_octets(gzip.decompress(os.pread(fd, os.fstat(fd).st_size, 0)))
    except (EOFError, OSError, zlib.error):
        return None


def _is_packed(fd: int) -> bool:
    return os.readlink(f"/proc/self/fd/{fd}").endswith(".eml.gz")


def _is_file(fd: int) -> bool:
    return stat.S_ISREG(os.fstat(fd).st_mode)


def _is_same(fd: int, message: Message) -> bool:
    """Say whether a file holds the message, but for the Received field of another try."""
    kept = _unpacked(fd)
    if kept is None:
        return False
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
        held_for(found)
    except (ValueError, RecursionError, AttributeError, TypeError):
        return None
    return dict(found)


def held_for(record: Mapping[str, Any]) -> set[int]:
    """Give the places of the recipients for whom it is held; -1 where it is held as a whole.

    -2 where it is the original of what went on without some of its parts.
    """
    to = record.get("envelope", {}).get("recipients", [])
    held = {place for place, each in enumerate(to) if each.get("action") == _HELD}
    held |= {_STRIPPED} if record.get("stripped") else set()
    return held | ({-1} if record.get("action") == _HELD else set())


def joined(before: Mapping[str, Any], record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the record, with those for whom it was held at an earlier try still among the held.

    The digest covers the envelope, so the recipients are the same, in the same order.
    """
    held = held_for(before) - {-1}
    if not held:
        return record
    was, now = (each["envelope"]["recipients"] for each in (before, record))
    to = [was[place] if place in held else each for place, each in enumerate(now)]
    stripped = record.get("stripped") or before.get("stripped", [])
    envelope = {**record["envelope"], "recipients": to}
    return {**record, "envelope": envelope, "stripped": stripped}


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
        "class": class_of(facts, verdict),
        "score": facts.spam.score.score if facts.spam and facts.spam.score else None,
        "subject": next((h.decoded for h in facts.headers if h.name.lower() == "subject"), ""),
        "octets": facts.octets,
        "envelope": _envelope(facts.envelope, verdict),
        "client": _client(facts.client),
        "findings": [
            {"id": found.id, "where": found.where, "detail": found.detail}
            for found in facts.findings
        ],
        "stripped": _stripped(verdict),
    }


def _stripped(verdict: Verdict) -> list[dict[str, Any]]:
    """Give the parts that the message went on without."""
    cuts = verdict.edits.cuts if verdict.action is Action.ACCEPT else ()
    return [
        {
            "path": cut.part.path,
            "names": list(cut.part.names[:1]),
            "octets": cut.part.octets,
            "inside": cut.inside,
            "rule": cut.rule,
        }
        for cut in cuts
    ]


def class_of(facts: Facts, verdict: Verdict) -> str:
    """Give in one word why it is held: virus, unscannable, spam, banned, or else policy.

    The first that fits: what is infected is `virus`, whatever else was found. What a recipient
    does not want is `policy`, whatever the scorer says of it.
    """
    kinds = {found.id.partition(".")[0] for found in facts.findings}
    if facts.virus is not None and facts.virus.outcome is Outcome.FOUND:
        return "virus"
    if "unscannable" in kinds:
        return "unscannable"
    if verdict.rules[:1] == (BLOCKED,):
        return "policy"
    if facts.spam is not None and facts.spam.outcome is Outcome.FOUND and not _says_other(verdict):
        return "spam"
    return "banned" if kinds & _BANNED or _says_other(verdict) else "policy"


def _says_other(verdict: Verdict) -> bool:
    """Say whether the rule that decided speaks of contents, by its name."""
    return bool(verdict.rules) and any(word in verdict.rules[0] for word in _OF_CONTENTS)


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
