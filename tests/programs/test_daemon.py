"""The real qscannerd and what becomes of messages: answered, or "later" where a process dies."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qscanner.outcomes import Ending
from tests.fakes import caller, clients, mails, resident
from tests.fakes.guest import Guest, visit
from tests.fakes.resident import Resident, serving, until
from tests.fakes.site import ROOT, Site, below_our_lines

# What is marked keeps the embedded engine busy for as long as it is allowed to.
SLOW = b"the mark of a message that takes long"
SLOW_RULE = f"""
rule slow {{
  strings: $mark = "{SLOW.decode()}"
  condition: $mark and for all i in (0..50000000000) : (i != -1)
}}
"""
EICAR_RULES = ROOT / "qscanner" / "checks" / "test-strings.yar"


@pytest.fixture
def site(open_tmp: Path, fake_queue: Path) -> Site:
    """Give an installation."""
    return Site(open_tmp, fake_queue)


@pytest.fixture
def daemon(site: Site) -> Iterator[Resident]:
    """Give a running daemon with two workers."""
    with serving(site) as one:
        yield one


def slow_rules(site: Site) -> str:
    """Give the [virus] table under which a message with SLOW in it takes long."""
    rules = site.folder / "slow.yar"
    rules.write_text(SLOW_RULE + EICAR_RULES.read_text())
    return f'engines = ["yara"]\nyara.rules = ["{rules}"]'


@pytest.fixture
def slow_daemon(site: Site) -> Iterator[Resident]:
    """Give a daemon whose workers can be met while they scan."""
    with serving(site, virus=slow_rules(site)) as one:
        yield one


def test_accepted(daemon: Resident, uids: tuple[int | None, ...]) -> None:
    """Any user's clean message comes back octet for octet below our lines, with its envelope."""
    raw = caller.envelope(b"", b"b@example.com", b"caf\xc3\xa9 x@example.com", b"odd")
    for uid in uids:
        for message in (mails.text(), mails.text(b"x" * 3_000_000 + b"\n")):
            heard = visit(daemon.path, message, raw, uid=uid)
            assert heard.ending is Ending.ACCEPTED, daemon.log
            assert below_our_lines(heard.message) == message
            assert heard.envelope == raw
            assert heard.program == str(daemon.site.program)
    daemon.wait_for("event=message .*ending=accepted .*uid=", times=2 * len(uids))


def test_refused_and_held(daemon: Resident) -> None:
    """What policy refuses or holds hears so, with a text; nothing comes back to be queued."""
    refused = visit(daemon.path, mails.infected())
    assert refused.ending is Ending.REJECTED
    assert refused.text.startswith("D")
    assert refused.message == b""
    held = visit(daemon.path, mails.locked())
    assert held.ending is Ending.HELD
    assert visit(daemon.path, mails.locked()).ending is Ending.HELD  # a retry is the same hold
    (record,) = daemon.site.held()
    assert record["rules"] == ["encrypted-archive"]


@pytest.mark.parametrize("channel", ["none", "6:82"])
def test_the_channel_of_the_settings(site: Site, channel: str) -> None:
    """Every answer says where a text may go: of a verdict, of "later", of a full house."""
    with serving(site, queue=f'error_text = "{channel}"', daemon='wait = "300 ms"') as one:
        assert visit(one.path, mails.infected()).error_text == channel
        with Guest(one.path).hello() as guest:
            guest.go()
            guest.say(b"rubbish")
            assert guest.answer().error_text == channel
        guests = [Guest(one.path).hello() for _ in range(3)]  # for two workers
        late = next(guest for guest in guests if not guest.has_news(within_s=0.2))
        assert late.answer().error_text == channel
        for guest in guests:
            guest.close()


@pytest.mark.parametrize("kind", ["c", "python"])
def test_through_the_real_client(kind: str, open_tmp: Path, fake_queue: Path) -> None:
    """Both installed queue programs ask the daemon, and become the real queue program."""
    with serving(Site(open_tmp, fake_queue, clients.installed(kind))) as one:
        for message in (mails.text(), mails.text(b"x" * 3_000_000 + b"\n")):
            accepted = one.call(message)
            assert accepted.code == 0, accepted
            assert below_our_lines(one.site.queued()[-1].message) == message
        refused = one.call(mails.infected())
        assert refused.reply.startswith("554 "), refused
        assert one.call(mails.locked()).code == 0
        assert len(one.site.held()) == 1
        one.wait_for("event=message", times=4)


