"""ClamAV on what it may not have seen in the raw message: hidden parts, one by one.

Called by  scan, whose attachments check hands over each content once and forgets it.
Ends       feed() never raises but bugs: what clamd could not say is in result().
Careful    clamd answers for the raw message too, so a part that costs too much time is a finding
           for policy: a defer would be for ever. A clamd that is away is not the message's doing.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace

from qscanner.checks import clamav_sight
from qscanner.checks.clamav_known import Known
from qscanner.codec.servers import Server
from qscanner.deadline import Deadline
from qscanner.model import CheckResult, Finding, Outcome
from qscanner.outcomes import CheckFailed, OutOfTime
from qscanner.spool import Message

MOST = 100  # questions for one message
_LIMIT = "limit.virus-parts"


class ClamavParts:
    """One message's worth of hidden contents; without servers it does nothing."""

    def __init__(self, servers: Sequence[Server], *, within_s: float, known: Known) -> None:
        self._servers = servers
        self._deadline = Deadline(within_s)
        self._known = known
        self._asked: set[bytes] = set()
        self._results: list[CheckResult] = []
        self._limit: Finding | None = None
        self._trouble = ""
        self._ms = 0.0

    def feed(self, where: str, content: bytes) -> None:
        """Have clamd look at a content, each once; `where` is its path."""
        if not self._servers or self._limit or self._trouble:
            return
        digest = hashlib.blake2b(content, digest_size=16).digest()
        if digest in self._asked:
            return
        if len(self._asked) >= MOST:
            self._limit = Finding(id=_LIMIT, where=where, detail=f"more than {MOST} hidden parts")
            return
        self._asked.add(digest)
        begun = time.monotonic()
        message = Message.of_octets(content)
        try:
            self._note(self._look(message), where)
        except OutOfTime:
            self._limit = Finding(id=_LIMIT, where=where, detail="no time was left for clamd")
        except CheckFailed as error:
            self._trouble = str(error)
        finally:
            message.close()
        self._ms += (time.monotonic() - begun) * 1000

    def _look(self, message: Message) -> CheckResult:
        within_s = self._deadline.remaining_s()
        return clamav_sight.look(message, self._servers, within_s=within_s, known=self._known)

    def _note(self, result: CheckResult, where: str) -> None:
        findings = tuple(replace(each, where=where) for each in result.findings)
        self._results.append(replace(result, findings=findings))

    def results(self) -> tuple[CheckResult, ...]:
        """Give what clamd said of each, none where nothing was hidden."""
        if self._limit:
            self._results.append(
                CheckResult(outcome=Outcome.UNSCANNABLE, findings=(self._limit,), ms=self._ms)
            )
        if self._trouble:
            self._results.append(
                CheckResult(outcome=Outcome.UNAVAILABLE, detail=self._trouble, ms=self._ms)
            )
        return tuple(self._results)
