"""What all subcommands of `qscanner` share: --config, exit codes, and how trouble is told.

Called by  the other admin modules.
Ends       settings() raises click's Exit(2) after telling every mistake.
Careful    people's terminals: nothing of strangers' is printed but through for_terminal().
"""

import enum
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Callable
from typing import Any, TypeVar

import click

from qscanner import config
from qscanner.codec.problems import Problem
from qscanner.outcomes import Unusable
from qscanner.settings import Settings

_META = "qscanner.config"
_NARROW = 30  # columns: with less, folding helps nobody
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Exit(enum.IntEnum):
    """How the commands end. Monitoring relies on these numbers."""

    FINE = 0
    FOUND = 1  # a message not accepted, a warning
    WRONG = 2  # usage, settings or policies
    DOWN = 3  # something that mail depends on


def config_option(function: _Function) -> _Function:
    """Add --config FILE, which may stand before and behind a subcommand; the last one counts."""
    return click.option(
        "--config",
        metavar="FILE",
        expose_value=False,
        callback=_remember,
        help="The settings file; else $QSCANNER_CONFIG, else /etc/qscanner/qscanner.toml.",
    )(function)


def json_option(function: _Function) -> _Function:
    """Add --json, which a command gets as `is_json`."""
    return click.option("--json", "is_json", is_flag=True, help="Print JSON for programs.")(
        function
    )


def _remember(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.meta[_META] = value


def settings_file() -> str:
    """Give the path of the settings file that this run is to read."""
    chosen: str | None = click.get_current_context().meta.get(_META)
    return config.find(chosen, os.environ)


def settings() -> Settings:
    """Read the settings, or tell every mistake in them and end with 2."""
    try:
        return config.load(settings_file())
    except Unusable as error:
        raise refused(error) from error


def refused(error: Unusable) -> click.exceptions.Exit:
    """Tell what cannot be used, and give the exception that ends with 2."""
    click.echo(str(error), err=True)
    return click.exceptions.Exit(Exit.WRONG)


def echo_json(told: Any) -> None:
    """Print one JSON value on one line, in ASCII: no octet of it can speak to a terminal."""
    click.echo(json.dumps(told, ensure_ascii=True))


def problem_as_json(problem: Problem) -> dict[str, str | int]:
    """Give one mistake in a file as `--json` prints it."""
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "text": problem.text,
    }


def counted(number: int, thing: str) -> str:
    """Give "1 rule", "2 rules"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def folded(text: str, *, indent: int) -> str:
    """Give one line as several where a terminal would break it in the middle of a word.

    It begins at column `indent`, and so do the further lines. In a pipe a line stays one.
    """
    width = shutil.get_terminal_size().columns - indent
    if not sys.stdout.isatty() or len(text) <= width or width < _NARROW:
        return text
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return f"\n{'':{indent}}".join(lines)
