"""What the dispatcher and a worker say to each other, one packet each.

    dispatcher  take   a client's descriptor comes with it: its uid, and digests not to be scanned
    worker      busy   the digest of the message it has begun with
    worker      done   it is free again: a few facts for the metrics, as JSON
    worker      last   the same, and it ends now

Called by  dispatcher and worker, over a SOCK_SEQPACKET pair.
Ends       the decoders raise OrderError for anything that is not exactly what they expect.
Careful    a worker has read a stranger's mail: what it says is data. Facts are bounded, and only
           numbers and short words of them reach the metrics.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_OCTETS = 8192
_DIGEST = re.compile(r"[0-9a-f]{64}")

Facts = dict[str, str | float]


class OrderError(Exception):
    """These octets are not the packet that was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """Serve this client: the uid the kernel names, and the digests that took workers down."""

    uid: int
    not_to_scan: frozenset[str]


def take(uid: int, not_to_scan: Sequence[str]) -> bytes:
    """Give the packet that comes with a client's descriptor."""
    return f"take {uid} {' '.join(not_to_scan)}".rstrip().encode("ascii")


def taken(packet: bytes) -> Take:
    """Give what a take says. Raises OrderError."""
    words = packet.decode("ascii", "replace").split(" ")
    if len(words) < 2 or words[0] != "take" or not words[1].isdecimal():  # noqa: PLR2004
        raise OrderError("not a take")
    return Take(uid=int(words[1]), not_to_scan=frozenset(words[2:]))


def busy(digest: str) -> bytes:
    """Give the packet that says which message has been begun."""
    return b"busy " + digest.encode("ascii")


def done(facts: Mapping[str, str | float], *, retires: bool) -> bytes:
    """Give the packet that ends the work on one client; too many facts are none."""
    word, told = b"last " if retires else b"done ", json.dumps(facts).encode("ascii")
    return word + (told if len(told) <= MAX_OCTETS - len(word) else b"{}")


def heard(packet: bytes) -> tuple[str, str | Facts]:
    """Give ("busy", digest), ("done", facts) or ("last", facts). Raises OrderError."""
    word, _, rest = packet.decode("ascii", "replace").partition(" ")
    if word == "busy" and _DIGEST.fullmatch(rest):
        return word, rest
    if word not in ("done", "last"):
        raise OrderError("neither busy nor done")
    try:
        facts = json.loads(rest)
    except (ValueError, RecursionError) as error:
        raise OrderError("facts that are no JSON") from error
    if not isinstance(facts, dict):
        raise OrderError("facts that are no object")
    return word, {str(k): v for k, v in facts.items() if isinstance(v, str | int | float)}
