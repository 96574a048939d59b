"""Clients and workers are brought together, and nobody waits for a worker that is dead or late."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from qscanner import descriptors, dispatcher, notify
from qscanner.codec import frames, orders, status
from qscanner.dispatcher import Dispatcher, Worker
from qscanner.log import Log
from qscanner.outcomes import Ending
from qscanner.settings import Daemon, Limits, Queue, Settings
from tests.fakes.guest import Guest, Heard
from tests.fakes.resident import is_alive, until

DIGEST = "0123456789abcdef" * 4
SETTINGS = replace(Settings(), daemon=Daemon(wait=10.0), limits=Limits(time=20.0))


class Stub:
    """A worker whose words come from the test; its process does nothing."""

    def __init__(self) -> None:
        ours, self.control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if not self.pid:
            os.closerange(3, 1 << 12)  # it must not keep any of our sockets alive
            signal.pause()
            os._exit(0)
        self.worker = Worker(pid=self.pid, sock=ours)
        self.visitor: socket.socket | None = None

    def take(self) -> orders.Take:
        """Take an order, and the client that comes with it."""
        packet, fds = descriptors.hear(self.control, max_octets=9999, max_fds=1, within_s=5)
        self.visitor = socket.socket(fileno=fds[0])
        return orders.taken(packet)

    def answer(self, ending: Ending = Ending.HELD) -> None:
        """Answer the client, without more ado."""
        assert self.visitor
        self.visitor.send(frames.encode(frames.Answer(ending=ending)))
        self.visitor.close()
        self.visitor = None

    def done(self, *, retires: bool = False) -> None:
        """Be free again."""
        self.control.send(orders.done({"ending": "held"}, retires=retires))

    def die(self) -> None:
        """Go as a killed process goes: with all that it holds."""
        if self.visitor:
            self.visitor.close()
        self.control.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class Counted:
    """Counts by listing."""

    def __init__(self) -> None:
        self.facts: list[orders.Facts] = []
        self.events: list[str] = []

    def message(self, facts: orders.Facts, *, waited_s: float) -> None:
        """Note it."""
        assert 0 <= waited_s < 60
        self.facts.append(facts)

    def event(self, name: str) -> None:
        """Note it."""
        self.events.append(name)


class House:
    """A dispatcher with stubs for workers, turned by hand."""

    def __init__(self, folder: Path, size: int) -> None:
        self.path = folder / "d.sock"
        self.stubs: list[Stub] = []
        self.tally = Counted()
        self.is_failing = False
        self.dispatcher = Dispatcher(
            settings=SETTINGS,
            listening=notify.listening(str(self.path), {}).sock,
            fork=self._fork,
            tally=self.tally,
            log=Log("stderr"),
            size=size,
        )
        self.dispatcher.open()
        self.guests = contextlib.ExitStack()

    def _fork(self) -> Worker:
        if self.is_failing:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        self.stubs.append(Stub())
        return self.stubs[-1].worker

    def guest(self) -> Guest:
        """Give a client that has said hello."""
        return self.guests.enter_context(Guest(self.path)).hello()

    def turn(self, times: int = 5) -> None:
        """Do what there is to do."""
        for _ in range(times):
            self.dispatcher.turn(within_s=0.005)

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Turn until something holds."""

        def is_so() -> bool:
            self.turn(1)
            return bool(holds())

        until(is_so, what, within_s=5)

    def later(self, seconds: float) -> None:
        """Let time pass for all that is measured from a moment."""
        for worker in self.dispatcher.workers:
            worker.until -= seconds
        self.dispatcher._next_fork_at -= seconds
        time.sleep(dispatcher._TICK_S)  # a look at the clock is due

    def close(self) -> None:
        """End all processes and close all sockets."""
        self.guests.close()
        for stub in self.stubs:
            stub.die()
        self.dispatcher.dismiss()
        until(lambda: not any(is_alive(stub.pid) for stub in self.stubs), "all have ended")
        self.dispatcher.leaving.look()
        for key in list(self.dispatcher.selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        for stub in self.stubs:
            stub.worker.sock.close()
            if stub.worker.visitor:
                stub.worker.visitor.sock.close()
        self.dispatcher.selector.close()
        self.dispatcher.listening.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Give a dispatcher with one worker."""
    one = House(tmp_path, 1)
    yield one
    one.close()


def _served(house: House) -> tuple[Guest, Stub]:
    """Give a client that has heard "go", and the worker that has taken it."""
    guest = house.guest()
    house.until(guest.has_news, "it hears go")
    assert guest.go() == 20
    stub = next(each for each in house.stubs if each.worker.visitor and not each.visitor)
    assert stub.take().uid == os.getuid()
    return guest, stub


def _has_facts(house: House, count: int) -> bool:
    return len(house.tally.facts) == count


def test_a_visit(house: House) -> None:
    """Go, answer, done: the client has its answer, the facts are counted, the worker is free."""
    for number in (1, 2):
        guest, stub = _served(house)
        stub.control.send(orders.busy(DIGEST))
        house.turn()
        assert house.dispatcher.gauges()["workers_busy"] == 1
        stub.answer()
        stub.done()
        house.until(partial(_has_facts, house, number), "it is counted")
        assert guest.answer().ending is Ending.HELD
        assert guest.packet() == b""
        assert house.dispatcher.gauges() == {
            "workers_busy": 0,
            "workers_idle": 1,
            "clients_waiting": 0,
            "spooled_octets": 0,
        }
    assert len(house.stubs) == 1


def test_only_one_at_a_time(house: House) -> None:
    """Who comes while the worker is busy waits, and hears go when it is free."""
    _, stub = _served(house)
    second = house.guest()
    house.turn()
    assert not second.has_news()
    assert house.dispatcher.lobby.waiting
    assert house.dispatcher.gauges()["clients_waiting"] == 1
    stub.answer()
    stub.done()
    house.until(second.has_news, "it hears go")


def _heard(house: House, guest: Guest) -> Heard:
    house.until(guest.has_news, "it hears something")
    return guest.answer()


def _say(packet: bytes) -> Callable[[Stub], object]:
    return lambda stub: stub.control.send(packet)


DEATHS = [
    pytest.param(Stub.die, id="dies"),
    pytest.param(_say(b"rubbish"), id="rubbish"),
    pytest.param(_say(b"done " + b"[" * 5000), id="facts-gone-mad"),
    pytest.param(_say(b"busy " + b"x" * 64), id="no-digest"),
    pytest.param(_say(b""), id="empty"),
]


@pytest.mark.parametrize("death", DEATHS)
def test_a_worker_dies(
    house: House, death: Callable[[Stub], object], capfd: pytest.CaptureFixture[str]
) -> None:
    """Its client hears "later" at once, it is logged how it ended, and another takes its place."""
    guest, stub = _served(house)
    stub.control.send(orders.busy(DIGEST))
    death(stub)
    heard = _heard(house, guest)
    assert heard.ending is Ending.DEFERRED
    assert heard.text.startswith("Zmessage could not be scanned now")
    house.until(lambda: len(house.stubs) == 2, "there is another")
    house.until(lambda: not house.dispatcher.leaving, "it is logged")
    assert not is_alive(stub.pid)
    said = capfd.readouterr().err
    assert "event=worker-crashed" in said
    assert f"digest={DIGEST} times=1 uid={os.getuid()} then=later" in said
    assert 'how="signal 9"' in said
    assert house.tally.events == ["crash"]


def test_three_times(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    """From the third time on, workers are told not to scan it."""
    for _ in range(3):
        guest, stub = _served(house)
        stub.control.send(orders.busy(DIGEST))
        stub.die()
        _heard(house, guest)
        house.later(99)
    house.until(house.guest().has_news, "it hears go")
    assert house.stubs[-1].take().not_to_scan == frozenset({DIGEST})
    house.until(lambda: not house.dispatcher.leaving, "it is logged")
    assert (
        'times=3 uid=0 then="not scanned any more"'.replace("uid=0", f"uid={os.getuid()}")
        in capfd.readouterr().err
    )


def test_another_takes_over(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    """A worker that dies before it began costs its client nothing: no second "go" is heard."""
    guest, stub = _served(house)
    guest.say(b"the question")
    stub.die()
    house.until(lambda: len(house.stubs) == 2, "there is another")
    house.turn()
    second = house.stubs[1]
    assert second.take().uid == os.getuid()
    assert second.visitor
    assert second.visitor.recv(99) == b"the question"
    second.answer()
    second.done()
    assert _heard(house, guest).ending is Ending.HELD
    assert house.tally.events == ["crash"]
    house.until(lambda: not house.dispatcher.leaving, "it is logged")
    assert (
        'times=0 uid=0 then="another worker"'.replace("uid=0", f"uid={os.getuid()}")
        in capfd.readouterr().err
    )


def test_no_third_takes_over(house: House) -> None:
    """Two workers that die before they begin are enough: "later", and nobody is blamed."""
    guest, stub = _served(house)
    stub.die()
    house.until(lambda: len(house.stubs) == 2, "there is another")
    house.turn()
    house.stubs[1].take()
    house.stubs[1].die()
    assert _heard(house, guest).ending is Ending.DEFERRED
    assert house.dispatcher.crashes.too_often() == ()


@pytest.mark.parametrize("how", ["no-worker-to-come", "waits-too-long", "hurried"])
def test_nobody_takes_over(house: House, how: str) -> None:
    """Where no other worker comes, its client hears "later", and is not forgotten meanwhile."""
    guest, stub = _served(house)
    house.dispatcher._in_a_row = 99 if how == "no-worker-to-come" else 3  # ten seconds, or 0.5
    stub.die()
    if how == "hurried":
        house.dispatcher.drain()
        house.until(lambda: not house.dispatcher.workers, "its end is noticed")
        assert not house.dispatcher.is_drained
        house.dispatcher.hurry()
    elif how == "waits-too-long":
        house.dispatcher.settings = replace(SETTINGS, daemon=Daemon(wait=0.1))
    assert _heard(house, guest).ending is Ending.DEFERRED
    assert house.dispatcher.gauges()["clients_waiting"] == 0


def test_it_went_well_after_all(house: House) -> None:
    """A message that was scanned at the second try is not held against."""
    guest, stub = _served(house)
    stub.control.send(orders.busy(DIGEST))
    stub.die()
    _heard(house, guest)
    _, stub = _served(house)
    stub.control.send(orders.busy(DIGEST))
    stub.answer()
    stub.done()
    house.until(lambda: house.tally.facts, "it is counted")
    assert house.dispatcher.crashes.count(DIGEST) == 1


def test_an_idle_worker_dies(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    """Noticed in time, it costs nobody anything: also when the client comes in that moment."""
    house.turn()
    house.stubs[0].die()
    guest = house.guest()
    house.until(guest.has_news, "it hears something")
    assert guest.go() == 20
    house.until(lambda: not house.dispatcher.leaving, "it is logged")
    assert "event=worker-died" in capfd.readouterr().err


def test_a_worker_dies_in_that_very_moment(house: House) -> None:
    """Dead, but its end is not heard yet: the client is given to the next one, not to it."""
    guest = house.guest()
    selector = house.dispatcher.selector
    until(lambda: selector.select(0.1), "the client has come")
    house.stubs[0].die()
    for _ in range(2):  # let in, then heard
        for key, _ in selector.select(0.1):
            if key.fileobj is not house.stubs[0].worker.sock:
                key.data(key.fileobj)
    house.dispatcher._hand_out()
    house.until(guest.has_news, "it hears something")
    assert guest.go() == 20


def test_late(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    """A worker that takes longer than [limits] time and some grace is killed: 52."""
    guest, stub = _served(house)
    house.later(20)
    house.turn()
    assert not guest.has_news()
    house.later(dispatcher.GRACE_S)
    assert _heard(house, guest).ending is Ending.DEADLINE
    assert house.tally.events == ["hang"]
    house.until(lambda: not house.dispatcher.leaving, "it is gone")
    assert 'how="longer than [limits] time, signal 9"' in capfd.readouterr().err
    assert not is_alive(stub.pid)


def test_they_die_in_a_row(house: House) -> None:
    """Ever slower, new ones are started; when that takes long, nobody is asked to wait for it."""
    for _ in range(6):
        house.stubs[-1].die()
        house.turn()
        house.later(99)
        house.until(lambda: house.dispatcher.workers, "there is one")
    house.stubs[-1].die()
    house.turn(20)
    assert not house.dispatcher.workers
    assert len(house.stubs) == 7
    assert _heard(house, house.guest()).ending is Ending.DEFERRED
    house.later(99)
    _, stub = _served(house)
    stub.answer()
    stub.done()
    house.until(lambda: house.tally.facts, "it is counted")
    house.stubs[-1].die()
    house.turn()
    assert house.dispatcher.workers, "after a success, the first death is no row"


def test_no_process_to_be_had(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    """fork() fails: said once in a while, tried again later."""
    house.is_failing = True
    house.stubs[0].die()
    house.until(lambda: not house.dispatcher.workers, "its end is noticed")
    house.turn(20)
    assert capfd.readouterr().err.count("cannot start a worker: Resource temporarily") == 1
    house.is_failing = False
    house.later(99)
    house.turn()
    assert house.dispatcher.workers


def test_retires(house: House) -> None:
    """After its last message a worker goes, and another comes; it is not killed."""
    guest, stub = _served(house)
    stub.answer()
    stub.done(retires=True)
    house.until(lambda: len(house.stubs) == 2, "there is another")
    assert guest.answer().ending is Ending.HELD
    assert stub.control.recv(99) == b""
    assert is_alive(stub.pid)
    assert not house.tally.events


def test_renewed(house: House) -> None:
    """New settings: who is served is served on by the old worker, who comes has a new one.

    The old time counts for the old one, the new time is named to the new client.
    """
    guest, old = _served(house)
    new = replace(SETTINGS, limits=Limits(time=0.4))
    house.dispatcher.renew(new, size=1, log=Log("stderr"))
    second = house.guest()
    house.until(second.has_news, "it hears go")
    assert second.go() == 1
    assert len(house.stubs) == 2
    house.later(15)
    house.turn()
    assert old.worker in house.dispatcher.workers
    old.answer()
    old.done()
    house.until(lambda: old.worker not in house.dispatcher.workers, "the old one goes")
    assert guest.answer().ending is Ending.HELD


def test_renewed_again_and_again(house: House) -> None:
    """Busy old workers do not pile up without end: twice as many as wanted, and no more."""
    for _ in range(2):
        _served(house)
        house.dispatcher.renew(SETTINGS, size=1, log=Log("stderr"))
    house.turn()
    assert len(house.dispatcher.workers) == 2
    waiting = house.guest()
    house.turn()
    assert not waiting.has_news()


def test_drained(house: House) -> None:
    """drain(): who has come is served, then it is drained; nobody else comes in."""
    guest, stub = _served(house)
    waiting = house.guest()
    house.dispatcher.drain()
    house.dispatcher.drain()
    with pytest.raises(ConnectionRefusedError):
        Guest(house.path)
    house.turn()
    assert not house.dispatcher.is_drained
    stub.answer()
    stub.done()
    house.until(waiting.has_news, "it hears go")
    stub.take()
    stub.answer()
    stub.done()
    house.until(lambda: house.dispatcher.is_drained, "it is drained")
    assert waiting.go() == 20
    assert {guest.answer().ending, waiting.answer().ending} == {Ending.HELD}


def test_hurried(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    """hurry(): who is served, who waits and who said nothing yet: "later" at once, or closed."""
    guest, stub = _served(house)
    stub.control.send(orders.busy(DIGEST))
    waiting = house.guest()
    house.until(lambda: house.dispatcher.lobby.waiting, "the second waits")
    silent = house.guests.enter_context(Guest(house.path))
    house.until(lambda: house.dispatcher.lobby.strangers, "the third has come")
    house.dispatcher.hurry()
    assert house.dispatcher.is_drained
    assert {guest.answer().ending, waiting.answer().ending} == {Ending.DEFERRED}
    assert silent.packet() == b""
    assert house.tally.events == []
    assert house.dispatcher.crashes.count(DIGEST) == 1, "nobody's fault"
    house.until(lambda: not house.dispatcher.leaving, "its worker is gone")
    assert not is_alive(stub.pid)
    assert "worker-crashed" not in capfd.readouterr().err


STRANGER = 12001


@pytest.mark.parametrize(
    ("trusted", "size", "most"),
    [
        pytest.param((), 3, 2, id="one-is-left"),
        pytest.param((), 2, 1, id="of-two"),
        pytest.param((), 1, 1, id="the-only-one"),
        pytest.param((str(os.getuid()),), 3, 3, id="trusted"),
    ],
)
def test_one_user_does_not_take_all(
    tmp_path: Path, trusted: tuple[str, ...], size: int, most: int
) -> None:
    """A user has all workers but one at most, even if nobody else waits; a trusted one has all."""
    new = replace(SETTINGS, queue=Queue(trusted_users=trusted))
    with contextlib.closing(House(tmp_path, size)) as house:
        house.dispatcher.renew(new, size=size, log=Log("stderr"))
        guests = [house.guest() for _ in range(size + 1)]
        house.turn(20)
        assert sum(guest.has_news() for guest in guests) == most
        stub = next(each for each in house.stubs if each.worker.visitor)
        stub.take()
        stub.answer()
        stub.done()
        house.turn(20)
        assert sum(guest.has_news() for guest in guests) == most + 1, "one goes, one comes"


def test_what_is_left_is_for_others(open_tmp: Path) -> None:
    """While one user has all that it may have, another user's message is scanned at once."""
    if os.getuid() != 0:
        return  # there is only one user
    with contextlib.closing(House(open_tmp, 2)) as house:
        many = [house.guests.enter_context(Guest(house.path, uid=STRANGER)) for _ in range(5)]
        for guest in many:
            guest.hello()
        house.turn(20)
        assert sum(guest.has_news() for guest in many) == 1
        other = house.guests.enter_context(Guest(house.path, uid=STRANGER + 1)).hello()
        house.until(other.has_news, "it hears go")


def test_tells_its_state(house: House) -> None:
    """Version, process, workers and what is in force."""
    house.dispatcher.load = status.Load(mark="abc", at=1.0, rules=3)
    with Guest(house.path) as guest:
        guest.say(status.ASK)
        house.until(guest.has_news, "it says")
        state = status.decode(guest.packet())
    assert (state.pid, state.busy, state.idle, state.load.mark) == (os.getpid(), 0, 1, "abc")


def test_who_goes_before_its_turn(house: House) -> None:
    """A client that has gone costs no worker a turn."""
    first, stub = _served(house)
    gone, second = house.guest(), house.guest()
    house.turn()
    gone.close()
    stub.answer()
    stub.done()
    house.until(second.has_news, "it hears go")
    assert second.go() == 20
    assert first.answer().ending is Ending.HELD
