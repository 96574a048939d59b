"""`qscanner quarantine allow`, `block`, `lists`, `unlist`: senders whom a review has judged.

Called by  programs.admin_quarantine; admin_quarantine_review (list_sender).
Ends       0; 1 for an entry that is not there; 2 for what is no address, or an unknown id.
Careful    anybody can write any sender: what an allowance opens is policy's to bound (decide.py).
"""

import datetime
import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from qscanner.codec.text import for_terminal
from qscanner.programs.admin_options import Exit, config_option, echo_json, json_option
from qscanner.programs.admin_quarantine_store import (
    at,
    complain,
    complete_id,
    found,
    here,
    opened,
    tell,
    utc,
    why_option,
)
from qscanner.store.words import WHOLE, Entry, Held, Unknown, Who

if TYPE_CHECKING:  # SQLAlchemy is loaded by whoever opens a store
    from qscanner.store.store import Store

DAYS = 365  # an entry that nobody remembers is not for ever
_DAY_S = 86400.0
_MAX_DAYS = 36500  # later is no date any more, and 0 is for ever
_ALL = "all"
_ID = re.compile("[0-9a-f-]+", re.IGNORECASE)  # of a held message, or of its scan
_MAX_CHARS = 320


def _options(function: Any) -> Any:
    """Add what allow and block share."""
    for option in (
        click.argument("sender", metavar="SENDER|ID", shell_complete=complete_id),
        why_option,
        click.option(
            "--until", metavar="DATE", callback=_date, help='The last day, like "2027-03-31".'
        ),
        click.option(
            "--days",
            type=click.IntRange(min=0, max=_MAX_DAYS),
            metavar="N",
            help=f"For so many days; 0: for ever.  [default: {DAYS}]",
        ),
        click.option(
            "--for",
            "recipient",
            metavar="A",
            help='This recipient, "@domain", or "all".  [default: all; with ID, its own]',
        ),
        config_option,
    ):
        function = option(function)
    return function


def _date(_: click.Context, option: click.Parameter, value: str | None) -> float | None:
    """Take a day; give its end, in seconds since 1970."""
    if value is None:
        return None
    try:
        day = datetime.datetime.fromisoformat(value).astimezone()
    except (ValueError, OverflowError) as error:
        text = for_terminal(f'"{value}" is no day like "2027-03-31"')
        raise click.BadParameter(text, param=option) from error
    whole = len(value) == len("2027-03-31")
    end = day.timestamp() + (_DAY_S - 1 if whole else 0)
    if end <= time.time():
        raise click.BadParameter(for_terminal(f'"{value}" is over'), param=option)
    return end


@click.command("allow")
@_options
def allow(**asked: Any) -> None:
    """Let a sender's mail pass spam rules and holds, for one recipient or all, from now on.

    SENDER is the address of the envelope, or "@domain"; or ID, a held message, whose sender it is
    then. A virus, dangerous contents and what cannot be scanned are never let pass: anybody can
    write any sender.
    """
    _list(is_allowed=True, **asked)


@click.command("block")
@_options
def block(**asked: Any) -> None:
    """Refuse a sender's mail, for one recipient or all, from now on.

    SENDER is the address of the envelope, or "@domain"; or ID, a held message, whose sender it is
    then.
    """
    _list(is_allowed=False, **asked)


def _list(  # noqa: PLR0913 - what the command line says
    *,
    is_allowed: bool,
    sender: str,
    recipient: str | None,
    days: int | None,
    until: float | None,
    why: str,
) -> None:
    if days is not None and until is not None:
        raise click.UsageError("--days or --until, not both")
    end = until if until is not None else ends_at(days)
    with opened() as store:
        is_all = (recipient or _ALL).lower() == _ALL
        to: tuple[str, ...] = ("" if is_all else _address(recipient or ""),)
        who = _address(sender)
        if "@" not in who:
            if not _ID.fullmatch(sender):
                raise click.UsageError(_refusal(sender))
            (held,) = found(store, [sender])
            who = sender_of(held)
            to = to if recipient else recipients_of(held)
        for each in to:
            write(store, is_allowed=is_allowed, sender=who, to=each, until=end, why=why)


