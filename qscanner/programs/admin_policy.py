"""`qscanner policy check`: every mistake and every warning of the rules, each at its line.

Called by  programs.admin.
Ends       0 fine, 1 warnings, 2 mistakes.
Careful    nothing is loaded anywhere: a folder can be checked before it is put in place.
"""

import click

from qscanner.checks.auth import Verifier
from qscanner.codec.problems import Problem, Problems
from qscanner.policy.alignment import unverified
from qscanner.policy.read import load
from qscanner.policy.rules import Policy
from qscanner.policy.warn import warnings
from qscanner.programs.admin_lazy import Lazy
from qscanner.programs.admin_options import (
    Exit,
    config_option,
    counted,
    echo_json,
    json_option,
    problem_as_json,
    settings,
)
from qscanner.settings import Auth, Settings

_OURS = "qscanner.programs."
_COMMANDS = {
    "load": f"{_OURS}admin_load:load",
    "test": f"{_OURS}admin_policy_test:test",
    "explain": f"{_OURS}admin_policy_explain:command",
    "replay": f"{_OURS}admin_policy_replay:command",
}


@click.group(cls=Lazy, lazy=_COMMANDS)
@config_option
def policy() -> None:
    """Look after the rules in the policies folder."""


@policy.command()
@config_option
@json_option
@click.argument("folder", required=False, metavar="[DIR]", type=click.Path(file_okay=False))
@click.pass_context
def check(context: click.Context, folder: str | None, *, is_json: bool) -> None:
    """Say all that is wrong with the rules in DIR, by default those of the settings."""
    is_in_force = folder is None
    folder = folder or settings().policy.dir
    rules, wrong, doubtful = examined(folder, settings() if is_in_force else None)
    if is_json:
        echo_json(
            {
                "dir": folder,
                "rules": rules,
                "errors": [problem_as_json(each) for each in wrong],
                "warnings": [problem_as_json(each) for each in doubtful],
            }
        )
    else:
        for each in wrong:
            click.echo(each.render())
        for each in doubtful:
            click.echo(f"warning: {each.render()}")
        click.echo(_summary(folder, rules, wrong, doubtful, is_in_force=is_in_force))
    context.exit(Exit.WRONG if wrong else Exit.FOUND if doubtful else Exit.FINE)


def examined(
    folder: str, chosen: Settings | None = None
) -> tuple[int, tuple[Problem, ...], tuple[Problem, ...]]:
    """Give how many rules a folder has, its mistakes, and its warnings.

    With mistakes there are neither rules nor warnings: all or nothing. `chosen` are the settings
    under which the rules are in force, if they are.
    """
    try:
        loaded = load(folder)
    except Problems as found:
        return 0, found.problems, ()
    doubtful = (*warnings(loaded), *_unverified(loaded, chosen.auth if chosen else Auth()))
    return len(loaded.sentences), (), doubtful


def _unverified(loaded: Policy, chosen: Auth) -> tuple[Problem, ...]:
    """Warn of rules that ask for DKIM, SPF or ARC, which neither we nor our mail server verify."""
    if not loaded.needs_auth or chosen.authserv_id:
        return ()
    return unverified(loaded, Verifier.of(chosen).methods)


def _summary(
    folder: str,
    rules: int,
    wrong: tuple[Problem, ...],
    doubtful: tuple[Problem, ...],
    *,
    is_in_force: bool,
) -> str:
    if wrong:
        follows = "until that is put right, all mail is put off" if is_in_force else "unusable"
        return f"{counted(len(wrong), 'problem')} in {folder}: {follows}"
    said = f"{counted(rules, 'rule')} in {folder}"
    return f"{said}, {counted(len(doubtful), 'warning')}" if doubtful else f"{said}: fine"
