"""The engine that needs no server, fed with the message and everything that is decoded from it.

Called by  scan, whose attachments check hands over each content once and forgets it.
Ends       feed() never raises: what the engine could not do is in result().
Careful    a trouble with one content does not make the others unseen: all are still looked at.
"""

import time
from dataclasses import replace

from qscanner.checks import yara
from qscanner.deadline import Deadline
from qscanner.model import CheckResult, Finding, Outcome
from qscanner.outcomes import CheckFailed, OutOfTime
from qscanner.spool import Octets

_NO_TIME = "unscannable.yara-timeout"


class Embedded:
    """One message's worth of YARA; without rules it does nothing and gives None."""

    def __init__(self, rules: yara.Rules | None, *, within_s: float) -> None:
        self._rules = rules
        self._deadline = Deadline(within_s)
        self._findings: list[Finding] = []
        self._trouble = ""
        self._ms = 0.0

    def feed(self, where: str, octets: Octets) -> None:
        """Look at one content; `where` is its path, "" for the message."""
        if self._rules is None:
            return
        begun = time.monotonic()
        try:
            within_s = self._deadline.remaining_s()
            self._findings += self._rules.look(octets, where=where, within_s=within_s)
        except OutOfTime:
            self._findings.append(Finding(id=_NO_TIME, where=where, detail="no time was left"))
        except CheckFailed as error:
            self._trouble = str(error)
        self._ms += (time.monotonic() - begun) * 1000

    def result(self) -> CheckResult | None:
        """Give what all contents mean together, None where there are no rules."""
        if self._rules is None:
            return None
        found = yara.result(self._findings)
        if self._trouble and found.outcome is not Outcome.FOUND:
            found = replace(found, outcome=Outcome.UNAVAILABLE, detail=self._trouble)
        return replace(found, scanners=(f"yara-x/{self._rules.version}",), ms=self._ms)
