"""`qscanner policy explain`: every rule, whether it met a message, and because of which fact.

Called by  programs.admin; people who ask why a message was held, refused, or let through.
Ends       0 when it would be accepted for all, 1 when not, 2 when the file cannot be read or
           settings and policies cannot be used.
Careful    nothing is delivered, held, logged or changed. Facts quote strangers: all of them pass
           Screen.safe().
"""

import contextlib
import datetime
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click
from rich.cells import cell_len

from qscanner import records
from qscanner.bench import Bench
from qscanner.codec.text import for_terminal, readable
from qscanner.model import Action, Client, Envelope
from qscanner.outcomes import QScannerError, Unusable
from qscanner.policy.explain import Group, Told, explain
from qscanner.policy.listed import allowed, blocked, words
from qscanner.policy.rules import Detector, Mode, Rule
from qscanner.programs.admin_options import (
    Exit,
    config_option,
    counted,
    echo_json,
    json_option,
    refused,
    settings,
)
from qscanner.programs.admin_report import COLOURS, check_lines, failed_lines, reply_texts
from qscanner.programs.admin_scan import (
    Failed,
    Job,
    client_of,
    envelope_of,
    looked,
    message_of,
)
from qscanner.programs.admin_screen import Screen
from qscanner.records import Past
from qscanner.report import Report

_MAX_ID_CELLS = 24
_ACTION_CELLS = 10
_BELOW = 6  # columns in front of facts that stand below their rule
_MIN_CELLS = 20
_MARK_CELLS = 4
_MAX_NAMED = 3
_PROMPT_LINES = 2
_TO = "postmaster@localhost"


@click.command("explain")
@config_option
@json_option
@click.option("--from", "sender", metavar="A", help="The sender (default: none).")
@click.option("--to", "recipients", metavar="A", multiple=True, help="A recipient; may repeat.")
@click.option("--ip", metavar="A", default="", help="The address of the SMTP client.")
@click.option("--auth", metavar="USER", default="", help="The user who authenticated.")
@click.option("--relay", is_flag=True, help="As if RELAYCLIENT were set.")
@click.option("--all", "is_all", is_flag=True, help="Also where rules that did not hit are many.")
@click.argument("file", metavar="FILE")
@click.pass_context
def command(
    context: click.Context, /, file: str, *, is_json: bool, is_all: bool, **asked: Any
) -> None:
    """Say of every rule whether it applies to the message in FILE, and why; "-" is standard input.

    FILE is also a message in quarantine, by its digest, the beginning of that, or the id of its
    scan; its envelope and client are then those it came with, where no option says otherwise.
    """
    try:
        bench = Bench.of(settings())
    except Unusable as error:
        raise refused(error) from error
    path = _found(file, bench.settings.quarantine.dir)
    past = records.beside(path)
    envelope, client = _brought(past, **asked)
    job = Job(bench=bench, envelope=envelope, client=client, is_json=is_json)
    report = _report(path, job)
    now = datetime.datetime.now(tz=datetime.UTC).astimezone()
    facts, verdict = report.facts, report.verdict
    told = explain(bench.policy, facts, verdict, today=now.date(), at=now.time())
    if is_json:
        echo_json(_as_json(report, told, past, file=path))
    else:
        for line in _lines(_Telling(report, told, past, path), is_all=is_all):
            click.echo(line)
    is_fine = all(each.decision.action is Action.ACCEPT for each in told)
    context.exit(Exit.FINE if is_fine else Exit.FOUND)


def _found(file: str, quarantine: str) -> str:
    """Give the path of what FILE means: a file, or a held message by its record or name."""
    if file == "-" or not os.path.exists(file):
        return records.find(quarantine, file) or file
    if file.endswith(records.RECORD):
        return records.message_at(file.removesuffix(records.RECORD)) or file
    return file


def _brought(
    past: Past | None, *, sender: str | None, recipients: tuple[str, ...], **client: Any
) -> tuple[Envelope, Client]:
    """Give envelope and client: what is stored of a held message, but for what options say."""
    envelope = envelope_of(sender or "", recipients or (_TO,))
    if past is None:
        return envelope, client_of(**client)
    if sender is not None or recipients:
        was = past.envelope
        to = envelope.recipients if recipients else was.recipients
        by = was.sender if sender is None else envelope.sender
        envelope = envelope_of(os.fsdecode(by), tuple(map(os.fsdecode, to)))
    else:
        envelope = past.envelope
    return envelope, client_of(**client) if any(client.values()) else past.client


