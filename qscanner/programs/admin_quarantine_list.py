"""`qscanner quarantine list`: which messages are held, newest first, as a table or as JSON.

Called by  programs.admin_quarantine; people, and scripts, which read --json.
Ends       0, also where nothing is found; 2 for a filter that cannot be meant.
Careful    senders, recipients and subjects are strangers' words: all of them pass Screen.safe().
           Of 200,000 messages no more are read than are shown.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import click

from qscanner.programs.admin_options import config_option, counted, echo_json, json_option
from qscanner.programs.admin_quarantine_filter import Asked, filter_options
from qscanner.programs.admin_quarantine_store import opened, short_at, utc
from qscanner.programs.admin_rows import beside
from qscanner.programs.admin_screen import Screen
from qscanner.store.words import WHOLE, Class, Held, State

_SHOWN = 50
_COLOURS = {
    Class.VIRUS: "red",
    Class.BANNED: "yellow",
    Class.SPAM: "cyan",
    Class.UNSCANNABLE: "magenta",
    Class.POLICY: "blue",
}


@click.command("list")
@config_option
@json_option
@filter_options(has_state=True)
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most so many; 0: all.")
@click.option("--oldest-first", "is_oldest_first", is_flag=True, help="Else the newest are first.")
def list_(*, is_json: bool, limit: int | None, is_oldest_first: bool, asked: Asked) -> None:
    """List held messages, and what became of them.

    Without --limit the table shows 50, and --json all.
    """
    most = (None if is_json else _SHOWN) if limit is None else limit or None
    wanted = asked.filter(
        limit=None if most is None else most + 1, is_oldest_first=is_oldest_first
    )
    with opened() as store:
        found = store.search(wanted)
        if is_json:
            for held in itertools.islice(found, most):
                echo_json(as_json(held))
            return
        shown = list(found)
    if not shown:
        click.echo("nothing held" if asked.is_empty else "nothing is held that is so")
        return
    is_cut = most is not None and len(shown) > most
    for line in _lines(shown[:most], Screen.here()):
        click.echo(line)
    if is_cut:
        click.echo(
            f"{counted(len(shown) - 1, 'message')}, and there are more: --limit 0 shows all"
        )


def as_json(held: Held) -> dict[str, Any]:
    """Give one message as `--json` prints it."""
    named = [one for one in held.recipients if one.place != WHOLE]
    return {
        "id": held.id,
        "digest": held.digest,
        "state": held.state.value,
        "class": held.class_.value,
        "sender": held.sender,
        "recipients": [one.address for one in named],
        "rules": list(held.rules),
        "since": utc(held.since),
        "states": [one.state.value for one in named],
        "subject": held.subject,
        "score": held.score,
        "octets": held.octets,
        "why": held.why,
        "log_id": held.log_id,
    }


def _lines(shown: Sequence[Held], screen: Screen) -> Iterator[str]:
    """Give the table: one line a message where the screen is wide enough, else two."""
    classes = max(len(each.class_.value) for each in shown)
    states = max(len(each.state.value) for each in shown)
    for held in shown:
        id_ = click.style(held.id, bold=True)
        class_ = click.style(f"{held.class_.value:{classes}}", fg=_COLOURS[held.class_])
        word = held.state.value
        shown_state = word if held.state is State.HELD else click.style(word, dim=True)
        state = f"{shown_state}{'':{states - len(word)}}"
        head = f"{id_}  {short_at(held.since):11}  {class_}  {state}"
        to = [one.address for one in held.recipients if one.place != WHOLE]
        text = held.subject or f"({held.why})"
        yield from beside(head, held.sender, to, text, count=len(to), screen=screen)
