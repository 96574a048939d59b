"""Qmail-Scanner's quarantine-events.txt (2.x) and quarantine-attachments.txt (1.x).

    name, or .extension <TAB> octets, or SIZE=octets, or SIZE=-1 <TAB> description
    regex               <TAB> Virus-HEADER: or Policy-HEADER:     <TAB> description

Called by  programs.admin_import.
Ends       always; every line is a rule, or a warning, or both.
Careful    names were compared without regard to case, header values as ^regex$ with it. What hit
           was kept in quarantine while the sender heard "accepted": that is `quarantine` here.
"""

import re

from qscanner.codec.text import for_terminal
from qscanner.importers import perl, qmail_scanner_virtual
from qscanner.importers.findings import Imported, Job, NewRule
from qscanner.importers.sources import Line
from qscanner.model import Action
from qscanner.patterns import PatternError

MAX_WHY_CHARS = 300
_SIZE = re.compile(r"(?i)(?:SIZE\s*=\s*)?(-?[0-9]{1,12})")
_HEADER = re.compile(r"(?i)(?:Virus|Policy)-([!-9;-~]{1,80}):")
_LONGER = re.compile(r"\.\{([0-9]{1,9}),\}")  # .{100,}


def read(job: Job, imported: Imported) -> None:
    """Translate the lines of one file."""
    for line in job.lines:
        columns = [each.strip(" ") for each in re.split(r"\t+", line.text.rstrip())]
        if len(columns) < 2 or not columns[0]:  # noqa: PLR2004
            imported.warn(
                line, "no rule: Qmail-Scanner wants three columns with TABs between them"
            )
            continue
        why = _why(columns[2:])
        if (header := _HEADER.fullmatch(columns[1])) is not None:
            body = _of_header(line, columns[0], header[1], imported)
        elif (size := _SIZE.fullmatch(columns[1])) is not None:
            body = _of_name(line, columns[0], columns[1], int(size[1]), imported)
        else:
            text = f'"{columns[1]}" is no size, no SIZE=… and no Virus-…: or Policy-…: header'
            imported.warn(line, text, columns[1])
            continue
        if body is not None:
            imported.rules.append(
                NewRule(
                    id=job.id_of(line),
                    line=line,
                    why=why,
                    body=body,
                    action=job.action or Action.QUARANTINE,
                )
            )


def _why(rest: list[str]) -> str:
    text = for_terminal(" ".join(rest)).strip()[:MAX_WHY_CHARS]
    return text or "Imported from Qmail-Scanner, where it had no description"


def _of_name(
    line: Line, name: str, column: str, octets: int, imported: Imported
) -> dict[str, object] | None:
    if "*" in name or "?" in name:
        text = f'"{name}" never hit anything: Qmail-Scanner knows no * or ? in names; write .exe'
        imported.warn(line, f"no rule: {text}", name)
        return None
    escaped = literal(name)
    if name.startswith("."):
        if octets > 0 and "=" in column:
            text = "the size is left out: for extensions Qmail-Scanner looked at the name alone"
            imported.warn(line, text, column)
        return {"part": {"name": f"(?i){escaped}$"}}
    part: dict[str, object] = {"name": f"(?i)^{escaped}$"}
    if octets == 0:
        imported.warn(line, "size 0 with a whole name: taken as any size", column)
    elif octets > 0:
        part |= {"size_over": f"{octets - 1} B", "size_under": f"{octets + 1} B"}
    return {"part": part}


def literal(text: str) -> str:
    """Give a pattern for a text itself, with no more backslashes than needed."""
    return re.sub(r"([\\.^$*+?{}\[\]|()])", r"\\\1", text)


def _of_header(
    line: Line, pattern: str, header: str, imported: Imported
) -> dict[str, object] | None:
    try:
        if header.upper() in qmail_scanner_virtual.NAMES:
            return qmail_scanner_virtual.body(pattern, header.upper())
        longer = _LONGER.fullmatch(pattern)
        if longer is not None and int(longer[1]) > 0:
            return {"header": {header: {"over": int(longer[1]) - 1}}}
        perl.translated(pattern)
        whole = perl.translated(f"^{pattern}$")
    except PatternError as error:
        imported.warn(line, f"no rule: {error}", pattern)
        return None
    if perl.is_alternative_at_top(pattern):
        text = "| stands outside of brackets, so ^ and $ hold for one side only, there and here"
        imported.warn(line, f"{text}; (a|b) may have been meant", pattern)
    return {"header": {header: whole}}
