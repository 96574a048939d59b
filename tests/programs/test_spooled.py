"""The octets spooled in all are bounded: who comes beyond that hears "later", none is lost."""

import os
import re
import signal
import threading
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from qscanner.outcomes import Ending
from tests.fakes import caller, clients, mails, resident
from tests.fakes.guest import visit
from tests.fakes.resident import Resident, serving, until
from tests.fakes.site import Site, below_our_lines

MIB = 1 << 20
LIMITS = 'spooled = "8 MiB"\nmessage = "4 MiB"'
BIG = mails.text(b"x" * (3 * MIB) + b"\n")  # four of the eight units


@pytest.fixture(params=["c", "python"])
def daemon(
    request: pytest.FixtureRequest, open_tmp: Path, fake_queue: Path
) -> Iterator[tuple[Resident, int]]:
    """Give a daemon with room for two big messages, its metrics, and each of the real clients."""
    port = resident.free_port()
    site = Site(open_tmp, fake_queue, clients.installed(request.param))
    with serving(site, daemon=f'metrics = "127.0.0.1:{port}"', limits=LIMITS) as one:
        yield one, port


def spooled(one: Resident) -> int:
    """Give how many octets of the ledger are locked, as the kernel lists them (proc(5))."""
    inode = Path(f"{one.path}.spooled").stat().st_ino
    lines = Path("/proc/locks").read_text().splitlines()
    ours = [line.split() for line in lines if f":{inode} " in line and "->" not in line]
    return sum(int(words[-1]) - int(words[-2]) + 1 for words in ours)


def _is_spooled(one: Resident, units: int) -> bool:
    return spooled(one) == units


class Crowd:
    """Callers that have sent their message and hold back the envelope until they may go on."""

    def __init__(self, one: Resident, uids: tuple[int | None, ...]) -> None:
        self.one = one
        self.uids = uids
        self.results: list[caller.Result] = []
        self.sent: list[int] = []
        self.may_go_on = threading.Event()
        self._threads: list[threading.Thread] = []

    def send(self, message: bytes) -> None:
        """Start one more, of another user."""
        uid = self.uids[len(self._threads) % len(self.uids)]
        thread = threading.Thread(target=self._call, args=(message, uid))
        self._threads.append(thread)
        thread.start()

    def ended(self) -> list[caller.Result]:
        """Let all go on, and wait for their ends."""
        self.may_go_on.set()
        for thread in self._threads:
            thread.join(resident.LIMIT_S)
        return self.results

    def _call(self, message: bytes, uid: int | None) -> None:
        setting = caller.Setting(at=self._wait, uid=uid)
        self.results.append(self.one.call(message, setting=setting))

    def _wait(self, stage: caller.Stage, pid: int) -> None:
        if stage is caller.Stage.MESSAGE:
            self.sent.append(pid)
            assert self.may_go_on.wait(resident.LIMIT_S)


def test_many_at_once(daemon: tuple[Resident, int], uids: tuple[int | None, ...]) -> None:
    """Two find room; the others hear "later", and small ones pass; then there is room again."""
    one, port = daemon
    crowd = Crowd(one, uids)
    for number in (1, 2):
        crowd.send(BIG)
        until(partial(_is_spooled, one, 4 * number), "it is spooled")
    for _ in range(3):
        crowd.send(BIG)
    until(lambda: len(crowd.sent) == 5, "all have sent their message")
    assert spooled(one) == 8
    assert visit(one.path, mails.text()).ending is Ending.ACCEPTED
    line = one.wait_for("event=spool-full")
    assert f"octets={8 * MIB} limit={8 * MIB}" in line
    results = crowd.ended()
    assert sorted(result.code or 0 for result in results) == [0, 0, 53, 53, 53]
    late = [result for result in results if result.code]
    assert {result.reply[:4] for result in late} == {"451 "}
    assert [below_our_lines(each.message) for each in one.site.queued()] == [BIG, BIG]
    until(lambda: spooled(one) == 0, "all is given back")
    assert one.call(BIG).code == 0
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as told:
        page = told.read().decode()
    assert re.search(r'qscanner_events_total\{event="spool-full"\} [1-9]', page)
    assert '\nqscanner_now{what="spooled_octets"} 0.0\n' in page


def test_a_killed_client_holds_nothing(daemon: tuple[Resident, int]) -> None:
    """kill -9 of a client in the middle of its message: its room is there for the next."""
    one, _ = daemon

    def kill(stage: caller.Stage, pid: int) -> None:
        if stage is caller.Stage.MESSAGE:
            until(lambda: spooled(one) == 4, "it is spooled")
            os.kill(pid, signal.SIGKILL)

    for _ in range(3):
        one.call(BIG, setting=caller.Setting(at=kill))
    assert spooled(one) == 0
    assert one.call(BIG).code == 0


def test_the_bound_stands_without_the_daemon(daemon: tuple[Resident, int]) -> None:
    """While the daemon is away, those who scan by themselves keep to the bound that it left."""
    one, _ = daemon
    assert one.call(BIG).code == 0
    one.signal(signal.SIGTERM)
    assert one.ended() == 0
    assert one.call(BIG).code == 0
    with open(f"{one.path}.spooled", "r+b") as ledger:
        ledger.truncate(2)
    assert one.call(BIG).code == 53
    assert len(one.site.queued()) == 2


def test_one_message_always_finds_room(daemon: tuple[Resident, int]) -> None:
    """A bound below the largest message would put that off for ever: it counts as that."""
    one, _ = daemon
    text = one.site.file.read_text().replace('spooled = "8 MiB"', 'spooled = "1 MiB"')
    one.site.file.write_text(text)
    one.signal(signal.SIGHUP)
    one.wait_for("event=reloaded")
    assert one.call(BIG).code == 0
    largest = mails.text(b"y" * (4 * MIB - 300) + b"\n")
    assert one.call(largest).code == 0
