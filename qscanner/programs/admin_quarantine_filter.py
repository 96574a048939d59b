"""Which messages a command is about: ids, or a filter; the same options everywhere.

Called by  the other admin_quarantine modules.
Ends       raises click's UsageError where neither is given, or both; Exit(2) for unknown ids.
Careful    whoever acts on what a filter finds says how many, and asks, before he touches one.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from qscanner.programs.admin_quarantine_store import (
    all_chosen,
    complete_id,
    found,
    moment,
)
from qscanner.store.words import WHOLE, Class, Filter, Held, Recipient, State

if TYPE_CHECKING:  # SQLAlchemy is loaded by whoever opens a store
    from qscanner.store.store import Store

_Function = TypeVar("_Function", bound=Callable[..., Any])
Chosen = list[tuple[Held, tuple[Recipient, ...] | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the options of a filter say; None and "" are not asked for."""

    since: float | None = None
    until: float | None = None
    recipient: str | None = None
    sender: str | None = None
    domain: str | None = None
    rule: str | None = None
    class_: str | None = None
    state: str | None = None
    score: float | None = None
    text: str | None = None

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is asked for."""
        return all(getattr(self, name) in (None, "") for name in _NAMES)

    def filter(self, **more: Any) -> Filter:
        """Give it as the store understands it; `more` are its other fields."""
        told = {name: getattr(self, name) for name in _NAMES if name not in ("class_", "state")}
        told["class_"] = Class(self.class_) if self.class_ else None
        told["state"] = State(self.state) if self.state else None
        return Filter(**{**told, **more})


_NAMES = tuple(Asked.__dataclass_fields__)
_TO = click.option("--to", "recipient", metavar="A", help="For this address, or @domain.")
_STATE = click.option(
    "--state", type=click.Choice([each.value for each in State]), help="What became of it."
)
_OPTIONS = (
    click.option(
        "--since",
        metavar="TIME",
        callback=moment,
        help='Held at or after: "2h" ago, "2026-11-23 14:00".',
    ),
    click.option("--until", metavar="TIME", callback=moment, help="Held before."),
    click.option("--from", "sender", metavar="A", help="From this address, or @domain."),
    click.option("--domain", metavar="D", help="From or for this domain."),
    click.option("--rule", metavar="ID", help="One of the rules that decided."),
    click.option(
        "--class",
        "class_",
        type=click.Choice([each.value for each in Class]),
        help="Why it is held.",
    ),
    click.option("--score", type=float, metavar="N", help="The scorer said at least so much."),
    click.option("--text", metavar="TEXT", help="In subject, sender, recipients or reason."),
)


def filter_options(*, has_to: bool = True, has_state: bool = False) -> Callable[..., Any]:
    """Add the options of a filter; a command gets them together, as `asked`.

    `has_to`: with --to, where that means nothing else. `has_state`: with --state.
    """

    def add(function: _Function) -> Callable[..., Any]:
        @functools.wraps(function)
        def called(*words: Any, **options: Any) -> Any:
            asked = Asked(**{name: options.pop(name) for name in _NAMES if name in options})
            return function(*words, asked=asked, **options)

        made: Callable[..., Any] = called
        more = (*((_TO,) if has_to else ()), *((_STATE,) if has_state else ()))
        for option in reversed((*_OPTIONS, *more)):
            made = option(made)
        return made

    return add


ids_or_filter = click.argument("ids", metavar="[ID...]", nargs=-1, shell_complete=complete_id)


def meant(
    store: "Store", ids: Sequence[str], asked: Asked, recipients: Sequence[str] = ()
) -> Chosen:
    """Give the messages that ids or the filter mean, and whose copies: None for all that are held.

    A filter finds what is held, oldest first; `recipients` narrow it.
    """
    if "" in (*recipients, asked.recipient, asked.domain, asked.rule, asked.text):
        raise click.UsageError("an option is empty: that would mean more than was said")
    if recipients and asked.recipient:
        raise click.UsageError("--to or --recipient, not both")
    if ids and not asked.is_empty:
        raise click.UsageError("either ids or a filter, not both")
    if ids:
        return all_chosen(found(store, ids), recipients)
    if asked.is_empty and not recipients:
        raise click.UsageError("which ones? give ids, or a filter like --since 2h --rule NAME")
    wanted: dict[str, tuple[Held, tuple[Recipient, ...] | None]] = {}
    for address in recipients or (None,):
        more = {"recipient": address} if address else {}
        for held in store.search(asked.filter(state=State.HELD, is_oldest_first=True, **more)):
            wanted[held.digest] = (held, _theirs(held, recipients or (asked.recipient,)))
    return list(wanted.values())


def _theirs(held: Held, addresses: Sequence[str | None]) -> tuple[Recipient, ...] | None:
    """Give the copies of these (an address, or @domain), None for all."""
    low = tuple(each.lower() for each in addresses if each)
    if not low:
        return None
    return tuple(
        one for one in held.of(State.HELD) if one.place != WHOLE and _is_one(one.address, low)
    )


def _is_one(address: str, low: Sequence[str]) -> bool:
    text = address.lower()
    return text in low or f"@{text.rpartition('@')[2]}" in low
