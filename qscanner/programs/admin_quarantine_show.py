"""`qscanner quarantine show`: one held message: why, for whom, what is in it, how it begins.

Called by  programs.admin_quarantine.
Ends       0; 1 where the octets are gone (what is known is shown); 2 for an id that means nothing,
           and for --raw on a terminal.
Careful    it may be malware: nothing of it is opened, run or followed. Every word of it passes
           Screen.safe(); only --raw gives octets, and never to a terminal.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from qscanner import looking
from qscanner.codec import htmltext
from qscanner.codec.envelope import Decoder
from qscanner.model import Client, Facts, Markup, Part
from qscanner.outcomes import QScannerError
from qscanner.programs.admin_options import (
    Exit,
    config_option,
    counted,
    echo_json,
    json_option,
    settings,
)
from qscanner.programs.admin_quarantine_list import as_json
from qscanner.programs.admin_quarantine_store import (
    MAX_TO,
    at,
    complain,
    found,
    id_argument,
    opened,
    rest_said,
)
from qscanner.programs.admin_rows import folded, row
from qscanner.programs.admin_screen import Screen
from qscanner.report import Mail
from qscanner.settings import Settings
from qscanner.store.words import WHOLE, Held, OctetsGone

if TYPE_CHECKING:  # SQLAlchemy is loaded by whoever opens a store
    from qscanner.store.columns import Record
    from qscanner.store.store import Store

_PIECE = 1 << 20
_MAX_HEADERS = 60
_MAX_PARTS = 40
_MAX_FINDINGS = 40
_LINES = 12
_JSON_CHARS = 4000  # of text
_PORTION = 300  # characters: Screen.safe() cuts at 400


@click.command("show")
@config_option
@json_option
@click.option("--raw", "is_raw", is_flag=True, help="Write the octets, into a file or a pipe.")
@click.option(
    "--lines", metavar="N", default=_LINES, show_default=True, help="So many lines of its text."
)
@id_argument
@click.pass_context
def show(context: click.Context, /, id_: str, *, is_json: bool, is_raw: bool, lines: int) -> None:
    """Show one message: why it is held, for whom, and what is in it."""
    if is_raw and sys.stdout.isatty():
        raise click.UsageError("--raw writes into a file or a pipe only: this is a terminal")
    chosen = settings()
    with opened(chosen) as store:
        (held,) = found(store, [id_])
        try:
            if is_raw:
                _write(store, held)
                return
            record = store.record(held)
            facts = facts_of(store, held, chosen)
        except OctetsGone as error:
            complain(str(error))
            if is_raw:
                context.exit(Exit.FOUND)
            record, facts = {}, None
    if is_json:
        echo_json(_as_json(held, record, facts))
    else:
        for line in drawn(held, record, facts, lines):
            click.echo(line)
    context.exit(Exit.FINE if facts else Exit.FOUND)


def _write(store: "Store", held: Held) -> None:
    message = store.message(held)
    out = sys.stdout.buffer
    try:
        for start in range(0, message.size, _PIECE):
            out.write(message.octets[start : start + _PIECE])
        out.flush()
    finally:
        message.close()


def facts_of(store: "Store", held: Held, chosen: Settings) -> Facts | None:
    """Look at the message without asking anybody; None where that does not come to an end."""
    message = store.message(held)
    try:
        decoder = Decoder()
        decoder.feed(store.envelope(held, held.recipients))
        client = Client(uid=os.getuid())
        mail = Mail(message=message, envelope=decoder.finish(), client=client)
        bench = looking.bench(chosen, needs_texts=True)
        return looking.facts(mail, bench, within_s=chosen.limits.time)
    except QScannerError as error:
        complain(f"{held.id}: cannot be looked into: {error}")
        return None
    finally:
        with contextlib.suppress(BufferError):
            message.close()


def drawn(held: Held, record: "Record", facts: Facts | None, lines: int) -> Iterator[str]:
    """Give all that is told of a message, with so many lines of its text."""
    screen = Screen.here()
    yield click.style(held.digest, bold=True)
    for label, text in _known(held, record):
        yield from row(label, text, screen)
    if facts is None:
        return
    yield ""
    for header in facts.headers[:_MAX_HEADERS]:
        yield from row(f"{header.name}:", header.decoded, screen)
    if len(facts.headers) > _MAX_HEADERS:
        yield f"  and {counted(len(facts.headers) - _MAX_HEADERS, 'field')} more"
    yield ""
    for part in facts.parts[:_MAX_PARTS]:
        yield from row("part", _told(part), screen)
    if len(facts.parts) > _MAX_PARTS:
        yield f"  and {counted(len(facts.parts) - _MAX_PARTS, 'part')} more"
    yield from _beginning(facts, screen, lines)


def _known(held: Held, record: "Record") -> Iterator[tuple[str, str]]:
    score = "" if held.score is None else f", score {held.score:g}"
    yield "held", f"since {at(held.since)}, {held.class_.value}{score}, {held.octets} octets"
    yield "why", held.why
    yield "rules", ", ".join(held.rules)
    yield "release", f"may be done by: {held.release}"
    yield "from", f"<{held.sender}>"
    for one in held.recipients[:MAX_TO]:
        name = "nobody" if one.place == WHOLE else one.address
        by = f" by {one.claim.name} ({one.claim.via})" if one.claim else ""
        yield "to", f"{name}  {one.state.value} since {at(one.at)}{by}"
    if more := rest_said(held):
        yield "to", more
    client = record.get("client") or {}
    told = [str(client.get(key) or "") for key in ("ip", "host", "auth_user")]
    yield "client", " ".join(filter(None, told))
    yield "log id", held.log_id
    findings = record.get("findings") or []
    for each in findings[:_MAX_FINDINGS]:
        yield "found", "  ".join(filter(None, (str(each.get(k, "")) for k in _FINDING)))
    if len(findings) > _MAX_FINDINGS:
        yield "found", f"and {len(findings) - _MAX_FINDINGS} more: --json has all"


_FINDING = ("id", "where", "detail")


def _told(part: Part) -> str:
    flags = [
        word
        for word, is_so in (("encrypted", part.is_encrypted), ("unreadable", part.is_unreadable))
        if is_so
    ]
    kinds = ", ".join(sorted(part.kinds))
    names = ", ".join(name for name in part.names if not part.path.endswith(f"/{name}"))
    pieces = (part.path, names, kinds, f"{part.octets} octets", *flags)
    return "  ".join(filter(None, pieces))


def _text(facts: Facts) -> str:
    """Give the visible text of the first part that has one, plain before HTML."""
    for text in sorted(facts.texts, key=lambda each: each.markup is not Markup.PLAIN):
        visible = htmltext.page(text).visible.strip()
        if visible:
            return visible
    return ""


def _beginning(facts: Facts, screen: Screen, most: int) -> Iterator[str]:
    lines = [line.strip() for line in _text(facts).splitlines() if line.strip()]
    if not lines or most <= 0:
        return
    yield ""
    left = most
    bar = "│ " if screen.is_unicode else "| "
    for line in lines:
        shown = line[: (left + 1) * screen.width]
        safe = "".join(
            screen.safe(shown[at : at + _PORTION]) for at in range(0, len(shown), _PORTION)
        )
        for piece in folded(safe, screen.width - len(bar)):
            if not left:
                yield click.style(f"{bar}...", dim=True)
                return
            yield click.style(bar, dim=True) + piece
            left -= 1


def _as_json(held: Held, record: "Record", facts: Facts | None) -> dict[str, Any]:
    return {
        **as_json(held),
        "action": held.action,
        "release": held.release,
        "client": record.get("client"),
        "findings": record.get("findings") or [],
        "headers": [
            {"name": each.name, "value": each.decoded} for each in (facts.headers if facts else ())
        ],
        "parts": [
            {
                "path": each.path,
                "names": list(each.names),
                "kinds": sorted(each.kinds),
                "octets": each.octets,
            }
            for each in (facts.parts if facts else ())
        ],
        "text": _text(facts)[:_JSON_CHARS] if facts else "",
    }
