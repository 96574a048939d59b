"""What `qscanner check` says of the scanners: each is reached, and proves that it finds something.

Called by  programs.admin_check, with settings and what was made of them.
Ends       with items; a scanner that does not answer is an item, too.
Careful    each server of a list is asked by itself: the second one is there for the day on which
           the first is not, and nobody would notice that both were blind.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from qscanner.bench import Bench
from qscanner.checks import command, spam, yara
from qscanner.checks.clamav_probe import EICAR, OLD_DAYS, Probe, eicar_mail, probe
from qscanner.checks.told import Told
from qscanner.deadline import Deadline
from qscanner.model import Action, CheckResult, Client, Direction, Envelope, Outcome
from qscanner.outcomes import CheckFailed, OutOfTime
from qscanner.programs.admin_items import Item, Level
from qscanner.report import Mail
from qscanner.scan import scan
from qscanner.spool import Message

VERY_OLD_DAYS = 14.0
_MIB = 1 << 20
_GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*" + b"GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
_SPAM = b"From: probe@localhost\nTo: probe@localhost\nSubject: probe\n\n" + _GTUBE + b"\n"
_Answer = TypeVar("_Answer")
_FROM, _TO = b"", b"postmaster@localhost"


def look(bench: Bench, *, within_s: float) -> list[Item]:
    """Give what can be said of every configured scanner, each in `within_s` seconds at most."""
    items = [_clamd(probe(server, within_s=within_s)) for server in bench.clamd]
    if bench.yara is not None:
        items.append(_yara(bench.yara, bench.settings.virus.yara.rules, within_s=within_s))
    if bench.virus_command is not None:
        items.append(_command(bench.virus_command, within_s=within_s))
    items += _scorers(bench.scorer, within_s=within_s)
    items += _missing(bench)
    if all(item.level is not Level.DOWN for item in items):
        items.append(_whole_path(bench, within_s=within_s))
    return items


def _missing(bench: Bench) -> list[Item]:
    items = []
    if not bench.has_engine:
        text, todo = "no virus engine is configured", 'set [virus] engines = ["clamav"]'
        items.append(Item(area="virus", level=Level.WARNING, text=text, todo=(todo,)))
    elif bench.on_failure.virus is Action.ACCEPT:
        text = "while no virus engine answers, mail is accepted unscanned"
        todo = 'set [virus] on_failure = "defer", unless that is what you want'
        items.append(Item(area="virus", level=Level.WARNING, text=text, todo=(todo,)))
    if bench.scorer is None:
        items.append(Item(area="spam", level=Level.OK, text="no spam scorer is configured"))
    learn = bench.settings.spam.learn
    if bool(learn.spam) != bool(learn.ham):
        there, missing = ("spam", "ham") if learn.spam else ("ham", "spam")
        text, todo = (
            f"[spam.learn] names who learns {there}, not who learns {missing}",
            "name both",
        )
        items.append(Item(area="spam", level=Level.WARNING, text=text, todo=(todo,)))
    return items


def _clamd(found: Probe) -> Item:
    """Give one item for one clamd: the worst of what was found out, and all that is to be done."""
    if not found.is_reachable:
        said = "; ".join(found.problems).replace(f"{found.server}: ", "")  # it is named once
        text = f"{found.server} {said}"
        todo = "start clamd, or correct [virus.clamav] servers; may this user reach its socket?"
        return Item(area="clamav", level=Level.DOWN, text=text, todo=(todo,))
    return Item(
        area="clamav",
        level=_level(found),
        text=f"{found.server}: {', '.join(_seen(found))}",
        todo=found.problems,
    )


def _level(found: Probe) -> Level:
    age_days = found.signatures_age_days
    if not found.finds_eicar:
        return Level.DOWN
    if found.padded == "clean" or found.alerts_exceeds_max is False:
        return Level.ERROR
    if age_days is not None and age_days > VERY_OLD_DAYS:
        return Level.ERROR
    is_old = age_days is not None and age_days > OLD_DAYS
    return Level.WARNING if is_old or found.problems else Level.OK


def _seen(found: Probe) -> list[str]:
    """Give what one clamd is like, piece by piece."""
    behind = f"behind {found.padded_octets // _MIB} MiB"
    padded = {
        "found": f"also {behind}",
        "clean": f"but BLIND {behind}",
        "limit": f"{behind} it says that it did not look",
        "failed": f"{behind} it gives no answer",
    }
    seen = [found.version or "version unknown"]
    seen.append("finds EICAR" if found.finds_eicar else "does NOT find EICAR")
    seen += [padded[found.padded]] if found.padded in padded else []
    if found.signatures_age_days is not None:
        seen.append(f"signatures {found.signatures_age_days:.0f} days old")
    if found.takes_descriptors:
        seen.append("takes descriptors")
    return [*seen, *found.notes]


def _yara(rules: yara.Rules, files: tuple[str, ...], *, within_s: float) -> Item:
    name = ", ".join(files) or "the shipped test strings"
    text = f"yara-x {rules.version} with {name}"
    try:
        found = rules.look(EICAR, where="", within_s=within_s)
    except CheckFailed as error:
        return Item(area="yara", level=Level.DOWN, text=f"{text}: {error}")
    if not found:
        todo = "your rules need not know the test string, but then nobody sees that they work"
        return Item(
            area="yara", level=Level.WARNING, text=f"{text}: does not find EICAR", todo=(todo,)
        )
    return Item(area="yara", level=Level.OK, text=f"{text}: finds EICAR")


def _command(engine: command.Engine, *, within_s: float) -> Item:
    """Show the program the test string."""
    name = engine.words[0]
    try:
        said = _with_message(
            eicar_mail(0), lambda message: engine.look(message, within_s=within_s)
        )
    except (CheckFailed, OutOfTime) as error:
        todo = "correct [virus.command] program, or the exit codes that are named there"
        return Item(area="virus", level=Level.DOWN, text=str(error), todo=(todo,))
    if said.outcome is not Outcome.FOUND:
        text, todo = f"{name}: does NOT find EICAR", "try it by hand: does it read stdin?"
        return Item(area="virus", level=Level.WARNING, text=text, todo=(todo,))
    return Item(area="virus", level=Level.OK, text=f"{name}: finds EICAR ({said.detail})")


def _scorers(scorer: spam.Scorer | command.Scorer | None, *, within_s: float) -> Iterator[Item]:
    """Show every server, or the program, the test string for spam filters."""
    match scorer:
        case spam.Scorer(servers=servers, ask=ask):
            for server in servers:
                asked = partial(ask, server=server, told=Told(), within_s=within_s)
                yield _scored(server.text, asked)
        case command.Scorer(words=words):
            yield _scored(words[0], partial(scorer.look, told=Told(), within_s=within_s))
        case None:
            return


def _scored(name: str, ask: Callable[[Message], CheckResult]) -> Item:
    try:
        said = _with_message(_SPAM, ask)
    except (CheckFailed, OutOfTime) as error:
        todo = "start the scorer, or correct what [spam] says of it"
        return Item(area="spam", level=Level.DOWN, text=str(error), todo=(todo,))
    text = f"{name}: GTUBE scores {said.detail}"
    if said.outcome is not Outcome.FOUND:
        todo = "it answers, but its rules are not loaded: look at its log (spamd: run sa-update)"
        return Item(area="spam", level=Level.WARNING, text=text, todo=(todo,))
    return Item(area="spam", level=Level.OK, text=text)


def _whole_path(bench: Bench, *, within_s: float) -> Item:
    """Send EICAR down the whole path: checks, rules, verdict."""
    uid = os.getuid()
    try:
        report = _with_message(
            eicar_mail(0),
            lambda message: scan(
                Mail(
                    message=message,
                    envelope=Envelope(
                        sender=_FROM, recipients=(_TO,), raw=b"F" + _FROM + b"\0T" + _TO + b"\0\0"
                    ),
                    client=Client(uid=uid, is_trusted=True, direction=Direction.IN),
                ),
                bench,
                Deadline(within_s),
            ),
        )
    except OutOfTime as error:
        return Item(area="scan", level=Level.DOWN, text=f"an infected message: {error}")
    action, rules = report.verdict.action, ", ".join(report.verdict.rules) or "no rule"
    text = f"an infected message from outside would get: {action.value} ({rules})"
    if action is Action.ACCEPT:
        todo = 'configure an engine, and a rule with virus = "*" (policies/10-virus.toml)'
        return Item(area="scan", level=Level.ERROR, text=text, todo=(todo,))
    return Item(area="scan", level=Level.OK, text=f"{text}, {report.ms:.0f} ms")


def _with_message(octets: bytes, ask: Callable[[Message], _Answer]) -> _Answer:
    message = Message.of_octets(octets)
    try:
        return ask(message)
    finally:
        message.close()
