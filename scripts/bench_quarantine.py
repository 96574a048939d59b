"""What the quarantine costs with many held messages: keeping, listing, expiring; prints a table.

Called by  scripts/bench_quarantine.
Ends       with the table on stdout. Everything lies in a temporary folder.
Careful    messages are put in without fsync (they are only there to be many); what is timed is
           done as always.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from qscanner.settings import Keep, Quarantine  # noqa: E402
from qscanner.store.journal import Journal  # noqa: E402
from qscanner.store.store import Store  # noqa: E402
from qscanner.store.words import Arrived, Class, Filter, State, Who  # noqa: E402
from tests.fakes.holds import Hold  # noqa: E402

WHO = Who(name="bench", via="bench")
NOW = 1_795_420_000.0
FILTERS = {
    "newest 50": Filter(limit=50),
    "held, newest 50": Filter(state=State.HELD, limit=50),
    "released (none)": Filter(state=State.RELEASED, limit=50),
    "one day": Filter(since=NOW - 86400 * 3, until=NOW - 86400 * 2, limit=50),
    "one recipient": Filter(recipient="user77@example.com", limit=50),
    "one recipient, held": Filter(recipient="user77@example.com", state=State.HELD, limit=50),
    "one sender": Filter(sender="s123@host23.example", limit=50),
    "domain of many": Filter(domain="example.com", limit=50),
    "domain of few": Filter(domain="host23.example", limit=50),
    "rule of few": Filter(rule="rule7", limit=50),
    "rule of half": Filter(rule="spam", limit=50),
    "class": Filter(class_=Class.VIRUS, limit=50),
    "score at least 99": Filter(score=99.0, limit=50),
    "text, often": Filter(text="offer", limit=50),
    "text, once": Filter(text="offer number 4711 ", limit=50),
    "text, never": Filter(text="no such words", limit=50),
    "all of it at once": Filter(
        since=0.0, recipient="user77@example.com", rule="spam", state=State.HELD, limit=50
    ),
}


def main() -> None:
    """Read the options, measure, print."""
    options = argparse.ArgumentParser()
    options.add_argument("--messages", type=int, default=200_000)
    options.add_argument("--expire", type=int, default=100_000)
    options.add_argument("--folder", default=None)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="qscanner-bench-", dir=given.folder) as place:
        folder = str(Path(place, "quarantine"))
        Path(folder).mkdir()
        settings = Quarantine(dir=folder)
        print(f"{'what':58} {'':>12}")
        for workers in (1, 2, 4):
            _row(f"holds a second, {workers} at once", f"{_holds(settings, workers):.0f}")
        _fill(folder, given.messages)
        begun = time.monotonic()
        with Store.open(settings):
            _row(f"take in {given.messages}", f"{time.monotonic() - begun:.1f} s")
        _lists(settings)
        _commands(folder)
        _expire(settings, given.expire)


def _row(what: str, said: str) -> None:
    print(f"{what:58} {said:>12}", flush=True)


def _holds(settings: Quarantine, workers: int, seconds: float = 5.0) -> float:
    """Give how many holds a second so many processes make."""
    context = get_context("fork")
    made = context.Value("i", 0)

    def work() -> None:
        ends_at, number = time.monotonic() + seconds, 0
        while time.monotonic() < ends_at:
            octets = b"Subject: %d %d\n\n" % (os.getpid(), number) + b"x" * 30_000
            Hold(octets=octets).keep(settings)
            number += 1
        with made.get_lock():
            made.value += number

    all_of_them = [context.Process(target=work) for _ in range(workers)]
    for one in all_of_them:
        one.start()
    for one in all_of_them:
        one.join()
    return float(made.value) / seconds


def _fill(folder: str, count: int) -> None:
    """Put in many messages, as if kept over 30 days."""
    journal = Journal(folder)
    events = []
    for number in range(count):
        at = NOW - 30 * 86400 * (1 - number / count)
        hold = Hold(
            octets=b"Subject: offer number %d \n\nbody\n" % number,
            sender=b"s%d@host%d.example" % (number % 1000, number % 5000),
            to=(b"user%d@example.com" % (number % 3000), b"u%d@example.net" % (number % 7)),
            rules=("spam" if number % 2 else f"rule{number % 1000}",),
            kept_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)),
            more={
                "subject": f"offer number {number} ",
                "score": number % 100 + number / count,
                "class": ("spam", "virus", "policy")[number % 3],
            },
        )
        for ending, octets in (
            ("eml", hold.octets),
            ("json", json.dumps(hold.record, indent=1).encode()),
        ):
            Path(folder, f"{hold.digest}.{ending}").write_bytes(octets)
        events.append(Arrived(at=at, digest=hold.digest, is_fresh=True))
        if len(events) == 1000:
            journal.append(*events)
            events = []
    journal.append(*events)
    journal.close()


def _timed(what: Callable[[], object], times: int = 5) -> tuple[float, float]:
    taken = []
    for _ in range(times):
        begun = time.monotonic()
        what()
        taken.append((time.monotonic() - begun) * 1000)
    return statistics.median(taken), max(taken)


def _lists(settings: Quarantine) -> None:
    with Store.open(settings) as store:
        _row("messages", str(store.count(Filter())))
        for name, wanted in FILTERS.items():
            median, worst = _timed(lambda wanted=wanted: list(store.search(wanted)))  # type: ignore[misc]
            _row(f"list: {name}", f"{median:.0f} ms, {worst:.0f} max")
        median, worst = _timed(lambda: store.count(Filter(state=State.HELD)))
        _row("count all held", f"{median:.0f} ms, {worst:.0f} max")


def _commands(folder: str) -> None:
    """Time the command as a whole, as a shell sees it, and what no command goes below."""
    home = Path(folder).parent / "site"
    (home / "policies").mkdir(parents=True)
    file = home / "qscanner.toml"
    file.write_text(f'[quarantine]\ndir = "{folder}"\n')
    program = [str(Path(sys.executable).parent / "qscanner"), "--config", str(file), "quarantine"]
    floor = [sys.executable, "-c", "import click, sqlalchemy"]
    for name, words in (("Python, click and SQLAlchemy alone", floor), *_words(program)):

        def run(words: list[str] = words) -> None:
            subprocess.run(words, stdout=subprocess.DEVNULL, check=True)

        median, worst = _timed(run, 9)
        _row(name, f"{median:.0f} ms, {worst:.0f} max")


def _words(program: list[str]) -> list[tuple[str, list[str]]]:
    asked = (
        ["list"],
        ["list", "--rule", "rule7"],
        ["list", "--to", "user77@example.com", "--state", "held"],
        ["list", "--text", "no such words"],
    )
    return [(" ".join(["command:", *words]), [*program, *words]) for words in asked]


def _expire(settings: Quarantine, count: int) -> None:
    """Expire the oldest, while another goes on holding."""
    with Store.open(settings) as store:
        kept = store.count(Filter()) - count
        oldest = next(store.search(Filter(is_oldest_first=True))).since
    age = NOW - (oldest + 30 * 86400 * count / (count + kept))
    context = get_context("fork")
    told_by, telling = context.Pipe(duplex=False)
    stop = context.Event()

    def hold() -> None:
        number, taken = 0, []
        while not stop.wait(0.02):
            begun = time.monotonic()
            Hold(octets=b"Subject: meanwhile %d\n\n" % number).keep(settings)
            taken.append((time.monotonic() - begun) * 1000)
            number += 1
        telling.send(taken)

    keep = Keep(virus=age, banned=age, spam=age, unscannable=age, policy=age)
    worker = context.Process(target=hold)
    worker.start()
    begun, told = time.monotonic(), 0
    with Store.open(Quarantine(dir=settings.dir, keep=keep, history=0)) as store:

        def progress(_done: int, _total: int) -> None:
            nonlocal told
            told += 1

        done = store.expire(by=WHO, now=NOW, progress=progress)
    took = time.monotonic() - begun
    stop.set()
    taken = told_by.recv()
    worker.join()
    _row(f"expire {done.expired}", f"{took:.1f} s")
    _row("  told of progress, times", str(told))
    _row(f"  {len(taken)} holds meanwhile", f"{statistics.median(taken):.0f} ms")
    _row("  the slowest of them", f"{max(taken):.0f} ms")


if __name__ == "__main__":
    main()
