"""`qscanner quarantine release`, `delete`, `resolve`: what becomes of held mail.

Called by  programs.admin_quarantine.
Ends       0 when all was done; 1 where a message was left as it is (somebody was first, nobody
           said yes, the queue program said never); 2 for ids and addresses that mean nothing; 3
           where the queue program cannot take mail.
Careful    what goes out are the octets as they came, in the envelope as it came: no header line is
           added, no rule is asked. Scanners are, before: what got worse goes out only on a yes.
"""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import click

from qscanner import looking
from qscanner.bench import Bench
from qscanner.codec.envelope import Decoder
from qscanner.codec.text import for_terminal
from qscanner.inject import NotQueued, inject
from qscanner.model import Client, Facts, Outcome
from qscanner.outcomes import QScannerError, Unusable
from qscanner.programs.admin_options import Exit, config_option, settings
from qscanner.programs.admin_quarantine_store import (
    Bar,
    agreed,
    all_chosen,
    complain,
    complete_id,
    confirmed,
    found,
    here,
    ids_argument,
    opened,
    recipient_option,
    why_option,
    yes_option,
)
from qscanner.programs.admin_scan import envelope_of
from qscanner.report import Mail
from qscanner.settings import Settings
from qscanner.spool import Message
from qscanner.store.words import (
    WHOLE,
    Class,
    Held,
    Recipient,
    State,
    StoreError,
    Who,
)

if TYPE_CHECKING:  # SQLAlchemy is loaded by whoever opens a store
    from qscanner.store.store import Store

_QUEUE_S = 60.0
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
@ids_argument
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
) -> None:
    """Deliver held messages, as they came.

    They go to those for whom they are held. Today's scanners are asked first, but no rule: a
    release is never held again. With --to it goes to other addresses, and counts as released for
    the recipients all the same.
    """
    others = envelope_of("", to).recipients if to else ()
    if not all(others):
        raise click.UsageError("--to: an empty address")
    said = f"to {', '.join(to)} instead; {why}".removesuffix("; ") if to else why
    wish = Wish(to=others, why=said, is_yes=is_yes, by=here())
    chosen = settings()
    with opened(chosen) as store:
        wanted = all_chosen(found(store, ids), recipients)
        confirmed(len(wanted), "release", is_yes=is_yes)
        worse = looked_at(store, [held for held, _ in wanted], chosen)
        send = partial(send_with, chosen.queue.program)
        ends = [release_one(store, held, these, worse, wish, send) for held, these in wanted]
    context.exit(max(ends))


def send_with(program: str, message: Message, envelope: bytes) -> None:
    """Give a message to the queue program. Raises NotQueued."""
    inject(program, message.fd, envelope, within_s=_QUEUE_S)


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


def looked_at(store: "Store", held: Sequence[Held], chosen: Settings) -> dict[str, str]:
    """Give what today's scanners say that is worse than when each came, by digest."""
    these = [each for each in held if each.of(State.HELD)]
    try:
        bench = replace(Bench.of(chosen), policy=looking.no_rules(needs_texts=False), auth=None)
    except Unusable as error:
        text = f"it was not scanned again: {str(error).splitlines()[0]}"
        return dict.fromkeys((each.digest for each in these), text)
    worse: dict[str, str] = {}
    with Bar("scanning") as bar:
        for done, each in enumerate(these, 1):
            text = _worse(store, each, bench)
            if text:
                worse[each.digest] = text
            if len(these) > 1:
                bar(done, len(these))
    return worse


def _worse(store: "Store", held: Held, bench: Bench) -> str:
    """Scan one message; give what got worse, "" where nothing did."""
    try:
        decoder = Decoder()
        decoder.feed(store.envelope(held, held.recipients))
        message = store.message(held)
    except StoreError:
        return ""  # store.release() says it
    try:
        mail = Mail(
            message=message, envelope=decoder.finish(), client=Client(uid=os.getuid()), pid=0
        )
        facts = looking.facts(mail, bench, within_s=bench.settings.limits.time)
    except QScannerError as error:
        return f"it could not be scanned today: {error}"
    finally:
        with contextlib.suppress(BufferError):
            message.close()
    return "; ".join(_news(facts, held.class_))


def _news(facts: Facts, class_: Class) -> list[str]:
    said = list[str]()
    virus, spam = facts.virus, facts.spam
    if virus is not None and class_ is not Class.VIRUS:
        match virus.outcome:
            case Outcome.FOUND:
                said.append(f"today's engines find {', '.join(virus.names) or virus.detail}")
            case Outcome.UNAVAILABLE:
                said.append(f"no engine could look at it today: {virus.detail}")
            case Outcome.UNSCANNABLE if class_ is not Class.UNSCANNABLE:
                said.append(f"today's engines cannot look into it: {virus.detail}")
            case Outcome.UNSCANNABLE | Outcome.CLEAN:
                pass
    if spam is not None and spam.outcome is Outcome.FOUND and class_ not in _SCORED:
        said.append(f"the spam scorer says {spam.score.score if spam.score else 'spam'} today")
    return said


_SCORED = (Class.SPAM, Class.VIRUS)  # a review has seen as much already, or worse


@click.command("delete")
@config_option
@recipient_option
@why_option
@yes_option
@ids_argument
@click.pass_context
def delete(
    context: click.Context,
    /,
    ids: tuple[str, ...],
    *,
    recipients: tuple[str, ...],
    why: str,
    is_yes: bool,
) -> None:
    """Delete held messages. What is deleted for all its recipients is removed."""
    end, by = Exit.FINE, here()
    with opened() as store:
        wanted = all_chosen(found(store, ids), recipients)
        confirmed(len(wanted), "delete", is_yes=is_yes)
        for held, these in wanted:
            try:
                after = store.move(held, these, State.DELETED, by=by, why=why)
            except StoreError as error:
                complain(f"not deleted: {error}")
                end = max(end, Exit.FOUND)
                continue
            left = [one.address for one in after.of(State.HELD)]
            also = f"; still held for {_named(left)}" if left else ""
            click.echo(for_terminal(f"deleted {held.id}{also}"))
    context.exit(end)


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
