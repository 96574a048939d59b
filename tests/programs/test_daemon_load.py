"""Many at once, against the real qscannerd: nobody is lost, nobody takes another's turn."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qscanner.outcomes import Ending
from tests.fakes import mails
from tests.fakes.guest import Guest, visit
from tests.fakes.resident import serving, until
from tests.fakes.site import ROOT, Site

CROWD = str(ROOT / "tests" / "fakes" / "crowd.py")
RETIRES = "daemon.Daemon = functools.partial(daemon.Daemon, messages=5)"


@pytest.fixture
def site(open_tmp: Path, fake_queue: Path) -> Site:
    """Give an installation."""
    return Site(open_tmp, fake_queue)


def _crowd(path: Path, count: int, uid: int | None) -> "subprocess.Popen[str]":
    """Start so many clients of one user, who may have 256 descriptors each."""
    user = "-1" if uid is None else str(uid)
    command = [sys.executable, "-S", CROWD, str(ROOT), str(path), str(count), user, "256"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _endings(crowds: "list[subprocess.Popen[str]]") -> list[str]:
    """Wait for them, and give each one's ending and whether all came back the same."""
    told = [each.communicate(timeout=50)[0] for each in crowds]
    lines = [line.split(" ", 3) for text in told for line in text.splitlines()]
    return [f"{ending} {same}" for _, ending, _, same in lines]


@pytest.mark.timeout(60)  # on a machine that is busy with other things
def test_500_at_once(site: Site, uids: tuple[int | None, ...]) -> None:
    """500 clients of unprivileged users come in the same moment: each one's mail is accepted."""
    users = [uids[number % len(uids)] for number in range(5)]
    with serving(site) as one:
        endings = _endings([_crowd(one.path, 100, uid) for uid in users])
        assert len(endings) == 500
        assert set(endings) == {"ACCEPTED same"}, sorted(set(endings))
        one.wait_for("event=message .*ending=accepted", times=500)


@pytest.mark.timeout(60)  # on a machine that is busy with other things
def test_500_at_once_while_it_reloads(site: Site, uids: tuple[int | None, ...]) -> None:
    """New settings come into force again and again under load: not one message fails of it."""
    with serving(site) as one:
        crowds = [_crowd(one.path, 100, uid) for uid in (uids * 3)[:3]]
        for times in range(1, 6):
            one.signal(signal.SIGHUP)
            one.wait_for("event=reloaded", times=times)
        endings = _endings(crowds)
        assert len(endings) == 300
        assert set(endings) == {"ACCEPTED same"}, sorted(set(endings))
        assert "event=worker-" not in one.log


def test_fair_between_users(site: Site, uids: tuple[int | None, ...]) -> None:
    """200 who wait, of one user, delay the one message of another by no more than a few."""
    if len(uids) < 3:
        return  # not root, so there is only one user; addresses are tested below
    with serving(site, daemon="workers = 1") as one, contextlib.ExitStack() as stack:
        first = stack.enter_context(Guest(one.path, uid=uids[0])).hello()
        first.go()  # now the only worker is taken
        many = [stack.enter_context(Guest(one.path, uid=uids[1])).hello() for _ in range(200)]
        other = stack.enter_context(Guest(one.path, uid=uids[2])).hello()
        first.close()
        assert _place(other, many) <= 3


def test_fair_between_addresses(site: Site) -> None:
    """The same for two addresses that one user serves, as qmaild does."""
    with serving(site, daemon="workers = 1") as one, contextlib.ExitStack() as stack:
        first = stack.enter_context(Guest(one.path)).hello()
        first.go()
        many = [stack.enter_context(Guest(one.path, ip=b"192.0.2.1")).hello() for _ in range(200)]
        other = stack.enter_context(Guest(one.path, ip=b"192.0.2.2")).hello()
        first.close()
        assert _place(other, many) <= 3


def _place(one: Guest, many: list[Guest]) -> int:
    """Let each go away as soon as its turn comes, and give how many went before `one`."""
    turns: list[Guest] = []

    def is_there() -> bool:
        for guest in [each for each in (*many, one) if each not in turns and each.has_news()]:
            guest.go()
            turns.append(guest)
            guest.close()
        return one in turns

    for guest in many:  # all of them are heard before the first turn ends
        assert guest.sock.fileno() >= 0
    until(is_there, "its turn comes")
    return turns.index(one)


def test_who_waits_too_long(site: Site) -> None:
    """After [daemon] wait, a client hears "later" with a text; its turn is not taken."""
    with serving(site, daemon='workers = 1\nwait = "500 ms"') as one:
        with Guest(one.path).hello() as first:
            first.go()
            with Guest(one.path).hello() as late:
                begun = time.monotonic()
                heard = late.answer()
                assert 0.3 < time.monotonic() - begun < 2
                assert heard.ending is Ending.DEFERRED
                assert heard.text == "Zserver busy, try again later (#4.7.1)"
            assert first.ask(mails.text()).answer().ending is Ending.ACCEPTED
        assert visit(one.path, mails.text()).ending is Ending.ACCEPTED


def test_more_clients_than_descriptors(site: Site, uids: tuple[int | None, ...]) -> None:
    """Where the limit is small, no more are let in than there is room for; it says so once.

    One user does not take all of the room, and who is let in is served.
    """
    if len(uids) < 2:
        return  # not root: there is no other user to take the rest of the room
    with serving(site, before="ulimit -n 144") as one, contextlib.ExitStack() as stack:
        flood = [stack.enter_context(Guest(one.path)) for _ in range(200)]  # room is for 40
        assert sum(guest.has_news(within_s=0.01) for guest in flood) >= 150  # closed
        assert visit(one.path, mails.text(), uid=uids[0]).ending is Ending.ACCEPTED
        others = [stack.enter_context(Guest(one.path, uid=uids[1])) for _ in range(20)]
        one.wait_for("event=full clients=40 ")
        for guest in (*flood, *others):
            guest.close()
        assert visit(one.path, mails.text()).ending is Ending.ACCEPTED
        assert one.log.count("event=full") == 1


@pytest.mark.timeout(60)  # on a machine that is busy with other things
def test_workers_retire(site: Site) -> None:
    """After so many messages a fresh worker takes over; not one message is lost by that."""
    with serving(site, spoil=RETIRES) as one:
        first = one.workers()
        endings = _endings([_crowd(one.path, 100, None)])
        assert endings == ["ACCEPTED same"] * 100
        assert not set(first) & set(one.workers())
        assert "event=worker-" not in one.log


@pytest.mark.timeout(60)  # on a machine that is busy with other things
def test_memory_is_flat(site: Site) -> None:
    """2,000 messages of all kinds leave dispatcher and worker as large as the first 400 did."""
    kinds = [mails.text(), mails.infected(), mails.attached("a.zip", mails.zipped(a__txt=b"x"))]
    with serving(site, daemon="workers = 1") as one:
        (worker,), before = one.workers(), (0, 0)
        for number in range(2000):
            if number == 400:
                before = _size(worker), _size(one.pid)
            heard = visit(one.path, kinds[number % 3] + b"%d\n" % number)
            assert heard.ending in (Ending.ACCEPTED, Ending.REJECTED)
        after = _size(worker), _size(one.pid)
        assert one.workers() == [worker]
        assert after[0] < before[0] * 1.1, (before, after)
        assert after[1] < before[1] * 1.1, (before, after)
        assert len(os.listdir(f"/proc/{worker}/fd")) <= 6


def _size(pid: int) -> int:
    """Give the octets of memory of a process, what it shares among them."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
