"""Our names, kinds and contents against those of the MIME parsers that Debian ships.

Called by  scripts/differential.
Ends       0; 1 where one of them takes out a name or kind that the shipped policies refuse, and we
           have no part that they refuse for it.
Careful    the parsers run on hostile mail: each in a folder of its own, bounded in time and in the
           size of what it writes. What they call a file is compared by its letters and digits.
"""

import argparse
import hashlib
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

sys.dont_write_bytecode = True

import hostile  # noqa: E402

from qscanner import kinds, magic_kinds, mime  # noqa: E402
from qscanner.archives import Budget  # noqa: E402
from qscanner.bench import Bench  # noqa: E402
from qscanner.checks import attachments  # noqa: E402
from qscanner.codec import names as naming  # noqa: E402
from qscanner.codec.text import readable  # noqa: E402
from qscanner.deadline import Deadline  # noqa: E402
from qscanner.model import Action, Part  # noqa: E402
from qscanner.policy.decide import matches  # noqa: E402
from qscanner.policy.rules import Rule  # noqa: E402
from qscanner.report import Report  # noqa: E402
from qscanner.settings import Limits  # noqa: E402

_HERE = Path(__file__).resolve().parent
_WITHIN_S = 20
_MOST_FILE = 50 << 20
_MOST_BATCH_S = 600
_REFUSING = ("dangerous-name", "dangerous-content", "container-of-programs", "double-extension")
_SHOWN = 60
_MADE_UP = re.compile(r"attachment\d+\.dat|\d+\.\d+-\d+\..*")  # reformime's, for none
_MOST_SECTIONS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Parser:
    """One parser: how to call it for one message, or for a list of them on its input."""

    name: str
    package: str
    command: tuple[str, ...]
    is_batch: bool = False
    probe: tuple[str, ...] = ()  # ends with 0 where it is there

    def is_there(self) -> bool:
        """Say whether it can be run."""
        if not self.probe:
            return shutil.which(self.command[0]) is not None
        done = subprocess.run(self.probe, capture_output=True, check=False)
        return done.returncode == 0


