"""`qscanner quarantine expire`, `audit`, `verify`, `rebuild`: what keeps the store in order.

Called by  programs.admin_quarantine; people and cron.
Ends       0 fine, 1 where verify found something, 2 for an id that means nothing.
Careful    expire is for cron: in a pipe it says one line. Reasons and addresses of the audit are
           strangers' words in part: they pass for_terminal().
"""

import re
import time
from dataclasses import asdict
from typing import Any

import click

from qscanner.codec.text import for_terminal
from qscanner.outcomes import Unusable
from qscanner.programs.admin_options import (
    Exit,
    config_option,
    counted,
    echo_json,
    json_option,
    refused,
    settings,
)
from qscanner.programs.admin_quarantine_store import (
    Bar,
    at,
    complain,
    complete_id,
    found,
    here,
    opened,
    tell,
    utc,
)
from qscanner.store.words import SHORT, Audited, Filter

_DIGEST = re.compile("[0-9a-f]{64}")


@click.command("expire")
@config_option
@json_option
def expire(*, is_json: bool) -> None:
    """Let go of what is too old, or finds no room, in the history too. For cron."""
    chosen = settings()
    with opened(chosen) as store, Bar("expiring") as bar:
        done = store.expire(by=here(), progress=bar)
        taken = store.history.take()
        gone = store.history.forget(chosen.history, time.time(), progress=bar)
    if is_json:
        echo_json({**asdict(done), "taken": taken, "facts_forgotten": gone.facts})
        return
    click.echo(
        f"{counted(done.expired, 'message')} expired; {done.removed} removed, "
        f"{done.packed} compressed, {done.forgotten} forgotten; "
        f"history: {taken} taken in, {gone.facts} forgotten"
    )


@click.command("audit")
@config_option
@json_option
@click.argument("id_", metavar="[ID]", required=False, shell_complete=complete_id)
def audit(*, id_: str | None, is_json: bool) -> None:
    """Print who did what, when and why, with a message or with all."""
    is_empty = True
    with opened() as store:
        held = found(store, [id_])[0] if id_ is not None else None
        for each in store.audit(held):
            is_empty = False
            if is_json:
                echo_json(audited_as_json(each))
            else:
                when, _, rest = audited_line(each).partition("  ")
                tell(when, rest)
    if is_empty and not is_json:
        click.echo(f"nothing was done with {held.id} yet" if held else "nothing was done yet")


def audited_as_json(each: Audited) -> dict[str, Any]:
    """Give one line of the audit as `--json` prints it."""
    return {
        "at": utc(each.at),
        "id": each.digest[:SHORT],
        "digest": each.digest,
        "recipient": each.address,
        "before": each.before.value if each.before else None,
        "after": each.after.value if each.after else None,
        "did": each.did,
        "by": each.by,
        "via": each.via,
        "why": each.why,
    }


def audited_line(each: Audited) -> str:
    """Give one line of the audit in words; strangers' words may be in it."""
    before = f"{each.before.value} -> " if each.before else ""
    did = f"{before}{each.after.value}" if each.after else each.did
    by = f"by {each.by} ({each.via})" if each.via else f"by {each.by}" if each.by else ""
    pieces = (
        at(each.at),
        each.digest[:SHORT],
        each.address,
        did,
        by,
        each.why,
    )
    return "  ".join(piece for piece in pieces if piece)


@click.command("verify")
@config_option
@json_option
@click.pass_context
def verify(context: click.Context, /, *, is_json: bool) -> None:
    """Read every message and say what is wrong."""
    with opened() as store, Bar("reading") as bar:
        problems = list(store.verify(progress=bar))
    for each in problems:
        if is_json:
            echo_json({"name": each.name, "text": each.text})
        else:
            click.echo(for_terminal(f"{_short(each.name)}  {each.text}"))
    if not is_json:
        click.echo(counted(len(problems), "problem") if problems else "all is as it should be")
    context.exit(Exit.FOUND if problems else Exit.FINE)


def _short(name: str) -> str:
    """Give a digest as an id, and the name of a file as it is."""
    return name[:SHORT] if _DIGEST.fullmatch(name) else name


@click.command("rebuild")
@config_option
def rebuild() -> None:
    """Make the index anew, from files and journal."""
    from qscanner.store.store import Store  # SQLAlchemy

    try:
        with Bar("reading what is held") as bar:
            store, aside = Store.rebuilt(settings().quarantine, progress=bar)
    except Unusable as error:
        raise refused(error) from error
    with store:
        number = store.count(Filter())
    if aside:
        complain(f"the damaged one is {aside} now; the history that was in it is lost")
    click.echo(f"the index was made anew: {counted(number, 'message')}")
