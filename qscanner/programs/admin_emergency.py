"""`qscanner emergency`: for a while, accept what no virus engine could look at.

Called by  programs.admin.
Ends       0 done, or no emergency; 1 while one is in force; 2 where it cannot be switched.
Careful    it ends by itself, and it never lets pass what was found or can never be scanned.
"""

import os
import re

import click

from qscanner import emergency
from qscanner.codec import units
from qscanner.codec.text import for_terminal
from qscanner.outcomes import Unusable
from qscanner.programs.admin_lazy import Lazy
from qscanner.programs.admin_options import Exit, config_option, refused, settings


@click.group("emergency", cls=Lazy, lazy={}, invoke_without_command=True)
@config_option
@click.pass_context
def command(context: click.Context) -> None:
    """Say whether unscanned mail is accepted now, or switch that on and off."""
    if context.invoked_subcommand is not None:
        return
    try:
        found = emergency.in_force(settings().daemon.socket, now=emergency.now())
    except emergency.Broken as broken:
        click.echo(for_terminal(f"not in force: {broken}"), err=True)
        context.exit(Exit.WRONG)
    if found is None:
        click.echo("no emergency: what no virus engine answered for goes by [virus] on_failure")
        return
    click.echo(for_terminal(f"unscanned mail is accepted {found.told}"))
    context.exit(Exit.FOUND)


@command.command("accept-unscanned")
@config_option
@click.option("--for", "duration", required=True, metavar="TIME", help='Like "30m"; 24h at most.')
@click.option("--why", required=True, metavar="TEXT", help="The reason, for log and check.")
def accept_unscanned(duration: str, why: str) -> None:
    """Accept mail while no virus engine answers, for TIME from now on."""
    try:
        found = emergency.declare(
            settings().daemon.socket,
            for_s=_seconds(duration),
            who=emergency.caller(os.environ),
            why=why,
            now=emergency.now(),
        )
    except Unusable as error:
        raise refused(error) from error
    click.echo(for_terminal(f"unscanned mail is accepted {found.told}"))
    click.echo("qscanner emergency off ends that earlier")


@command.command("off")
@config_option
def off() -> None:
    """End the emergency at once."""
    try:
        was_there = emergency.end(settings().daemon.socket)
    except Unusable as error:
        raise refused(error) from error
    click.echo("switched off" if was_there else "there was no emergency")


def _seconds(duration: str) -> float:
    """Give the seconds of "30m": on this command line m is minutes, as people type it."""
    try:
        return units.seconds(re.sub(r"(?<=[0-9]) ?m$", " min", duration))
    except ValueError as error:
        raise click.UsageError(f"--for: {error}") from error
