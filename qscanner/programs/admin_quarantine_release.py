"""`qscanner quarantine release`, `delete`, `resolve`: what becomes of held mail.

Called by  programs.admin_quarantine.
Ends       0 when all was done; 1 where a message was left as it is (somebody was first, nobody
           said yes, the queue program said never); 2 for ids and addresses that mean nothing; 3
           where the queue program cannot take mail.
Careful    what goes out are the octets as they came, in the envelope as it came: no header line is
           added, no rule is asked. Scanners are, before: what got worse goes out only on a yes.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import click

from qscanner.codec.text import for_terminal
from qscanner.inject import NotQueued, inject
from qscanner.programs.admin_options import Exit, config_option, settings
from qscanner.programs.admin_quarantine_filter import (
    Asked,
    Chosen,
    filter_options,
    ids_or_filter,
    meant,
)
from qscanner.programs.admin_quarantine_store import (
    agreed,
    complain,
    complete_id,
    confirmed,
    found,
    here,
    opened,
    recipient_option,
    why_option,
    yes_option,
)
from qscanner.programs.admin_quarantine_today import looked_at
from qscanner.programs.admin_scan import envelope_of
from qscanner.spool import Message
from qscanner.store.words import (
    WHOLE,
    Held,
    Recipient,
    State,
    StoreError,
    Who,
)

if TYPE_CHECKING:  # SQLAlchemy is loaded by whoever opens a store
    from qscanner.store.store import Store

_QUEUE_S = 60.0
_PASSED_ON = ("QSCANNER_MAILDIR",)  # without it qscanner-maildir takes nothing
_NOBODY = "nobody"
_MAX_NAMED = 3
_Chosen = tuple[Recipient, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for: other addresses in place of the recipients, the reason, yes to all."""

    to: tuple[bytes, ...]
    why: str
    is_yes: bool
    by: Who


@click.command("release")
@config_option
@recipient_option
@click.option("--to", metavar="A", multiple=True, help="To A instead; may be repeated.")
@why_option
@yes_option
@filter_options(has_to=False)
@ids_or_filter
@click.pass_context
def release(  # noqa: PLR0913 - what the command line says
    context: click.Context,
    /,
    ids: tuple[str, ...],
    *,
    recipients: tuple[str, ...],
    to: tuple[str, ...],
    why: str,
    is_yes: bool,
    asked: Asked,
) -> None:
    """Deliver held messages, as they came: those named, or all that a filter finds.

    They go to those for whom they are held. Today's scanners are asked first, but no rule: a
    release is never held again. With --to it goes to other addresses, and counts as released for
    the recipients all the same. What a filter finds is not released where scanners warn: name it.
    """
    others = envelope_of("", to).recipients if to else ()
    if not all(others):
        raise click.UsageError("--to: an empty address")
    said = f"to {', '.join(to)} instead; {why}".removesuffix("; ") if to else why
    wish = Wish(to=others, why=said, is_yes=is_yes, by=here())
    chosen = settings()
    with opened(chosen) as store:
        wanted = meant(store, ids, asked, recipients)
        confirmed(len(wanted), "release", is_yes=is_yes)
        worse = looked_at(store, [held for held, _ in wanted], chosen)
        if not ids:
            told_of(wanted, worse)
            wanted = [each for each in wanted if each[0].digest not in worse]
        send = partial(send_with, chosen.queue.program)
        ends = [release_one(store, held, these, worse, wish, send) for held, these in wanted]
    context.exit(max(ends, default=Exit.FINE) or (Exit.FOUND if worse and not ids else Exit.FINE))


def told_of(wanted: Chosen, worse: dict[str, str]) -> None:
    """Tell what a filter found: how many, and which of them are left as they are."""
    if not wanted:
        click.echo("nothing is held that is so")
    for held, _ in wanted:
        if held.digest in worse:
            complain(f"{held.id}: not released: {worse[held.digest]}")
            complain(f"  to release it all the same: qscanner quarantine release {held.id}")


def send_with(program: str, message: Message, envelope: bytes) -> None:
    """Give a message to the queue program. Raises NotQueued."""
    known = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    inject(program, message.fd, envelope, within_s=_QUEUE_S, environment=known)


