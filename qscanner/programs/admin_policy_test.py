"""`qscanner policy test`: runs the tests that stand beside the rules.

Called by  programs.admin; programs.admin_check and admin_load ask failed() for the same.
Ends       0 when all pass, 1 when any fails, 2 where the rules have mistakes or one is unknown.
Careful    nothing is loaded anywhere and no server is asked: a folder can be tested before it is
           put in place.
"""

from typing import Any

import click

from qscanner import config
from qscanner.codec.problems import Problems, expected
from qscanner.codec.text import for_terminal
from qscanner.policy.read import load
from qscanner.policy.rules import Policy
from qscanner.programs.admin_options import (
    Exit,
    config_option,
    counted,
    echo_json,
    folded,
    json_option,
    refused,
    settings,
    settings_file,
)
from qscanner.rehearsal import Tried, rehearse, untested
from qscanner.settings import Settings

WITHIN_S = 600.0
_MAX_NAMED = 8


@click.command("test")
@config_option
@json_option
@click.option("--dir", "folder", metavar="DIR", help="Test the rules in DIR.")
@click.argument("rules", nargs=-1, metavar="[RULE]...")
@click.pass_context
def test(
    context: click.Context, folder: str | None, rules: tuple[str, ...], *, is_json: bool
) -> None:
    """Run the tests beside the rules, or beside RULEs; by default of those in the settings.

    Exit codes: 0 all pass, 1 any fails, 2 the rules have mistakes.
    """
    chosen = settings() if folder is None else _settings_if_any()
    folder = folder or chosen.policy.dir
    try:
        policy = load(folder)
    except Problems as found:
        raise refused(found) from found
    _check_known(policy, rules)
    tried = tuple(rehearse(policy, chosen, rules=rules, within_s=WITHIN_S))
    if is_json:
        echo_json(_as_json(folder, policy, tried))
    else:
        for each in tried:
            if each.wrong:
                click.echo(_shown(each))
        click.echo(_summary(folder, policy, rules, tried))
    context.exit(Exit.FOUND if any(each.wrong for each in tried) else Exit.FINE)


def _settings_if_any() -> Settings:
    """Give the settings; the defaults where there are none, since only the limits matter."""
    try:
        return config.load(settings_file())
    except Problems:
        return Settings()


def _check_known(policy: Policy, rules: tuple[str, ...]) -> None:
    ids = sorted(each.id for each in policy.sentences)
    for name in rules:
        if name not in ids:
            raise click.UsageError(f"unknown rule {expected(name, ids)}")


def _shown(tried: Tried) -> str:
    problem = tried.problem
    where = click.style(for_terminal(f"{problem.file}:{problem.line}:"), bold=True)
    word = click.style("FAIL", fg="red", bold=True)
    text = for_terminal(problem.text)
    return f"{word} {where}\n     {folded(text, indent=5)}"


def _summary(folder: str, policy: Policy, rules: tuple[str, ...], tried: tuple[Tried, ...]) -> str:
    failed = sum(bool(each.wrong) for each in tried)
    count = len(rules) or len(policy.sentences)
    told = f"{counted(len(tried), 'test')} of {counted(count, 'rule')} in {for_terminal(folder)}"
    if failed:
        said = click.style(f"{failed} failed", fg="red", bold=True)
    else:
        said = click.style("all pass", fg="green", bold=True) if tried else "nothing to run"
    lines = [f"{told}: {said}"]
    bare = [each for each in untested(policy) if not rules or each in rules]
    if bare:
        more = f", and {len(bare) - _MAX_NAMED} more" if len(bare) > _MAX_NAMED else ""
        lines.append(f"without a test: {', '.join(bare[:_MAX_NAMED])}{more}")
    return "\n".join(lines)


def _as_json(folder: str, policy: Policy, tried: tuple[Tried, ...]) -> dict[str, Any]:
    return {
        "dir": folder,
        "tests": [
            {
                "rule": each.rule,
                "number": each.number + 1,
                "file": each.problem.file,
                "line": each.problem.line,
                "passes": not each.wrong,
                "wrong": each.wrong,
                "hit": list(each.hit),
            }
            for each in tried
        ],
        "failed": sum(bool(each.wrong) for each in tried),
        "untested": list(untested(policy)),
    }
