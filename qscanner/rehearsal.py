"""The tests beside the rules, run: each made-up message goes the whole path and must end as said.

Called by  `qscanner policy test`, `check` and `policy load`; the daemon before it reloads.
Ends       with a Tried for each test; what goes wrong with one is that test's failure.
Careful    no server and no engine is asked: what these would say, a test says itself. Whoever
           waits for a reload hands in a Deadline; tests for which no time is left have failed.
"""

import datetime
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from qscanner import looking, specimen
from qscanner.bench import Bench
from qscanner.codec.problems import Problem, Problems
from qscanner.deadline import Deadline
from qscanner.model import CheckResult, Facts, Finding, Outcome, Part, Verdict
from qscanner.outcomes import OutOfTime, QScannerError
from qscanner.policy.conditions import Findings
from qscanner.policy.decide import decide, marks_of
from qscanner.policy.evidence import Evidence
from qscanner.policy.explain import tell
from qscanner.policy.parts import Parts
from qscanner.policy.rules import Mode, Policy, Sentence
from qscanner.policy.trials import Expected, Specimen, Trial
from qscanner.report import Mail
from qscanner.settings import Settings
from qscanner.spool import Message

RELOAD_WITHIN_S = 5.0
_ENGINE = "virus.clamav"
_MAX_SAID = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One test that was run: where it stands, and what is wrong, "" where it passes.

    `hit` are the rules that hit, decided or not.
    """

    rule: str
    number: int
    problem: Problem
    wrong: str = ""
    hit: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What came of the message of one test."""

    policy: Policy
    facts: Facts
    verdict: Verdict
    today: datetime.date
    at: datetime.time

    @property
    def hit(self) -> tuple[str, ...]:
        return (*self.verdict.rules, *self.verdict.detected, *self.verdict.logged)

    def evidence(self, recipient: bytes | None) -> Evidence:
        bare = Evidence(self.facts, self.today, self.at)
        left = marks_of(self.policy, bare, recipient)
        return Evidence(self.facts, self.today, self.at, marks=left)


def rehearse(
    policy: Policy, settings: Settings, *, rules: Collection[str] = (), within_s: float
) -> Iterator[Tried]:
    """Run the tests of all rules, or of those named, in reading order."""
    deadline = Deadline(within_s)
    bench = looking.bench(settings, needs_texts=policy.needs_texts)
    for rule in policy.sentences:
        if rules and rule.id not in rules:
            continue
        for trial in rule.tests:
            yield _tried(policy, rule, trial, bench, deadline)


def failures(policy: Policy, settings: Settings, *, within_s: float) -> tuple[Problem, ...]:
    """Give a problem for each test that fails, at its place."""
    tried = rehearse(policy, settings, within_s=within_s)
    return tuple(each.problem for each in tried if each.wrong)


def must_pass(policy: Policy, settings: Settings) -> None:
    """Raise Problems where a test fails and the settings want none to."""
    if settings.policy.test_before_reload:
        failed = failures(policy, settings, within_s=RELOAD_WITHIN_S)
        if failed:
            raise Problems(failed)


def untested(policy: Policy) -> tuple[str, ...]:
    """Give the rules that have no test."""
    return tuple(each.id for each in policy.sentences if not each.tests)


def _tried(
    policy: Policy, rule: Sentence, trial: Trial, bench: Bench, deadline: Deadline
) -> Tried:
    hit: tuple[str, ...] = ()
    try:
        case = _case(policy, trial.specimen, bench, deadline)
        hit = case.hit
        wrong = "; ".join(_wrong(case, rule, trial.expected))
    except OutOfTime:
        wrong = "it was not run to its end: no time was left"
    except OSError as error:
        wrong = f"its message cannot be read: {error.strerror}"
    except QScannerError as error:
        wrong = f"it did not come to an end: {error}"
    except Exception as bug:  # noqa: BLE001 - nor may a test of an admin's take the daemon down
        wrong = f"it did not come to an end: {bug!r}"
    if wrong:
        wrong += f" (hit: {', '.join(hit)})" if hit else " (no rule hit)"
    path = ("test", trial.number, "expect")
    problem = policy.problem(rule, f"test {trial.number + 1} fails: {wrong}", *path)
    return Tried(rule=rule.id, number=trial.number, problem=problem, wrong=wrong, hit=hit)


