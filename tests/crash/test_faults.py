"""The promise, enumerated: every operation of the real queue program fails, or is the last.

For k = 1, 2, 3 ... the k-th file, socket, process or exec operation fails with an error, or the
process is killed there. After each the message is queued once, held with the answer 0, or the
caller heard "later" or the refusal that was due: never 0 without a durable copy, never twice,
never unscanned.
"""

import errno
import os
from collections import Counter
from pathlib import Path

import pytest

from tests.fakes import clients, mails
from tests.fakes.caller import TCPSERVER, Result, Setting
from tests.fakes.fault import FAIL, KILL, Fault
from tests.fakes.resident import is_alive, until
from tests.fakes.site import Site

MESSAGES = {
    "clean": mails.text(b"x" * 70 + b"\n"),
    "clean-large": mails.text((b"x" * 70 + b"\n") * 20000),  # above 1 MiB: the spool folder
    "infected": mails.infected(),
    "held": mails.locked(),
}
FAULTS = {
    "full": (FAIL, errno.ENOSPC),
    "broken": (FAIL, errno.EIO),
    "forbidden": (FAIL, errno.EACCES),
    "kill": (KILL, 0),
}
# Reads are the imports of a few hundred files, so they are tried with one error and with the axe.
CASES = [
    *((name, fault, False) for name in MESSAGES for fault in FAULTS),
    ("held", "broken", True),
    ("clean", "kill", True),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("name", "fault", "reads"),
    CASES,
    ids=[f"{name}-{fault}{'-reads' if reads else ''}" for name, fault, reads in CASES],
)
def test_every_operation(
    name: str, fault: str, reads: bool, fault_library: Path, fake_queue: Path, open_tmp: Path
) -> None:
    """After a fault at any operation: queued once, held, or told later."""
    site = Site(open_tmp, fake_queue, clients.installed("python"))
    one = Fault(fault_library, open_tmp)
    what, error = FAULTS[fault]
    table: Counter[tuple[str, str]] = Counter()
    at, step = 1, 13 if reads else 1  # of the reads every thirteenth
    while True:
        empty(site)
        env = TCPSERVER | one.set(at, what, error, reads=reads)
        result = site.call(MESSAGES[name], setting=Setting(env=env))
        if not one.state.hits:
            break
        outcome = judge(name, site, result)
        table[one.state.name.decode(), outcome] += 1
        at += step
    assert result.code in (0, 82), f"the undisturbed call ended {result}"
    assert sum(table.values()) > 15, "hardly anything was counted: is the library loaded?"
    report(f"{name} {fault}{' reads' if reads else ''}", at - 1, table)


def empty(site: Site) -> None:
    """Forget what the last call left."""
    for folder in (site.queue_dir, site.quarantine):
        for file in folder.iterdir():
            file.unlink()


def judge(name: str, site: Site, result: Result) -> str:
    """Give what became of the message, or fail where it is what must never be."""
    queued, held = len(site.queued()), len(site.held())
    # A scanning child dies with its parent, but a moment later; the reply it never holds.
    assert not [leak for leak in result.leaks if not leak.endswith("pipe of fd 2")], result
    pids = [int(leak.partition(":")[0].split()[-1]) for leak in result.leaks]
    until(lambda: not any(map(is_alive, pids)), f"{result.leaks} have ended")
    if result.code == 0:
        assert queued + held == 1, f"0 with {queued} queued and {held} held: {result}"
    assert queued <= 1
    if name.startswith("clean"):
        assert not held
        assert result.code not in range(11, 41), f"a clean message was refused: {result}"
        assert result.text[:1] != b"D", result
    else:
        assert not queued, f"queued unscanned: {result}"
    if name == "infected":
        assert result.code != 0
    if queued:
        message = site.queued()[0].message
        assert message.endswith(MESSAGES[name].partition(b"\n")[2]), "queued, but cut"
        assert b"\nX-Qscanner: " in b"\n" + message, "queued without a look"
        return "queued" if result.code == 0 else "queued, told later"
    if held:
        assert next(site.quarantine.glob("*.eml")).read_bytes() == MESSAGES[name]
        return "held" if result.code == 0 else "held, told later"
    return "refused" if result.text[:1] == b"D" or result.code == 31 else "told later"


def report(title: str, operations: int, table: Counter[tuple[str, str]]) -> None:
    """Print the table operation x outcome, and append it where $QSCANNER_TABLES says."""
    lines = [f"{title}: {operations} operations"]
    lines += [f"  {name:14} {outcome:18} {n:4}" for (name, outcome), n in sorted(table.items())]
    print("\n".join(lines))
    if folder := os.environ.get("QSCANNER_TABLES"):
        Path(folder, f"faults-{title.replace(' ', '-')}.txt").write_text("\n".join(lines) + "\n")
