"""The archive: copies of accepted and held mail in Maildirs, durable before anybody is answered.

Called by  handover, once per message.
Ends       when every copy is on disk; raises DiskFull, Later or Unusable: then the sender tries
           again. Of a refused message, whose sender has it still, a missing copy is only logged.
Careful    a copy is the message as it came, below our lines: forged ones of a stranger stay in it,
           below ours. It may be malware. Mail that this host itself injects is not copied again.
           What goes wrong after a copy was made brings the sender again, and a second copy.
"""

import os
from dataclasses import replace

from qscanner import maildir
from qscanner.intake import copy
from qscanner.log import Log
from qscanner.model import Action, Verdict
from qscanner.outcomes import DiskFull, QScannerError
from qscanner.report import Mail, Report
from qscanner.settings import Settings


def keep(mail: Mail, report: Report, settings: Settings, log: Log) -> None:
    """Put copies into the Maildirs that settings and rules name. Raises DiskFull or Unusable."""
    verdict = report.verdict
    for place in _places(mail, verdict, settings):
        try:
            deliver(place, mail, report)
        except QScannerError as error:
            if verdict.action is not Action.REJECT:
                raise
            log.write({"event": "copy-not-kept", "id": report.id, "why": str(error)})


def addressed(verdict: Verdict, settings: Settings) -> Verdict:
    """Give the verdict with the address of the archive among the copies of what is accepted."""
    if not settings.archive.address:
        return verdict
    address = settings.archive.address.encode("ascii")
    decisions = tuple(
        replace(each, copy_to=(*each.copy_to, address)) if each.action is Action.ACCEPT else each
        for each in verdict.decisions
    )
    return replace(verdict, decisions=decisions)


def _places(mail: Mail, verdict: Verdict, settings: Settings) -> tuple[str, ...]:
    """Give the Maildirs that get this message, each once."""
    if verdict.action is Action.DEFER or mail.client.is_host:
        return ()
    places = dict.fromkeys(path for each in verdict.decisions for path in each.maildirs)
    if settings.archive.maildir and _is_archived(verdict):
        places[settings.archive.maildir] = None
    return tuple(places)


def _is_archived(verdict: Verdict) -> bool:
    """Say whether it is accepted or held for anybody, or a rule asks to keep it."""
    actions = {each.action for each in verdict.decisions} | {verdict.action}
    return verdict.keep or bool(actions & {Action.ACCEPT, Action.QUARANTINE})


def deliver(place: str, mail: Mail, report: Report) -> str:
    """Put one copy into a Maildir and give its path. Raises DiskFull, Later or Unusable."""
    lines = "".join(f"{line}\n" for line in report.lines).encode("ascii")
    path = os.path.join(place, "tmp", maildir.unique_name())
    fd = maildir.create(path, os, what=f"the Maildir {place}")
    try:
        maildir.write_all(fd, maildir.lines(mail.envelope) + lines, os)
        copy(mail.message.fd, fd, 0, mail.message.size)
        os.fsync(fd)
        return maildir.publish(path, os.path.join(place, "new"), os)
    except OSError as error:
        maildir.remove(path, os)
        raise DiskFull(f"no copy can be made in {place}: {error.strerror}") from error
    except QScannerError:
        maildir.remove(path, os)
        raise
    finally:
        os.close(fd)
