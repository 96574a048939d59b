"""`qscanner quarantine digest`: what digests would say now, to whom, and when; and sends them.

Called by  programs.admin_quarantine; people, before and after they set [digest].
Ends       0; 1 where --send was not confirmed; 2 where nobody gets digests, or not this address.
Careful    a letter is shown as it would be sent: strangers' words in it are escaped already. What
           was held within the last minute is in none yet, shown or sent: see rounds.LAG_S.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from qscanner import letters, rounds
from qscanner.bench import own_name
from qscanner.codec.text import for_terminal
from qscanner.programs.admin_options import (
    Exit,
    config_option,
    counted,
    echo_json,
    json_option,
    settings,
)
from qscanner.programs.admin_quarantine_store import agreed, at, complain, opened, utc, yes_option
from qscanner.settings import Settings

if TYPE_CHECKING:  # SQLAlchemy is loaded by whoever opens a store
    from qscanner.store.digests import Digests, Fresh

_TOO_FRESH = "  what was held within the last minute is not counted yet"
_ADMIN = ""  # in the place of an address: store.digests.ADMIN


@click.command("digest")
@config_option
@json_option
@click.option("--to", "address", metavar="A", help="Print the letter that A would get.")
@click.option(
    "--admin", "is_admin", is_flag=True, help="Print the letter that the admin would get."
)
@click.option(
    "--html", "is_html", is_flag=True, help="Write the letter's HTML, to a file or pipe."
)
@click.option("--send", "is_sending", is_flag=True, help="Have all that is new told now.")
@yes_option
def digest(  # noqa: PLR0913 - one for each option
    *,
    address: str | None,
    is_admin: bool,
    is_html: bool,
    is_sending: bool,
    is_yes: bool,
    is_json: bool,
) -> None:
    """Show to whom digests would tell what, and when; or send them now.

    What was told once is not told again: after --send, only what comes then is new.
    """
    is_letter = is_admin or address is not None
    if is_sending + is_admin + (address is not None) > 1 or (is_html and not is_letter):
        raise click.UsageError("one of --to, --admin, --send; --html with --to or --admin")
    chosen = _asked(settings())
    until = time.time() - rounds.LAG_S
    with opened(chosen) as store:
        digests = store.digests(chosen)
        if is_letter:
            _show(digests, chosen, _ADMIN if address is None else address, until, is_html=is_html)
        elif is_sending:
            _send(digests, until, is_yes=is_yes, is_json=is_json)
        else:
            _tell(digests.fresh(until), chosen, is_json=is_json)


def _asked(chosen: Settings) -> Settings:
    """Give the settings, or say which are needed so that anybody gets a digest, and end."""
    if rounds.is_asked(chosen):
        return chosen
    if chosen.digest.admin:
        complain('[notices] admin is empty: write admin = "postmaster@example.org" there')
    else:
        complain(
            'nobody gets digests: write to = ["@example.org"] below [digest], or admin = true'
        )
    raise click.exceptions.Exit(Exit.WRONG)


def _tell(found: "Sequence[Fresh]", chosen: Settings, *, is_json: bool) -> None:
    """Print who would be told of how many messages, and when."""
    due = rounds.following(chosen, time.time())
    if is_json:
        for each in found:
            echo_json(
                {
                    "address": each.address or chosen.notices.admin,
                    "admin": each.address == _ADMIN,
                    "messages": each.messages,
                    "due": None if due is None else utc(due),
                }
            )
        return
    for line in _lines(found, chosen):
        click.echo(for_terminal(line))
    when = "never: [digest] at is empty" if due is None else f"due {at(due)}"
    said = counted(len(found), "letter") if found else "nothing is new"
    click.echo(f"{said}; the next digests are {when}")
    if not found:
        click.echo(_TOO_FRESH)


def _lines(found: "Sequence[Fresh]", chosen: Settings) -> Iterator[str]:
    names = [each.address or f"{chosen.notices.admin} (admin)" for each in found]
    width = max((len(for_terminal(name)) for name in names), default=0)
    for name, each in zip(names, found, strict=True):
        yield f"{for_terminal(name):{width}}  {counted(each.messages, 'message')}"


def _show(
    digests: "Digests", chosen: Settings, address: str, until: float, *, is_html: bool
) -> None:
    """Print the letter that somebody would get."""
    if not (rounds.is_for(chosen, address) if address else rounds.for_admin(chosen)):
        complain(f"{address or 'the admin'} gets no digest: [digest] says who does")
        raise click.exceptions.Exit(Exit.WRONG)
    if is_html and sys.stdout.isatty():
        raise click.UsageError("--html is for a file or a pipe")
    letter = digests.letter(address, until)
    if letter is None:
        complain(f"nothing is new for {address or 'the admin'}")
        complain(_TOO_FRESH)
        return
    host = chosen.queue.host or own_name()
    written = letters.write(letter, chosen.notices, host=host)
    click.echo(
        written.html if is_html else f"Subject: {written.subject}\n\n{written.text}", nl=False
    )


def _send(digests: "Digests", until: float, *, is_yes: bool, is_json: bool) -> None:
    """Put all letters into the outbox, and move the marks on."""
    found = digests.fresh(until)
    if len(found) > 1 and not is_yes:
        agreed(f"send {counted(len(found), 'letter')}?")
    put = digests.write((each.address for each in found), until)
    if is_json:
        echo_json({"letters": put})
    elif put:
        click.echo(f"{counted(put, 'letter')} in the outbox: qscannerd sends them")
    else:
        click.echo(f"nothing is new\n{_TOO_FRESH}")
