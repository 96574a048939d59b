"""`qscanner stats`: how many messages met which end, over time, by rule, virus and sender.

Called by  programs.admin; people, and scripts, which read --json.
Ends       0, also where there was no mail, which it says.
Careful    numbers are of whole hours. Rules are ours, but names of viruses and addresses are
           strangers' words: all pass Screen.safe().
"""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from qscanner.model import Action
from qscanner.programs.admin_options import config_option, counted, echo_json, json_option
from qscanner.programs.admin_quarantine_store import at, moment, opened, short_at, utc
from qscanner.programs.admin_report import COLOURS
from qscanner.programs.admin_rows import GAP, curve, folded, octets_said, padded
from qscanner.programs.admin_screen import Screen
from qscanner.store.history_words import HOUR_S, Numbers, Sum

_DAY_S = 86400
_BY_HOUR_S = 2 * _DAY_S  # longer: by the day
_TOP = 10
_COLOURS = {action.value: colour for action, colour in COLOURS.items()}
_NUMBER, _SHARE, _OCTETS, _WORD = 9, 8, 9, 10  # columns
_LEFT = _WORD + _NUMBER + _SHARE + _OCTETS + GAP  # of a curve
_TWO_SIDES = 70  # columns for two lists beside each other
Pairs = Sequence[tuple[str, int]]


@click.command("stats")
@config_option
@json_option
@click.option(
    "--since",
    metavar="TIME",
    default="24h",
    show_default=True,
    callback=moment,
    help='From then on: "7d" ago, "2026-11-23 14:00".',
)
@click.option(
    "--by",
    type=click.Choice(["hour", "day"]),
    help="What a sign of the curve stands for; else as it fits.",
)
def stats(*, is_json: bool, since: float, by: str | None) -> None:
    """Count what came: verdicts over time, rules, viruses, senders; and what is held now."""
    now = time.time()
    with opened() as store:
        store.history.take()
        found = store.history.numbers(min(since, now), now)
    by = by or ("hour" if found.until - found.since <= _BY_HOUR_S + 2 * HOUR_S else "day")
    if is_json:
        echo_json(_as_json(found, by))
        return
    for line in _lines(found, by, Screen.here()):
        click.echo(line.rstrip())


