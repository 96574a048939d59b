"""Whether the store is what it says: octets against digests, index against files, claims.

Called by  store.
Ends       with a problem at a time; raises Later where it cannot look.
Careful    it only looks. What it reports as gone may just have been removed by somebody else: each
           is looked up once more before it is told.
"""

import base64
import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select

from qscanner.codec.block import below_received
from qscanner.store import search
from qscanner.store.home import Home, Progress
from qscanner.store.tables import message
from qscanner.store.words import SHORT, Held, OctetsGone, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is wrong: with a message (its digest) or a file (its name), in words."""

    name: str
    text: str


def verify(home: Home, progress: Progress) -> Iterator[Problem]:
    """Look at every message whose octets should be there, and at whatever else is there."""
    here = message.c.is_gone.is_(False)
    with home.reading() as connection:
        total = connection.execute(select(func.count()).where(here)).scalar_one()
    last = done = 0
    while True:
        asked = select(message.c.id, message.c.digest).where(here, message.c.id > last)
        with home.reading() as connection:
            found = connection.execute(asked.order_by(message.c.id).limit(search.PAGE)).all()
            held = search.these(connection, [row.digest for row in found]) if found else []
        if not found:
            break
        for each in held:
            if text := _wrong(home, each):
                yield Problem(name=each.digest, text=text)
        last, done = found[-1].id, done + len(found)
        progress(done, max(total, done))
    for name, text in home.strays():
        yield Problem(name=name, text=text)


def _wrong(home: Home, held: Held) -> str:
    for one in held.of(State.RELEASING):
        if one.claim and not one.claim.is_at_work:
            return (
                f"{one.claim.name} began to release it ({one.claim.via}) and did not end: "
                "look into the log of qmail-send whether it went out"
            )
    text = _damage(home, held.digest)
    return text if text and _is_here(home, held.digest) else ""


def _damage(home: Home, digest: str) -> str:
    record = home.record_of(digest)
    if record is None:
        return "its record is missing or damaged"
    try:
        kept = home.message(digest)
    except OctetsGone as error:
        return str(error)
    try:
        raw = base64.b64decode(record["envelope"]["octets"])
        seen = hashlib.sha256(memoryview(kept.octets)[below_received(kept.octets) :])
    except (KeyError, TypeError, ValueError):
        return "its record has no envelope"
    finally:
        with contextlib.suppress(BufferError):
            kept.close()
    seen.update(raw)
    is_whole = seen.hexdigest() == digest
    return "" if is_whole else f"its octets are not those of {digest[:SHORT]}: the disk is damaged"


def _is_here(home: Home, digest: str) -> bool:
    with home.reading() as connection:
        asked = select(message.c.is_gone).where(message.c.digest == digest)
        return connection.execute(asked).scalar() is False
