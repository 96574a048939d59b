"""Reports, letters and an outbox made by hand, for everything about notices.

Called by  tests of notices, archive, alarm, injector, outbox and letters.
"""

from typing import Any

from qscanner.codec.envelope import encode
from qscanner.model import (
    Action,
    Client,
    Decision,
    Direction,
    Envelope,
    Facts,
    Header,
    Notify,
    Verdict,
)
from qscanner.outbox import Kind, Letter
from qscanner.report import Report

DIGEST = "0" * 63 + "d"
BOTH = (Notify.RECIPIENTS, Notify.ADMIN)


def report(
    *actions: Action,
    notify: tuple[Notify, ...] = BOTH,
    sender: bytes = b"ann@sender.example",
    headers: tuple[tuple[str, str], ...] = (("Subject", "Hello"),),
    **said: Any,
) -> Report:
    """Give a report about mail from outside with a recipient for each action, r0@ and so on.

    `said` may hold `client` (keys of Client) and keys of Verdict.
    """
    client: dict[str, Any] = {"direction": Direction.IN, "ip": "192.0.2.1"}
    client |= said.pop("client", {})
    to = tuple(b"r%d@here.example" % number for number in range(len(actions)))
    decisions = tuple(Decision(action=action, notify=notify) for action in actions)
    verdict: dict[str, Any] = {
        "action": min(actions, key=lambda each: each.severity),
        "decisions": decisions,
        "rules": ("a-rule",),
        "why": "because",
    }
    return Report(
        id="i1",
        digest=DIGEST,
        facts=Facts(
            envelope=Envelope(sender=sender, recipients=to, raw=encode(sender, to)),
            client=Client(uid=1, is_trusted=True, **client),
            octets=10,
            headers=tuple(Header(name=name, plain=text, decoded=text) for name, text in headers),
        ),
        verdict=Verdict(**(verdict | said)),
        lines=("X-Qscanner: h id=i1",),
        ms=1.0,
    )


def letter(**said: Any) -> Letter:
    """Give a letter to one recipient, but for what is said."""
    usual: dict[str, Any] = {
        "about": DIGEST,
        "kind": Kind.HELD,
        "to": (b"bob@here.example",),
        "at": 1_700_000_000.0,
        "values": {"sender": "ann@sender.example", "subject": "Hello", "why": "because"},
    }
    return Letter(**(usual | said))


def digest(*rows: dict[str, str], **said: Any) -> Letter:
    """Give a digest with these rows, each with values of its own, but for what is said."""
    usual: dict[str, str] = {
        "time": "2026-11-28 06:12",
        "sender": "ann@sender.example",
        "subject": "Hello",
        "why": "because",
        "class": "spam",
        "score": "7.5",
        "octets": "10",
        "id": DIGEST[:12],
    }
    about = {"address": "bob@here.example", "since": "yesterday", "until": "today"}
    more: dict[str, Any] = {
        "about": "digest-1700000000",
        "kind": Kind.DIGEST,
        "values": {**about, **said.pop("values", {})},
        "rows": tuple(usual | row for row in rows or ({},)),
    }
    return letter(**(more | said))
