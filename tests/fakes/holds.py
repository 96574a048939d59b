"""Held messages for tests of the store: kept as handover keeps them, with a record of any kind.

Called by  the tests of store.*, and the bench of the quarantine.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from qscanner import quarantine
from qscanner.codec import envelope
from qscanner.codec.block import below_received
from qscanner.model import Action, Client, Decision, Envelope, Facts, Header, Verdict
from qscanner.settings import Quarantine
from qscanner.spool import Message
from qscanner.store.keeping import keep


@dataclass(frozen=True, kw_only=True)
class Hold:
    """One message to be held."""

    octets: bytes = b"Received: x\nSubject: y\n\n\0\xff"
    sender: bytes = b"ann@example.org"
    to: tuple[bytes, ...] = (b"joe@example.com", b"sue@example.net")
    actions: tuple[Action, ...] = ()
    rules: tuple[str, ...] = ("spam",)
    kept_at: str = "2026-11-23T02:00:00Z"
    more: dict[str, Any] = field(default_factory=dict)  # keys of the record

    @property
    def raw(self) -> bytes:
        """Give the octets of the envelope."""
        return envelope.encode(self.sender, self.to)

    @property
    def digest(self) -> str:
        """Give what report.Mail says it is."""
        below = hashlib.sha256(self.octets[below_received(self.octets) :])
        below.update(self.raw)
        return below.hexdigest()

    @property
    def record(self) -> dict[str, Any]:
        """Give the record."""
        actions = self.actions or (Action.QUARANTINE,) * len(self.to)
        known = Envelope(sender=self.sender, recipients=self.to, raw=self.raw)
        subject = Header(name="Subject", plain="y", decoded="y")
        facts = Facts(
            envelope=known, client=Client(uid=1), octets=len(self.octets), headers=(subject,)
        )
        verdict = Verdict(
            action=min(actions, key=lambda each: each.severity, default=Action.QUARANTINE),
            decisions=tuple(Decision(action=action, rules=self.rules) for action in actions),
            rules=self.rules,
            why="because",
        )
        made = quarantine.record(
            id=f"log-{self.digest[:6]}",
            digest=self.digest,
            kept_at=self.kept_at,
            facts=facts,
            verdict=verdict,
        )
        return {**made, **self.more}

    def keep(self, settings: Quarantine) -> bool:
        """Have it kept."""
        message = Message.of_octets(self.octets)
        try:
            return keep(settings, self.digest, message, self.record)
        finally:
            message.close()


def several(count: int, **more: Any) -> list[Hold]:
    """Give so many different messages, the first the oldest."""
    return [
        Hold(
            octets=b"Subject: %d\n\nbody\n" % number,
            kept_at=f"2026-11-{1 + number // 1440:02}T{number // 60 % 24:02}:{number % 60:02}:00Z",
            **more,
        )
        for number in range(count)
    ]
