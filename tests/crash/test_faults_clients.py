"""The promise, enumerated once more: both queue programs, asking a daemon.

For k = 1, 2, 3 ... the k-th operation fails, is interrupted, or is the last. After each the
message is queued once and the caller heard 0, or it heard "later": never 0 without it queued.
"""

import errno
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.crash.test_faults import empty, report
from tests.fakes import daemon, mails
from tests.fakes.caller import TCPSERVER, Result, Setting
from tests.fakes.fault import FAIL, KILL, Fault
from tests.fakes.site import Site

MESSAGES = {
    "clean": mails.text(b"x" * 70 + b"\n"),
    "clean-large": mails.text((b"x" * 70 + b"\n") * 20000),  # above 1 MiB: the spool folder
}
FAULTS = {
    "full": (FAIL, errno.ENOSPC),
    "broken": (FAIL, errno.EIO),
    "again": (FAIL, errno.EAGAIN),
    "interrupted": (FAIL, errno.EINTR),
    "kill": (KILL, 0),
}
CASES = [
    *(("c", name, fault, True) for name in MESSAGES for fault in FAULTS),
    *(("python", "clean", fault, True) for fault in FAULTS),
    ("python", "clean-large", "broken", True),
    *(("c", "clean", fault, False) for fault in ("broken", "kill")),
]
# What a signal may cut short at any time, and must be tried again (signal(7)).
RETRIED = {"read", "write", "poll", "sendmsg", "recvmsg", "sendfile", "sendfile64"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("program", "name", "fault", "is_there"),
    CASES,
    ids=["-".join((*case[:3], "asks" if case[3] else "away")) for case in CASES],
)
def test_every_operation(
    program: str,
    name: str,
    fault: str,
    is_there: bool,
    fault_library: Path,
    fake_queue: Path,
    open_tmp: Path,
    hurried: dict[str, Path],
) -> None:
    """After a fault at any operation: queued and 0, or told later."""
    site = Site(open_tmp, fake_queue, hurried[program])
    one = Fault(fault_library, open_tmp)
    table: Counter[tuple[str, str]] = Counter()
    asking = daemon.serving(daemon.accepts, site.folder, site.program)
    with asking if is_there else nullcontext():
        at = 1
        while True:
            empty(site)
            env = TCPSERVER | one.set(at, *FAULTS[fault], reads=False)
            result = site.call(MESSAGES[name], setting=Setting(env=env))
            if not one.state.hits:
                break
            outcome = judge(site, result, MESSAGES[name])
            table[one.state.name.decode(), outcome] += 1
            at += 1
    assert result.code == 0, f"the undisturbed call ended {result}"
    assert len(table) > 5, "hardly anything was counted: is the library loaded?"
    if fault == "interrupted" and program == "c":  # Python itself tries again
        assert not {(step, "told later") for step in RETRIED} & table.keys(), table
    place = "asks" if is_there else "away"
    report(f"{program} {name} {fault} {place}", at - 1, table)


def judge(site: Site, result: Result, message: bytes) -> str:
    """Give what became of the message, or fail where it is what must never be."""
    queued = site.queued()
    # A scanning child of a killed program dies with it, but not in the same instant.
    assert not [leak for leak in result.leaks if not leak.endswith("fd 2")], result
    assert not site.held()
    assert result.code not in range(11, 41), f"a clean message was refused: {result}"
    assert result.text[:1] != b"D", result
    assert len(queued) <= 1
    if result.code == 0:
        assert len(queued) == 1, f"0 without a queued message: {result}"
    if not queued:
        return "told later"
    below = message.partition(b"\n")[2]
    assert queued[0].message.endswith(below), "queued, but cut"
    assert b"X-Qscanner: " in queued[0].message[:1000], "queued without a look"
    assert queued[0].envelope.endswith(b"\0\0")
    return "queued" if result.code == 0 else "queued, told later"
