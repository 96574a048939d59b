"""Surroundings that hurt: signals, no room for processes and descriptors, a lying environment."""

import contextlib
import os
import resource
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fakes import mails
from tests.fakes.caller import TCPSERVER, Result, Setting, Stage, call, envelope
from tests.fakes.site import Site, below_our_lines

PERMANENT = range(11, 41)
HOSTILE = "192.0.2.7\n\x1b[31mX-Evil: 1\r\nverdict=accept"
SENT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT)


@pytest.fixture
def site(open_tmp: Path, fake_queue: Path) -> Site:
    """Give an installation with the embedded engine and the shipped policies."""
    return Site(open_tmp, fake_queue)


def _is_later_or_done(site: Site, result: Result) -> bool:
    """Say whether it is 0 with exactly one copy, or "later" with none queued."""
    copies = len(site.queued()) + len(site.held())
    if result.code == 0:
        return copies == 1
    return result.code not in PERMANENT and not site.queued()


@pytest.mark.parametrize("descriptors", [2, 4, 5, 6, 7, 8, 9, 10, 12])
def test_few_descriptors(site: Site, descriptors: int, uids: tuple[int | None, ...]) -> None:
    """RLIMIT_NOFILE: it works or it is "later", and without waiting long for what cannot come."""
    limits = {resource.RLIMIT_NOFILE: (descriptors, descriptors)}
    result = site.call(mails.text(), setting=Setting(limits=limits, uid=uids[-1]))
    assert _is_later_or_done(site, result), result
    assert result.seconds < 10


@pytest.mark.parametrize("processes", range(4))
def test_few_processes(site: Site, processes: int, uids: tuple[int | None, ...]) -> None:
    """RLIMIT_NPROC: without a child, or threads in it, nothing passes unseen."""
    limits = {resource.RLIMIT_NPROC: (processes, processes)}
    for message in (mails.text(), mails.infected()):
        result = site.call(message, setting=Setting(limits=limits, uid=uids[-1]))
        assert _is_later_or_done(site, result) or result.code == 82, result
    assert mails.infected() not in [below_our_lines(one.message) for one in site.queued()]


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        (resource.RLIMIT_CPU, 0),
        (resource.RLIMIT_CPU, 1),
        (resource.RLIMIT_STACK, 0),
        (resource.RLIMIT_STACK, 1 << 16),
        (resource.RLIMIT_STACK, 1 << 20),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_SIGPENDING, 0),
        (resource.RLIMIT_DATA, 16 << 20),
    ],
)
def test_other_limits(site: Site, limit: int, value: int, uids: tuple[int | None, ...]) -> None:
    """Whatever is short, it is never a yes without a copy, nor a refusal."""
    setting = Setting(limits={limit: (value, value)}, uid=uids[-1])
    assert _is_later_or_done(site, site.call(mails.text(), setting=setting))


@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.1])
@pytest.mark.parametrize("number", SENT)
def test_signals(site: Site, number: signal.Signals, delay_s: float) -> None:
    """A signal at any moment: once and whole, or not at all and "later"."""
    timers = []

    def at(stage: Stage, pid: int) -> None:
        if stage is Stage.ENVELOPE:
            timers.append(threading.Timer(delay_s, _send, (os.pidfd_open(pid), number)))
            timers[0].start()

    message = mails.locked() if delay_s else mails.text()
    result = site.call(message, setting=Setting(at=at))
    timers[0].join()
    # The queue program may be hit as well, when it has just queued: that is its affair.
    assert _is_later_or_done(site, result) or len(site.queued()) == 1, result
    assert all(below_our_lines(one.message) == message for one in site.queued())
    assert not result.leaks


def _send(pidfd: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, number)
    os.close(pidfd)


@pytest.mark.parametrize(
    "inherited", ["signal.SIGCHLD, signal.SIG_IGN", "signal.SIGTERM, signal.SIG_IGN"]
)
def test_inherited_dispositions(site: Site, inherited: str) -> None:
    """A caller that ignores signals hands that on: then, too, it is a yes or "later"."""
    wrapper = site.folder / "wrapper"
    wrapper.write_text(
        f"#!{sys.executable}\nimport os, signal\nsignal.signal({inherited})\n"
        f"os.execv({str(site.ours)!r}, [{str(site.ours)!r}])\n"
    )
    wrapper.chmod(0o755)
    env = {**TCPSERVER, **site.environment()}
    assert _is_later_or_done(site, call(wrapper, mails.text(), setting=Setting(env=env)))


@pytest.mark.parametrize("name", ["TCPREMOTEIP", "TCPREMOTEHOST", "SMTPAUTHUSER", "LANG", "TZ"])
def test_a_hostile_environment(site: Site, name: str, uids: tuple[int | None, ...]) -> None:
    """What strangers put into variables stands escaped in the one log line and the record."""
    for uid in (None, uids[0]):
        setting = Setting(uid=uid, env={**TCPSERVER, name: HOSTILE})
        site.call(mails.locked(), setting=setting)
        result = site.call(mails.text(), setting=setting)
        assert result.code == 0, result
        assert result.stderr.count(b"\n") == 1, result
        assert result.stderr.strip().isascii()
        assert b"\x1b" not in result.stderr
    for file in site.quarantine.glob("*.json"):
        assert "\x1b" not in file.read_text("ascii")
    assert all(below_our_lines(one.message) == mails.text() for one in site.queued())


@pytest.mark.parametrize("kind", ["deleted", "closed to us"])
def test_a_folder_that_is_no_home(site: Site, kind: str, uids: tuple[int | None, ...]) -> None:
    """The folder it is started in may be gone or closed: nothing in it is needed."""
    cwd = site.folder / "cwd"
    cwd.mkdir()

    def at(stage: Stage, _pid: int) -> None:
        if stage is Stage.STARTED:
            cwd.chmod(0) if kind == "closed to us" else cwd.rmdir()

    for message in (mails.text(), mails.locked()):
        cwd.mkdir(exist_ok=True)
        cwd.chmod(0o755)
        setting = Setting(cwd=str(cwd), at=at, uid=uids[-1])
        assert site.call(message, setting=setting).code == 0


@pytest.mark.timeout(60)
def test_more_at_once_than_may_scan(site: Site, uids: tuple[int | None, ...]) -> None:
    """Of many callers with several uids some must wait for a place: all are served, none lost."""
    count = 6 * (os.cpu_count() or 1) + 12
    messages = [mails.text(b"number %d\n" % number) for number in range(count)]

    def one(number: int) -> Result:
        setting = Setting(uid=(*uids, None)[number % (len(uids) + 1)], within_s=40)
        return site.call(messages[number], envelope(b"%d@example.org" % number), setting=setting)

    with ThreadPoolExecutor(count) as all_at_once:
        results = list(all_at_once.map(one, range(count)))
    assert [result.code for result in results] == [0] * count
    assert sorted(below_our_lines(one.message) for one in site.queued()) == sorted(messages)
    assert not site.left()
