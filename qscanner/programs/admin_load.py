"""`qscanner policy load`: has the daemon load settings and rules, and reports what came of it.

Called by  programs.admin.
Ends       0 when they are in force, 2 where they have mistakes, 3 where the daemon is not there.
Careful    the daemon decides: all or nothing, and its old rules stay where anything is wrong.
"""

import contextlib
import os
import select
import signal
import time

import click

from qscanner import config, rehearsal
from qscanner.codec.problems import Problems
from qscanner.codec.status import Load
from qscanner.policy import read
from qscanner.programs import admin_daemon
from qscanner.programs.admin_daemon import Away, Heard
from qscanner.programs.admin_options import (
    Exit,
    config_option,
    counted,
    refused,
    settings,
    settings_file,
)
from qscanner.programs.admin_policy import examined

_WITHIN_S = 10.0
_EVERY_MS = 50


@click.command("load")
@config_option
@click.pass_context
def load(context: click.Context) -> None:
    """Have the daemon load settings and rules anew, and wait for what it says."""
    path = _socket()
    try:
        heard = admin_daemon.ask(path, within_s=_WITHIN_S)
        _signal(heard)
        after = _awaited(path, heard.state.load.tries)
    except Away as away:
        click.echo(f"{away} ({path})", err=True)
        context.exit(Exit.DOWN)
    if after is None:
        click.echo(f"no word of it within {_WITHIN_S:g} s: see the log of qscannerd", err=True)
        context.exit(Exit.DOWN)
    if not after.is_latest:
        _tell_mistakes()
        click.echo(f"nothing was changed; the rules of mark {after.mark} stay in force", err=True)
        context.exit(Exit.WRONG)
    click.echo(f"in force: {counted(after.rules, 'rule')}, mark {after.mark}")


def _socket() -> str:
    """Give the daemon's socket; settings with mistakes are told here, and nothing is asked."""
    return settings().daemon.socket


def _signal(heard: Heard) -> None:
    pid = heard.state.pid
    if not admin_daemon.is_of(heard):
        raise Away(f"pid {pid} does not belong to whoever listens there: no signal was sent")
    try:
        os.kill(pid, signal.SIGHUP)
    except PermissionError as error:
        raise Away(f"no permission to signal qscannerd, pid {pid}: ask as root") from error
    except ProcessLookupError as error:
        raise Away(f"qscannerd, pid {pid}, has just gone") from error


def _awaited(path: str, tries: int) -> Load | None:
    """Give what the daemon says once it has tried, None where it does not in time."""
    until = time.monotonic() + _WITHIN_S
    while (left_s := until - time.monotonic()) > 0:
        with contextlib.suppress(Away):  # it is busy with loading
            told = admin_daemon.ask(path, within_s=left_s).state.load
            if told.tries > tries:
                return told
        select.select([], [], [], _EVERY_MS / 1000)
    return None


def _tell_mistakes() -> None:
    """Say what the daemon will have found: the same look at the same files."""
    try:
        chosen = config.load(settings_file())
    except Problems as found:
        raise refused(found) from found
    wrong = examined(chosen.policy.dir)[1]
    try:
        if not wrong:
            rehearsal.must_pass(read.load(chosen.policy.dir), chosen)
    except Problems as failing:
        wrong = failing.problems
    for each in wrong:
        click.echo(each.render(), err=True)
    if not wrong:
        click.echo("qscannerd could not load them; its log says why", err=True)
