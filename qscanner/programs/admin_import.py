"""`qscanner import`: rule files of other mail scanners as rules of ours, on standard output.

Called by  programs.admin.
Ends       0 when every line was carried over, 1 with warnings, 2 when a file cannot be read or
           nobody knows what it is; then nothing is printed.
Careful    nothing is written anywhere: the admin reads it, and saves it.
"""

import os
import sys

import click

from qscanner.codec.text import for_terminal
from qscanner.importers import rules_toml
from qscanner.importers.detect import READERS, Format, format_of
from qscanner.importers.findings import Imported, Job, stem_of
from qscanner.importers.proof import prove
from qscanner.importers.sources import MAX_OCTETS, SourceError, lines_of
from qscanner.model import Action
from qscanner.programs.admin_options import Exit, config_option, counted

_STDIN = "-"
_ACTIONS = (Action.QUARANTINE, Action.REJECT, Action.DISCARD)
_FORMATS = [each.value for each in Format]
_ADVICE = "Save it in the policies folder, say as 60-imported.toml; then: qscanner policy check"


@click.command("import")
@config_option
@click.option(
    "--format",
    "format_",
    type=click.Choice(_FORMATS),
    help="What the files are, where their names do not tell.",
)
@click.option(
    "--action",
    type=click.Choice([each.value for each in _ACTIONS]),
    help='What "blocked" becomes; by default what the old program did.',
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.pass_context
def import_(
    context: click.Context, files: tuple[str, ...], format_: str | None, action: str | None
) -> None:
    """Print the rules of Qmail-Scanner, simscan or MailScanner as ours; "-" is standard input.

    Rules go to standard output, warnings to standard error. Exit codes: 0 every line was carried
    over, 1 there are warnings, 2 a file cannot be read.
    """
    imported = Imported()
    jobs = _jobs(files, Format(format_) if format_ else None, Action(action) if action else None)
    if not jobs:
        context.exit(Exit.WRONG)
    for form, job in jobs:
        READERS[form](job, imported)
    prove(imported)
    places = {path: place for place, path in enumerate(files)}
    imported.warned.sort(key=lambda each: (places[each.line.file], each.line.number))
    for each in imported.warned:
        click.echo(f"warning: {each.problem().render()}", err=True)
    click.echo(_text(files, imported), nl=False)
    rules, warned = counted(len(imported.rules), "rule"), counted(len(imported.warned), "warning")
    click.echo(f"{rules} from {counted(len(files), 'file')}, {warned}", err=True)
    context.exit(Exit.FOUND if imported.warned else Exit.FINE)


def _jobs(
    files: tuple[str, ...], asked: Format | None, action: Action | None
) -> list[tuple[Format, Job]]:
    """Read all files; tell what is wrong with any of them, and give [] then."""
    jobs: list[tuple[Format, Job]] = []
    stems: dict[str, int] = {}
    is_fine = True
    for path in files:
        form = asked or format_of(path)
        if form is None:
            said = f"what is it? --format {'|'.join(_FORMATS)}"
            click.echo(f"{for_terminal(path)}: {said}", err=True)
            is_fine = False
            continue
        try:
            lines = lines_of(_octets(path), file=path)
        except (OSError, SourceError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            click.echo(for_terminal(f"{path}: cannot be read: {reason}"), err=True)
            is_fine = False
            continue
        stem = form.value if path == _STDIN else stem_of(os.path.basename(path))
        stems[stem] = stems.get(stem, 0) + 1
        stem = f"{stem}.{stems[stem]}" if stems[stem] > 1 else stem
        jobs.append((form, Job(lines=lines, stem=stem, action=action)))
    return jobs if is_fine else []


def _octets(path: str) -> bytes:
    if path == _STDIN:
        return sys.stdin.buffer.read(MAX_OCTETS + 1)
    with open(path, "rb") as file:
        return file.read(MAX_OCTETS + 1)


def _text(files: tuple[str, ...], imported: Imported) -> str:
    head = [f"Imported by qscanner from {', '.join(files)}", _ADVICE]
    settings = rules_toml.settings(imported.settings)
    if settings:
        lines = ["", "For qscanner.toml:", "", *settings, ""]
        head += lines
    return rules_toml.policy(imported.rules, head=head)
