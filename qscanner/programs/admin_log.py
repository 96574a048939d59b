"""`qscanner log`: what became of a message, and why; or which messages there were.

Called by  programs.admin; people, at two in the morning, and scripts, which read --json.
Ends       0; 1 where nothing is known of what was asked for; 2 for what cannot be meant.
Careful    what waits beside the quarantine is taken in first, so that the latest message is there.
           Every word of strangers passes Screen.safe().
"""

import itertools
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from qscanner.model import Action
from qscanner.programs.admin_log_story import (
    MIN_CHARS,
    Story,
    as_json,
    known_to,
    story_lines,
    word,
)
from qscanner.programs.admin_options import (
    Exit,
    config_option,
    counted,
    echo_json,
    folded,
    json_option,
    settings,
)
from qscanner.programs.admin_quarantine_store import moment, opened, short_at
from qscanner.programs.admin_rows import beside, padded
from qscanner.programs.admin_screen import Screen
from qscanner.settings import Settings
from qscanner.store.history_words import Passed, Sought

if TYPE_CHECKING:  # SQLAlchemy is loaded by whoever opens a store
    from qscanner.store.store import Store

_SHOWN = 50
_DAY_S, _HOUR_S = 86400, 3600
_LOGS = "/var/log/qmail/smtpd"


@click.command("log")
@config_option
@json_option
@click.option("--from", "sender", metavar="A", help="From this address, or @domain.")
@click.option("--to", "recipient", metavar="A", help="For this address, or @domain.")
@click.option(
    "--since",
    metavar="TIME",
    callback=moment,
    help='Came at or after: "2h" ago, "2026-11-23 14:00".',
)
@click.option("--until", metavar="TIME", callback=moment, help="Came before.")
@click.option(
    "--verdict", type=click.Choice([each.value for each in Action]), help="What became of it."
)
@click.option("--rule", metavar="ID", help="One of the rules that decided.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most so many; 0: all.")
@click.argument("what", metavar="[ID|MESSAGE-ID|QP]", required=False)
@click.pass_context
def log(
    context: click.Context,
    /,
    what: str | None,
    *,
    is_json: bool,
    limit: int | None,
    **asked: Any,
) -> None:
    """Tell what became of a message and why, or list messages, newest first.

    ID is that of a scan, or a digest or its beginning. Without --limit 50 are shown, with --json
    all.
    """
    is_filtered = limit is not None or any(each is not None for each in asked.values())
    if what is not None and is_filtered:
        raise click.UsageError("either one message, or options that say which ones")
    chosen = settings()
    with opened(chosen) as store:
        store.history.take()
        if what is None:
            most = (None if is_json else _SHOWN) if limit is None else limit or None
            if not _list(store, Sought(**asked), most, is_json=is_json):
                click.echo(_none(chosen, is_filtered=is_filtered))
            return
        stories = known_to(store, what)
        if not stories:
            for line in _nothing(what, chosen):
                click.echo(folded(line, indent=2), err=True)
            context.exit(Exit.FOUND)
        _tell(stories, is_json=is_json)


def _list(store: "Store", sought: Sought, most: int | None, *, is_json: bool) -> bool:
    """Print those that are sought; say whether that was something, or is for programs."""
    found = store.history.search(sought)
    if is_json:
        for each in itertools.islice(found, most):
            echo_json(as_json(each))
        return True
    shown = list(itertools.islice(found, None if most is None else most + 1))
    for line in _table(shown[:most], Screen.here()):
        click.echo(line)
    if most is not None and len(shown) > most:
        click.echo(f"{counted(most, 'message')}, and there are more: --limit 0 shows all")
    return bool(shown)


def _none(chosen: Settings, *, is_filtered: bool) -> str:
    """Give why nothing is listed."""
    if not chosen.history.keep:
        return "facts of messages are not kept: [history] keep is 0"
    return "nothing came that is so" if is_filtered else "nothing came yet"


def _table(shown: Sequence[Passed], screen: Screen) -> Iterator[str]:
    """Give the table: one line a message where the screen is wide enough, else two."""
    ids = max((len(screen.safe(each.scan_id)) for each in shown), default=0)
    for each in shown:
        id_ = padded(click.style(screen.safe(each.scan_id), bold=True), ids)
        head = f"{id_}  {short_at(each.at):11}  {padded(word(each, screen), _VERDICT_CELLS)}"
        text = f"{', '.join(each.rules)}: {each.why}" if each.rules else each.why
        to = [one.address for one in each.to]
        yield from beside(head, each.sender, to, text, count=each.recipients, screen=screen)


_VERDICT_CELLS = max(len(each.value) for each in Action)


def _tell(stories: Sequence[Story], *, is_json: bool) -> None:
    """Tell of one message all that is known, or list several: they have a number in common."""
    if is_json:
        for each in stories:
            echo_json({**as_json(each.passed), **each.more_as_json})
        return
    screen = Screen.here()
    if len(stories) == 1:
        for line in story_lines(stories[0], screen):
            click.echo(line)
        return
    for line in _table([each.passed for each in stories], screen):
        click.echo(line)
    click.echo(f"{counted(len(stories), 'message')}: qscanner log ID tells all of one")


def _nothing(what: str, chosen: Settings) -> Iterator[str]:
    """Give where else to look."""
    screen = Screen.here()
    yield f'nothing is known of "{screen.safe(what)}"'
    if chosen.history.keep:
        yield f"  facts of messages are kept for {_days(chosen.history.keep)} ([history] keep)"
    else:
        yield "  facts of messages are not kept: [history] keep is 0"
    if re.fullmatch(f"[0-9a-f]{{1,{MIN_CHARS - 1}}}", what):
        yield f"  of a digest it takes {MIN_CHARS} digits at least, of a qp all"
    word = shlex.quote(re.sub(r"^<(.*)>$", r"\1", what.strip()))
    yield f"  the log may be older: grep -rF {screen.safe(word)} {_LOGS} (qscanner help log)"
    yield "  of a message that got no verdict (broken off, a crash) there is a plain line at most"
    yield "  what is held is found by its words, too: qscanner quarantine list --text WORDS"


def _days(seconds: float) -> str:
    is_days = seconds >= _DAY_S
    return f"{seconds / _DAY_S:g} d" if is_days else f"{seconds / _HOUR_S:g} h"