PARSERS = (
    Parser(
        name="ripmime", package="ripmime", command=("ripmime", "-i", "{file}", "-d", "{folder}")
    ),
    Parser(
        name="reformime", package="maildrop", command=("reformime", "-s", "{sections}", "-xf-")
    ),
    Parser(name="munpack", package="mpack", command=("munpack", "-f", "-q", "-C", "{folder}")),
    Parser(
        name="MIME::Parser",
        package="libmime-tools-perl",
        command=("perl", str(_HERE / "differential_mime.pl")),
        is_batch=True,
        probe=("perl", "-MMIME::Parser", "-e", "1"),
    ),
    Parser(
        name="gmime",
        package="gir1.2-gmime-3.0 python3-gi",
        command=("/usr/bin/python3", str(_HERE / "differential_gmime.py")),
        is_batch=True,
        probe=(
            *("/usr/bin/python3", "-c"),
            "import gi; gi.require_version('GMime', '3.0'); from gi.repository import GMime",
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One file that a parser took out of a message."""

    name: str
    content: bytes


@dataclass(slots=True, kw_only=True)
class Ours:
    """What we see in one message."""

    report: Report
    names: set[str]
    sums: set[str]


@dataclass(slots=True, kw_only=True)
class Tally:
    """What one parser has that we have not."""

    taken: int = 0
    names: int = 0  # any name that is none of ours
    contents: int = 0  # any named, not textual content that is none of ours
    failed: int = 0
    bounded: int = 0  # dangerous, and we say that we did not look at everything
    dangerous: list[str] = field(default_factory=list)


def main() -> int:
    """Compare, print, write the section."""
    parser = argparse.ArgumentParser(description="against the parsers of Debian")
    parser.add_argument("--no-page", action="store_true", help="leave docs/evasions.md alone")
    parser.add_argument("--only", default="", help="names of folders of the corpora, with commas")
    asked = parser.parse_args()
    corpora = hostile.folder()
    files = hostile.messages(corpora)
    if asked.only:
        files = [file for file in files if file.parent.name in asked.only.split(",")]
    # For the parsers, who inherit it; to set it between fork and exec would cost us a slow fork.
    resource.setrlimit(resource.RLIMIT_FSIZE, (_MOST_FILE, _MOST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    there = [each for each in PARSERS if each.is_there()]
    missing = [each for each in PARSERS if each not in there]
    if missing:
        names = ", ".join(each.name for each in missing)
        packages = " ".join(each.package for each in missing)
        print(f"differential: WITHOUT {names}: apt-get install {packages}", file=sys.stderr)
    chosen = hostile.bench()
    ours = {file: _ours(file, chosen) for file in files}
    rules = [rule for rule in chosen.policy.rules if rule.id in _REFUSING]
    tallies = {each.name: _compared(each, corpora, ours, rules) for each in there}
    lines = list(_section(tallies, len(files), missing))
    print("\n".join(lines))
    if not asked.no_page and not asked.only:
        hostile.write(
            "differential", "Against other parsers", lines, command="scripts/differential"
        )
    return 1 if any(tally.dangerous for tally in tallies.values()) else 0


def _section(tallies: dict[str, Tally], count: int, missing: list[Parser]) -> Iterator[str]:
    rules = ", ".join(f"`{id_}`" for id_ in _REFUSING)
    yield f"{count} messages of the corpora. A dangerous name or kind is one that the rules"
    yield f"{rules} refuse;"
    yield "it is missed where no part of ours is refused for it. Behind a bound: we say that we"
    yield "did not look at all of it (`limit.*`), and it is held. Other names and contents that"
    yield "only the other parser has: most are made up by it, or cut, or changed."
    yield ""
    if missing:
        yield f"Left out, not installed: {', '.join(each.name for each in missing)}."
        yield ""
    head = (
        "parser",
        "files",
        "dangerous: missed",
        "behind a bound",
        "other names",
        "other contents",
        "gave up",
    )
    rows = [
        (
            *(name, tally.taken, len(tally.dangerous), tally.bounded),
            *(tally.names, tally.contents, tally.failed),
        )
        for name, tally in tallies.items()
    ]
    yield from hostile.table(head, rows)
    missed = [(name, each) for name, tally in tallies.items() for each in tally.dangerous]
    if missed:
        rows_of = [(name, *each.split("\t")) for name, each in missed[:_SHOWN]]
        yield ""
        yield from hostile.table(("parser", "message", "name", "rule", "ours"), rows_of)
    if len(missed) > _SHOWN:
        yield f"\nand {len(missed) - _SHOWN} more."


def _ours(file: Path, chosen: Bench) -> Ours:
    octets = file.read_bytes()
    report = hostile.look(octets, chosen)
    sums: set[str] = set()
    limits = Limits()
    view = mime.view(octets, mime.MimeLimits.of(limits))

    def note(_path: str, content: bytes, *_: object) -> None:
        sums.add(_sum(content))

    attachments.look(view, Budget.of(limits), note, deadline=Deadline(60))
    names = {_letters(name) for part in report.facts.parts for name in part.names}
    return Ours(report=report, names=names, sums=sums)


def _sum(content: bytes) -> str:
    """Give a SHA-256 that does not depend on line ends."""
    return hashlib.sha256(content.replace(b"\r", b"").rstrip(b"\n")).hexdigest()


def _letters(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum())


def _compared(parser: Parser, corpora: Path, ours: dict[Path, Ours], rules: list[Rule]) -> Tally:
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="qscanner-differential-") as name:
        folders = {file: Path(name) / str(number) for number, file in enumerate(ours)}
        if parser.is_batch:
            tally.failed = _run_batch(parser, folders)
        for file, folder in folders.items():
            if not parser.is_batch:
                folder.mkdir()
                tally.failed += not _run(parser, file, folder)
            for taken in _taken(parser, folder):
                _judge(taken, ours[file], rules, tally, file.relative_to(corpora).as_posix())
            shutil.rmtree(folder, ignore_errors=True)
    return tally


def _run(parser: Parser, file: Path, folder: Path) -> bool:
    """Run it on one message; False where it did not end by itself."""
    try:
        sections = _sections(file) if "{sections}" in parser.command else "-"
        words = [
            word.format(file=file, folder=folder, sections=sections) for word in parser.command
        ]
        return not sections or _output(words, file, folder) is not None
    except subprocess.TimeoutExpired:
        return False


def _sections(file: Path) -> str:
    """Give what `reformime -s` wants: the leaves alone, since it dies of taking all at once."""
    said = _output(["reformime", "-i"], file, file.parent) or b""
    found = [line[9:].decode() for line in said.splitlines() if line.startswith(b"section: ")]
    inner = {name.rpartition(".")[0] for name in found}
    return ",".join([name for name in found if name not in inner][:_MOST_SECTIONS])


def _output(words: list[str], file: Path, folder: Path) -> bytes | None:
    """Give what a program says of a message, None where it died. Raises TimeoutExpired."""
    with file.open("rb") as message:
        done = subprocess.run(
            words,
            stdin=message,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_WITHIN_S,
            check=False,
            cwd=folder,
        )
    return done.stdout if done.returncode >= 0 else None


def _run_batch(parser: Parser, folders: dict[Path, Path]) -> int:
    """Run it on all; where it dies, go on behind the message that it died of. Give how often."""
    for folder in folders.values():
        folder.mkdir()
    left, deaths = list(folders), 0
    while left:
        given = "".join(f"{file}\t{folders[file]}\n" for file in left)
        try:
            done = subprocess.run(
                parser.command,
                input=os.fsencode(given),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_MOST_BATCH_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return deaths + len(left)
        begun = done.stdout.count(b"\n")
        if done.returncode == 0 or not begun:
            return deaths + (0 if done.returncode == 0 else len(left))
        left, deaths = left[begun:], deaths + 1
    return deaths


def _taken(parser: Parser, folder: Path) -> Iterator[Taken]:
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        if not parser.is_batch:
            name = readable(os.fsencode(file.name))
            yield Taken(name=_real(parser, name), content=file.read_bytes())
        elif file.suffix == ".name":
            content = file.with_suffix(".content")
            name = readable(file.read_bytes())
            yield Taken(name=name, content=content.read_bytes() if content.exists() else b"")


def _real(parser: Parser, name: str) -> str:
    """Give the name that is the message's, "" for one that the parser made up."""
    made_up = {"ripmime": "textfile", "munpack": "part"}.get(parser.name)
    if made_up and name.startswith(made_up) and name[len(made_up) :].rstrip(".desc").isdigit():
        return ""
    if parser.name == "reformime":
        name = name.removeprefix("f-")
        return "" if _MADE_UP.fullmatch(name) else name
    return name


def _judge(taken: Taken, ours: Ours, rules: list[Rule], tally: Tally, file: str) -> None:
    tally.taken += 1
    names = naming.forms([taken.name]) if taken.name else ()
    declared_magic = magic_kinds.type_of(taken.content) if taken.content else None
    found = kinds.kinds((), "", taken.content, declared_magic)
    is_known = not taken.name or _letters(taken.name) in ours.names
    tally.names += not is_known
    is_text = kinds.is_plain_text(taken.content)
    tally.contents += bool(taken.content) and not is_text and _sum(taken.content) not in ours.sums
    theirs = Part(path="1", names=names, kinds=found, octets=len(taken.content))
    facts = replace(ours.report.facts, findings=(), virus=None, spam=None)
    for rule in rules:
        is_refused = matches(rule, replace(facts, parts=(theirs,)), None)
        if not is_refused or matches(rule, facts, None):
            continue
        if _is_bounded(ours.report):
            tally.bounded += 1
        else:
            verdict = ours.report.verdict
            fate = f"{verdict.action.value} {', '.join(verdict.rules)}"
            shown = taken.name.replace("\t", " ") or f"({', '.join(sorted(found))})"
            tally.dangerous.append(f"{file}\t{shown}\t{rule.id}\t{fate}")


def _is_bounded(report: Report) -> bool:
    is_said = any(finding.id.startswith("limit.") for finding in report.facts.findings)
    return is_said and report.verdict.action is not Action.ACCEPT


sys.exit(main())
