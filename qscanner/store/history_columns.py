"""A line of the history as columns of the database, and as what it adds to the numbers.

Called by  history.
Ends       told() with None for what is no line of ours; nothing is raised.
Careful    the lines are ours, but a disk may be damaged: what is odd is "" or 0. Text is cut as
           columns.clean() does it, so that an address here is found as one of held mail is.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from qscanner.store.columns import clean, domain_of
from qscanner.store.history_words import HOUR_S

Told = Mapping[str, Any]
_WORD = 200  # characters
_FINDINGS = 4000
_PID_BITS = 32
_OCTETS_BITS = 40  # more is no message, and would spoil a sum
_NEVER_S = 1e11  # seconds since 1970
_IN_BRACKETS = re.compile(r"<([^<>]+)>")


def told(octets: bytes) -> Told | None:
    """Give what a line says, None where it is none, or half of one."""
    try:
        found = json.loads(octets)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not clean(found.get("id")):
        return None
    at = found.get("at")
    return found if isinstance(at, int | float) and 0 <= at < _NEVER_S else None


def key_of(line: Told) -> tuple[str, str]:
    """Give what no other message has: the id of its scan, and the host."""
    return clean(line["id"])[:64], clean(line.get("host"))


def row_of(line: Told) -> dict[str, Any]:
    """Give the columns of a message."""
    scan_id, host = key_of(line)
    sender, score = clean(line.get("sender")), line.get("score")
    return {
        "host": host,
        "scan_id": scan_id,
        "at": float(line["at"]),
        "digest": clean(line.get("digest"))[:64],
        "message_id": bare(clean(line.get("message_id"))),
        "pid": _number(line.get("pid"), _PID_BITS),
        "verdict": clean(line.get("verdict"))[:16],
        "ending": clean(line.get("ending"))[:32],
        "sender": sender,
        "sender_key": sender.lower(),
        "sender_domain": domain_of(sender),
        "recipients": _number(line.get("recipients"), 31),
        "rules": joined(line.get("rules")),
        "why": clean(line.get("why")),
        "findings": joined(line.get("findings")),
        "direction": clean(line.get("direction"))[:8],
        "ip": clean(line.get("ip")),
        "auth_user": clean(line.get("auth_user")),
        "octets": _number(line.get("octets"), _OCTETS_BITS),
        "virus": clean(line.get("virus")),
        "spam": clean(line.get("spam")),
        "score": score if isinstance(score, float) else None,
        "ms": _number(line.get("ms"), 31),
    }


def recipients_of(line: Told) -> list[dict[str, Any]]:
    """Give the columns of its recipients."""
    how, found = line.get("how"), []
    for place, each in enumerate(_list(line.get("to"))):
        try:
            text, number = each
            action, rules = how[number]  # type: ignore[index]  # damage is a TypeError
        except (TypeError, ValueError, IndexError):
            continue
        address = clean(text)
        found.append(
            {
                "place": place,
                "address": address,
                "address_key": address.lower(),
                "domain": domain_of(address),
                "action": clean(action)[:16],
                "rules": joined(rules),
            }
        )
    return found


def counts_of(line: Told) -> Iterator[tuple[int, str, str, str]]:
    """Give the rows of the numbers by the hour to which a message counts, each once.

    Hour (since 1970), host, name and word.
    """
    hour, host = int(line["at"]) // HOUR_S, key_of(line)[1][:255]
    for name, word in dict.fromkeys(_words(line)):
        if word:
            yield hour, host, name, word


def _words(line: Told) -> Iterator[tuple[str, str]]:
    for name in ("verdict", "ending", "direction"):
        yield name, word(line.get(name))
    for name, key in (("rule", "rules"), ("virus", "names")):
        for each in _list(line.get(key)):
            yield name, word(each)
    checks = line.get("checks")
    for check, outcome in (checks if isinstance(checks, dict) else {}).items():
        if check == "spam":
            yield "spam", word(outcome)
        if outcome == "unavailable":
            yield "unavailable", word(check)


def bare(message_id: str) -> str:
    """Give a Message-ID without its angle brackets, "" for "-", which the log has for none."""
    found = _IN_BRACKETS.search(message_id)
    text = (found[1] if found else message_id).strip()
    return "" if text == "-" else text


def octets_of(line: Told) -> int:
    """Give the size of the message."""
    return _number(line.get("octets"), _OCTETS_BITS)


def joined(texts: object) -> str:
    """Give ids with commas between them."""
    words = [clean(each).replace(",", " ") for each in _list(texts)]
    return clean(",".join(words), most=_FINDINGS)


def word(text: object) -> str:
    """Give a word as the numbers have it."""
    return clean(text, most=_WORD).replace(",", " ")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: object, bits: int) -> int:
    """Give a number that a column can hold."""
    return value if isinstance(value, int) and 0 <= value < 1 << bits else 0
