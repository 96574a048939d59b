"""attendant: a small process runs where it is needed, and is missed when it dies."""

import os
import signal
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from qscanner import attendant
from qscanner.attendant import Attendant
from qscanner.log import Log
from tests.fakes.resident import until


class Witness(Log):
    """A log, and a tally, that remember."""

    def __init__(self) -> None:
        super().__init__("stderr")
        self.events: list[Any] = []
        self.counted: list[str] = []

    def write(self, event: Mapping[str, Any]) -> None:
        """Remember instead of writing."""
        self.events.append(event)

    def event(self, name: str) -> None:
        """Count."""
        self.counted.append(name)


class House:
    """An attendant whose processes only wait, and the other ends of their sockets."""

    def __init__(self) -> None:
        self.log = Witness()
        self.pids: list[int] = []
        self.theirs: list[socket.socket] = []
        self.is_full = False
        self.one = Attendant("injector", self.fork, self.log, self.log)

    def fork(self) -> tuple[int, socket.socket]:
        if self.is_full:
            raise OSError(11, "no more")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if not pid:
            ours.close()
            while theirs.recv(100):
                continue
            os._exit(0)
        self.pids.append(pid)
        self.theirs.append(theirs)
        return pid, ours

    def has_two(self) -> bool:
        self.look()
        return len(self.pids) == 2

    def look(self, word: bytes = b"", *, is_needed: bool = True) -> None:
        self.one._next_at = 0.0  # as if the pause were over
        self.one.look(is_needed=lambda: is_needed, word=word)


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    made = House()
    yield made
    for theirs in made.theirs:
        theirs.close()
    made.one.stop(within_s=10)


def test_only_where_it_is_needed(house: House) -> None:
    """No process without anything to send, and one where there is."""
    house.look(is_needed=False)
    assert house.pids == []
    house.look()
    house.look()
    assert len(house.pids) == 1


def test_one_that_dies_is_missed(house: House) -> None:
    """Logged, counted, and replaced after a pause that grows."""
    house.look()
    os.kill(house.pids[0], signal.SIGKILL)
    until(house.has_two, "there is another")
    (event,) = house.log.events
    assert event == {"event": "injector-died", "pid": house.pids[0], "how": "signal 9"}
    assert house.log.counted == ["injector-died"]
    assert attendant._RESTART_S[0] < attendant._RESTART_S[-1] <= 60


def test_one_that_is_renewed_is_not_missed(house: House) -> None:
    """After a reload it ends by itself, and another comes."""
    house.look()
    house.theirs[0].close()
    house.one.renew()
    until(house.has_two, "there is another")
    assert house.log.events == []


def test_no_process_to_be_had(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    """It is tried again later."""
    house.is_full = True
    house.look()
    assert "cannot start the injector: no more" in capfd.readouterr().err
    house.is_full = False
    house.look()
    assert len(house.pids) == 1


def test_a_word_is_told(house: House) -> None:
    """Once, and to each that takes over."""
    house.look(b"dead 1 0")
    house.look(b"dead 1 0")
    house.look(b"dead 1 2")
    theirs = house.one._sock
    assert theirs is not None
    assert house.one._told == b"dead 1 2"
    os.kill(house.pids[0], signal.SIGKILL)
    house.one._told = b""
    until(house.has_two, "there is another")
    house.look(b"dead 1 2")
    assert house.one._told == b"dead 1 2"


def test_each_by_its_name(house: House) -> None:
    """The clerk is missed as the clerk."""
    house.one._name = attendant.CLERK
    house.look()
    os.kill(house.pids[0], signal.SIGKILL)
    until(house.has_two, "there is another")
    assert house.log.events[0]["event"] == "clerk-died"
    assert house.log.counted == ["clerk-died"]
