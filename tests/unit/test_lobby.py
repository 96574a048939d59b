"""Clients who have come and are not served yet: heard, kept waiting, sent away."""

import contextlib
import errno
import os
import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qscanner import notify
from qscanner.codec import frames, orders, status
from qscanner.lobby import HELLO_WITHIN_S, Lobby
from qscanner.log import Log
from qscanner.outcomes import Ending
from qscanner.settings import Daemon, Queue, Settings
from tests.fakes.guest import Guest

STATE = status.State(
    version="1",
    pid=1,
    since=0.0,
    busy=0,
    idle=0,
    waiting=0,
    load=status.Load(mark="", at=0.0, rules=0),
)
SETTINGS = replace(Settings(), daemon=Daemon(wait=10.0), queue=Queue(error_text="6:82"))


class Counted:
    """Counts by listing."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def message(self, facts: orders.Facts, *, waited_s: float) -> None:
        """Not of interest here."""

    def event(self, name: str) -> None:
        """Note it."""
        self.events.append(name)


class House:
    """A lobby with its loop, turned by hand."""

    def __init__(self, folder: Path, room: int) -> None:
        self.path = folder / "d.sock"
        self.tally = Counted()
        self.lobby = Lobby(
            settings=SETTINGS,
            listening=notify.listening(str(self.path), {}).sock,
            selector=selectors.DefaultSelector(),
            tally=self.tally,
            log=Log("stderr"),
            room=room,
            state=lambda: STATE,
        )
        self.lobby.open()
        self.guests = contextlib.ExitStack()

    def guest(self) -> Guest:
        """Give a client that has connected."""
        return self.guests.enter_context(Guest(self.path))

    def turn(self) -> None:
        """Do all that there is to do."""
        while ready := self.lobby.selector.select(0.02):
            for key, _ in ready:
                key.data(key.fileobj)

    def close(self) -> None:
        """Close all sockets."""
        self.guests.close()
        for key in list(self.lobby.selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self.lobby.selector.close()
        self.lobby.listening.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Give a lobby with room for eight."""
    one = House(tmp_path, 8)
    yield one
    one.close()


def test_a_hello(house: House) -> None:
    """Who says hello waits, under its user and the address that it claims, and is given once."""
    guest = house.guest().hello()
    house.turn()
    assert (len(house.lobby), len(house.lobby.waiting)) == (1, 1)
    visitor = house.lobby.take()
    assert visitor
    assert (visitor.uid, visitor.address) == (os.getuid(), b"192.0.2.7")
    assert house.lobby.take() is None
    house.lobby.forget(visitor)
    assert guest.packet() == b""


@pytest.mark.parametrize("packet", [b"rubbish", b"", frames.go(1), b"\0" * 300])
def test_no_hello(house: House, packet: bytes) -> None:
    """Anything else, and it is let go."""
    guest = house.guest()
    guest.say(packet)
    house.turn()
    assert guest.packet() == b""
    assert len(house.lobby) == 0


def test_asks_how_we_are(house: House) -> None:
    """Who asks for the state hears it, and is let go."""
    guest = house.guest()
    guest.say(status.ASK)
    house.turn()
    assert status.decode(guest.packet()) == STATE
    assert guest.packet() == b""


def test_who_goes_away(house: House) -> None:
    """Before or after hello: it is not given to anybody."""
    for says_hello in (False, True):
        guest = house.guest()
        if says_hello:
            guest.hello()
        house.turn()
        assert len(house.lobby) == 1
        guest.close()
        house.turn()
        assert len(house.lobby) == 0


def test_who_talks_out_of_turn(house: House) -> None:
    """A second word before its turn is one too many."""
    guest = house.guest().hello()
    house.turn()
    guest.hello()
    house.turn()
    assert guest.packet() == b""
    assert len(house.lobby) == 0


def test_who_says_nothing(house: House) -> None:
    """After a few seconds it goes; whoever said hello stays."""
    silent, polite = house.guest(), house.guest().hello()
    house.turn()
    house.lobby.look(time.monotonic() + HELLO_WITHIN_S + 0.1)
    assert silent.packet() == b""
    assert not polite.has_news()
    assert len(house.lobby) == 1