# ---- workers die


def test_killed_while_it_scans(slow_daemon: Resident) -> None:
    """A worker that dies over a message: "later" at once; a new one is there for the others.

    The third time the same message is not scanned any more, and the shipped policy holds it.
    """
    message = mails.text(SLOW)
    for times in (1, 2, 3):
        with Guest(slow_daemon.path).hello() as guest:
            guest.go()
            guest.ask(message)
            os.kill(slow_daemon.busy_worker(), signal.SIGKILL)
            begun = time.monotonic()
            heard = guest.answer()
            assert heard.ending is Ending.DEFERRED
            assert heard.text.startswith("Z")
            assert time.monotonic() - begun < 1
        line = slow_daemon.wait_for("event=worker-crashed", times=times)
        assert f"times={times} " in line
        assert 'how="signal 9"' in line
    assert visit(slow_daemon.path, message).ending is Ending.HELD
    slow_daemon.wait_for("findings=unscannable.crashes-scanner")
    assert visit(slow_daemon.path, mails.text()).ending is Ending.ACCEPTED
    until(lambda: len(slow_daemon.workers()) == 2, "there are two workers again")


def test_a_crash_is_forgotten(slow_daemon: Resident) -> None:
    """A message that was scanned in the end is not held against: two crashes more are "later"."""
    message = mails.text(SLOW)
    for _ in range(2):
        with Guest(slow_daemon.path).hello() as guest:
            guest.go()
            guest.ask(message)
            os.kill(slow_daemon.busy_worker(), signal.SIGKILL)
            guest.answer()
    assert visit(slow_daemon.path, mails.text()).ending is Ending.ACCEPTED
    with Guest(slow_daemon.path).hello() as guest:
        guest.go()
        guest.ask(mails.text(b"another " + SLOW))
        os.kill(slow_daemon.busy_worker(), signal.SIGKILL)
        assert guest.answer().ending is Ending.DEFERRED
    assert "times=1 " in slow_daemon.wait_for("event=worker-crashed", times=3)


def _serving_worker(daemon: Resident) -> int:
    """Wait until a worker holds a client's connection, and give its process id."""
    found: dict[int, int] = {}

    def is_there() -> bool:
        found.update({pid: len(resident.sockets(pid)) for pid in daemon.workers()})
        return max(found.values()) > min(found.values())

    until(is_there, "a worker has a client")
    return max(found, key=found.__getitem__)


def test_killed_before_it_was_asked(daemon: Resident) -> None:
    """A worker that dies between "go" and the question: another takes over, nobody is blamed."""
    with Guest(daemon.path).hello() as guest:
        guest.go()
        os.kill(_serving_worker(daemon), signal.SIGKILL)
        begun = time.monotonic()
        assert guest.ask(mails.text()).answer().ending is Ending.ACCEPTED
        assert time.monotonic() - begun < 2
    told = daemon.wait_for("event=worker-crashed")
    assert "digest=- times=0 uid=" in told
    assert 'then="another worker"' in told
    assert visit(daemon.path, mails.text()).ending is Ending.ACCEPTED


def test_killed_while_the_question_is_there(daemon: Resident) -> None:
    """The question lies there, its worker has not begun: killed, and the next one answers it."""
    with Guest(daemon.path).hello() as guest:
        guest.go()
        worker = _serving_worker(daemon)
        os.kill(worker, signal.SIGSTOP)
        guest.ask(mails.text(b"x" * 3_000_000 + b"\n"))
        os.kill(worker, signal.SIGKILL)
        assert guest.answer().ending is Ending.ACCEPTED
    assert 'then="another worker"' in daemon.wait_for("event=worker-crashed")


def test_killed_while_idle(daemon: Resident) -> None:
    """Workers that die without work are replaced, and nobody notices."""
    for pid in daemon.workers():
        os.kill(pid, signal.SIGKILL)
    daemon.wait_for('event=worker-died pid=[0-9]+ how="signal 9"', times=2)
    assert visit(daemon.path, mails.text()).ending is Ending.ACCEPTED


