"""THE path: one message through every check and policy, every stage by name.

Called by  inprocess (one message and out), `qscanner scan`; later the workers and other doors.
Ends       with a Report. A check that cannot answer is in it as "unavailable"; a bug raises.
Careful    the servers are asked first and answer while we parse, so that all run side by side;
           they are joined before policy decides. Nothing is kept, answered or logged here.
"""

import hashlib
import os
import time
from functools import partial

from qscanner import mime
from qscanner.archives import Budget
from qscanner.asking import Question
from qscanner.bench import Bench
from qscanner.checks import attachments, clamav_sight, headers, spam, virus
from qscanner.codec import block
from qscanner.deadline import Deadline
from qscanner.embedded import Embedded
from qscanner.model import CheckResult, Facts, Finding, Outcome
from qscanner.policy.decide import decide
from qscanner.report import Mail, Report, lines
from qscanner.spool import Message

TOO_LARGE = "unscannable.too-large"
_ID_OCTETS = 3


def scan(mail: Mail, bench: Bench, deadline: Deadline) -> Report:
    """Look at one message and decide. Raises OutOfTime, or what is a bug of ours."""
    begun, id = time.monotonic(), new_id()
    if mail.message.size > bench.settings.limits.message:
        return _unseen(mail, bench, id=id, begun=begun)
    virus_asked = _ask_clamd(mail.message, bench, deadline)
    spam_asked = _ask_spamd(mail.message, bench, deadline)
    embedded = Embedded(bench.yara, within_s=deadline.within(bench.settings.virus.yara.within))
    embedded.feed("", mail.message.octets)

    limits = bench.settings.limits
    view = mime.view(mail.message.octets, mime.MimeLimits.of(limits))
    looked = attachments.look(view, Budget.of(limits), embedded.feed, deadline=deadline)
    found = (*view.findings, *looked.findings, *headers.look(view))

    virus_result = _virus(virus_asked, embedded.result())
    spam_result = spam_asked.result() if spam_asked else None
    facts = Facts(
        envelope=mail.envelope,
        client=mail.client,
        octets=mail.message.size,
        headers=view.headers,
        parts=looked.parts,
        findings=_together(found, virus_result, spam_result),
        virus=virus_result,
        spam=spam_result,
    )
    return _report(facts, bench, digest(mail), id=id, begun=begun)


def _unseen(mail: Mail, bench: Bench, *, id: str, begun: float) -> Report:
    """Report a message that is larger than [limits] message: only its headers are looked at."""
    octets = mail.message.octets
    limits = mime.MimeLimits.of(bench.settings.limits)
    view = mime.view(octets[: block.end(octets)], limits)
    detail = f"{mail.message.size} octets, [limits] message is {bench.settings.limits.message}"
    not_looked = CheckResult(outcome=Outcome.UNSCANNABLE, detail=detail)
    facts = Facts(
        envelope=mail.envelope,
        client=mail.client,
        octets=mail.message.size,
        headers=view.headers,
        findings=(Finding(id=TOO_LARGE, detail=detail), *view.findings),
        virus=not_looked if bench.has_engine else None,
        spam=not_looked if bench.spamd else None,
    )
    return _report(facts, bench, digest(mail), id=id, begun=begun)


def _ask_clamd(message: Message, bench: Bench, deadline: Deadline) -> Question | None:
    if not bench.clamd:
        return None
    within_s = deadline.within(bench.settings.virus.clamav.within)
    return Question(partial(clamav_sight.look, message, bench.clamd, within_s=within_s))


def _ask_spamd(message: Message, bench: Bench, deadline: Deadline) -> Question | None:
    if not bench.spamd:
        return None
    chosen = bench.settings.spam.spamd
    within_s = deadline.within(chosen.within)
    return Question(
        partial(spam.look, message, bench.spamd, within_s=within_s, max_octets=chosen.max)
    )


def _virus(asked: Question | None, embedded: CheckResult | None) -> CheckResult | None:
    """Join the engines' answers, None where none is configured."""
    results = [result for result in (asked.result() if asked else None, embedded) if result]
    return virus.merge(results) if results else None


def _report(facts: Facts, bench: Bench, key: str, *, id: str, begun: float) -> Report:
    verdict = decide(bench.policy, facts, bench.on_failure)
    return Report(
        id=id,
        digest=key,
        facts=facts,
        verdict=verdict,
        lines=lines(facts, verdict, id=id, host=bench.host),
        ms=(time.monotonic() - begun) * 1000,
    )


def _together(found: tuple[Finding, ...], *results: CheckResult | None) -> tuple[Finding, ...]:
    """Give all findings, the checks' own first, each once."""
    theirs = tuple(each for result in results if result for each in result.findings)
    return tuple(dict.fromkeys((*theirs, *found)))


def digest(mail: Mail) -> str:
    """Give the SHA-256 (hex) of the octets below the top Received field and of the envelope.

    The receiving server writes a fresh Received for each try of a sender: the rest is the key by
    which a retry is recognised.
    """
    octets = mail.message.octets
    below = hashlib.sha256(memoryview(octets)[block.below_received(octets) :])
    below.update(mail.envelope.raw)
    return below.hexdigest()


def new_id() -> str:
    """Give a name for this scan: short, sortable by time, unique on this host."""
    return f"{time.time_ns() // 1_000_000:x}-{os.urandom(_ID_OCTETS).hex()}"
