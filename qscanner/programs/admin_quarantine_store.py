"""What all of `qscanner quarantine` shares: the store, ids, times, progress, and asking first.

Called by  the other admin_quarantine modules.
Ends       raises click's Exit after telling what is wrong: 2 for what was asked wrongly. Trouble
           of the store itself (QScannerError) is passed on, for main() to tell.
Careful    several ids are all looked up before anything is done with the first.
"""

import contextlib
import datetime
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from qscanner.codec import units
from qscanner.codec.text import for_terminal
from qscanner.outcomes import QScannerError, Unusable
from qscanner.programs.admin_options import Exit, counted, folded, refused, settings
from qscanner.settings import Settings
from qscanner.store.words import (
    WHOLE,
    Ambiguous,
    Filter,
    Held,
    Recipient,
    State,
    StoreError,
    Who,
)

if TYPE_CHECKING:  # SQLAlchemy is loaded by whoever opens a store, rich for who waits for long
    from rich.progress import Progress

    from qscanner.store.store import Store

MAX_TO = 20  # recipients that are told one by one
_OFFERED = 20  # ids, where nothing is typed yet


class Bar:
    """How far long work is, drawn on standard error where that is a terminal.

    Nothing else is to be printed meanwhile.
    """

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._progress: Progress | None = None

    def __call__(self, done: int, total: int) -> None:
        """Show that so many of so many are done."""
        if not sys.stderr.isatty():
            return
        if self._progress is None:
            self._progress = _begun(self._doing, total)
        self._progress.update(self._progress.task_ids[0], completed=done, total=total)

    def __enter__(self) -> "Bar":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()


def _begun(doing: str, total: int) -> "Progress":
    from rich.console import Console
    from rich.progress import Progress

    progress = Progress(
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # else what is printed meanwhile lands on standard error
        redirect_stderr=False,
    )
    progress.start()
    progress.add_task(doing, total=total)
    return progress


@contextlib.contextmanager
def opened(chosen: Settings | None = None) -> "Iterator[Store]":
    """Give the quarantine of the settings."""
    try:
        with Bar("taking over what is held") as bar:
            from qscanner.store.store import Store

            store = Store.open((chosen or settings()).quarantine, progress=bar)
    except Unusable as error:
        raise refused(error) from error
    with store:
        yield store


def here() -> Who:
    """Give who does this, for the audit."""
    return Who.here("quarantine")


def found(store: "Store", ids: Sequence[str]) -> list[Held]:
    """Give the messages that these ids mean, each once; else tell of all that mean none."""
    held: dict[str, Held] = {}
    is_wrong = False
    for begin in ids:
        try:
            one = store.find(begin)
            held.setdefault(one.digest, one)
        except Ambiguous as error:
            is_wrong = True
            complain(str(error))
            for each in error.candidates:
                what = f"{at(each.since)}  {each.sender or '<>'}  {each.subject}"
                click.echo(for_terminal(f"  {_telling(each, error.candidates)}  {what}"), err=True)
        except StoreError as error:
            is_wrong = True
            complain(str(error))
    if is_wrong:
        raise click.exceptions.Exit(Exit.WRONG)
    return list(held.values())


def _telling(held: Held, others: Sequence[Held]) -> str:
    """Give as much of its digest as tells it from the others."""
    size = len(held.id)
    while size < len(held.digest) and any(
        other.digest != held.digest and other.digest.startswith(held.digest[:size])
        for other in others
    ):
        size += 1
    return held.digest[:size]


def tell(head: str, rest: str) -> None:
    """Print one thing: one line in a pipe; on a terminal `rest` is folded beside its head.

    Strangers' words may be in both.
    """
    begin = f"{for_terminal(head)}  "
    click.echo(begin + folded(for_terminal(rest), indent=len(begin)))


def complain(text: str) -> None:
    """Tell on standard error what went wrong; strangers' words may be in it."""
    click.echo(for_terminal(text), err=True)


def chosen_of(held: Held, addresses: Sequence[str]) -> tuple[Recipient, ...] | None:
    """Give the recipients with these addresses, None (all) where none are named.

    Raises LookupError with the address that is nobody's.
    """
    if not addresses:
        return None
    theirs = {one.address.lower(): one for one in held.recipients if one.place != WHOLE}
    unknown = [each for each in addresses if each.lower() not in theirs]
    if unknown:
        raise LookupError(f"{held.id}: it is not held for {unknown[0]}")
    wanted = {each.lower() for each in addresses}
    return tuple(one for one in held.recipients if one.address.lower() in wanted)