def test_they_die_at_start(site: Site) -> None:
    """Where no worker can live, clients hear "later" at once, and the daemon forks no faster."""
    with serving(site, spoil="daemon.work = lambda *_, **__: os._exit(7)") as one:
        for _ in range(12):
            with Guest(one.path).hello() as guest:
                begun = time.monotonic()
                if guest.packet().startswith(b"qscanner go"):
                    assert guest.answer().ending is Ending.DEFERRED
                assert time.monotonic() - begun < 2
        assert 'how="exit 7"' in one.log
        assert one.log.count("event=worker-") < 20, one.log


def test_out_of_memory(site: Site) -> None:
    """A worker that may not have enough memory says so, and its messages are put off."""
    with serving(site, limits='memory = "64 MiB"') as one:  # too little for the interpreter
        assert visit(one.path, mails.text()).ending is Ending.OUT_OF_MEMORY
        one.wait_for("out of memory while scanning: raise .limits. memory")
        assert "bug" not in one.log


def test_a_hanging_worker(site: Site) -> None:
    """A worker that does not come back is killed when its time is over: 52, and it is logged."""
    with serving(site) as one:
        site.file.write_text(site.file.read_text().replace('time = "60 s"', 'time = "1 s"'))
        one.signal(signal.SIGHUP)
        one.wait_for("event=reloaded")
        with Guest(one.path).hello() as guest:
            assert guest.go() == 1
            stopped = one.workers()
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            begun = time.monotonic()
            heard = guest.ask(mails.text()).answer()
            assert heard.ending is Ending.DEADLINE
            assert 3 < time.monotonic() - begun < 6  # the time, and the grace of GRACE_S
        assert "longer than" in one.wait_for("event=worker-crashed")
        for pid in set(stopped) & set(one.workers()):
            os.kill(pid, signal.SIGCONT)
        assert visit(one.path, mails.text()).ending is Ending.ACCEPTED


# ---- the dispatcher dies


def test_the_dispatcher_is_killed(slow_daemon: Resident) -> None:
    """kill -9 of the dispatcher: its workers end by themselves, and whoever waits hears nothing.

    Before "go" that is a daemon which is away; after it, a client makes it "later".
    """
    workers = slow_daemon.workers()
    busy = [Guest(slow_daemon.path).hello() for _ in workers]
    for guest in busy:
        guest.go()
        guest.ask(mails.text(SLOW))
    waiting = Guest(slow_daemon.path).hello()
    slow_daemon.busy_worker()
    slow_daemon.signal(signal.SIGKILL)
    assert slow_daemon.ended() == -signal.SIGKILL
    until(lambda: not any(map(resident.is_alive, workers)), "the workers have ended")
    for guest in (*busy, waiting):
        assert guest.packet() == b""
        guest.close()


@pytest.mark.parametrize("kind", ["c", "python"])
@pytest.mark.parametrize("whom", ["dispatcher", "worker"])
def test_killed_under_a_real_client(
    kind: str, whom: str, open_tmp: Path, fake_queue: Path
) -> None:
    """Dispatcher or worker dies while a real client waits for its answer: later, not queued."""
    site = Site(open_tmp, fake_queue, clients.installed(kind))
    with serving(site, virus=slow_rules(site)) as one:

        def kill(stage: caller.Stage, _pid: int) -> None:
            if stage is caller.Stage.ENVELOPE:
                worker = one.busy_worker()
                os.kill(one.pid if whom == "dispatcher" else worker, signal.SIGKILL)

        result = one.call(mails.text(SLOW), setting=caller.Setting(at=kill))
        assert result.reply.startswith("451 "), result
        assert not site.queued()
        if whom == "dispatcher":
            assert one.ended() == -signal.SIGKILL


def test_a_dead_socket_is_replaced(site: Site) -> None:
    """After a kill -9 the file of the socket is still there; the next daemon takes its place."""
    with serving(site) as one:
        one.signal(signal.SIGKILL)
        one.ended()
        assert one.path.exists()
    with serving(site) as one:
        assert visit(one.path, mails.text()).ending is Ending.ACCEPTED
    assert not one.path.exists()


def test_a_second_daemon(daemon: Resident) -> None:
    """Another one on the same socket says so and ends with 2; the first one is not disturbed."""
    with serving(daemon.site, is_ready=False) as other:
        assert other.ended() == 2
        assert "another qscannerd listens" in other.log
    assert visit(daemon.path, mails.text()).ending is Ending.ACCEPTED
