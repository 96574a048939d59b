"""`qscanner quarantine review`: one held message after the other, one key for each.

Called by  programs.admin_quarantine; people at a terminal.
Ends       0 when all was seen, or on q; 1 where something could not be done; 2 without a terminal;
           3 where the queue program cannot take mail.
Careful    what another one does meanwhile is told, not done twice. Any key that means nothing does
           nothing.
"""

from functools import partial
from typing import TYPE_CHECKING

import click

from qscanner.codec.text import for_terminal
from qscanner.programs.admin_options import Exit, config_option, counted, settings
from qscanner.programs.admin_quarantine_release import Wish, release_one, send_with
from qscanner.programs.admin_quarantine_show import drawn, facts_of
from qscanner.programs.admin_quarantine_store import complain, here, opened
from qscanner.programs.admin_quarantine_today import looked_at
from qscanner.settings import Settings
from qscanner.store.words import Class, Filter, Held, OctetsGone, State, StoreError, Who

if TYPE_CHECKING:  # SQLAlchemy is loaded by whoever opens a store
    from qscanner.store.store import Store

_LINES = 8
_KEYS = {"r": "release", "d": "delete", "s": "skip", "q": "quit"}
_PROMPT = "  ".join(f"[{key}]{word[1:]}" for key, word in _KEYS.items())


@click.command("review")
@config_option
@click.option("--to", "recipient", metavar="A", help="For this address, or @domain.")
@click.option("--rule", metavar="ID", help="One of the rules that decided.")
@click.option("--class", "class_", type=click.Choice([each.value for each in Class]), help="Why.")
@click.pass_context
def review(
    context: click.Context, /, recipient: str | None, rule: str | None, class_: str | None
) -> None:
    """Show what is held, oldest first, and release or delete it."""
    wanted = Filter(
        state=State.HELD,
        recipient=recipient,
        rule=rule,
        class_=Class(class_) if class_ else None,
        is_oldest_first=True,
    )
    end, chosen, by = Exit.FINE, settings(), here()
    with opened(chosen) as store:
        total = store.count(wanted)
        click.echo(f"{counted(total, 'message')} held")
        for number, held in enumerate(store.search(wanted), 1):
            _show(store, held, chosen, f"{number} of {total}")
            key = _key()
            if key == "q":
                break
            end = max(end, _done(store, held, key, chosen, by))
    context.exit(end)


def _show(store: "Store", held: Held, chosen: Settings, place: str) -> None:
    click.echo(f"\n{place}")
    try:
        lines = drawn(held, store.record(held), facts_of(store, held, chosen), _LINES)
        click.echo("\n".join(lines))
    except OctetsGone as error:
        complain(str(error))


def _key() -> str:
    """Give the key that was pressed, once it is one that means something."""
    click.echo(f"\n{_PROMPT} ", nl=False)
    try:
        key = click.getchar()
        while key and key not in _KEYS:
            key = click.getchar()
    except OSError as error:
        raise click.UsageError("a review needs a terminal") from error
    except EOFError:
        key = ""
    key = key or "q"  # the terminal is gone
    click.echo(_KEYS[key])
    return key


def _done(store: "Store", held: Held, key: str, chosen: Settings, by: Who) -> Exit:
    if key == "r":
        wish = Wish(to=(), why="review", is_yes=False, by=by)
        worse = looked_at(store, [held], chosen)
        send = partial(send_with, chosen.queue.program)
        return release_one(store, held, None, worse, wish, send)
    if key == "d":
        try:
            store.move(held, None, State.DELETED, by=by, why="review")
        except StoreError as error:
            complain(f"not deleted: {error}")
            return Exit.FOUND
        click.echo(for_terminal(f"deleted {held.id}"))
    return Exit.FINE
