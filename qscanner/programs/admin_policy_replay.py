"""`qscanner policy replay`: what other rules would have done with mail that is there.

Called by  programs.admin; people who are about to change their rules.
Ends       0 when nothing would change, 1 when anything would, 2 when rules or settings have
           mistakes, or a message cannot be read.
Careful    one message at a time: nothing of it is remembered but what is counted. What is printed
           quotes strangers: everything passes Screen.safe().
"""

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from qscanner import looking
from qscanner.bench import Bench
from qscanner.checks.auth import Verifier
from qscanner.codec.problems import Problem, Problems
from qscanner.codec.text import readable
from qscanner.model import Action, Client, Envelope, Verdict
from qscanner.outcomes import QScannerError, Unusable
from qscanner.policy.read import load
from qscanner.programs.admin_options import (
    Exit,
    config_option,
    counted,
    echo_json,
    json_option,
    refused,
    settings,
)
from qscanner.programs.admin_report import COLOURS
from qscanner.programs.admin_scan import client_of, envelope_of, message_of
from qscanner.programs.admin_screen import Screen
from qscanner.replaying import Compared, Rules, compared, paths
from qscanner.settings import Settings
from qscanner.store.lists import Lists

_MAX_LISTED = 500  # changes that are listed; all are counted, and --json has all
_MAX_NAMED = 4  # rules of one message
_MAX_PAIRS = 5  # of rules, that are told of a change of actions
_MIN_CELLS = 10
_TO = "postmaster@localhost"


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What was counted so far. `pairs` are the actions, and the rules behind them."""

    messages: int = 0
    unread: int = 0
    other_rules: int = 0  # the same outcome, decided by other rules
    changes: Counter[tuple[Action, Action]] = field(default_factory=Counter)
    pairs: Counter[tuple[Action, Action, str]] = field(default_factory=Counter)
    logged: Counter[str] = field(default_factory=Counter)

    @property
    def changed(self) -> int:
        """How many messages would end in another way."""
        return self.changes.total()


@click.command("replay")
@config_option
@json_option
@click.option("--old", metavar="DIR", help="The rules until now (default: those in the settings).")
@click.option("--new", metavar="DIR", help="The new rules; else the first argument.")
@click.option("--scanners", is_flag=True, help="Ask clamd, the scorer and others, too.")
@click.option(
    "--to", "recipients", metavar="A", multiple=True, help="A recipient, if none is known."
)
@click.argument("names", nargs=-1, metavar="[NEWDIR] [MAILS]...")
@click.pass_context
def command(
    context: click.Context, /, names: tuple[str, ...], *, is_json: bool, **asked: Any
) -> None:
    """Compare the rules in NEWDIR with those in force over MAILS: what would change?

    MAILS are files, folders, Maildirs; without any, the quarantine. Each is scanned once, and
    decided about twice. What was held counts as it came, with what scanners said of it.

    Exit codes: 0 nothing would change, 1 something would, 2 mistakes, or mail that is not read.
    """
    if not asked["new"] and not names:
        raise click.UsageError("which rules? qscanner policy replay NEWDIR MAILS...")
    new, mails = (asked["new"], names) if asked["new"] else (names[0], names[1:])
    chosen = settings()
    old = asked["old"] or chosen.policy.dir
    rules = _rules(chosen, old, new)
    try:
        bench = _bench(chosen, rules, is_asking=asked["scanners"])
    except Unusable as error:
        raise refused(error) from error
    replay = _Replay(
        rules=rules,
        bench=bench,
        default=(envelope_of("", asked["recipients"] or (_TO,)), _stranger()),
        screen=None if is_json else Screen.here(),
    )
    _run(list(paths(mails or (chosen.quarantine.dir,))), replay)
    tally = replay.tally
    if replay.screen is None:
        echo_json(_summary_as_json(old, new, tally))
    else:
        click.echo("\n".join(_summary(old, new, tally, replay.screen)))
    context.exit(Exit.WRONG if tally.unread else Exit.FOUND if tally.changed else Exit.FINE)


def _stranger() -> Client:
    return client_of(ip="", auth="", relay=False)


def _rules(chosen: Settings, old: str, new: str) -> Rules:
    """Load both, or tell every mistake of both and end with 2."""
    loaded, wrong = [], list[Problem]()
    for folder in (old, new):
        try:
            loaded.append(load(folder))
        except Problems as found:
            wrong += found.problems
    if wrong:
        raise refused(Problems(dict.fromkeys(wrong)))
    return Rules(old=loaded[0], new=loaded[1], on_failure=looking.on_failure(chosen))


def _bench(chosen: Settings, rules: Rules, *, is_asking: bool) -> Bench:
    if is_asking:
        wanted = looking.no_rules(needs_texts=rules.needs_texts, needs_auth=rules.needs_auth)
        verifier = Verifier.of(chosen.auth) if rules.needs_auth else None
        return replace(Bench.of(chosen), policy=wanted, auth=verifier, lists=Lists.nobody())
    return looking.bench(chosen, needs_texts=rules.needs_texts, has_engine=True)


def _run(files: list[str], replay: "_Replay") -> None:
    """Replay the files one by one, with a bar where somebody waits at a terminal."""
    if len(files) == 1 or not sys.stderr.isatty():
        for file in files:
            replay.one(file)
        return
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    # Nothing is redirected: lines for a file or a pipe are not the bar's.
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as progress:
        if sys.stdout.isatty():  # the same terminal: lines go above the bar
            replay.say = lambda line: console.print(Text.from_ansi(line), soft_wrap=True)
        for file in progress.track(files):
            replay.one(file)


@dataclass(slots=True, kw_only=True)
class _Replay:
    """What all messages of one run share, and what was counted. No `screen`: JSON."""

    rules: Rules
    bench: Bench
    default: tuple[Envelope, Client]
    screen: Screen | None
    tally: _Tally = field(default_factory=_Tally)
    say: Callable[[str], None] = click.echo

    def one(self, file: str) -> None:
        """Compare for one message, tell what changes, and count."""
        self.tally.messages += 1
        try:
            found = self._compared(file)
        except (OSError, QScannerError, MemoryError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._unread(file, reason or type(error).__name__)
        except Exception as bug:  # noqa: BLE001 - one message must not keep us from the others
            self._unread(file, f"bug: {bug!r}")
        else:
            self._count(found)

    def _compared(self, file: str) -> Compared:
        message = message_of(file)
        try:
            return compared(file, message, self.rules, self.bench, self.default)
        finally:
            with contextlib.suppress(BufferError):
                message.close()

    def _unread(self, file: str, reason: str) -> None:
        self.tally.unread += 1
        if self.screen is None:
            echo_json({"kind": "error", "file": file, "why": reason})
        else:
            click.echo(self.screen.safe(f"{file}: cannot be replayed: {reason}"), err=True)

    def _count(self, found: Compared) -> None:
        tally, old, new = self.tally, found.old, found.new
        tally.logged.update(new.logged)
        if not found.what:
            tally.other_rules += old.rules != new.rules
            return
        tally.changes[old.action, new.action] += 1
        tally.pairs[old.action, new.action, _rules_of(found)] += 1
        if self.screen is None:
            echo_json(_as_json(found))
        elif tally.changed <= _MAX_LISTED:
            self.say("\n".join(_told(found, self.screen)))
        elif tally.changed == _MAX_LISTED + 1:
            self.say("... more change, and are counted below; --json lists all")


def _told(found: Compared, screen: Screen) -> Iterator[str]:
    """Give what changes for one message, on two lines."""
    yield f"{_actions(found.old.action, found.new.action)}  {screen.safe(_rules_of(found))}"
    sender = readable(found.facts.envelope.sender)
    about = f"<{sender}> {found.subject}" if found.subject else f"<{sender}>"
    file, about = screen.safe(found.file), screen.safe(about)
    if sys.stdout.isatty():
        file = screen.fitted(file, screen.width // 2)
        about = screen.fitted(about, max(_MIN_CELLS, screen.width - cell_len(file) - 4))
    yield f"  {file}  {about}"


def _actions(old: Action, new: Action) -> str:
    words = (click.style(each.value, fg=COLOURS[each], bold=True) for each in (old, new))
    return " -> ".join(words)


def _rules_of(found: Compared) -> str:
    """Give the rules, and what else changes."""
    told = f"{_decided(found.old)} -> {_decided(found.new)}"
    others = [each for each in found.what if each != "action"]
    return f"{told} ({', '.join(others)})" if others else told


def _decided(verdict: Verdict) -> str:
    rules = verdict.rules
    more = f" +{len(rules) - _MAX_NAMED}" if len(rules) > _MAX_NAMED else ""
    return (",".join(rules[:_MAX_NAMED]) or "no rule") + more


def _summary(old: str, new: str, tally: _Tally, screen: Screen) -> Iterator[str]:
    yield screen.safe(f"{counted(tally.messages, 'message')}; old rules {old}, new rules {new}")
    for (before, after), count in tally.changes.most_common():
        yield f"  {count:6}  {_actions(before, after)}"
        theirs = [(why, n) for (*ends, why), n in tally.pairs.items() if ends == [before, after]]
        for why, number in sorted(theirs, key=lambda each: -each[1])[:_MAX_PAIRS]:
            yield screen.safe(f"  {'':6}    {number:4}  {why}")
    for rule, count in tally.logged.most_common():
        yield screen.safe(f"  {count:6}  would hit, but is log-only: {rule}")
    if tally.other_rules:
        yield f"  {tally.other_rules:6}  same outcome, by other rules"
    if tally.unread:
        yield f"  {tally.unread:6}  not read"
    if tally.changed:
        share = 100 * tally.changed / tally.messages
        yield click.style(f"{tally.changed} would change ({share:.1f} %)", bold=True)
    else:
        yield click.style("nothing would change", bold=True)


def _as_json(found: Compared) -> dict[str, Any]:
    return {
        "kind": "change",
        "file": found.file,
        "from": readable(found.facts.envelope.sender),
        "to": [readable(each) for each in found.facts.envelope.recipients],
        "subject": found.subject,
        "what": list(found.what),
        "old": _verdict_as_json(found.old),
        "new": _verdict_as_json(found.new),
    }


def _verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "action": verdict.action.value,
        "recipients": [each.action.value for each in verdict.decisions],
        "rules": list(verdict.rules),
        "reply": verdict.reply,
        "log_only": list(verdict.logged),
    }


def _summary_as_json(old: str, new: str, tally: _Tally) -> dict[str, Any]:
    return {
        "kind": "summary",
        "old": os.path.abspath(old),
        "new": os.path.abspath(new),
        "messages": tally.messages,
        "changed": tally.changed,
        "unread": tally.unread,
        "same_by_other_rules": tally.other_rules,
        "actions": {f"{a.value} -> {b.value}": n for (a, b), n in tally.changes.items()},
        "log_only": dict(tally.logged),
    }
