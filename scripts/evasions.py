"""What becomes of messages that hide something: a table for each set; see scripts/evasions.

Called by  scripts/evasions.
Ends       0; 1 where a message is accepted whose content somebody sees, or a scan has a bug, or
           (--ordinary) more of the ordinary mail is acted on than may be.
Careful    "somebody sees it" is what the tables of the corpora say of other parsers and of clamd.
"""

import argparse
import contextlib
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.dont_write_bytecode = True

import hostile  # noqa: E402
from hostile import Fate  # noqa: E402

from qscanner.bench import Bench  # noqa: E402
from qscanner.model import Finding, Part  # noqa: E402
from tests.real import servers  # noqa: E402

_NAME_RULE = """schema = 1
[[rule]]
id     = "wanted-name"
why    = "The name that the message hides"
part   = { name = '^file\\.zip$' }
action = "reject"
"""
_WHY = Path(__file__).with_name("evasions_ordinary.toml")
_ORDINARY = ("notmuch", "comm-central", "mu", "redmine", "request-tracker", "sisimai", "rspamd")
_NICE = "spamassassin"
_MOST_PERCENT = 0.5
_NO_REASON = "(not yet looked at)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One message: whose it is, what it does, and who else sees what it hides."""

    file: str
    what: str  # payload, name file.zip
    trick: str
    clamd: str
    stdlib: str
    others: int

    @property
    def set(self) -> str:
        """The folder, and what is hidden."""
        return f"{self.file.partition('/')[0]}, {self.what}"

    @property
    def is_seen(self) -> bool:
        """Whether anybody sees it; where nobody looked, we take it that somebody does."""
        return self.others > 0 or "yes" in (self.clamd, self.stdlib)


def main() -> int:
    """Run what was asked for and write its section."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument("--ordinary", action="store_true", help="the false positives instead")
    parser.add_argument("--clamd", action="store_true", help="with a clamd of our own, too")
    parser.add_argument("--no-page", action="store_true", help="leave docs/evasions.md alone")
    asked = parser.parse_args()
    corpora = hostile.folder()
    command = "scripts/evasions" + " --ordinary" * asked.ordinary + " --clamd" * asked.clamd
    with contextlib.ExitStack() as stack:
        clamd = ""
        if asked.clamd:
            running = stack.enter_context(servers.clamd(servers.SEEING))
            clamd = str(running.unix)
        if asked.ordinary:
            lines, status = ordinary(corpora, hostile.bench(clamd=clamd))
            section, title = "ordinary", "Ordinary mail that is acted on"
        else:
            names = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            _with_name_rule(names)
            lines, status = evasions(corpora, hostile.bench(clamd=clamd), hostile.bench(names))
            section, title = "evasions", "What hides something"
    if not asked.no_page:
        hostile.write(section, title, lines, command=command)
    return status


def _with_name_rule(folder: Path) -> None:
    """Make a folder of the shipped policies and a rule against the hidden name."""
    (folder / "lists").symlink_to(hostile.ROOT / "policies" / "lists")
    for file in (hostile.ROOT / "policies").glob("*.toml"):
        (folder / file.name).symlink_to(file)
    (folder / "01-wanted.toml").write_text(_NAME_RULE)


def cases(corpora: Path) -> list[Case]:
    """Give every message that hides something, as the tables of the corpora list them."""
    found = []
    for row in hostile.rows(corpora / "evasion" / "index.tsv"):
        if row["half"] in ("shared", "") and (corpora / f"evasion/{row['name']}.eml").exists():
            found.append(_case(f"evasion/{row['name']}.eml", row["trick"], "payload", row))
    for row in hostile.rows(corpora / "differentials.tsv"):
        if (corpora / row["file"]).exists():
            found.append(_case(row["file"], _trick(row["file"]), row["what"], row))
    return found


def _case(file: str, trick: str, what: str, row: dict[str, str]) -> Case:
    by_stdlib = [row[key] for key in row if key.startswith("stdlib_") and key != "stdlib_errors"]
    return Case(
        file=file,
        what=what,
        trick=trick,
        clamd=row["clamd_raw_finds"],
        stdlib="yes" if "yes" in by_stdlib else "no",
        others=int(row["n_other_parsers"] or 0) if row["n_other_parsers"].isdigit() else 0,
    )


def _trick(file: str) -> str:
    """Give what noxxi's names say: `hide-content.d__multi.yenc__v0.eml`."""
    name = file.rpartition("/")[2].removesuffix(".eml")
    return name.partition("__")[2] or name


