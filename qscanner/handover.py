"""From a report to an answer: keep what is to be kept, say what happened, word the ending.

Called by  inprocess (and later the workers), once per message, after scan.
Ends       with the answer for the queue program and, for an accepted message, the descriptors of
           message and envelope to exec with; raises DiskFull or Later before anybody was answered.
Careful    the order is the promise: durable first, then the log line and the history, then the
           answer.
"""

import os
import time
from dataclasses import dataclass

from qscanner import archive, history, notices, outgoing, quarantine, reply
from qscanner.codec.frames import Answer
from qscanner.intake import IN_MEMORY_OCTETS, memory_file, seal, unlinked_file, write_all
from qscanner.log import Log
from qscanner.model import Action, Verdict
from qscanner.outcomes import Ending, QScannerError
from qscanner.policy import routing
from qscanner.report import ENDINGS, Mail, Report, edits_of, event
from qscanner.settings import Settings
from qscanner.store.keeping import keep


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The answer, and for an accepted message the descriptors (message, envelope) to exec with."""

    answer: Answer
    outgoing: tuple[int, int] | None = None


def settle(mail: Mail, report: Report, settings: Settings, log: Log, *, host: str) -> Settled:
    """Carry the verdict out as far as it goes before the exec. Raises DiskFull or Later.

    `host` is the name of this one, for the history.
    """

    def tell(ending: Ending, trouble: str = "") -> None:
        told = event(report, pid=mail.pid, ending=ending, trouble=trouble)
        log.write(told)
        # Before the answer, for whoever hears that may end us. It waits for nobody.
        history.note(report, told, host=host, settings=settings, log=log)

    try:
        _keep(mail, report, settings, log)
        archive.keep(mail, report, settings, log)
        notices.post(report, settings, log)
        settled = _worded(mail, report, settings)
    except QScannerError as error:
        tell(error.ending, str(error))
        raise
    tell(settled.answer.ending)
    return settled


def _keep(mail: Mail, report: Report, settings: Settings, log: Log) -> None:
    verdict = report.verdict
    if not _has_to_be_kept(verdict):
        return
    kept_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    record = quarantine.record(
        id=report.id, digest=report.digest, kept_at=kept_at, facts=report.facts, verdict=verdict
    )
    try:
        keep(settings.quarantine, report.digest, mail.message, record)
    except QScannerError as error:
        if verdict.action is not Action.REJECT:
            raise
        # The sender hears the refusal and has the message still: nothing is lost with the copy.
        log.write({"event": "copy-not-kept", "id": report.id, "why": str(error)})


def _has_to_be_kept(verdict: Verdict) -> bool:
    """Say whether a copy is held for somebody, or a rule asks for one.

    That is of what is not accepted, or is accepted without some of its parts.
    """
    if verdict.action is Action.DEFER:
        return False
    actions = {decided.action for decided in verdict.decisions} | {verdict.action}
    is_kept = (verdict.keep and actions != {Action.ACCEPT}) or edits_of(verdict).cuts
    return Action.QUARANTINE in actions or bool(is_kept)


def _worded(mail: Mail, report: Report, settings: Settings) -> Settled:
    verdict = report.verdict
    answer = Answer(
        ending=ENDINGS[verdict.action],
        text=reply.line(ENDINGS[verdict.action], verdict.reply),
        error_text=settings.queue.error_text,
        program=settings.queue.program,
    )
    if verdict.action is not Action.ACCEPT:
        return Settled(answer=answer)
    folder = settings.queue.spool
    message = outgoing.compose(mail.message, report.lines, edits_of(verdict), folder=folder)
    try:
        return Settled(answer=answer, outgoing=(message, _envelope(mail, verdict, settings)))
    except BaseException:
        os.close(message)
        raise


def _envelope(mail: Mail, verdict: Verdict, settings: Settings) -> int:
    """Give a file with the envelope of those who get it (a pipe would block at 64 KiB)."""
    folder = settings.queue.spool
    verdict = archive.addressed(verdict, settings)
    raw = routing.raw(mail.envelope, verdict, is_host=mail.client.is_host)
    fd = (unlinked_file(folder) if len(raw) > IN_MEMORY_OCTETS else None) or memory_file()
    try:
        write_all(fd, raw)
    except BaseException:
        os.close(fd)
        raise
    seal(fd)
    return fd
