"""The admin's command, `qscanner`: check, scan, policy, quarantine, log, stats, and more.

Called by  people, and by monitoring, which relies on the exit codes of admin_options.Exit.
Ends       0 fine, 1 something found, 2 usage, settings or policy error, 3 something is down.
Careful    a bug of ours must not look like "something found": it ends with 3 and says where.
"""

import platform
import sys

import click

import qscanner
from qscanner.codec.problems import expected
from qscanner.codec.text import for_terminal
from qscanner.outcomes import QScannerError
from qscanner.programs import admin_client, admin_manual
from qscanner.programs.admin_lazy import Lazy
from qscanner.programs.admin_options import Exit, config_option

_OURS = "qscanner.programs."
_COMMANDS = {
    "check": f"{_OURS}admin_check:check",
    "scan": f"{_OURS}admin_scan:scan",
    "policy": f"{_OURS}admin_policy:policy",
    "quarantine": f"{_OURS}admin_quarantine:command",
    "log": f"{_OURS}admin_log:log",
    "stats": f"{_OURS}admin_stats:stats",
    "emergency": f"{_OURS}admin_emergency:command",
    "import": f"{_OURS}admin_import:import_",
}
_VERSION = (
    f"qscanner {qscanner.__version__} (Python {platform.python_version()}, "
    f"qscanner-queue {admin_client.kind(sys.argv[0])})"
)


@click.group(cls=Lazy, lazy=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(qscanner.__version__, message=_VERSION)
@config_option
def command() -> None:
    """Look after qscanner, the content scanner in front of the qmail queue.

    Exit codes: 0 fine, 1 something found, 2 usage, settings or policy error, 3 something is down.
    """


@command.command()
@config_option
def version() -> None:
    """Print the version."""
    click.echo(_VERSION)


@command.command("help")
@config_option
@click.option("--where", is_flag=True, help="Print the folder of docs/ and policies/.")
@click.argument("topic", required=False)
def help_(topic: str | None, *, where: bool) -> None:
    """Print a page of the manual, or what pages there are."""
    place = admin_manual.folder()
    if place is None:
        raise click.ClickException("the manual was not installed with this package")
    topics = admin_manual.topics(place)
    if where:
        click.echo(place)
    elif topic is None:
        for name, about in topics.items():
            click.echo(f"{name:14} {about}")
        click.echo("\nqscanner help TOPIC prints a page, qscanner COMMAND --help the options.")
    elif topic in topics:
        _show(admin_manual.page(place, topic))
    else:
        raise click.UsageError(f"unknown topic {expected(topic, tuple(topics))}")


def _show(page: str) -> None:
    if sys.stdout.isatty():
        from rich.console import Console  # for those who read, and nobody else
        from rich.markdown import Markdown

        Console().print(Markdown(page))
    else:
        click.echo(page, nl=False)


def main() -> None:
    """Run the command line. The one place that catches everything."""
    try:
        command(prog_name="qscanner")
    except QScannerError as error:
        click.echo(for_terminal(f"qscanner: {error}"), err=True)
        sys.exit(Exit.DOWN)
    except MemoryError:
        click.echo("qscanner: out of memory: raise softlimit or ulimit of this shell", err=True)
        sys.exit(Exit.DOWN)
    except Exception as bug:  # noqa: BLE001
        trace, place = bug.__traceback__, ""
        while trace is not None:
            place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
            trace = trace.tb_next
        click.echo(for_terminal(f"qscanner: bug: {bug!r} at {place}"), err=True)
        sys.exit(Exit.DOWN)


if __name__ == "__main__":
    main()
