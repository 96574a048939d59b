"""A program on this host as virus engine or spam scorer: any that takes a message on stdin.

Called by  scan, for the engine `command` and the scorer `command`.
Ends       with a CheckResult; raises CheckFailed and OutOfTime where the program did not answer.
Careful    an exit code that the settings do not name is no answer. `spamc -c` prints 0/0 and ends
           with 0 where no spamd listens: a threshold of 0 is none.
"""

import re
import time
from dataclasses import dataclass

from qscanner import commands
from qscanner.checks.spam import too_large
from qscanner.checks.told import Told
from qscanner.codec.text import printable
from qscanner.model import CheckResult, Finding, Outcome, Score
from qscanner.outcomes import CheckFailed
from qscanner.patterns import Pattern
from qscanner.spool import Message

_NAME_OCTETS = 200
_NAMELESS = "malware"
_SCORE = re.compile(
    rb"\s*(-?\d{1,6}(?:\.\d{1,6})?)\s*/\s*(-?\d{1,6}(?:\.\d{1,6})?)\s*?(?:\n|[ \t]+([\w.,-]*)|\Z)"
)
_SAID = (0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A virus scanner: its words, what its exit codes mean, and where it prints the name.

    `name` finds the name in what it prints: its first group, else all that it finds.
    """

    words: tuple[str, ...]
    clean: frozenset[int]
    infected: frozenset[int]
    unscannable: frozenset[int] = frozenset()
    name: Pattern | None = None

    def look(self, message: Message, *, within_s: float) -> CheckResult:
        """Have the program look at a message. Raises CheckFailed and OutOfTime."""
        began = time.monotonic()
        ran = commands.run(self.words, message.fd, within_s=within_s)
        outcome = self._outcome(ran)
        name = self._named(ran) if outcome is Outcome.FOUND else ""
        detail = name or last_line(ran)
        kinds = {Outcome.FOUND: "virus.command", Outcome.UNSCANNABLE: "unscannable.command"}
        findings = (Finding(id=kinds[outcome], detail=detail),) if outcome in kinds else ()
        return CheckResult(
            outcome=outcome,
            detail=detail if findings else "",
            names=(name,) if name else (),
            findings=findings,
            scanners=(_called(self.words),),
            ms=(time.monotonic() - began) * 1000,
        )

    def _outcome(self, ran: commands.Ran) -> Outcome:
        for codes, outcome in (
            (self.infected, Outcome.FOUND),
            (self.unscannable, Outcome.UNSCANNABLE),
            (self.clean, Outcome.CLEAN),
        ):
            if ran.code in codes:
                return outcome
        raise CheckFailed(f"{self.words[0]}: exit code {ran.code}: {last_line(ran)}")

    def _named(self, ran: commands.Ran) -> str:
        text = self.name.first(ran.out.decode("utf-8", "replace")) if self.name else None
        return printable((text or "").strip(), max_octets=_NAME_OCTETS) or _NAMELESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """A program that prints `SCORE/THRESHOLD`, and maybe rules behind a blank, as `spamc -c`."""

    words: tuple[str, ...]
    max_octets: int

    def look(self, message: Message, told: Told, *, within_s: float) -> CheckResult:  # noqa: ARG002
        """Have the program score a message. Raises CheckFailed and OutOfTime."""
        began = time.monotonic()
        if message.size > self.max_octets:
            return too_large(self.max_octets)
        ran = commands.run(self.words, message.fd, within_s=within_s)
        said = _SCORE.match(ran.out)
        if ran.code not in _SAID or not said or float(said[2]) == 0:
            raise CheckFailed(f"{self.words[0]}: exit code {ran.code}: {last_line(ran)}")
        score, threshold = float(said[1]), float(said[2])
        rules = tuple(filter(None, (said[3] or b"").decode("ascii", "replace").split(",")))
        return CheckResult(
            outcome=Outcome.FOUND if score >= threshold else Outcome.CLEAN,
            detail=f"{score:g} of {threshold:g}",
            scanners=(_called(self.words),),
            score=Score(score=score, threshold=threshold, rules=rules),
            ms=(time.monotonic() - began) * 1000,
        )


def _called(words: tuple[str, ...]) -> str:
    return printable(words[0].rpartition("/")[2], max_octets=40)


def last_line(ran: commands.Ran) -> str:
    """Give what it printed last, for people: stderr before stdout."""
    lines = [line for text in (ran.out, ran.err) for line in text.splitlines() if line.strip()]
    return printable(lines[-1].strip(), max_octets=_NAME_OCTETS) if lines else "it printed nothing"