def evasions(corpora: Path, shipped: Bench, with_name: Bench) -> tuple[list[str], int]:
    """Give the section, and the exit code."""
    begun = time.monotonic()
    fates: list[tuple[Case, Fate]] = []
    for case in cases(corpora):
        chosen = shipped if case.what == "payload" else with_name
        fates.append((case, hostile.fate((corpora / case.file).read_bytes(), chosen)[0]))
    bad = [(case, fate) for case, fate in fates if not fate.is_safe and case.is_seen]
    bugs = [(case, fate) for case, fate in fates if fate.word == "BUG"]
    summary = list(_summary(fates))
    for line in summary:
        print(line)
    for case, fate in dict.fromkeys([*bad, *bugs]):
        print(f"  {fate}  {case.file}  (seen by {_seers(case)})")
    print(f"{len(fates)} messages, {time.monotonic() - begun:.1f} s")
    print(f"{len(bad)} are accepted though somebody sees what they hide")
    return [*summary, "", *_details(fates)], 1 if bad or bugs else 0


def _seers(case: Case) -> str:
    by = {
        "clamd": case.clamd == "yes",
        "stdlib": case.stdlib == "yes",
        f"{case.others} others": case.others,
    }
    return ", ".join(name for name, sees in by.items() if sees) or "nobody"


def _summary(fates: list[tuple[Case, Fate]]) -> Iterator[str]:
    words = ("found", "refused", "held", "put off", "accepted", "BUG")
    head = ("set", "messages", "somebody sees", *words, "**accepted, though seen**")
    lines = []
    for name in dict.fromkeys(case.set for case, _ in fates):
        mine = [(case, fate) for case, fate in fates if case.set == name]
        counts = Counter(fate.word for _, fate in mine)
        seen = sum(case.is_seen for case, _ in mine)
        bad = sum(case.is_seen and not fate.is_safe for case, fate in mine)
        lines.append((name, len(mine), seen, *(counts[word] for word in words), bad))
    yield from hostile.table(head, lines)


def _details(fates: list[tuple[Case, Fate]]) -> Iterator[str]:
    yield "`others`: how many of eleven other parsers see it."
    yield "`found`: an engine recognised it."
    yield "A rule behind `refused` or `held` saw the name, the kind or the anomaly."
    for name in dict.fromkeys(case.set for case, _ in fates):
        yield from ("", f"### {name}", "")
        yield from hostile.table(
            ("message", "trick", "clamd raw", "stdlib", "others", "ours"),
            (
                (f"`{_short(case)}`", case.trick, case.clamd, case.stdlib, case.others, fate)
                for case, fate in fates
                if case.set == name
            ),
        )


def _short(case: Case) -> str:
    name = case.file.rpartition("/")[2]
    return name if case.file.startswith(("evasion", "clamav")) else name.partition("__")[0] + "…"


def ordinary(corpora: Path, chosen: Bench) -> tuple[list[str], int]:
    """Give the section about ordinary mail, and the exit code."""
    told = tomllib.loads(_WHY.read_text("utf-8"))
    whys = {**told["bad"], **told["honest"]}
    files = hostile.files(corpora, *_ORDINARY)
    files += [file for file in hostile.files(corpora, _NICE) if "__nice__" in file.name]
    totals: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    lines = []
    bugs = wrong = 0
    for file in files:
        name = file.relative_to(corpora).as_posix()
        totals[file.parent.name] += 1
        fate, report = hostile.fate(file.read_bytes(), chosen)
        bugs += fate.word == "BUG"
        if fate.word == "accepted":
            continue
        hits[file.parent.name] += 1
        about = list(hostile.reasons(report, chosen)) if report else [("-", None)]
        rules = ", ".join(dict.fromkeys(rule for rule, _ in about))
        seen = "; ".join(dict.fromkeys(_about(what) for _, what in about))
        lines.append((f"`{name}`", fate.word, rules, seen, whys.get(name, _NO_REASON)))
        wrong += name not in told["bad"]
    count, total = sum(hits.values()), sum(totals.values())
    percent = 100 * wrong / (total or 1)
    rows = [(name, totals[name], hits[name]) for name in totals]
    summary = hostile.table(("set", "messages", "acted on"), [*rows, ("all", total, count)])
    said = (
        f"{count} of {total} ({100 * count / (total or 1):.2f} %) are acted on; {count - wrong} "
        "of them carry what is to be stopped (a program, a test virus, GTUBE). "
        f"The others: {wrong}, {percent:.2f} %, of {_MOST_PERCENT} % that there may be"
    )
    print("\n".join(summary), said, sep="\n")
    for line in lines:
        print("  ".join(line))
    head = ("message", "fate", "rule", "finding", "why it is right")
    section = [*summary, "", f"{said}.", "", *hostile.table(head, lines)]
    return section, 1 if percent > _MOST_PERCENT or bugs else 0


def _about(what: Finding | Part | None) -> str:
    match what:
        case Finding():
            return " ".join(
                filter(None, (what.id, what.where and f"in {what.where}", what.detail))
            )
        case Part():
            return f"part {what.path} ({', '.join(sorted(what.kinds))})"
        case None:
            return "-"


sys.exit(main())
