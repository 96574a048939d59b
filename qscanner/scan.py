"""THE path: one message through every check and policy, every stage by name.

Called by  worker (of the daemon), inprocess (one message and out), `qscanner scan`.
Ends       with a Report. A check that cannot answer is in it as "unavailable"; a bug raises.
Careful    the servers are asked first and answer while we parse, so that all run side by side;
           they are joined before policy decides. clamd is then asked again, about what the raw
           message may have hidden from it. Nothing is kept, answered or logged here.
"""

import contextlib
import os
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from qscanner import emergency, mime, stripping
from qscanner.archives import Budget
from qscanner.asking import Asked, Pending, Question
from qscanner.bench import Bench
from qscanner.checks import attachments, clamav, clamav_sight, headers, virus
from qscanner.checks.clamav_parts import ClamavParts
from qscanner.checks.told import told
from qscanner.codec import block
from qscanner.deadline import Deadline
from qscanner.embedded import Embedded
from qscanner.model import (
    Action,
    CheckResult,
    Client,
    Direction,
    Facts,
    Finding,
    Outcome,
    Part,
    Proven,
)
from qscanner.policy.decide import EMERGENCY, OnFailure, decide
from qscanner.report import Mail, Report, lines
from qscanner.settings import Spam
from qscanner.spool import Message, Octets

TOO_LARGE = "unscannable.too-large"
LISTS_UNREADABLE = "lists.unreadable"
SWITCH = "QS_SPAMASSASSIN"  # in tcp.smtp, as with Qmail-Scanner: on, off
_OFF = ("0", "no", "off")
_ID_OCTETS = 3


def scan(mail: Mail, bench: Bench, deadline: Deadline) -> Report:
    """Look at one message and decide. Raises OutOfTime, or what is a bug of ours."""
    limits = bench.settings.limits
    if mail.message.size > limits.message:
        detail = f"{mail.message.size} octets, [limits] message is {limits.message}"
        return unseen(mail, bench, Finding(id=TOO_LARGE, detail=detail))
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        virus_asked = _ask_clamd(mail.message, bench, deadline, stack)
        command_asked = _ask_command(mail.message, bench, deadline)
        auth_asked = _ask_auth(mail, bench, deadline)
        engines = _Engines(bench, deadline)
        engines.feed("", mail.message.octets)

        view = mime.view(mail.message.octets, mime.MimeLimits.of(limits))
        looked = attachments.look(
            view,
            Budget.of(limits),
            engines.feed,
            deadline=deadline,
            wants_texts=bench.policy.needs_texts,
        )
        found = (*view.findings, *looked.findings, *headers.look(view))

        spam_asked = _ask_scorer(mail, found, looked.parts, bench, deadline)
        virus_result = engines.result(virus_asked, command_asked)
        spam_result = spam_asked.result() if spam_asked else None
        auth_result = auth_asked.result() if auth_asked else None
    facts = Facts(
        envelope=mail.envelope,
        client=mail.client,
        octets=mail.message.size,
        headers=view.headers,
        parts=looked.parts,
        texts=looked.texts,
        findings=_together(found, virus_result, spam_result, auth_result),
        virus=virus_result,
        spam=spam_result,
        proven=(auth_result.proven if auth_result else None) or Proven(),
    )
    return _report(mail, facts, bench, deadline, begun=begun)


def unseen(mail: Mail, bench: Bench, why: Finding, *, is_safe: bool = True) -> Report:
    """Report a message that is not to be scanned: only its headers are looked at.

    `why` is an `unscannable.*` finding, for policy to judge. Not `is_safe`: not even they are, for
    it may be they that take scanners down, and the message would be "later" for ever.
    """
    begun, octets = time.monotonic(), mail.message.octets
    limits = mime.MimeLimits.of(bench.settings.limits)
    view = mime.view(octets[: block.end(octets)] if is_safe else b"\n", limits)
    not_looked = CheckResult(outcome=Outcome.UNSCANNABLE, detail=why.detail)
    facts = Facts(
        envelope=mail.envelope,
        client=mail.client,
        octets=mail.message.size,
        headers=view.headers,
        findings=(why, *view.findings),
        virus=not_looked if bench.has_engine else None,
        spam=not_looked if bench.scorer else None,
    )
    return _report(mail, facts, bench, begun=begun)


def _ask_clamd(
    message: Message, bench: Bench, deadline: Deadline, stack: contextlib.ExitStack
) -> Asked | None:
    """Ask, in a thread where the octets must be sent; what is open the stack closes."""
    if not bench.clamd:
        return None
    within_s = deadline.within(bench.settings.virus.clamav.within)
    begun = clamav.begin(message, bench.clamd, within_s=within_s, known=bench.known)
    look = partial(clamav_sight.look, message, bench.clamd, known=bench.known)
    if begun is None:
        return Question(partial(look, within_s=within_s))
    stack.callback(begun.give_up)
    return Pending(partial(look, within_s=within_s, begun=begun))