def _refusal(text: str) -> str:
    if text in ("", "<>"):
        return "the null sender is neither allowed nor blocked: bounces are no mail of a domain"
    return for_terminal(f'"{text}" is no address, no "@domain", and no id of a held message')


def _address(text: str) -> str:
    """Give an address, or "@domain" also for a bare domain; else the text."""
    is_domain = "@" not in text and "." in text
    return f"@{text}" if is_domain else text


def ends_at(days: int | None) -> float | None:
    """Give when an entry of so many days ends, None for never."""
    number = DAYS if days is None else days
    return time.time() + number * _DAY_S if number else None


def sender_of(held: Held) -> str:
    """Give the sender of a held message. Raises UsageError where it cannot be listed."""
    if "@" not in held.sender:
        raise click.UsageError(f"{held.id} has no sender that can be listed: it is a bounce")
    return _one(held, held.sender)


def recipients_of(held: Held) -> tuple[str, ...]:
    """Give for whom the sender of a held message is listed: those whose copies it holds.

    "" is for all. Raises UsageError where one of them cannot be listed.
    """
    named = (one.address for one in held.recipients if one.place != WHOLE)
    return tuple(_one(held, each) for each in dict.fromkeys(named)) or ("",)


def _one(held: Held, address: str) -> str:
    """Give an address of a message, if it is one.

    A stranger wrote it: "@example.org" would mean a domain, and "all" everybody.
    """
    if address.partition("@")[0] and _is_usable(address):
        return address
    text = f'{held.id}: "{address}" is no address that can be listed: name SENDER, and --for'
    raise click.UsageError(for_terminal(text))


def _is_usable(text: str) -> bool:
    return "@" in text and len(text) <= _MAX_CHARS and text.isprintable()


def write(  # noqa: PLR0913 - what an entry says
    store: "Store",
    *,
    is_allowed: bool,
    sender: str,
    to: str,
    until: float | None,
    why: str,
    by: Who | None = None,
) -> None:
    """Write an entry and tell it; `to` is "" for all. Raises UsageError for what is no address."""
    for text in (sender, to):
        if text and not _is_usable(text):
            raise click.UsageError(for_terminal(f'"{text}" is no address, and no "@domain"'))
    try:
        made = store.write_entry(
            is_allowed=is_allowed,
            sender=sender,
            recipient=to,
            until=until,
            why=why,
            by=by or here(),
        )
    except ValueError as error:
        text = for_terminal(f'"{sender}" for "{to or _ALL}"')
        raise click.UsageError(f"{text}: {error} it must be") from error
    click.echo(for_terminal(f"{made.told}  ({made.id})"))


@click.command("senders")
@config_option
@json_option
def senders(*, is_json: bool) -> None:
    """List the senders that are allowed and blocked, with those whose time is over."""
    with opened() as store:
        entries = store.entries()
    for each in entries:
        if is_json:
            echo_json(_as_json(each))
        else:
            tell(each.id, _line(each))
    if not entries and not is_json:
        click.echo("nobody is allowed or blocked")


def _as_json(each: Entry) -> dict[str, Any]:
    told = asdict(each)
    told["is_over"] = _is_over(each)
    told["at"] = utc(each.at)
    told["until"] = None if each.until is None else utc(each.until)
    return told


def _is_over(each: Entry) -> bool:
    return each.until is not None and each.until <= time.time()


def _line(each: Entry) -> str:
    over = "  (over)" if _is_over(each) else ""
    why = f"  {each.why}" if each.why else ""
    return f"{each.told}{over}  by {each.by.partition(' ')[0]}, {at(each.at)}{why}"


@click.command("unlist")
@config_option
@why_option
@click.argument("ids", metavar="ENTRY...", nargs=-1, required=True)
@click.pass_context
def unlist(context: click.Context, /, ids: Sequence[str], *, why: str) -> None:
    """Take entries back: ENTRY is the id that `senders` shows."""
    end = Exit.FINE
    with opened() as store:
        for each in ids:
            try:
                store.remove_entry(each, by=here(), why=why)
            except Unknown as error:
                complain(f"{error}: qscanner quarantine senders shows all")
                end = Exit.FOUND
            else:
                click.echo(for_terminal(f"took back {each}"))
    context.exit(end)
