"""`qscanner check`: whether this installation would do its work, and what to do where not.

Called by  programs.admin; people after every change, monitoring with --json.
Ends       0 fine, 1 warnings, 2 settings or policies wrong, 3 something is down: the highest.
Careful    settings that cannot be read keep nobody from hearing what is wrong with the policies.
"""

import os

import click

from qscanner import config
from qscanner.bench import Bench
from qscanner.codec.places import parse
from qscanner.codec.problems import Problem, Problems
from qscanner.codec.text import for_terminal
from qscanner.outcomes import Unusable
from qscanner.policy.read import load
from qscanner.programs import (
    admin_check_host,
    admin_check_letters,
    admin_check_reach,
    admin_check_scanners,
    admin_check_store,
    admin_daemon,
)
from qscanner.programs.admin_items import Item, Level, as_json, worst
from qscanner.programs.admin_options import (
    Exit,
    config_option,
    counted,
    echo_json,
    folded,
    json_option,
    settings_file,
)
from qscanner.programs.admin_policy import examined
from qscanner.rehearsal import rehearse, untested
from qscanner.settings import Settings

_WITHIN_S = 60.0  # for each scanner; the probe of 30 MiB takes a slow clamd some seconds
_TESTS_WITHIN_S = 60.0
_COLOURS = {
    Level.OK: "green",
    Level.WARNING: "yellow",
    Level.ERROR: "red",
    Level.DOWN: "red",
}


@click.command()
@config_option
@json_option
@click.pass_context
def check(context: click.Context, *, is_json: bool) -> None:
    """Check settings, policies, folders, users and limits, and prove every scanner.

    Run it also as the user that qmail-smtpd runs as: setuidgid qmaild qscanner check.
    """
    items = look(settings_file())
    if is_json:
        code = worst(items)
        echo_json({"exit_code": int(code), "items": [as_json(item) for item in items]})
    else:
        for item in items:
            click.echo(_shown(item))
        click.echo(_summary(items))
    context.exit(worst(items))


def look(file: str) -> list[Item]:
    """Give all that can be said of the installation whose settings are in the file."""
    try:
        settings = config.load(file)
    except Problems as found:
        problems = [_wrong("settings", each) for each in found.problems]
        return [*problems, *_policies(_likely_folder(file))]
    items = [Item(area="settings", level=Level.OK, text=file)]
    items += _policies(settings.policy.dir, settings)
    items += _tests(settings)
    items += admin_check_host.look(settings)
    items += admin_check_store.look(settings)
    items += admin_check_reach.look(settings)
    items += admin_daemon.look(settings)
    return items + _scanners(settings, items)


def _scanners(settings: Settings, items: list[Item]) -> list[Item]:
    try:
        bench = Bench.of(settings)
    except Problems as found:
        known = {item.text for item in items}  # those of the policies were told already
        wrong = [_wrong("settings", each) for each in found.problems]
        return [item for item in wrong if item.text not in known]
    except Unusable as error:
        return [Item(area="settings", level=Level.ERROR, text=str(error))]
    letters = admin_check_letters.look(settings, bench.policy)
    return letters + admin_check_scanners.look(bench, within_s=_WITHIN_S)


def _likely_folder(file: str) -> str | None:
    """Give where the policies are, as far as a file with mistakes tells; None: not at all."""
    name = "policies"
    try:
        with open(file, "rb") as opened:
            table = parse(opened.read(), file=file).data.get("policy")
    except OSError:
        return None
    except Problems:
        table = None
    if isinstance(table, dict) and isinstance(table.get("dir"), str):
        name = table["dir"]
    folder = os.path.join(os.path.dirname(os.path.abspath(file)), name)
    return folder if os.path.isdir(folder) else None


def _policies(folder: str | None, chosen: Settings | None = None) -> list[Item]:
    if folder is None:
        return []
    rules, wrong, doubtful = examined(folder, chosen)
    items = [_wrong("policy", each) for each in wrong]
    items += [Item(area="policy", level=Level.WARNING, text=each.render()) for each in doubtful]
    if not wrong:
        text = f"{counted(rules, 'rule')} in {folder}"
        items.insert(0, Item(area="policy", level=Level.OK, text=text))
    return items


def _tests(settings: Settings) -> list[Item]:
    """Run the tests beside the rules, where there are any."""
    try:
        policy = load(settings.policy.dir)
    except Problems:  # which _policies() tells
        return []
    tried = tuple(rehearse(policy, settings, within_s=_TESTS_WITHIN_S))
    failed = [_wrong("tests", each.problem) for each in tried if each.wrong]
    if failed or not tried:
        return failed
    bare = untested(policy)
    without = f"; {counted(len(bare), 'rule')} without a test" if bare else ""
    text = f"{counted(len(tried), 'test')} of rules pass{without}"
    return [Item(area="tests", level=Level.OK, text=text)]


def _wrong(area: str, problem: Problem) -> Item:
    return Item(area=area, level=Level.ERROR, text=problem.render())


def _shown(item: Item) -> str:
    """Give the lines of one item: level, area, text, and an arrow before what is to be done."""
    word = click.style(f"{item.level.name.lower():8}", fg=_COLOURS[item.level], bold=True)
    first, *rest = item.text.splitlines() or [""]
    lines = [f"{word}{item.area:11} {folded(for_terminal(first), indent=20)}"]
    lines += [f"{'':20}{for_terminal(each)}" for each in rest]
    lines += [f"{'':17}-> {folded(for_terminal(each), indent=20)}" for each in item.todo]
    return "\n".join(lines)


def _summary(items: list[Item]) -> str:
    words = {Level.DOWN: "down", Level.ERROR: "error", Level.WARNING: "warning"}
    counts = {level: sum(item.level is level for item in items) for level in words}
    told = [
        f"{counts[level]} down" if level is Level.DOWN else counted(counts[level], word)
        for level, word in words.items()
        if counts[level]
    ]
    code = worst(items)
    return f"{', '.join(told)} (exit {int(code)})" if code is not Exit.FINE else "all is well"