def all_chosen(
    held: Sequence[Held], addresses: Sequence[str]
) -> list[tuple[Held, tuple[Recipient, ...] | None]]:
    """Give messages with their chosen recipients, or tell of those who are nobody's and end."""
    try:
        return [(each, chosen_of(each, addresses)) for each in held]
    except LookupError as error:
        complain(str(error.args[0]))
        raise click.exceptions.Exit(Exit.WRONG) from error


def rest_said(held: Held) -> str:
    """Give how many recipients there are beyond those that are told, and in which states."""
    states = Counter(one.state.value for one in held.recipients[MAX_TO:])
    told = ", ".join(f"{number} {state}" for state, number in states.items())
    return f"and {states.total()} more: {told} (--json has all)" if states else ""


def confirmed(number: int, doing: str, *, is_yes: bool) -> None:
    """Ask before something is done to more than one message; who says no ends with 1."""
    if number > 1 and not is_yes:
        agreed(f"{doing} {counted(number, 'message')}?")


def agreed(question: str) -> None:
    """Ask on standard error; whoever does not say yes (no terminal, no answer) ends with 1."""
    if not click.confirm(for_terminal(question), err=True):
        raise click.Abort


def at(seconds: float) -> str:
    """Give a time as people here write it, to the minute."""
    return _local(seconds).strftime("%Y-%m-%d %H:%M")


def to_the_second(seconds: float) -> str:
    """Give a time as the log of this host has it."""
    return _local(seconds).strftime("%Y-%m-%d %H:%M:%S")


def short_at(seconds: float) -> str:
    """Give a time in 11 columns: without year where that is this one."""
    then = _local(seconds)
    this_year = datetime.datetime.now(tz=datetime.UTC).astimezone().year
    return then.strftime("%m-%d %H:%M" if then.year == this_year else "%Y-%m-%d")


def _local(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC).astimezone()


def utc(seconds: float) -> str:
    """Give a time as the log and JSON write it (RFC 3339)."""
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(_: click.Context, option: click.Parameter, value: str | None) -> float | None:
    """Take "2 h" or "3d" (so long ago), "14:00" (today), or a date, maybe with a time (ISO 8601).

    For the callback of an option: it gives seconds since 1970. Raises BadParameter.
    """
    if value is None:
        return None
    now = datetime.datetime.now(tz=datetime.UTC)
    with contextlib.suppress(ValueError):
        return now.timestamp() - units.seconds(re.sub(r"(?<=[0-9]) ?m$", " min", value))
    is_today = re.fullmatch(r"[0-9]{1,2}:[0-9]{2}", value)
    told = f"{now.astimezone():%Y-%m-%d} {value:0>5}" if is_today else value
    try:
        return datetime.datetime.fromisoformat(told).astimezone().timestamp()
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            for_terminal(
                f'"{value}" is no time like "2h", "3d" (ago), "14:00", "2026-11-23 14:00"'
            ),
            param=option,
        ) from error


def complete_id(context: click.Context, _: click.Parameter, begin: str) -> list[CompletionItem]:
    """Offer ids to a shell, with sender and subject."""
    try:
        with context.scope(cleanup=False), opened() as store:
            if begin:
                try:
                    offered = [store.find(begin)]
                except Ambiguous as error:
                    offered = list(error.candidates)
            else:
                offered = list(store.search(Filter(state=State.HELD, limit=_OFFERED)))
    except (QScannerError, StoreError, click.exceptions.Exit):
        return []
    return [
        CompletionItem(each.id, help=for_terminal(f"{each.sender} {each.subject}"))
        for each in offered
    ]


ids_argument = click.argument(
    "ids", metavar="ID...", nargs=-1, required=True, shell_complete=complete_id
)
id_argument = click.argument("id_", metavar="ID", shell_complete=complete_id)
recipient_option = click.option(
    "--recipient", "recipients", metavar="A", multiple=True, help="Only for A; may be repeated."
)
why_option = click.option("--why", metavar="TEXT", default="", help="The reason, for the audit.")
yes_option = click.option("--yes", "is_yes", is_flag=True, help="Do not ask.")
