"""The messages of a soak: many kinds, each with an id of its own that is found wherever it ends.

Called by  soak.
Careful    the test strings come from tests/fakes/mails.py, so that no scanner objects.
"""

import base64
import enum
import random
import re
from dataclasses import dataclass

import bench_mails
import bench_site  # noqa: F401 - makes `tests` known

from tests.fakes import mails
from tests.fakes.caller import envelope

_ID = re.compile(rb"^X-Soak: (\d+)$", re.MULTILINE)


class End(enum.Enum):
    """What should become of a message."""

    QUEUED = "queued"
    HELD = "held"
    REFUSED = "refused"
    LATER = "told later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One message: its id, what it is, its octets, and where it should end."""

    id: int
    kind: str
    message: bytes
    envelope: bytes
    end: End


def id_of(octets: bytes) -> int:
    """Give the id in a message; 0 where there is none."""
    found = _ID.search(octets)
    return int(found[1]) if found else 0


class Source:
    """Makes the messages. The large ones are made once and get another head each."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        pieces = (
            ("text", 40, mails.text(), End.QUEUED),
            ("html", 20, bench_mails.html(), End.QUEUED),
            ("pdf", 6, bench_mails.pdf(), End.QUEUED),
            ("5 MB zip", 1, bench_mails.archive(), End.QUEUED),
            ("2 MB text", 1, mails.text(base64.encodebytes(bytes(1_500_000))), End.QUEUED),
            ("zip", 6, _zip(), End.QUEUED),
            ("virus", 10, mails.infected(), End.REFUSED),
            ("locked zip", 8, mails.locked(), End.HELD),
            ("rubbish", 4, self._chance.randbytes(5000), End.QUEUED),
            ("no envelope", 4, mails.text(), End.LATER),
        )
        self._kinds = {kind: (octets, end) for kind, _, octets, end in pieces}
        self._shares = {kind: share for kind, share, _, _ in pieces}
        self._last = 0

    def next(self) -> Sent:
        """Give the next message."""
        self._last += 1
        (kind,) = self._chance.choices(list(self._shares), list(self._shares.values()))
        octets, end = self._kinds[kind]
        to = [b"bob-%d@example.com" % n for n in range(self._chance.choice((1, 1, 1, 3)))]
        raw = envelope(b"ann@example.org", *to)
        # Below the top Received field, where it counts for the digest of a hold.
        head = mails.RECEIVED + b"X-Soak: %d\n" % self._last
        if kind == "rubbish":
            head += b"\n"
        return Sent(
            id=self._last,
            kind=kind,
            message=head + octets.removeprefix(mails.RECEIVED),
            envelope=b"" if kind == "no envelope" else raw,
            end=end,
        )


def _zip() -> bytes:
    content = mails.zipped(notes__txt=b"a few words\n" * 500, list__csv=b"1;2;3\n" * 300)
    return mails.attached("notes.zip", content, declared="application/zip")