def release_one(  # noqa: PLR0913 - one step of release()
    store: "Store",
    held: Held,
    these: _Chosen,
    worse: dict[str, str],
    wish: Wish,
    send: "partial[None]",
) -> Exit:
    """Release one message and tell it; or tell why not."""
    if not _may_go(held, these, worse.get(held.digest, ""), wish):
        return Exit.FOUND
    try:
        after = store.release(held, these, by=wish.by, inject=send, to=wish.to, why=wish.why)
    except NotQueued as error:
        complain(f"{held.id}: not released: {error}")
        if error.is_unsure:
            complain(
                "  it may have gone out all the same: look into the log of qmail-send, and say so "
                f"with: qscanner quarantine resolve {held.id} --as released (or held)"
            )
        return Exit.FOUND if error.is_permanent else Exit.DOWN
    except StoreError as error:
        complain(f"not released: {error}")
        return Exit.FOUND
    out = {one.place for one in held.of(State.HELD)} & {one.place for one in after.recipients}
    if these is not None:
        out &= {one.place for one in these}
    names = [one.address for one in held.recipients if one.place in out and one.place != WHOLE]
    told = wish.why if wish.to else f"to {_named(names)}"
    click.echo(for_terminal(f"released {held.id} {told}"))
    return Exit.FINE


def _may_go(held: Held, these: _Chosen, worse: str, wish: Wish) -> bool:
    """Say whether a message may go out; where not, tell why."""
    if not held.of(State.HELD) or (these and not any(one.state is State.HELD for one in these)):
        states = sorted({one.state.value for one in these or held.recipients})
        complain(f"{held.id}: not released: it is {' and '.join(states)} already")
        return False
    if held.release == _NOBODY:
        complain(f'{held.id}: not released: its rule says release = "nobody"')
        return False
    if not worse:
        return True
    complain(f"{held.id}: warning: {worse}")
    if wish.is_yes:
        return True
    try:
        agreed(f"release {held.id} all the same?")
    except click.Abort:
        complain(f"{held.id}: not released; --yes would")
        return False
    return True


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMED
    shown = ", ".join(names[:_MAX_NAMED])
    return (f"{shown} and {more} more" if more > 0 else shown) or "nobody"


@click.command("delete")
@config_option
@recipient_option
@why_option
@yes_option
@filter_options()
@ids_or_filter
@click.pass_context
def delete(  # noqa: PLR0913 - what the command line says
    context: click.Context,
    /,
    ids: tuple[str, ...],
    *,
    recipients: tuple[str, ...],
    why: str,
    is_yes: bool,
    asked: Asked,
) -> None:
    """Delete held messages: those named, or all that a filter finds.

    What is deleted for all its recipients is removed.
    """
    by = here()
    with opened() as store:
        wanted = meant(store, ids, asked, recipients)
        if not wanted:
            click.echo("nothing is held that is so")
        confirmed(len(wanted), "delete", is_yes=is_yes)
        ends = [delete_one(store, held, these, by=by, why=why) for held, these in wanted]
    context.exit(max(ends, default=Exit.FINE))


def delete_one(store: "Store", held: Held, these: _Chosen, *, by: Who, why: str) -> Exit:
    """Delete one message and tell it; or tell why not."""
    try:
        after = store.move(held, these, State.DELETED, by=by, why=why)
    except StoreError as error:
        complain(f"not deleted: {error}")
        return Exit.FOUND
    left = [one.address for one in after.of(State.HELD)]
    also = f"; still held for {_named(left)}" if left else ""
    click.echo(for_terminal(f"deleted {held.id}{also}"))
    return Exit.FINE


@click.command("resolve")
@config_option
@click.option(
    "--as",
    "state",
    required=True,
    type=click.Choice([State.RELEASED.value, State.HELD.value]),
    help="What the log of qmail-send says: it went out, or it did not.",
)
@why_option
@click.argument("id_", metavar="ID", shell_complete=complete_id)
@click.pass_context
def resolve(context: click.Context, /, id_: str, *, state: str, why: str) -> None:
    """Say how a release ended that was cut off (state "releasing")."""
    with opened() as store:
        (held,) = found(store, [id_])
        try:
            store.move(held, None, State(state), by=here(), why=why, is_resolving=True)
        except StoreError as error:
            complain(f"not resolved: {error}")
            context.exit(Exit.FOUND)
    click.echo(for_terminal(f"{held.id} is {state}"))
