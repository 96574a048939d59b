"""`qscanner scan`: what would become of messages in files, by the settings and rules in force.

Called by  programs.admin; people and other programs, which read --json.
Ends       0 when every file would be accepted, 1 when any would not, 2 when a file cannot be
           read or settings and policies cannot be used.
Careful    nothing is delivered, held, logged or changed. What goes wrong with one file is told for
           that file, and the others are still scanned.
"""

import contextlib
import ipaddress
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from qscanner import client, records
from qscanner.bench import Bench
from qscanner.codec.envelope import Decoder
from qscanner.codec.text import for_terminal
from qscanner.deadline import Deadline
from qscanner.intake import receive
from qscanner.model import Action, Client, Direction, Envelope
from qscanner.outcomes import Ending, QScannerError, Unusable
from qscanner.programs.admin_options import (
    Exit,
    config_option,
    counted,
    echo_json,
    json_option,
    refused,
    settings,
)
from qscanner.programs.admin_report import failed_as_json, failed_lines, report_lines
from qscanner.programs.admin_screen import Screen
from qscanner.programs.admin_tree import tree_lines
from qscanner.report import Mail, Report, as_json
from qscanner.scan import scan as look
from qscanner.spool import Message

_STDIN = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A file whose scan did not come to an end: the queue program would put it off."""

    ending: Ending
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What all files of one run share."""

    bench: Bench
    envelope: Envelope
    client: Client
    is_json: bool
    screen: Screen | None = None  # where a tree is to be drawn


@click.command()
@config_option
@json_option
@click.option("--from", "sender", metavar="A", default="", help="The sender (default: none).")
@click.option(
    "--to",
    "recipients",
    metavar="A",
    multiple=True,
    default=("postmaster@localhost",),
    show_default=True,
    help="A recipient; may be repeated.",
)
@click.option("--ip", metavar="A", default="", help="The address of the SMTP client.")
@click.option("--auth", metavar="USER", default="", help="The user who authenticated.")
@click.option("--relay", is_flag=True, help="As if RELAYCLIENT were set.")
@click.option("-v", "is_tree", is_flag=True, help="Draw the tree of parts.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.pass_context
def scan(
    context: click.Context, /, files: tuple[str, ...], *, is_json: bool, **asked: Any
) -> None:
    """Say what would become of the messages in FILEs; "-" is standard input.

    They count as mail from outside (direction "in"), with --auth or --relay as mail on its way
    out. Exit codes: 0 every file would be accepted, 1 any would not, 2 any cannot be read.
    """
    try:
        bench = Bench.of(settings())
    except Unusable as error:
        raise refused(error) from error
    job = Job(
        bench=bench,
        envelope=envelope_of(asked.pop("sender"), asked.pop("recipients")),
        screen=Screen.here() if asked.pop("is_tree") else None,
        client=client_of(**asked),
        is_json=is_json,
    )
    context.exit(scan_all(files, job))


def envelope_of(sender: str, recipients: tuple[str, ...]) -> Envelope:
    """Give the envelope that the options mean. Raises UsageError where qmail could not have it."""
    addresses = [b"F" + os.fsencode(sender), *(b"T" + os.fsencode(to) for to in recipients)]
    decoder = Decoder()
    try:
        decoder.feed(b"\0".join(addresses) + b"\0\0")
        return decoder.finish()
    except QScannerError as error:
        raise click.UsageError(str(error)) from error


def client_of(*, ip: str, auth: str, relay: bool) -> Client:
    """Give the client that the options mean; one that is believed, as qmail-smtpd is.

    Without any of them it is a stranger: whoever tries a message they got wants to know that.
    """
    with _as_usage_error("--ip"):
        address = str(ipaddress.ip_address(ip)) if ip else ""
    told = {"TCPREMOTEIP": address, "SMTPAUTHUSER": auth}
    environment = {os.fsencode(key): os.fsencode(value) for key, value in told.items() if value}
    if relay:
        environment[b"RELAYCLIENT"] = b""
    uid = os.getuid()
    found = client.of(uid, environment, (str(uid),))
    direction = Direction.OUT if relay or auth else Direction.IN
    return replace(found, direction=direction, is_host=False)


@contextlib.contextmanager
def _as_usage_error(option: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from error


def scan_all(files: tuple[str, ...], job: Job) -> Exit:
    """Scan and tell every file; give what the command ends with."""
    counts: dict[str, int] = {}
    worst = Exit.FINE
    for file in _with_progress(files):
        told = _scan_file(file, job)
        worst = max(worst, told)
        counts[told.name] = counts.get(told.name, 0) + 1
    if len(files) > 1 and not job.is_json:
        said = {Exit.FINE: "accepted", Exit.FOUND: "not accepted", Exit.WRONG: "not read"}
        parts = [f"{counts[e.name]} {words}" for e, words in said.items() if e.name in counts]
        click.echo(f"{counted(len(files), 'file')}: {', '.join(parts)}")
    return worst


def _with_progress(files: tuple[str, ...]) -> Iterator[str]:
    """Give the files one by one, with a bar where somebody waits who sees no results pass by."""
    if len(files) == 1 or sys.stdout.isatty() or not sys.stderr.isatty():
        yield from files
        return
    with Progress(console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(files, description="scanning")


def _scan_file(file: str, job: Job) -> Exit:
    try:
        message = message_of(file)
    except (OSError, QScannerError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        click.echo(for_terminal(f"{file}: cannot be read: {reason}"), err=True)
        return Exit.WRONG
    found = looked(message, job)
    with contextlib.suppress(BufferError):  # after a failure somebody may still hold a view of it
        message.close()
    _tell(file, found, job)
    is_fine = isinstance(found, Report) and found.verdict.action is Action.ACCEPT
    return Exit.FINE if is_fine else Exit.FOUND


def message_of(file: str) -> Message:
    """Copy a file, as the queue program copies fd 0: nobody changes it while it is looked at."""
    if file == _STDIN:
        return Message.of(receive(0, tempfile.gettempdir))
    if file.endswith(records.PACKED):
        return Message.of_octets(records.unpacked(file))
    with open(file, "rb", buffering=0) as source:
        if stat.S_ISDIR(os.fstat(source.fileno()).st_mode):
            raise IsADirectoryError
        return Message.of(receive(source.fileno(), tempfile.gettempdir))


def looked(message: Message, job: Job) -> Report | Failed:
    mail = Mail(message=message, envelope=job.envelope, client=job.client, pid=os.getpid())
    try:
        return look(mail, job.bench, Deadline(job.bench.settings.limits.time))
    except QScannerError as error:
        return Failed(ending=error.ending, why=str(error))
    except MemoryError:
        return Failed(ending=Ending.OUT_OF_MEMORY, why="out of memory")
    except Exception as bug:  # noqa: BLE001 - one message must not keep us from the others
        return Failed(ending=Ending.BUG, why=f"bug: {bug!r}")


def _tell(file: str, found: Report | Failed, job: Job) -> None:
    match found:
        case Report() if job.is_json:
            echo_json(as_json(found, file=file))
        case Report():
            click.echo("\n".join(_lines(found, file, job)) + "\n")
        case Failed() if job.is_json:
            echo_json(failed_as_json(file, found.ending, found.why))
        case Failed():
            click.echo("\n".join(failed_lines(file, found.ending, found.why)) + "\n")


def _lines(found: Report, file: str, job: Job) -> list[str]:
    if job.screen is None:
        return report_lines(found, job.bench.policy, file=file)
    return tree_lines(found, job.bench.policy, file=file, screen=job.screen)
