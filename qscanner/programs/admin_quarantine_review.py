"""`qscanner quarantine review`: one held message after the other, one key for each.

Called by  programs.admin_quarantine; people at a terminal.
Ends       0 when all was seen, or on q; 1 where something could not be done; 2 without a terminal;
           3 where the queue program cannot take mail, or the scorer does not learn.
Careful    what another one does meanwhile is told, not done twice. Any key that means nothing does
           nothing. Where a key cannot be carried out, the message stays in front of its reader.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import click

from qscanner.learning import Learner
from qscanner.programs.admin_options import Exit, config_option, counted, folded, settings
from qscanner.programs.admin_quarantine_filter import Asked, filter_options
from qscanner.programs.admin_quarantine_learn import learn_one
from qscanner.programs.admin_quarantine_release import (
    Wish,
    delete_one,
    release_one,
    send_with,
)
from qscanner.programs.admin_quarantine_senders import ends_at, recipients_of, sender_of, write
from qscanner.programs.admin_quarantine_show import drawn, facts_of
from qscanner.programs.admin_quarantine_store import complain, here, opened
from qscanner.programs.admin_quarantine_today import looked_at
from qscanner.programs.admin_screen import Screen
from qscanner.settings import Settings
from qscanner.store.words import Held, OctetsGone, State, Who

if TYPE_CHECKING:  # SQLAlchemy is loaded by whoever opens a store
    from qscanner.store.store import Store

_LINES = 8
_KEYS = {
    "r": "release",
    "d": "delete",
    "a": "allow",
    "b": "block",
    "s": "spam",
    "h": "ham",
    "n": "next",
    "q": "quit",
}
_NEXT = (" ", "\r", "\n")  # as n
_HELP = "?"
_PROMPT = "  ".join((*(f"[{key}]{word[1:]}" for key, word in _KEYS.items()), f"[{_HELP}]"))
_DONE = {
    "r": "released",
    "d": "deleted",
    "a": "allowed and released",
    "b": "blocked and deleted",
    "s": "learned as spam and deleted",
    "h": "learned as ham and released",
    "n": "left",
}
_WHY = "review"
_MEANINGS = {
    "r": "release it; where today's scanners warn, it asks",
    "d": "delete it",
    "a": "allow its sender for those whose copies it holds, for a year, and release it",
    "b": "block its sender for them, and delete it",
    "s": "have the scorer learn it as spam, and delete it",
    "h": "release it, and have the scorer learn it as ham",
    "n": "leave it, and go on; so does the space bar",
    "q": "end",
}


@dataclass(kw_only=True)
class _Desk:
    """Where one person reviews: the store, what is asked of whom, and what was done so far."""

    store: "Store"
    chosen: Settings
    by: Who
    done: Counter[str] = field(default_factory=Counter)
    end: Exit = Exit.FINE

    def carry_out(self, held: Held, key: str) -> bool:
        """Do what a key means; say whether the message is done with."""
        end = self._act(held, key)
        self.end = max(self.end, end)
        if end is Exit.FINE:
            self.done[_DONE[key]] += 1
        return end is Exit.FINE

    def _act(self, held: Held, key: str) -> Exit:
        """Do the steps of a key in their order; the first that cannot be done is the last."""
        steps: dict[str, tuple[Callable[[], Exit], ...]] = {
            "r": (lambda: self._release(held),),
            "d": (lambda: self._delete(held),),
            "a": (lambda: self._list(held, is_allowed=True), lambda: self._release(held)),
            "b": (lambda: self._list(held, is_allowed=False), lambda: self._delete(held)),
            "s": (lambda: self._learn(held, is_spam=True), lambda: self._delete(held)),
            "h": (lambda: self._release(held), lambda: self._learned_as_ham(held)),
        }
        return next((end for step in steps.get(key, ()) if (end := step())), Exit.FINE)

    def _release(self, held: Held) -> Exit:
        wish = Wish(to=(), why=_WHY, is_yes=False, by=self.by)
        worse = looked_at(self.store, [held], self.chosen)
        send = partial(send_with, self.chosen.queue.program)
        return release_one(self.store, held, None, worse, wish, send)

    def _delete(self, held: Held) -> Exit:
        return delete_one(self.store, held, None, by=self.by, why=_WHY)

    def _list(self, held: Held, *, is_allowed: bool) -> Exit:
        """Allow or block its sender, for those whose copies these are."""
        try:
            sender = sender_of(held)
            for to in recipients_of(held):
                write(
                    self.store,
                    is_allowed=is_allowed,
                    sender=sender,
                    to=to,
                    until=ends_at(None),
                    why=_WHY,
                    by=self.by,
                )
        except click.UsageError as error:
            complain(error.message)
            return Exit.FOUND
        return Exit.FINE

    def _learn(self, held: Held, *, is_spam: bool) -> Exit:
        learner = Learner.of(self.chosen.spam)
        return learn_one(self.store, held, learner, is_spam=is_spam, by=self.by, why=_WHY).tell()

    def _learned_as_ham(self, held: Held) -> Exit:
        """Have it learned; it is out, so whatever comes of that it is done with."""
        self.end = max(self.end, self._learn(held, is_spam=False))
        return Exit.FINE


@click.command("review")
@config_option
@filter_options()
@click.pass_context
def review(context: click.Context, /, asked: Asked) -> None:
    """Show what is held, oldest first, and take one key for each.

    r releases it, d deletes it. a allows its sender, and releases it; b blocks its sender, and
    deletes it. s has the scorer learn it as spam, and deletes it; h as ham, and releases it. n, or
    the space bar, leaves it; q ends; ? says all this.
    """
    wanted, chosen = asked.filter(state=State.HELD, is_oldest_first=True), settings()
    with opened(chosen) as store:
        desk = _Desk(store=store, chosen=chosen, by=here())
        total = store.count(wanted)
        click.echo(f"{counted(total, 'message')} held")
        for number, held in enumerate(store.search(wanted), 1):
            _show(desk, held, f"{number} of {total}")
            if not _reviewed(desk, held):
                break
        if total:
            told = ", ".join(f"{count} {word}" for word, count in desk.done.items())
            left = store.count(wanted)
            click.echo(f"{told or 'nothing done'}; {left or 'none'} of them still held")
    context.exit(desk.end)


def _reviewed(desk: _Desk, held: Held) -> bool:
    """Take keys until a message is done with; say whether there is to be another."""
    while (key := _key()) != "q":
        if desk.carry_out(held, key):
            return True
    return False


def _show(desk: _Desk, held: Held, place: str) -> None:
    screen = Screen.here()
    line = ("─" if screen.is_unicode else "-") * (screen.width - len(place) - 1)
    click.echo(f"\n{click.style(place, bold=True)} {click.style(line, dim=True)}")
    try:
        facts = facts_of(desk.store, held, desk.chosen)
        click.echo("\n".join(drawn(held, desk.store.record(held), facts, _LINES)))
    except OctetsGone as error:
        complain(str(error))


def _help() -> None:
    click.echo(_HELP)
    for key, meaning in _MEANINGS.items():
        click.echo(f"  {key}  {folded(meaning, indent=5)}")
    click.echo(f"\n{_PROMPT} ", nl=False)


def _key() -> str:
    """Give the key that was pressed, once it is one that means something."""
    click.echo(f"\n{_PROMPT} ", nl=False)
    try:
        key = click.getchar()
        while key and key not in _KEYS and key not in _NEXT:
            if key == _HELP:
                _help()
            key = click.getchar()
    except OSError as error:
        raise click.UsageError("a review needs a terminal") from error
    except (EOFError, KeyboardInterrupt):
        key = ""
    key = "n" if key in _NEXT else key or "q"  # "": the terminal is gone, or ^C
    click.echo(_KEYS[key])
    return key
