"""What the scripts about hostile mail share: corpora, a bench, the sections of docs/evasions.md.

Called by  evasions, differential, bombs, fuzz.
Ends       folder() ends the program aloud where there are no corpora.
Careful    the page belongs to several scripts: each writes its own section and keeps the others'.
           What stands there comes from strangers' files: cells() makes it harmless.
"""

import csv
import datetime
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from qscanner import client  # noqa: E402
from qscanner.bench import Bench  # noqa: E402
from qscanner.codec import envelope  # noqa: E402
from qscanner.codec.text import printable  # noqa: E402
from qscanner.deadline import Deadline  # noqa: E402
from qscanner.model import Action, Finding, Part  # noqa: E402
from qscanner.outcomes import QScannerError  # noqa: E402
from qscanner.policy.decide import matches  # noqa: E402
from qscanner.policy.rules import Mode  # noqa: E402
from qscanner.report import Mail, Report  # noqa: E402
from qscanner.scan import scan  # noqa: E402
from qscanner.settings import Clamav, Limits, Policy, Queue, Settings, Virus  # noqa: E402
from qscanner.spool import Message  # noqa: E402

PAGE = ROOT / "docs" / "evasions.md"
SECTIONS = ("evasions", "ordinary", "differential", "bombs", "fuzz")
_TIME_S = 60.0
_CELL = 160
_HEAD = """# Evasions

Messages that lie, and what becomes of them: made by scripts from what the scanner does, not by
hand. Each section says when and by which command. The corpora are third parties' and stand in no
clone (`$QSCANNER_CORPORA`). What the findings mean is in [findings](findings.md).
"""


def folder() -> Path:
    """Give the folder of the corpora: $QSCANNER_CORPORA, else beside the repository."""
    named = os.environ.get("QSCANNER_CORPORA")
    found = Path(named) if named else ROOT.parent / "shared" / "corpora"
    if not found.is_dir():
        where = "$QSCANNER_CORPORA" if named else "../shared/corpora"
        sys.exit(f"{Path(sys.argv[0]).stem}: NO CORPORA at {where}: set QSCANNER_CORPORA")
    return found


def rows(file: Path) -> list[dict[str, str]]:
    """Give the rows of a table with a head line, fields separated by tabs."""
    with file.open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))


def files(corpora: Path, *folders: str) -> list[Path]:
    """Give the files of these folders, in their order."""
    return [
        file
        for name in folders
        for file in sorted((corpora / name).rglob("*"))
        if file.is_file() and file.suffix != ".tsv"
    ]


def messages(corpora: Path) -> list[Path]:
    """Give every message of the corpora: what does not stand in a folder of other files."""
    names = sorted(each.name for each in corpora.iterdir() if each.is_dir())
    return files(
        corpora, *(name for name in names if not name.startswith("files-") and name.islower())
    )


def bench(
    policies: Path = ROOT / "policies", *, clamd: str = "", limits: Limits | None = None
) -> Bench:
    """Give what a scan needs: these rules, the embedded engine, and a clamd where one is named."""
    engines = ("clamav", "yara") if clamd else ("yara",)
    return Bench.of(
        Settings(
            queue=Queue(program="/bin/true", host="mx.example.com"),
            limits=limits or Limits(),
            virus=Virus(engines=engines, clamav=Clamav(servers=(clamd,) if clamd else ())),
            policy=Policy(dir=str(policies)),
        )
    )


def look(octets: bytes, chosen: Bench) -> Report:
    """Scan one message as mail from outside. Raises what a scan raises."""
    decoder = envelope.Decoder()
    decoder.feed(b"Fa@example.org\0Tb@example.com\0\0")
    caller = client.of(os.getuid(), {b"TCPREMOTEIP": b"192.0.2.7"}, (str(os.getuid()),))
    mail = Mail(message=Message.of_octets(octets), envelope=decoder.finish(), client=caller)
    report = scan(mail, chosen, Deadline(_TIME_S))
    mail.message.close()
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of one message. `is_safe`: it was not accepted as if it were clean."""

    word: str  # found, refused, held, put off, accepted, BUG
    rules: tuple[str, ...] = ()

    @property
    def is_safe(self) -> bool:
        """Whether nobody got it."""
        return self.word in {"found", "refused", "held", "put off"}

    def __str__(self) -> str:
        """Give `held: ambiguous-mime`."""
        word = self.word if self.is_safe else f"**{self.word}**"
        return f"{word}: {', '.join(self.rules)}" if self.rules else word


_WORDS = {
    Action.ACCEPT: "accepted",
    Action.DEFER: "put off",
    Action.QUARANTINE: "held",
    Action.DISCARD: "held",
    Action.REJECT: "refused",
}


def fate(octets: bytes, chosen: Bench) -> tuple[Fate, Report | None]:
    """Give what becomes of a message; a bug is a fate, too."""
    try:
        report = look(octets, chosen)
    except QScannerError as error:
        return Fate(word="put off", rules=(type(error).__name__,)), None
    except Exception as bug:  # noqa: BLE001 - the others are still to be looked at
        return Fate(word="BUG", rules=(repr(bug),)), None
    virus = report.facts.virus
    if virus and virus.names and report.verdict.action is not Action.ACCEPT:
        return Fate(word="found"), report
    return Fate(word=_WORDS[report.verdict.action], rules=report.verdict.rules), report


def reasons(report: Report, chosen: Bench) -> Iterator[tuple[str, Finding | Part | None]]:
    """Give each rule that acted with the findings and parts that it acts on by themselves."""
    facts = report.facts
    bare = replace(facts, parts=(), findings=(), virus=None, spam=None)
    by_id = {rule.id: rule for rule in chosen.policy.rules if rule.mode is Mode.ON}
    for id_ in report.verdict.rules:
        rule = by_id.get(id_)
        found: list[Finding | Part] = []
        if rule:
            to = facts.envelope.recipients[0]
            found += [f for f in facts.findings if matches(rule, replace(bare, findings=(f,)), to)]
            found += [p for p in facts.parts if matches(rule, replace(bare, parts=(p,)), to)]
        if not found:
            yield id_, None
        yield from ((id_, each) for each in found)


def table(head: Sequence[str], lines: Iterable[Sequence[object]]) -> list[str]:
    """Give a table in Markdown."""
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(_cell(str(each)) for each in line)} |" for line in lines),
    ]


def _cell(text: str) -> str:
    shown = printable(text, max_octets=_CELL).replace("\\\\", "\\")
    return shown.replace("|", "\\|").replace("<", "&lt;").strip() or "-"


def write(section: str, title: str, lines: Iterable[str], *, command: str) -> None:
    """Put a section of the page into its place, and leave the others as they are."""
    day = datetime.datetime.now(tz=datetime.UTC).date()
    text = "\n".join([f"## {title}", "", f"Made on {day} by `{command}`.", "", *lines])
    found = _sections() | {section: text.rstrip()}
    page = _HEAD + "".join(
        f"\n{_mark(name)}\n{found[name]}\n" for name in SECTIONS if name in found
    )
    new = PAGE.with_suffix(".new")
    new.write_text(page, "utf-8")
    new.replace(PAGE)
    print(f"{command}: wrote docs/{PAGE.name}")


def _mark(section: str) -> str:
    return f"<!-- section {section} -->"


def _sections() -> dict[str, str]:
    page = PAGE.read_text("utf-8") if PAGE.exists() else ""
    found = {}
    for name in SECTIONS:
        _, mark, text = page.partition(f"{_mark(name)}\n")
        if mark:
            found[name] = text.partition("\n<!-- section ")[0].strip()
    return found