def _report(path: str, job: Job) -> Report:
    """Scan it, or tell why not and end with 2."""
    try:
        message = message_of(path)
    except (OSError, QScannerError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        click.echo(for_terminal(f"{path}: cannot be read: {reason}"), err=True)
        raise click.exceptions.Exit(Exit.WRONG) from error
    found = looked(message, job)
    with contextlib.suppress(BufferError):
        message.close()
    if isinstance(found, Failed):
        click.echo("\n".join(failed_lines(path, found.ending, found.why)), err=True)
        raise click.exceptions.Exit(Exit.WRONG)
    return found


@dataclass(frozen=True, slots=True)
class _Telling:
    """All that is told of one message; `past` is what was stored of it, if it was held."""

    report: Report
    groups: tuple[Group, ...]
    past: Past | None
    path: str


def _lines(told: _Telling, *, is_all: bool) -> list[str]:
    """Give the whole telling; where it is longer than the screen, without what did not hit."""
    screen, rows = Screen.here(), _rows()
    lines = list(_drawn(told, screen, is_all=True))
    is_long = rows is not None and len(lines) > rows - _PROMPT_LINES
    return list(_drawn(told, screen, is_all=False)) if is_long and not is_all else lines


def _rows() -> int | None:
    """Give how many lines the terminal shows, None in a pipe."""
    return shutil.get_terminal_size().lines if sys.stdout.isatty() else None


def _drawn(told: _Telling, screen: Screen, *, is_all: bool) -> Iterator[str]:
    yield from _head(told, screen)
    for group in told.groups:
        yield ""
        yield from _of_group(group, screen, is_all=is_all)
    said = [*_notes(told), *(("reply", line) for line in reply_texts(told.report))]
    if len(told.groups) > 1 and said:
        yield ""
    for label, text in said:
        yield from _folded(f"  {label:8} ", text, screen)


def _notes(told: _Telling) -> Iterator[tuple[str, str]]:
    """Give what the recipients' decisions made of each other; a rule's own `why` is no news."""
    whys = {each.rule.id: each.rule.why for group in told.groups for each in group.rules}
    whys |= {rule.id: rule.why for group in reversed(told.groups) for rule in _own_rules(group)}
    why, rules = told.report.verdict.why, told.report.verdict.rules
    first = (whys.get(rules[0]) or f'rule "{rules[0]}"') if rules else "no rule met it"
    left = why.removeprefix(first).removeprefix("; ")
    if left:
        yield "together", left


def _own_rules(group: Group) -> Iterator[Rule]:
    """Give the program's own rule about an entry: what it says stands with the group."""
    if group.listed and not group.listed.is_allowed:
        yield blocked(group.listed)
    elif group.listed:
        yield allowed(group.listed, group.decision.overridden)


def _head(told: _Telling, screen: Screen) -> Iterator[str]:
    report, past = told.report, told.past
    facts, client = report.facts, report.facts.client
    sender = readable(facts.envelope.sender)
    by = f"from <{sender}>, {client.direction.value}"
    by += f", client {client.ip or client.claimed_ip}" if client.ip or client.claimed_ip else ""
    by += f", authenticated as {client.auth_user}" if client.auth_user else ""
    yield click.style(screen.safe(told.path), bold=True)
    size = f"{facts.octets} octets, {counted(len(facts.parts), 'part')}"
    yield from _folded(f"  {'message':9} ", f"{by}; {size}", screen)
    yield from check_lines(report)
    ids = ", ".join(dict.fromkeys(each.id for each in facts.findings))
    yield from _folded(f"  {'found':9} ", ids or "nothing odd", screen)
    if past and past.action:
        by = f" by {', '.join(past.rules)}" if past.rules else ""
        then = f"{past.kept_at}: {past.action}{by}" + (f"; {past.why}" if past.why else "")
        yield from _folded(f"  {'then':9} ", then, screen)


def _of_group(group: Group, screen: Screen, *, is_all: bool) -> Iterator[str]:
    action = click.style(group.decision.action.value, fg=COLOURS[group.decision.action], bold=True)
    yield f"{action} for {screen.safe(_named(group.recipients))}"
    if group.detectors:
        tags = f", tags {', '.join(sorted(group.marks.tags))}" if group.marks.tags else ""
        yield f"  detecting rules: total {group.marks.total:g}{tags}"
        yield from _rules(group.detectors, screen, is_all=is_all)
        yield "  rules"
    yield from _rules(group.rules, screen, is_all=is_all)
    for text in group.why:
        yield from _folded(f"  {'=>':2} ", text, screen)


def _named(recipients: tuple[bytes, ...]) -> str:
    if not recipients:
        return "nobody"
    shown = ", ".join(readable(each) for each in recipients[:_MAX_NAMED])
    more = len(recipients) - _MAX_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _rules(told: tuple[Told, ...], screen: Screen, *, is_all: bool) -> Iterator[str]:
    width = min(_MAX_ID_CELLS, max((len(each.rule.id) for each in told), default=0))
    for each in told:
        if each.is_hit:
            yield from _hit(each, width, screen)
        elif is_all:
            yield _miss(each, width, screen)
    missed = sum(not each.is_hit for each in told)
    if missed and not is_all:
        mark = "·" if screen.is_unicode else "-"
        yield click.style(
            f"  {mark} {counted(missed, 'rule')} did not hit: --all says why", dim=True
        )


def _hit(told: Told, width: int, screen: Screen) -> Iterator[str]:
    """Give a rule that hit: its facts beside it, or below where there is no room."""
    rule = told.rule
    mark = "✓" if screen.is_unicode else "+"
    colour = "cyan"
    if rule.mode is Mode.LOG_ONLY:
        asks = "log-only"
    elif isinstance(rule, Rule):
        asks, colour = rule.action.value, COLOURS[rule.action]
    else:
        asks = _left(rule) if isinstance(rule, Detector) else ""
    word = click.style(asks, fg=colour, bold=True)
    room = max(0, _ACTION_CELLS - cell_len(asks))
    head = f"  {click.style(mark, fg=colour)} {rule.id:{width}} {word}{'':{room}} "
    text = screen.safe("; ".join(told.facts))
    if cell_len(click.unstyle(head) + text) <= screen.width:
        yield head + text
        return
    yield head.rstrip()
    yield from _folded(f"{'':{_BELOW}}", text, screen)


def _left(rule: Detector) -> str:
    score = f"{rule.score:+g}" if rule.score else ""
    return " ".join(each for each in (score, rule.tag) if each)


def _miss(told: Told, width: int, screen: Screen) -> str:
    mark = "·" if screen.is_unicode else "-"
    fact = told.facts[0] if told.facts else ""
    said = screen.safe(f"{told.key}: {fact}" if told.key else fact)
    shown = screen.fitted(said, screen.width - _MARK_CELLS - width - 1)
    return click.style(f"  {mark} {told.rule.id:{width}} {shown}", dim=True)


def _folded(head: str, text: str, screen: Screen) -> Iterator[str]:
    """Give a head and what stands beside it, in as many lines as that takes."""
    indent = cell_len(click.unstyle(head))
    pieces = textwrap.wrap(screen.safe(text), max(_MIN_CELLS, screen.width - indent)) or [""]
    yield head + pieces[0]
    yield from (f"{'':{indent}}{piece}" for piece in pieces[1:])


def _as_json(
    report: Report, told: tuple[Group, ...], past: Past | None, *, file: str
) -> dict[str, Any]:
    verdict = report.verdict
    then = {name: getattr(past, name, None) for name in ("action", "rules", "why", "kept_at")}
    return {
        "file": file,
        "action": verdict.action.value,
        "why": verdict.why,
        "then": then if past else None,
        "findings": [each.id for each in report.facts.findings],
        "groups": [
            {
                "recipients": [each.decode("utf-8", "backslashreplace") for each in g.recipients],
                "action": g.decision.action.value,
                "decided": list(g.decision.rules),
                "total": g.marks.total,
                "tags": sorted(g.marks.tags),
                "listed": words(g.listed) if g.listed else None,
                "overridden": list(g.decision.overridden),
                "rules": [_rule_as_json(each) for each in (*g.detectors, *g.rules)],
                "because": list(g.why),
            }
            for g in told
        ],
    }


def _rule_as_json(told: Told) -> dict[str, Any]:
    rule = told.rule
    return {
        "id": rule.id,
        "action": rule.action.value if isinstance(rule, Rule) else None,
        "mode": rule.mode.value,
        "hit": told.is_hit,
        "key": told.key or None,
        "facts": list(told.facts),
    }
