"""`qscanner quarantine rescan`: what today's scanners and rules would make of held messages.

Called by  programs.admin_quarantine: after a bad signature, or a rule that held too much.
Ends       0 where nothing would be otherwise, or all that could go was released; 1 where something
           would be, or was left, or is gone; 2 for what was asked wrongly, or rules with mistakes;
           3 where scanners, or the queue program, are down.
Careful    only copies go that today's rules accept for that very recipient.
"""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from qscanner.bench import Bench
from qscanner.model import Action, Verdict
from qscanner.outcomes import QScannerError, Unusable
from qscanner.programs.admin_options import (
    Exit,
    config_option,
    counted,
    echo_json,
    json_option,
    refused,
    settings,
)
from qscanner.programs.admin_quarantine_filter import (
    Asked,
    Chosen,
    filter_options,
    ids_or_filter,
    meant,
)
from qscanner.programs.admin_quarantine_release import Wish, release_one, send_with
from qscanner.programs.admin_quarantine_store import (
    Bar,
    complain,
    confirmed,
    here,
    opened,
    short_at,
    tell,
    why_option,
    yes_option,
)
from qscanner.programs.admin_quarantine_today import judged
from qscanner.programs.admin_screen import Screen
from qscanner.settings import Settings
from qscanner.store.words import Held, Recipient, State, StoreError

if TYPE_CHECKING:  # SQLAlchemy is loaded by whoever opens a store
    from qscanner.store.store import Store

_MAX_CELLS = 60  # of a sender, or a subject
_WORDS = {
    Action.ACCEPT: "would be accepted now",
    Action.QUARANTINE: "would be held again",
    Action.DISCARD: "would be discarded",
    Action.REJECT: "would be refused",
    Action.DEFER: "cannot be judged now",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One message and what it would be today; `free` are the copies that would be accepted.

    `is_gone`: its octets are missing, which no scanner that comes back would change.
    """

    held: Held
    verdict: Verdict | None
    trouble: str = ""
    is_gone: bool = False
    free: tuple[Recipient, ...] = ()

    @property
    def action(self) -> Action:
        """Give what would become of the copies that are held: the mildest."""
        if self.verdict is None:
            return Action.DEFER
        return Action.ACCEPT if self.free else _mildest(self.held, self.verdict)


@click.command("rescan")
@config_option
@json_option
@click.option("--release", "is_release", is_flag=True, help="Release what would be accepted now.")
@why_option
@yes_option
@filter_options()
@ids_or_filter
@click.pass_context
def rescan(  # noqa: PLR0913 - what the command line says
    context: click.Context,
    /,
    ids: tuple[str, ...],
    *,
    is_json: bool,
    is_release: bool,
    why: str,
    is_yes: bool,
    asked: Asked,
) -> None:
    """Look at held messages with today's scanners and rules, and say what would become of them.

    Those named, or all that a filter finds. With --release, what would be accepted goes out.
    """
    chosen = settings()
    try:
        bench = Bench.of(chosen)
    except Unusable as error:
        raise refused(error) from error
    with opened(chosen) as store:
        looks = _looked(store, meant(store, ids, asked), bench)
        screen = Screen.here()
        for each in looks:
            if is_json:
                echo_json(_as_json(each))
            else:
                tell(each.held.id, _line(each, screen))
        if not is_json:
            click.echo(_sum(looks))
        if is_release:
            wish = Wish(to=(), why=why or "rescan", is_yes=is_yes, by=here())
            context.exit(_release(store, looks, wish, chosen))
    context.exit(_end(looks))


def _looked(store: "Store", wanted: Chosen, bench: Bench) -> list[_Look]:
    looks = []
    with Bar("scanning") as bar:
        for done, (held, these) in enumerate(wanted, 1):
            looks.append(_look(store, held, these, bench))
            bar(done, len(wanted))
    return looks


def _look(store: "Store", held: Held, these: tuple[Recipient, ...] | None, bench: Bench) -> _Look:
    try:
        verdict = judged(store, held, bench)
    except (StoreError, QScannerError) as error:
        is_gone = isinstance(error, StoreError)
        return _Look(held=held, verdict=None, trouble=str(error), is_gone=is_gone)
    asked = held.recipients if these is None else these
    mine = [one for one in asked if one.state is State.HELD]
    free = tuple(one for one in mine if _now(one, verdict) is Action.ACCEPT)
    return _Look(held=held, verdict=verdict, free=free)


def _now(one: Recipient, verdict: Verdict) -> Action:
    """Give what would become of one copy; of the message as a whole, where it has nobody.

    What would go on without some parts, or to somebody else, is no plain yes: it stays held.
    """
    if not 0 <= one.place < len(verdict.decisions):
        return verdict.action
    decided = verdict.decisions[one.place]
    is_other = bool(verdict.edits.cuts or decided.redirect_to)
    is_held = is_other and decided.action is Action.ACCEPT
    return Action.QUARANTINE if is_held else decided.action


def _mildest(held: Held, verdict: Verdict) -> Action:
    actions = [_now(one, verdict) for one in held.of(State.HELD)] or [verdict.action]
    return min(actions, key=lambda each: each.severity)


def _line(each: _Look, screen: Screen) -> str:
    now = ", ".join(each.verdict.rules) if each.verdict else each.trouble
    pieces = (
        short_at(each.held.since),
        f"{', '.join(each.held.rules)}: {_WORDS[each.action]}{f' ({now})' if now else ''}",
        screen.fitted(screen.safe(each.held.sender or "<>"), _MAX_CELLS),
        screen.fitted(screen.safe(each.held.subject), _MAX_CELLS),
    )
    return "  ".join(piece for piece in pieces if piece)


def _as_json(each: _Look) -> dict[str, Any]:
    held, verdict = each.held, each.verdict
    return {
        "id": held.id,
        "digest": held.digest,
        "was": {"class": held.class_.value, "rules": list(held.rules), "why": held.why},
        "action": each.action.value,
        "rules": list(verdict.rules) if verdict else [],
        "why": verdict.why if verdict else each.trouble,
        "recipients": {
            one.address: _now(one, verdict).value if verdict else Action.DEFER.value
            for one in held.of(State.HELD)
        },
    }


def _sum(looks: list[_Look]) -> str:
    if not looks:
        return "nothing is held that is so"
    numbers = Counter(each.action for each in looks)
    told = ", ".join(f"{numbers[each]} {_WORDS[each]}" for each in _WORDS if numbers[each])
    return f"{counted(len(looks), 'message')}: {told}"


def _end(looks: list[_Look]) -> Exit:
    if any(each.action is Action.DEFER and not each.is_gone for each in looks):
        return Exit.DOWN
    is_same = all(each.action is Action.QUARANTINE for each in looks)
    return Exit.FINE if is_same else Exit.FOUND


def _release(store: "Store", looks: list[_Look], wish: Wish, chosen: Settings) -> Exit:
    free = [each for each in looks if each.free]
    if not free:
        complain("nothing to release")
        return _end(looks)
    confirmed(len(free), "release", is_yes=wish.is_yes)
    send = partial(send_with, chosen.queue.program)
    ends = [release_one(store, each.held, each.free, {}, wish, send) for each in free]
    return max(ends)
