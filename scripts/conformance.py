"""Prints the three tables of docs/conformance.md: dialogues, failures, corpora.

Called by  scripts/conformance.
Careful    the tables are made from what the real programs do, now; nothing here judges. The tests
           judge: tests/programs, tests/crash, tests/test_corpora_scan.py.
"""

import datetime
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.fakes import mails, queue  # noqa: E402
from tests.fakes.caller import Result, Setting, envelope  # noqa: E402
from tests.fakes.replies import Flavour  # noqa: E402
from tests.fakes.site import Site  # noqa: E402

_HEAD = """# Conformance

Made on {day} by `scripts/conformance`. The judges are the tests in `tests/programs`,
`tests/crash` and `tests/test_corpora_scan.py`.
"""
_CALLERS = {
    "notqmail (fd 6)": (Flavour.NOTQMAIL, None, "auto"),
    "netqmail, patched (fd 4)": (Flavour.CURTI, None, "auto"),
    "indimail ($ERROR_FD)": (Flavour.INDIMAIL, 9, "auto"),
    "indimail (fd 2)": (Flavour.INDIMAIL, None, "2:88"),
    "stock qmail": (Flavour.STOCK, None, "auto"),
}
_OUTCOMES = ("queued", "held", "held, told later", "refused", "told later")
_DEAD = 'engines = ["clamav"]\n[virus.clamav]\nservers = ["unix:/nowhere/clamd.ctl"]'


def main() -> None:
    """Print the page."""
    print(_HEAD.format(day=datetime.datetime.now(tz=datetime.UTC).date()))
    with tempfile.TemporaryDirectory(prefix="qscanner-conformance-") as name:
        os.chmod(name, 0o755)
        folder = Path(name)
        _table("## What each kind of qmail hears", _dialogues(folder))
        faults, corpora = _tests(folder)
        _table("## Every operation fails, or is the last", faults)
        _table("## Third-party and hostile messages", corpora)


def _table(title: str, lines: Iterator[str]) -> None:
    print(title, end="\n\n")
    for line in lines:
        print(line)
    print(flush=True)


def _dialogues(folder: Path) -> Iterator[str]:
    program = queue.build(folder)
    yield "| caller | message | exit | text | the SMTP client hears |"
    yield "|---|---|---|---|---|"
    for number, (caller, (flavour, error_fd, channel)) in enumerate(_CALLERS.items()):
        place = folder / str(number)
        place.mkdir(mode=0o755)
        site = Site(place, program)
        for what, result in _messages(site, flavour, error_fd, channel):
            reply = re.sub(r"\d+ qp \d+", "T qp P", result.reply)
            code = result.code if result.code is not None else f"signal {result.signal}"
            text = result.text.decode("ascii", "backslashreplace").strip() or "-"
            yield f"| {caller} | {what} | {code} | {text} | {reply} |"


def _messages(
    site: Site, flavour: Flavour, error_fd: int | None, channel: str
) -> Iterator[tuple[str, Result]]:
    chosen = f'error_text = "{channel}"'
    site.settings(queue=chosen)
    how = Setting(flavour=flavour, error_fd=error_fd)
    yield "clean", site.call(mails.text(), setting=how)
    yield "EICAR", site.call(mails.infected(), setting=how)
    yield "encrypted zip (held)", site.call(mails.locked(), setting=how)
    yield "aborted session", site.call(mails.text(), b"", setting=how)
    long = envelope(b"a" * 1003)
    yield "address of 1003 octets", site.call(mails.text(), long, setting=how)
    yield "queue program ends 53", site.call(mails.text(), setting=how, FAKE_QUEUE_EXIT="53")
    yield "queue program is killed", site.call(mails.text(), setting=how, FAKE_QUEUE_SIGNAL="9")
    site.settings(queue=chosen, virus=_DEAD)
    yield "clean, clamd is dead", site.call(mails.text(), setting=how)
    site.settings(queue=chosen, program="/nowhere/qmail-queue")
    yield "clean, no queue program", site.call(mails.text(), setting=how)


def _tests(folder: Path) -> tuple[Iterator[str], Iterator[str]]:
    """Run the tests that judge, and give what they print as tables."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-n", "2", "-rA"),
            *("tests/crash", "tests/test_corpora_scan.py"),
        ],
        cwd=ROOT,
        env={**os.environ, "QSCANNER_TABLES": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"`pytest tests/crash tests/test_corpora_scan.py`: {done.stdout.splitlines()[-1]}\n")
    return _faults(folder), _corpora(done.stdout)


def _faults(folder: Path) -> Iterator[str]:
    yield f"| message and fault | operations | {' | '.join(_OUTCOMES)} |"
    yield "|---|---|---|---|---|---|---|"
    by_name: dict[str, Counter[str]] = {}
    for file in sorted(folder.glob("faults-*.txt")):
        head, *rows = file.read_text().splitlines()
        outcomes: Counter[str] = Counter()
        for row in rows:
            name, outcome, count = row.split()[0], " ".join(row.split()[1:-1]), row.split()[-1]
            outcomes[outcome] += int(count)
            by_name.setdefault(name, Counter())[outcome] += int(count)
        title, _, number = head.partition(": ")
        shown = [str(outcomes[key]) for key in _OUTCOMES]
        yield f"| {title} | {number.split()[0]} | {' | '.join(shown)} |"
    yield ""
    yield f"| operation | {' | '.join(_OUTCOMES)} |"
    yield "|---|---|---|---|---|---|"
    for name, outcomes in sorted(by_name.items()):
        shown = [str(outcomes[key]) for key in _OUTCOMES]
        yield f"| `{name}` | {' | '.join(shown)} |"


def _corpora(output: str) -> Iterator[str]:
    yield "| folder | accepted | held | refused | other |"
    yield "|---|---|---|---|---|"
    total: Counter[str] = Counter()
    for folder, told in re.findall(r"^([a-z0-9-]+): (\{.*\})$", output, re.MULTILINE):
        counts = Counter({word: int(n) for word, n in re.findall(r"'([a-z ]+)': (\d+)", told)})
        total += counts
        yield f"| {folder} | {_shown(counts)} |"
    yield f"| **all** | {_shown(total)} |"


def _shown(counts: Counter[str]) -> str:
    usual = ("accepted", "held", "rejected")
    other = sum(counts.values()) - sum(counts[key] for key in usual)
    return " | ".join(str(number) for number in (*(counts[key] for key in usual), other))


main()
