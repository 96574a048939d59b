"""Notices: who is told by mail what became of a message, and who never is.

Called by  handover, when what is held is held; `qscanner check` (problems).
Ends       with letters in the outbox, durable; what cannot be written there is logged, and mail
           goes on: the message itself is safe.
Careful    nobody is harassed. Senders are never told. Recipients are told only of mail that came
           in: those of outgoing mail are strangers. Nobody is told of bounces, lists, and what a
           program sent by itself (RFC 3834 2): an answer to those makes loops, and more of them.
"""

import time
from collections.abc import Iterator

from qscanner import letters, outbox, rounds
from qscanner.codec.text import readable
from qscanner.log import Log
from qscanner.model import Action, Direction, Facts, Header, Notify
from qscanner.outbox import MAX_TO, Kind, Letter
from qscanner.outcomes import QScannerError
from qscanner.policy.rules import Policy
from qscanner.report import Report
from qscanner.settings import Settings

_NULL = (b"", b"#@[]")  # of a bounce, and of a bounce of a bounce (qmail-send(8))
_VERP = b"-@[]"  # of a list: qmail-send(8)
_PRECEDENCE = frozenset(["bulk", "list", "junk"])
_MAX_TOLD = 10
_TOLD = {Action.QUARANTINE: Kind.HELD, Action.DISCARD: Kind.DISCARDED}


def post(report: Report, settings: Settings, log: Log) -> None:
    """Put the letters into the outbox that rules ask for. What goes wrong is logged."""
    if not any(each.notify for each in report.verdict.decisions) or not may_be_told(report.facts):
        return
    folder = outbox.folder(settings.quarantine.dir)
    for letter in _letters(report, settings, at=time.time()):
        try:
            outbox.put(folder, letter)
        except QScannerError as error:
            log.write(
                {
                    "event": "notice-not-kept",
                    "id": report.id,
                    "kind": letter.kind.value,
                    "to": len(letter.to),
                    "why": str(error),
                }
            )


def may_be_told(facts: Facts) -> bool:
    """Say whether anybody may be told of this message: not of bounces, lists, programs.

    Nor of one whose header was not read: it may be any of these.
    """
    sender = facts.envelope.sender
    is_from_nobody = sender in _NULL or sender.endswith(_VERP)
    return (
        bool(facts.headers) and not is_from_nobody and not any(map(_is_automatic, facts.headers))
    )


def _is_automatic(header: Header) -> bool:
    name, value = header.name.lower().strip(), header.plain.strip().lower()
    if name == "auto-submitted":
        return value.partition(";")[0].strip() != "no"
    return name.startswith("list-") or (name == "precedence" and value in _PRECEDENCE)


def _letters(report: Report, settings: Settings, *, at: float) -> Iterator[Letter]:
    told = _values(report, at)
    for action, kind in _TOLD.items():
        to = _recipients(report, action)
        for start in range(0, len(to), MAX_TO):
            yield Letter(
                about=report.digest, kind=kind, to=to[start : start + MAX_TO], at=at, values=told
            )
    is_for_admin = any(Notify.ADMIN in each.notify for each in report.verdict.decisions)
    if is_for_admin and settings.notices.admin:
        to = (settings.notices.admin.encode("ascii"),)
        more = _values_for_admin(report)
        yield Letter(about=report.digest, kind=Kind.ADMIN, to=to, at=at, values=told | more)


def _recipients(report: Report, action: Action) -> tuple[bytes, ...]:
    """Give those to tell for whom it was held, or thrown away; each once."""
    facts, verdict = report.facts, report.verdict
    if facts.client.direction is not Direction.IN:
        return ()
    pairs = zip(facts.envelope.recipients, verdict.decisions, strict=False)
    return tuple(
        dict.fromkeys(
            to
            for to, decided in pairs
            if to and decided.action is action and Notify.RECIPIENTS in decided.notify
        )
    )


def _values(report: Report, at: float) -> dict[str, str]:
    facts = report.facts
    return {
        "sender": readable(facts.envelope.sender),
        "subject": next(
            (each.decoded for each in facts.headers if each.name.lower() == "subject"), ""
        ),
        "why": report.verdict.why,
        "time": outbox.clock(at),
        "octets": str(facts.octets),
        "digest": report.digest,
        "id": report.id,
    }


def _values_for_admin(report: Report) -> dict[str, str]:
    facts, verdict = report.facts, report.verdict
    to = [readable(each) for each in facts.envelope.recipients]
    more = f" and {len(to) - _MAX_TOLD} more" if len(to) > _MAX_TOLD else ""
    found = dict.fromkeys(each.id for each in facts.findings)
    return {
        "recipients": ", ".join(to[:_MAX_TOLD]) + more,
        "action": verdict.action.value,
        "rules": ", ".join(verdict.rules[:_MAX_TOLD]) or "-",
        "findings": ", ".join(list(found)[:_MAX_TOLD]) or "-",
        "client": facts.client.ip or facts.client.claimed_ip or "-",
    }


def problems(settings: Settings, policy: Policy) -> list[str]:
    """Say what keeps notices from being sent as asked, a sentence each: for `qscanner check`."""
    found = letters.problems(settings.notices)
    ids = [rule.id for rule in policy.rules if Notify.ADMIN in rule.notify]
    if ids and not settings.notices.admin:
        found.append(
            f"rule {ids[0]} tells the admin, but [notices] admin is empty: nobody is told"
        )
    if settings.digest.admin and not settings.notices.admin:
        found.append("[digest] admin is true, but [notices] admin is empty: nobody gets that one")
    if rounds.is_asked(settings) and not settings.digest.at:
        found.append("[digest] says for whom, but at is empty: none are written")
    return found