def _ask_command(message: Message, bench: Bench, deadline: Deadline) -> Asked | None:
    if bench.virus_command is None:
        return None
    within_s = deadline.within(bench.settings.virus.command.within)
    return Question(partial(bench.virus_command.look, message, within_s=within_s))


def _ask_auth(mail: Mail, bench: Bench, deadline: Deadline) -> Asked | None:
    """Ask, in a thread, who stands behind the message; None where no rule wants to know."""
    wanted = bench.policy.needs_auth
    if bench.auth is None or not wanted:
        return None
    within_s = deadline.within(bench.settings.auth.within)
    look = partial(bench.auth.look, mail.message, mail.envelope, mail.client, wanted)
    return Question(partial(look, within_s=within_s))


def _ask_scorer(
    mail: Mail, found: Iterable[Finding], parts: Iterable[Part], bench: Bench, deadline: Deadline
) -> Asked | None:
    """Ask, in a thread, with what the other checks found; None where nobody is to be asked."""
    if bench.scorer is None or not _is_scored(mail.client, bench.settings.spam):
        return None
    within_s = deadline.within(getattr(bench.settings.spam, bench.settings.spam.scorer).within)
    said = told(mail.envelope, mail.client, found, parts)
    return Question(partial(bench.scorer.look, mail.message, said, within_s=within_s))


def _is_scored(client: Client, chosen: Spam) -> bool:
    """Say whether a client's mail is scored: who may relay is exempt, if tcp.smtp does not say."""
    wanted = client.environment.get(SWITCH, "").lower()
    if wanted:
        return wanted not in _OFF
    return chosen.relay_clients or client.direction is not Direction.OUT


class _Engines:
    """The virus engines that are handed each decoded content: YARA all, clamd the hidden ones."""

    def __init__(self, bench: Bench, deadline: Deadline) -> None:
        chosen = bench.settings.virus
        self._embedded = Embedded(bench.yara, within_s=deadline.within(chosen.yara.within))
        within_s = deadline.within(chosen.clamav.within)
        self._parts = ClamavParts(bench.clamd, within_s=within_s, known=bench.known)

    def feed(self, where: str, octets: Octets, is_hidden: bool = False) -> None:
        """Hand over one content; `where` is its path, "" for the message."""
        self._embedded.feed(where, octets)
        if is_hidden:
            self._parts.feed(where, bytes(octets))

    def result(self, *asked: Asked | None) -> CheckResult | None:
        """Join all answers with those about the raw message, None where there is no engine."""
        answers = (*(each.result() for each in asked if each), *self._parts.results())
        results = [result for result in (*answers, self._embedded.result()) if result]
        return virus.merge(results) if results else None


def _report(
    mail: Mail, facts: Facts, bench: Bench, deadline: Deadline | None = None, *, begun: float
) -> Report:
    on_failure, told = _on_failure(facts, bench)
    facts = _with_listed(facts, bench)
    verdict, id = decide(bench.policy, facts, on_failure), new_id()
    if verdict.edits.cuts and deadline:
        verdict = stripping.carry_out(mail, facts, verdict, bench, deadline)
    return Report(
        id=id,
        digest=mail.digest,
        facts=facts,
        verdict=verdict,
        lines=lines(facts, verdict, id=id, host=bench.host),
        emergency=told,
        ms=(time.monotonic() - begun) * 1000,
    )


def _with_listed(facts: Facts, bench: Bench) -> Facts:
    """Give the facts with who is allowed and blocked, as late as may be; mostly, as they are."""
    said = bench.lists.look(facts.envelope.sender, facts.envelope.recipients)
    if said.trouble:
        found = Finding(id=LISTS_UNREADABLE, detail=said.trouble)
        return replace(facts, findings=(found, *facts.findings))  # the log tells the first ones
    return replace(facts, listed=said.listed) if said.listed else facts


def _on_failure(facts: Facts, bench: Bench) -> tuple[OnFailure, str]:
    """Give what is to follow from a check that did not answer, and the emergency that said so.

    The switch is looked at only where no virus engine answered: it speaks of nothing else.
    """
    if facts.virus is None or facts.virus.outcome is not Outcome.UNAVAILABLE:
        return bench.on_failure, ""
    try:
        found = emergency.in_force(bench.settings.daemon.socket, now=emergency.now())
    except emergency.Broken as broken:
        return bench.on_failure, f"not in force: {broken}"
    if found is None:
        return bench.on_failure, ""
    return replace(bench.on_failure, virus=Action.ACCEPT, virus_rule=EMERGENCY), found.told


def _together(found: tuple[Finding, ...], *results: CheckResult | None) -> tuple[Finding, ...]:
    """Give all findings, the checks' own first, each once."""
    theirs = tuple(each for result in results if result for each in result.findings)
    return tuple(dict.fromkeys((*theirs, *found)))


def new_id() -> str:
    """Give a name for this scan: short, sortable by time, unique on this host."""
    return f"{time.time_ns() // 1_000_000:x}-{os.urandom(_ID_OCTETS).hex()}"
