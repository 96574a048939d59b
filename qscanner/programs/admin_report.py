"""One scanned message as text for people, and as JSON where the scan failed.

Called by  programs.admin_scan.
Ends       with lines; raises nothing.
Careful    names, headers and findings are strangers' words: every line goes through
           for_terminal(), and is cut. Colours are ours; click takes them out in a pipe.
"""

from collections.abc import Iterator
from typing import Any

import click

from qscanner import reply
from qscanner.codec.text import for_terminal
from qscanner.model import Action, CheckResult, Listed, Part
from qscanner.outcomes import REPLIES, Ending
from qscanner.policy.listed import words
from qscanner.policy.rules import Policy
from qscanner.programs.admin_options import folded
from qscanner.report import ENDINGS, Report, edits_of

_MAX_CHARS = 300  # of one line; names and findings may be long
_MAX_LINES = 200  # of findings and of parts; --json has all
_MAX_NAME_CHARS = 80
_MEMBER = 2  # steps in the path of a part with a name; archive members have more
COLOURS = {
    Action.ACCEPT: "green",
    Action.DEFER: "cyan",
    Action.QUARANTINE: "yellow",
    Action.DISCARD: "yellow",
    Action.REJECT: "red",
}


def report_lines(report: Report, policy: Policy, *, file: str) -> list[str]:
    """Give what a person wants to know about one message: verdict, reasons, all that was seen."""
    verdict, facts = report.verdict, report.facts
    lines = [f"{_safe(file)}: {_decided(report)}  ({report.ms:.0f} ms)"]
    lines += _reasons(report, policy)
    lines += check_lines(report)
    lines += _rows("finding", (_finding(f.id, f.where, f.detail) for f in facts.findings))
    lines += _rows("part", (_part(part) for part in facts.parts))
    lines += _rows("log-only", verdict.logged)
    lines += _rows("header", report.lines if verdict.action is Action.ACCEPT else ())
    return lines


def check_lines(report: Report) -> list[str]:
    """Give what the virus engines and the spam scorer said."""
    return [
        *_rows("virus", _check(report.facts.virus)),
        *_rows("spam", _check(report.facts.spam)),
    ]


def verdict_lines(report: Report, policy: Policy) -> list[str]:
    """Give what becomes of it, by which rules, why, and what the sender hears."""
    return [
        *_rows("log-only", report.verdict.logged),
        _decided(report),
        *_reasons(report, policy),
    ]


def _decided(report: Report) -> str:
    rules = ", ".join(report.verdict.rules)
    return _coloured(report.verdict.action) + _safe(f" by {rules}" if rules else "")


def _reasons(report: Report, policy: Policy) -> list[str]:
    lines = [*_rows("why", _whys(report, policy)), *_rows("reply", _reply(report))]
    lines += _rows("stripped", tuple(cut.part.path for cut in edits_of(report.verdict).cuts))
    if len({decided.action for decided in report.verdict.decisions}) > 1:
        lines += _rows("to", _recipients(report))
    lines += _rows("listed", _listed(report))
    return lines


def reply_texts(report: Report) -> tuple[str, ...]:
    """Give what the sender would be told, () where that is nothing."""
    return tuple(_reply(report))


def failed_lines(file: str, ending: Ending, why: str) -> list[str]:
    """Give what to say of a message whose scan did not come to an end."""
    code = REPLIES[ending].exit_without_text
    return [
        f"{_safe(file)}: {_coloured(Action.DEFER)} (qscanner-queue would end with {code})",
        *_rows("why", [why]),
    ]


def failed_as_json(file: str, ending: Ending, why: str) -> dict[str, Any]:
    """Give the object of such a message, with all keys of report.as_json()."""
    words = reply.text(ending, None)
    return {
        "file": file,
        "digest": None,
        "action": Action.DEFER.value,
        "recipients": {},
        "rules": [],
        "exit_code": REPLIES[ending].exit_without_text,
        "reply": words or None,
        "findings": [],
        "checks": {},
        "parts": [],
        "headers": [],
        "ms": 0.0,
        "id": None,
        "why": why,
        "log_only": [],
        "stripped": [],
        "listed": {},
    }


def _rows(label: str, texts: Iterator[str] | tuple[str, ...] | list[str]) -> list[str]:
    rows = [f"  {label:9} {folded(_safe(text), indent=12)}" for text in texts]
    if len(rows) > _MAX_LINES:
        more = len(rows) - _MAX_LINES
        rows = [*rows[:_MAX_LINES], f"  {label:9} ... and {more} more, see --json"]
    return rows


def _safe(text: str) -> str:
    text = for_terminal(text[: _MAX_CHARS + 1])
    return text if len(text) <= _MAX_CHARS else text[: _MAX_CHARS - 3] + "..."


def _coloured(action: Action) -> str:
    return click.style(action.value, fg=COLOURS[action], bold=True)


def _whys(report: Report, policy: Policy) -> Iterator[str]:
    verdict = report.verdict
    if verdict.why and verdict.rules:
        yield verdict.why
    whys = {rule.id: rule.why for rule in policy.sentences}
    for rule in verdict.rules[1:]:
        if whys.get(rule):
            yield f"{rule}: {whys[rule]}"


def _reply(report: Report) -> Iterator[str]:
    ending = ENDINGS[report.verdict.action]
    row = REPLIES[ending]
    if row.letter:
        yield f"{row.smtp} {reply.text(ending, report.verdict.reply)}"


def _recipients(report: Report) -> Iterator[str]:
    facts, verdict = report.facts, report.verdict
    for to, decided in zip(facts.envelope.recipients, verdict.decisions, strict=False):
        yield f"{to.decode('utf-8', 'backslashreplace')}: {decided.action.value}"


def _listed(report: Report) -> Iterator[str]:
    """Give each entry that allows or blocks the sender for somebody, and for whom."""
    pairs = zip(report.facts.envelope.recipients, report.facts.listed, strict=False)
    to: dict[Listed, list[str]] = {}
    for address, entry in pairs:
        if entry:
            to.setdefault(entry, []).append(address.decode("utf-8", "backslashreplace"))
    for entry, addresses in to.items():
        more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
        yield f"{addresses[0]}{more}: {words(entry)}"


def _check(result: CheckResult | None) -> Iterator[str]:
    if result is None:
        return
    said = f"{result.outcome.value}: {result.detail}" if result.detail else result.outcome.value
    by = f" ({', '.join(result.scanners)})" if result.scanners else ""
    yield f"{said}{by}, {result.ms:.0f} ms"
    if result.score is not None and result.score.rules:
        yield f"rules: {', '.join(result.score.rules)}"


def _finding(id_: str, where: str, detail: str) -> str:
    texts = (id_, where and f"in {_short(where)}", _short(detail))
    return "  ".join(text for text in texts if text)


def _part(part: Part) -> str:
    """Give a line of the tree: `2 invoice.zip`, and what is in it indented below."""
    steps = part.path.split("/")
    shown = " ".join(steps) if len(steps) <= _MEMBER else steps[-1]
    told = [", ".join(sorted(part.kinds)) or "kind unknown", f"{part.octets} octets"]
    told += ["encrypted"] if part.is_encrypted else []
    told += ["unreadable"] if part.is_unreadable else []
    return "  " * max(0, len(steps) - _MEMBER) + _short(shown) + "  " + "  ".join(told)


def _short(text: str) -> str:
    return text if len(text) <= _MAX_NAME_CHARS else f"{text[: _MAX_NAME_CHARS - 3]}..."