def test_who_waits_too_long(house: House) -> None:
    """It hears "later", why, and where that may be said."""
    guest = house.guest().hello()
    house.turn()
    house.lobby.look(time.monotonic() + SETTINGS.daemon.wait + 0.1)
    heard = guest.answer()
    assert (heard.ending, heard.error_text) == (Ending.DEFERRED, "6:82")
    assert heard.text == "Zserver busy, try again later (#4.7.1)"
    assert house.tally.events == ["overload"]
    assert len(house.lobby) == 0


def test_all_are_sent_away(house: House) -> None:
    """clear() tells those who wait; those who have said nothing may still do so."""
    waiting, silent = house.guest().hello(), house.guest()
    house.turn()
    house.lobby.clear("no worker")
    assert "no worker" in waiting.answer().text
    assert not silent.has_news()


def test_put_off_with_something_unread(house: House) -> None:
    """A client that was invited and has asked hears the answer, not a reset."""
    guest = house.guest().hello()
    house.turn()
    visitor = house.lobby.take()
    assert visitor
    guest.ask(b"message")
    house.lobby.put_off(visitor, "crashed", ending=Ending.DEADLINE)
    assert guest.answer().ending is Ending.DEADLINE


def test_put_off_who_is_gone(house: House) -> None:
    """Nobody there to hear it is no trouble."""
    guest = house.guest().hello()
    house.turn()
    visitor = house.lobby.take()
    assert visitor
    guest.close()
    house.lobby.put_off(visitor, "crashed")
    assert len(house.lobby) == 0


def test_one_user_does_not_take_all_room(house: House) -> None:
    """Of eight places, one user gets six; whoever is there before is served, and frees a place."""
    guests = [house.guest().hello() for _ in range(10)]
    house.turn()
    closed = [guest for guest in guests if guest.has_news()]
    assert len(closed) == 4
    assert all(guest.packet() == b"" for guest in closed)
    visitor = house.lobby.take()
    assert visitor
    house.lobby.forget(visitor)
    late = house.guest().hello()
    house.turn()
    assert not late.has_news()


def test_full(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Nobody more is let in than there is room for; the kernel keeps the others; one line says so.

    As soon as there is room the next are let in.
    """
    house = House(tmp_path, 1)
    first, second = house.guest().hello(), house.guest().hello()
    house.turn()
    assert len(house.lobby) == 1
    assert not second.has_news()
    for _ in range(5):
        house.lobby.look(time.monotonic())
        house.turn()
    first.close()
    house.turn()
    assert len(house.lobby) == 0
    house.lobby.look(time.monotonic())
    house.turn()
    assert len(house.lobby) == 1
    said = capfd.readouterr().err
    assert said.count("event=full") == 1
    assert "clients=1" in said
    house.close()


class Failing(socket.socket):
    """A listening socket for which there is no descriptor."""

    def accept(self) -> tuple[socket.socket, object]:
        """Fail as accept(2) does then."""
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_no_descriptor(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    """Out of descriptors: no busy loop, one line, and it goes on when there are some again."""
    listening = house.lobby.listening
    failing = Failing(fileno=os.dup(listening.fileno()))
    house.lobby.close()
    house.lobby._is_closed_for_good = False
    house.lobby.listening = failing
    house.lobby.open()
    guest = house.guest().hello()
    assert house.lobby.selector.select(1)
    house.turn()
    assert not house.lobby.selector.select(0.05), "it would spin"
    assert capfd.readouterr().err.count("Too many open files") == 1
    house.lobby.listening = socket.socket(fileno=failing.detach())
    house.lobby.look(time.monotonic())
    house.turn()
    assert len(house.lobby) == 1
    assert not guest.has_news()


def test_closed_for_good(house: House) -> None:
    """close() lets in who is connected already, and nobody afterwards."""
    early = house.guest()
    house.lobby.close()
    assert len(house.lobby) == 1
    early.hello()
    house.turn()
    assert len(house.lobby.waiting) == 1
    house.lobby.look(time.monotonic())
    with pytest.raises(ConnectionRefusedError):
        Guest(house.path)