def _case(policy: Policy, made: Specimen, bench: Bench, deadline: Deadline) -> _Case:
    message = Message.of_octets(specimen.octets(made))
    try:
        mail = Mail(
            message=message,
            envelope=specimen.envelope(made),
            client=specimen.caller(made),
            pid=os.getpid(),
        )
        within_s = deadline.within(bench.settings.limits.time)
        facts = _said(looking.facts(mail, bench, within_s=within_s), made)
    finally:
        message.close()
    today = datetime.datetime.now(tz=datetime.UTC).astimezone().date()
    verdict = decide(policy, facts, bench.on_failure, today=today, at=made.at)
    return _Case(policy=policy, facts=facts, verdict=verdict, today=today, at=made.at)


def _said(facts: Facts, made: Specimen) -> Facts:
    """Give the facts with those that the test says directly."""
    found = tuple(Finding(id=id_) for id_ in made.findings)
    virus = facts.virus
    if made.virus:
        theirs = Finding(id=_ENGINE, detail=made.virus)
        virus = CheckResult(
            outcome=Outcome.FOUND, names=(made.virus,), detail=made.virus, findings=(theirs,)
        )
        found = (theirs, *found)
    return replace(
        facts,
        findings=tuple(dict.fromkeys((*found, *facts.findings))),
        virus=virus,
        spam=_scored(made) or facts.spam,
        proven=made.proven,
    )


def _scored(made: Specimen) -> CheckResult | None:
    if made.spam is None:
        return None
    is_spam = made.spam.score >= made.spam.threshold
    return CheckResult(outcome=Outcome.FOUND if is_spam else Outcome.CLEAN, score=made.spam)


def _wrong(case: _Case, rule: Sentence, expected: Expected) -> Iterator[str]:
    """Say all in which the message did not end as expected."""
    got = case.verdict.action
    if expected.action is not None and got is not expected.action:
        yield f"expected {expected.action.value}, got {got.value}"
    meant = expected.rule or rule.id
    is_hit = meant in case.hit
    if is_hit and not expected.is_hit:
        yield f'"{meant}" should not have hit{_because(case, meant, hit=True)}'
    if not is_hit and expected.is_hit:
        yield f'"{meant}" did not hit{_because(case, meant, hit=False)}'
    if expected.part and is_hit:
        yield from _wrong_part(case, meant, expected.part)
    if expected.reply and expected.reply not in (case.verdict.reply or ""):
        said = f'"{case.verdict.reply}"' if case.verdict.reply else "none"
        yield f'expected a reply with "{expected.reply}", got {said}'


def _because(case: _Case, id_: str, *, hit: bool) -> str:
    rule = next((each for each in case.policy.sentences if each.id == id_), None)
    if rule is None:
        return ""
    for recipient in case.facts.envelope.recipients:
        told = tell(rule, case.evidence(recipient), recipient)
        if told.is_hit is hit:
            facts = ", ".join(told.facts)[:_MAX_SAID]
            return f": {told.key}: {facts}" if told.key else f": {facts}"
    off = rule.mode is Mode.LOG_ONLY
    return "" if off else ": it meets, but a final rule silences it"


def _wrong_part(case: _Case, id_: str, wanted: str) -> Iterator[str]:
    rule = next((each for each in case.policy.sentences if each.id == id_), None)
    parts = {part.path: part for part in case.facts.parts}
    paths = tuple(dict.fromkeys(_met(case, rule))) if rule else ()
    if not any(wanted in _called(path, parts.get(path)) for path in paths):
        said = ", ".join(f'"{path}"' for path in paths)[:_MAX_SAID] or "no part"
        yield f'expected part "{wanted}", it met {said}'


def _met(case: _Case, rule: Sentence) -> Iterable[str]:
    """Give the paths of the parts that a rule meets, by its conditions on parts and findings."""
    for condition in rule.conditions:
        if isinstance(condition, Parts):
            parts = case.facts.parts
            yield from (p.path for p in parts if condition.table.is_meant(p, case.today))
        elif isinstance(condition, Findings):
            found = case.facts.findings
            places = {f.where for f in found if condition.speaks_of(f.id) and f.where}
            # A finding about a name stands at "1", where the part is "1/invoice.exe".
            named = (p.path for p in case.facts.parts if p.path.partition("/")[0] in places)
            yield from (*places, *named)


def _called(path: str, part: Part | None) -> tuple[str, ...]:
    return (path, path.rpartition("/")[2], *(part.names if part else ()))
