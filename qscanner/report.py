"""What a scan found out, and its four tellings: log line, header lines, JSON object, and ending.

Called by  scan (which makes a Report), handover, `qscanner scan`.
Ends       never by itself; raises nothing.
Careful    everything of strangers' goes through printable(), in log.line() or outgoing.line().
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from qscanner import outgoing, reply
from qscanner.codec import block
from qscanner.model import (
    ALLOWED,
    BLOCKED,
    Action,
    CheckResult,
    Client,
    Edits,
    Envelope,
    Facts,
    Outcome,
    Verdict,
)
from qscanner.outcomes import REPLIES, Ending
from qscanner.policy.listed import words
from qscanner.spool import Message

ENDINGS = {
    Action.ACCEPT: Ending.ACCEPTED,
    Action.DEFER: Ending.DEFERRED,
    Action.QUARANTINE: Ending.HELD,
    Action.DISCARD: Ending.DISCARDED,
    Action.REJECT: Ending.REJECTED,
}
_TELLS_CLIENT = (Action.REJECT, Action.DEFER)
_MAX_STARS = 50
_MAX_TOLD = 10  # rules, findings, recipients in a log line


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One message as it comes to be scanned; `pid` is the queue program's, qmail's qp."""

    message: Message
    envelope: Envelope
    client: Client
    pid: int = 0

    @cached_property
    def digest(self) -> str:
        """The SHA-256 (hex) of the octets below the top Received field and of the envelope.

        The receiving server writes a fresh Received for each try of a sender: the rest is the key
        by which a retry is recognised.
        """
        octets = self.message.octets
        below = hashlib.sha256(memoryview(octets)[block.below_received(octets) :])
        below.update(self.envelope.raw)
        return below.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a scan found out. `lines` are the header lines we would add; `ms` is milliseconds.

    `emergency` says who accepts unscanned mail, where that made a difference to this message.
    """

    id: str
    digest: str
    facts: Facts
    verdict: Verdict
    lines: tuple[str, ...]
    emergency: str = ""
    ms: float


def lines(facts: Facts, verdict: Verdict, *, id: str, host: str) -> tuple[str, ...]:
    """Give our header lines, without newlines, in the order in which they stand on top."""
    asked = [outgoing.line(name, text) for name, text in edits_of(verdict).add_headers]
    return (*asked, *_spam_lines(facts.spam), _own_line(facts, verdict, id=id, host=host))


def edits_of(verdict: Verdict) -> Edits:
    """Give the edits of an accepted message; no others are ever made."""
    return verdict.edits if verdict.action is Action.ACCEPT else Edits()


def _spam_lines(spam: CheckResult | None) -> list[str]:
    if spam is None or spam.score is None:
        return []
    found, score = spam.outcome is Outcome.FOUND, spam.score
    tests = ",".join(score.rules) or "none"
    status = (
        f"{'Yes' if found else 'No'}, score={score.score:.1f} "
        f"required={score.threshold:.1f} tests={tests}"
    )
    stars = "*" * int(max(0.0, min(_MAX_STARS, score.score)))  # so that inf is no trouble
    return [
        outgoing.line("X-Spam-Flag", "YES" if found else "NO"),
        outgoing.line("X-Spam-Status", status),
        *([outgoing.line("X-Spam-Level", stars)] if stars else []),
    ]


def _own_line(facts: Facts, verdict: Verdict, *, id: str, host: str) -> str:
    told = [host, f"id={id}", f"verdict={verdict.action.value}"]
    told.append(f"rules={','.join(verdict.rules) or '-'}")
    if facts.virus is not None:
        told.append(f"virus={facts.virus.outcome.value}")
    if facts.spam is not None:
        told.append(f"spam={_spam_word(facts.spam)}")
    scanners = [name for check in (facts.virus, facts.spam) if check for name in check.scanners]
    told.append(f"scanners={','.join(scanners) or '-'}")
    return outgoing.line("X-Qscanner", " ".join(told))


def _spam_word(spam: CheckResult) -> str:
    if spam.score is None:
        return spam.outcome.value
    return f"{spam.score.score:.1f}/{spam.score.threshold:.1f}"


def event(
    report: Report, *, pid: int, ending: Ending, trouble: str = ""
) -> dict[str, str | bytes | int]:
    """Give the event of one message for the log, keys as in docs/log.md, most wanted first."""
    facts, verdict = report.facts, report.verdict
    told: dict[str, str | bytes | int] = {
        "event": "message",
        "id": report.id,
        "verdict": verdict.action.value,
        "rules": ",".join(verdict.rules[:_MAX_TOLD]) or "-",
        "ending": ending.name.lower().replace("_", "-"),
        "pid": pid,
        "digest": report.digest,
        "msgid": _first(facts, "message-id"),
        "from": b"<" + facts.envelope.sender + b">",
        "rcpts": len(facts.envelope.recipients),
        "to": b",".join(facts.envelope.recipients[:_MAX_TOLD]),
        **_client(facts.client),
        "octets": facts.octets,
        "virus": _told(facts.virus),
        **({"emergency": report.emergency} if report.emergency else {}),
        "spam": _spam_word(facts.spam) if facts.spam else "-",
        "findings": ",".join(dict.fromkeys(f.id for f in facts.findings[:_MAX_TOLD])) or "-",
        "ms": round(report.ms),
    }
    for action, key in ((Action.QUARANTINE, "held"), (Action.DISCARD, "discarded")):
        theirs = [
            to
            for to, decided in zip(facts.envelope.recipients, verdict.decisions, strict=False)
            if decided.action is action is not verdict.action
        ]
        if theirs:  # otherwise the verdict says it of all
            told[key] = b",".join(theirs[:_MAX_TOLD])
    told |= _listed(facts, verdict)
    if cuts := edits_of(verdict).cuts:
        told["stripped"] = ",".join(cut.part.path for cut in cuts[:_MAX_TOLD])
    told |= _routed(verdict) | _marked(verdict)
    if verdict.logged:
        told["log-only"] = ",".join(verdict.logged[:_MAX_TOLD])
    if trouble or verdict.why:
        told["why"] = trouble or verdict.why
    return told


def _listed(facts: Facts, verdict: Verdict) -> dict[str, str | bytes | int]:
    """Give the entries that made a difference for somebody."""
    pairs = zip(facts.listed, verdict.decisions, strict=False)
    ids = {
        entry.id: None
        for entry, decided in pairs
        if entry and {ALLOWED, BLOCKED} & {*decided.rules}
    }
    return {"listed": ",".join(list(ids)[:_MAX_TOLD])} if ids else {}


def _routed(verdict: Verdict) -> dict[str, str | bytes | int]:
    """Give who gets it instead of, and beside, the recipients."""
    told: dict[str, str | bytes | int] = {}
    for key in ("redirect_to", "copy_to"):
        addresses = dict.fromkeys(
            each for decided in verdict.decisions for each in getattr(decided, key)
        )
        if addresses and verdict.action is Action.ACCEPT:
            told[key.replace("_", "-")] = b",".join(list(addresses)[:_MAX_TOLD])
    return told


def _marked(verdict: Verdict) -> dict[str, str | bytes | int]:
    """Give what the detecting rules found."""
    told: dict[str, str | bytes | int] = {}
    if verdict.detected:
        told["detected"] = ",".join(verdict.detected[:_MAX_TOLD])
    if verdict.tags:
        told["tags"] = ",".join(list(verdict.tags)[:_MAX_TOLD])
    if verdict.total:
        told["total"] = f"{verdict.total:g}"
    return told


def _client(client: Client) -> dict[str, str | bytes | int]:
    told: dict[str, str | bytes | int] = {
        "uid": client.uid,
        "direction": client.direction.value,
        "client": client.ip or "-",
    }
    if client.claimed_ip:
        told["claimed"] = client.claimed_ip
    if client.auth_user:
        told["auth"] = client.auth_user
    return told


def _told(check: CheckResult | None) -> str:
    if check is None:
        return "-"
    return f"{check.outcome.value}: {check.detail}" if check.detail else check.outcome.value


def _first(facts: Facts, name: str) -> str:
    return next((h.plain for h in facts.headers if h.name.lower() == name), "-")


def as_json(report: Report, *, file: str) -> dict[str, Any]:
    """Give the object that `qscanner scan --json` prints, keys as in docs/commands.md."""
    facts, verdict = report.facts, report.verdict
    ending = ENDINGS[verdict.action]
    tells = verdict.action in _TELLS_CLIENT
    return {
        "file": file,
        "digest": report.digest,
        "action": verdict.action.value,
        "recipients": {
            to.decode("utf-8", "backslashreplace"): decided.action.value
            for to, decided in zip(facts.envelope.recipients, verdict.decisions, strict=False)
        },
        "rules": list(verdict.rules),
        "exit_code": REPLIES[ending].exit_without_text,
        "reply": reply.text(ending, verdict.reply) if tells else None,
        "findings": [
            {"id": found.id, "where": found.where, "detail": found.detail}
            for found in facts.findings
        ],
        "checks": _checks(facts),
        "parts": [
            {
                "path": part.path,
                "names": list(part.names),
                "kinds": sorted(part.kinds),
                "octets": part.octets,
            }
            for part in facts.parts
        ],
        "headers": list(report.lines),
        "ms": round(report.ms, 1),
        "id": report.id,
        "why": verdict.why,
        "log_only": list(verdict.logged),
        "stripped": [cut.part.path for cut in edits_of(verdict).cuts],
        "listed": {
            to.decode("utf-8", "backslashreplace"): words(entry)
            for to, entry in zip(facts.envelope.recipients, facts.listed, strict=False)
            if entry
        },
    }


def _checks(facts: Facts) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if facts.virus is not None:
        told["virus"] = {
            "outcome": facts.virus.outcome.value,
            "detail": facts.virus.detail,
            "ms": round(facts.virus.ms, 1),
        }
    if facts.spam is not None:
        score = facts.spam.score
        told["spam"] = {
            "outcome": facts.spam.outcome.value,
            "score": score.score if score else None,
            "threshold": score.threshold if score else None,
            "rules": list(score.rules) if score else [],
            "detail": facts.spam.detail,
            "ms": round(facts.spam.ms, 1),
        }
    return told
