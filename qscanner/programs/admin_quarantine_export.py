"""`qscanner quarantine export`: held messages in a zip, for whoever looks into them elsewhere.

Called by  programs.admin_quarantine.
Ends       0 when all is in it; 1 where something of a message is gone, the rest is in it all the
           same; 2 for ids that mean nothing and files that may not be written to.
Careful    it may be malware: the file is its owner's alone, and appears whole or not at all. Only
           one message is in memory at a time. Nothing changes in the quarantine.
"""

import json
import os
import stat
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING

import click

from qscanner.codec.text import for_terminal
from qscanner.programs.admin_options import Exit, config_option, counted, folded
from qscanner.programs.admin_quarantine_filter import Asked, filter_options, ids_or_filter, meant
from qscanner.programs.admin_quarantine_keep import audited_as_json
from qscanner.programs.admin_quarantine_store import (
    Bar,
    complain,
    confirmed,
    opened,
    yes_option,
)
from qscanner.spool import write_durably
from qscanner.store.words import Held, StoreError

if TYPE_CHECKING:  # SQLAlchemy is loaded by whoever opens a store
    from qscanner.store.store import Store

_PIECE = 1 << 20
_MODE = 0o600
_AUDIT = "audit.jsonl"
_FILES = 2  # of a message: octets and record
_STDOUT = "-"
_CAREFUL = "they may be malware: look, do not open"


@click.command("export")
@config_option
@click.option("--to", metavar="FILE", required=True, help="The zip; - is standard output.")
@click.option("--force", "is_forced", is_flag=True, help="Overwrite FILE.")
@yes_option
@filter_options(has_to=False)
@ids_or_filter
@click.pass_context
def export(  # noqa: PLR0913 - what the command line says
    context: click.Context,
    /,
    ids: tuple[str, ...],
    *,
    to: str,
    is_forced: bool,
    is_yes: bool,
    asked: Asked,
) -> None:
    """Write held messages, their records and what was done with them into a zip.

    Those named, or all that a filter finds. It holds DIGEST.eml, DIGEST.json and audit.jsonl.
    They may be malware.
    """
    refuse(to, is_forced=is_forced)
    with opened() as store:
        wanted = [held for held, _ in meant(store, ids, asked)]
        if not wanted:
            click.echo("nothing is held that is so", err=True)
            return
        confirmed(len(wanted), "export", is_yes=is_yes)
        end = export_all(store, wanted, to, is_forced=is_forced)
    context.exit(end)


def refuse(to: str, *, is_forced: bool) -> None:
    """Raise UsageError where nothing may be written to that name."""
    if to == _STDOUT:
        if sys.stdout.isatty():
            raise click.UsageError("--to - writes into a file or a pipe: this is a terminal")
        return
    name = for_terminal(to)
    if not os.path.isdir(os.path.dirname(os.path.abspath(to))):
        raise click.UsageError(f"--to {name}: there is no such folder")
    if os.path.isdir(to):
        raise click.UsageError(f"--to {name}: that is a folder")
    if os.path.lexists(to) and not is_forced:
        raise click.UsageError(f"--to {name}: it is there already; --force overwrites it")


def export_all(store: "Store", wanted: Sequence[Held], to: str, *, is_forced: bool) -> Exit:
    """Write messages into a zip of that name, and tell how many, and what is missing.

    Raises UsageError where something stands there by now, DiskFull and Later.
    """
    missing: list[list[str]] = []  # for each message

    def write(fd: int) -> None:
        os.fchmod(fd, _MODE)
        with open(fd, "wb", closefd=False) as file:
            missing.extend(_zipped(store, wanted, file))
        refuse(to, is_forced=is_forced)

    if to == _STDOUT:
        missing.extend(_zipped(store, wanted, sys.stdout.buffer))
        sys.stdout.buffer.flush()
    else:
        folder, name = os.path.split(os.path.abspath(to))
        write_durably(folder, name, write)
    for each in missing:
        for text in dict.fromkeys(each):  # octets and record may be gone for the same reason
            complain(f"not exported: {text}")
    where = "" if to == _STDOUT else f" into {to}"
    number = sum(len(each) < _FILES for each in missing)
    told = f"{counted(number, 'message')} exported{where}; {_CAREFUL}"
    click.echo(folded(for_terminal(told), indent=0), err=to == _STDOUT)
    return Exit.FOUND if any(missing) else Exit.FINE


def _zipped(store: "Store", wanted: Sequence[Held], out: IO[bytes]) -> list[list[str]]:
    """Write the zip; give what of each message is missing in it, in words."""
    missing: list[list[str]] = []
    with (
        Bar("exporting") as bar,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for done, held in enumerate(wanted, 1):
            missing.append(list(_one(store, held, target)))
            if len(wanted) > 1:
                bar(done, len(wanted))
        with target.open(_entry(_AUDIT, time.time()), "w") as entry:
            for line in _audit(store, wanted):
                entry.write(line)
    return missing


def _one(store: "Store", held: Held, target: zipfile.ZipFile) -> Iterator[str]:
    """Write one message and its record; give what of them is gone."""
    try:
        record = json.dumps(store.record(held), indent=1).encode("ascii")
        target.writestr(_entry(f"{held.digest}.json", held.since), record + b"\n")
    except StoreError as error:
        yield str(error)
    try:
        message = store.message(held)
    except StoreError as error:
        yield str(error)
        return
    try:
        with target.open(_entry(f"{held.digest}.eml", held.since), "w") as entry:
            for start in range(0, message.size, _PIECE):
                entry.write(message.octets[start : start + _PIECE])
    finally:
        message.close()


def _audit(store: "Store", wanted: Sequence[Held]) -> Iterator[bytes]:
    for held in wanted:
        for each in store.audit(held):
            yield json.dumps(audited_as_json(each)).encode("ascii") + b"\n"


def _entry(name: str, at: float) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name, time.localtime(max(at, _ZIP_BEGINS))[:6])
    made.compress_type = zipfile.ZIP_DEFLATED
    made.external_attr = (stat.S_IFREG | _MODE) << 16
    return made


_ZIP_BEGINS = 315_619_200.0  # no date in a zip is before 1980; a day later, for all time zones