def _steps(found: Numbers, by: str) -> list[range]:
    """Give the hours of each step of the curve; a day is one of this host."""
    hours = range(int(found.since) // HOUR_S, int(found.until) // HOUR_S)
    if by == "hour":
        return [range(hour, hour + 1) for hour in hours]
    days = itertools.groupby(hours, key=lambda hour: time.localtime(hour * HOUR_S)[:3])
    these = [list(of_day) for _, of_day in days]
    return [range(of_day[0], of_day[-1] + 1) for of_day in these]


def _series(of: Mapping[int, Sum], steps: Sequence[range]) -> list[int]:
    return [sum(of[hour].messages for hour in step if hour in of) for step in steps]


def _verdicts(found: Numbers) -> dict[str, Sum]:
    """Give the sums of the verdicts, mildest first, and then whatever else there is."""
    totals = found.totals.get("verdict", {})
    order = [action.value for action in Action if action.value in totals]
    return {word: totals[word] for word in (*order, *(set(totals) - set(order)))}


def _as_json(found: Numbers, by: str) -> dict[str, Any]:
    steps, verdicts = _steps(found, by), _verdicts(found)
    all_ = sum(verdicts.values(), Sum())
    named = {"rules": "rule", "viruses": "virus", "spam": "spam"}
    named |= {"endings": "ending", "directions": "direction", "unavailable": "unavailable"}
    return {
        "since": utc(found.since),
        "until": utc(found.until),
        "by": by,
        "times": [utc(step[0] * HOUR_S) for step in steps],
        "messages": all_.messages,
        "octets": all_.octets,
        "verdicts": {
            word: {**_sum(one), "series": _series(found.verdicts.get(word, {}), steps)}
            for word, one in verdicts.items()
        },
        **{
            key: {word: _sum(one) for word, one in found.totals.get(name, {}).items()}
            for key, name in named.items()
        },
        "senders": dict(found.senders),
        "recipients": dict(found.recipients),
        "looked_at": found.looked_at,
        "held": {
            class_: {"messages": one.messages, "octets": one.octets, "oldest": utc(one.oldest)}
            for class_, one in found.held.items()
        },
    }


def _sum(one: Sum) -> dict[str, int]:
    return {"messages": one.messages, "octets": one.octets}


def _lines(found: Numbers, by: str, screen: Screen) -> Iterator[str]:
    verdicts = _verdicts(found)
    if not verdicts:
        yield f"no mail came since {at(found.since)}"
    else:
        sign = _each_sign(found, by, screen)
        yield from folded(
            f"{at(found.since)} to {at(found.until)}, each sign {sign}", screen.width
        )
        yield ""
        yield from _table(found, verdicts, _steps(found, by), screen)
        yield from _lists(found, screen)
    yield from _held(found, screen)


def _each_sign(found: Numbers, by: str, screen: Screen) -> str:
    """Say for how long a sign of the curves stands."""
    each = max(1, -(-len(_steps(found, by)) // (screen.width - _LEFT)))
    return f"1 {by}" if each == 1 else f"{each} {by}s"


def _table(
    found: Numbers, verdicts: Mapping[str, Sum], steps: Sequence[range], screen: Screen
) -> Iterator[str]:
    all_ = sum(verdicts.values(), Sum())
    yield f"{'verdict':{_WORD}}{'messages':>{_NUMBER}}{'share':>{_SHARE}}{'octets':>{_OCTETS}}"
    for word, one in verdicts.items():
        name = click.style(screen.safe(word), fg=_COLOURS.get(word))
        share = f"{100 * one.messages / max(1, all_.messages):.1f} %"
        line = f"{padded(name, _WORD)}{one.messages:>{_NUMBER}}{share:>{_SHARE}}"
        drawn = curve(
            _series(found.verdicts.get(word, {}), steps), screen, cells=screen.width - _LEFT
        )
        yield f"{line}{octets_said(one.octets):>{_OCTETS}}{'':{GAP}}{drawn}"
    line = f"{'all':{_WORD}}{all_.messages:>{_NUMBER}}{'':{_SHARE}}"
    yield f"{line}{octets_said(all_.octets):>{_OCTETS}}"


def _lists(found: Numbers, screen: Screen) -> Iterator[str]:
    """Give who and what had most, two lists beside each other where there is room."""

    def of(name: str) -> Pairs:
        return [(word, one.messages) for word, one in found.totals.get(name, {}).items()]

    senders = [(f"@{domain}" if domain else "<>", number) for domain, number in found.senders]
    lists: dict[str, Pairs] = {
        "rules": of("rule"),
        "viruses": of("virus"),
        "not accepted, from": senders,
        "not accepted, for": found.recipients,
        "spam": of("spam"),
        "had no answer": of("unavailable"),
    }
    there = [(title, pairs) for title, pairs in lists.items() if pairs]
    at_once = 2 if screen.width >= _TWO_SIDES else 1
    cells = (screen.width - GAP * (at_once - 1)) // at_once
    for start in range(0, len(there), at_once):
        sides = [_list(*each, screen, cells) for each in there[start : start + at_once]]
        yield ""
        for lines in itertools.zip_longest(*sides, fillvalue=""):
            yield (" " * GAP).join(padded(line, cells) for line in lines)
    if found.looked_at and found.looked_at < _not_accepted(found):
        yield ""
        yield f"not accepted: those of the latest {found.looked_at} messages"


def _not_accepted(found: Numbers) -> int:
    return sum(
        one.messages for word, one in _verdicts(found).items() if word != Action.ACCEPT.value
    )


def _list(title: str, pairs: Pairs, screen: Screen, cells: int) -> Iterator[str]:
    yield title
    for word, number in pairs[:_TOP]:
        shown = screen.fitted(screen.safe(word), cells - _NUMBER - GAP)
        yield f"{'':{GAP}}{padded(shown, cells - _NUMBER - GAP)}{number:>{_NUMBER}}"
    if len(pairs) > _TOP:
        yield f"{'':{GAP}}and {len(pairs) - _TOP} more"


def _held(found: Numbers, screen: Screen) -> Iterator[str]:
    yield ""
    if not found.held:
        yield "nothing is held now"
        return
    yield f"{'held now':12}{'messages':>{_NUMBER}}{'octets':>{_OCTETS + 1}}  oldest"
    for class_, one in found.held.items():
        said = f"{one.messages:>{_NUMBER}}{octets_said(one.octets):>{_OCTETS + 1}}"
        yield f"{padded(screen.safe(class_), 12)}{said}  {short_at(one.oldest)}"
    number = sum(one.messages for one in found.held.values())
    yield f"{counted(number, 'message')}: qscanner quarantine list --state held"
