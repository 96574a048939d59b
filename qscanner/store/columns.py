"""What the record of a held message says, as columns.

Called by  rows, and whoever puts text of strangers into the database.
Ends       never by itself. Records are ours, but a disk may be damaged: what is odd is "".
"""

import calendar
import time
from collections.abc import Mapping
from typing import Any

from qscanner.store.words import OPEN, WHOLE, Arrived, Class, State

Record = Mapping[str, Any]
_CUT = 500  # characters of a text
_WORDS = 4000
_MANY = 400  # addresses that a search for text looks through
_BANNED = frozenset({"name", "archive", "office", "pdf", "rtf", "html", "svg"})


def row_of(digest: str, event: Arrived, record: Record) -> dict[str, Any]:
    """Give the columns of a message."""
    envelope = _table(record.get("envelope"))
    sender, subject = clean(envelope.get("sender")), clean(record.get("subject"))
    why = clean(record.get("why"))
    found = ",".join(dict.fromkeys(findings_of(record)))
    score, octets = record.get("score"), record.get("octets")
    return {
        "digest": digest,
        "log_id": clean(record.get("id"))[:64],
        "since": since_of(record, event),
        "states": State.HELD.bit,
        "class": class_of(record).value,
        "sender": sender,
        "sender_key": sender.lower(),
        "sender_domain": domain_of(sender),
        "subject": subject,
        "score": float(score) if isinstance(score, int | float) else None,
        "octets": octets if isinstance(octets, int) else 0,
        "why": why,
        "action": clean(record.get("action"))[:16],
        "release": (clean(record.get("release")) or "admin")[:16],
        "rules": ",".join(rules_of(record)),
        "findings": clean(found, most=_WORDS),
        "ip": clean(_table(record.get("client")).get("ip")),
        "is_gone": False,
    }


def words_of(record: Record) -> str:
    """Give what a search for text looks through."""
    envelope = _table(record.get("envelope"))
    told = (record.get("subject"), envelope.get("sender"), record.get("why"))
    to = [each["address"] for each in recipients_of(record)[:_MANY]]
    return " ".join([*map(clean, told), *to]).lower()[:_WORDS]


def recipients_of(record: Record) -> list[dict[str, Any]]:
    """Give the columns of those who did not get it, and whose copy this is.

    Those for whom it is held or refused, or who got it without some parts; where there are none,
    those for whom it is discarded: a rule asked to keep it. Where it has no recipients, the
    message as a whole.
    """
    to = _table(record.get("envelope")).get("recipients")
    to = [_table(each) for each in to] if isinstance(to, list) else []
    first = ("quarantine", "reject", *(("accept",) if record.get("stripped") else ()))
    for actions in (first, ("discard",)):
        found = [
            {
                "place": place,
                "address": clean(each.get("address")),
                "address_key": clean(each.get("address")).lower(),
                "domain": domain_of(clean(each.get("address"))),
                "state": State.HELD.value,
            }
            for place, each in enumerate(to)
            if each.get("action") in actions
        ]
        if found:
            return found
    whole = {"place": WHOLE, "address": "", "address_key": "", "domain": ""}
    return [{**whole, "state": State.HELD.value}]


def class_of(record: Record) -> Class:
    """Give the class a record names; for those of the first version, what its findings say."""
    named = record.get("class")
    if named in {each.value for each in Class}:
        return Class(named)
    found, rules = findings_of(record), rules_of(record)
    if any("infected" in name or "virus" in name for name in rules):
        return Class.VIRUS
    if any(each.startswith("unscannable.") for each in found):
        return Class.UNSCANNABLE
    if any("spam" in name or name == "gtube" for name in rules):
        return Class.SPAM
    if any(each.partition(".")[0] in _BANNED for each in found):
        return Class.BANNED
    return Class.POLICY


def rules_of(record: Record) -> list[str]:
    """Give the rules that decided."""
    rules = record.get("rules")
    return [clean(each).replace(",", " ") for each in rules] if isinstance(rules, list) else []


def findings_of(record: Record) -> list[str]:
    """Give the ids of the findings."""
    found = record.get("findings")
    return [clean(_table(each).get("id")) for each in found] if isinstance(found, list) else []


def since_of(record: Record, event: Arrived) -> float:
    """Give when it was kept, in seconds since 1970."""
    try:
        return calendar.timegm(time.strptime(str(record.get("kept_at")), "%Y-%m-%dT%H:%M:%SZ"))
    except (ValueError, OverflowError):
        return event.at


def domain_of(address: str) -> str:
    """Give what stands behind the last @ of an address, in lower case."""
    return address.rpartition("@")[2].lower() if "@" in address else ""


def clean(text: object, *, most: int = _CUT) -> str:
    """Give text that both databases can hold: without NUL and surrogates, and cut."""
    if not isinstance(text, str):
        return ""
    text = text[:most].replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def open_bits() -> int:
    """Give the bits of the states that need the octets."""
    return sum(state.bit for state in OPEN)


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
