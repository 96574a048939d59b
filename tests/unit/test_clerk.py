"""clerk: the books of the quarantine, turn by turn."""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from qscanner import clerk, history, outbox
from qscanner.clerk import Clerk, Over
from qscanner.log import Log
from qscanner.settings import Digest, History, Keep, Quarantine, Settings
from qscanner.store.store import Store
from qscanner.store.words import Filter, State
from tests.fakes.annals import fact
from tests.fakes.holds import Hold, several

NOW = 1_795_420_000.0  # 2026-11-23, after all that is kept here
DAY = 86400.0


class Witness(Log):
    """A log that remembers."""

    def __init__(self) -> None:
        super().__init__("stderr")
        self.events: list[Any] = []

    def write(self, event: Mapping[str, Any]) -> None:
        """Remember instead of writing."""
        self.events.append(dict(event))


def hired(folder: Path, **more: Any) -> Clerk:
    """Give a clerk of a quarantine in this folder."""
    settings = Settings(quarantine=Quarantine(dir=str(folder), **more))
    return Clerk(settings=settings, log=Witness())


def events(one: Clerk) -> list[Any]:
    """Give what it has logged."""
    assert isinstance(one.log, Witness)
    return one.log.events


def test_where_it_is_needed(tmp_path: Path) -> None:
    """Where there is something to do, and a quarantine that is there."""
    here = str(tmp_path)
    idle = Quarantine(dir=here, expire_every=0.0)
    nothing = Settings(quarantine=idle, history=History(keep=0.0))
    assert not clerk.is_needed(nothing)
    for settings, want in (
        (Settings(quarantine=Quarantine(dir=here)), True),
        (Settings(quarantine=Quarantine(dir=f"{here}/none")), False),
        (Settings(quarantine=Quarantine(dir=f"{here}/none", database="postgresql://x")), True),
        (
            Settings(
                quarantine=nothing.quarantine, history=nothing.history, digest=Digest(to=("@x",))
            ),
            True,
        ),
    ):
        assert clerk.is_needed(settings) is want


def test_the_index_follows(tmp_path: Path) -> None:
    """What is kept is in the index after the next turn: nobody else had to look."""
    one = hired(tmp_path)
    one.turn(NOW)
    for hold in several(3):
        hold.keep(one.settings.quarantine)
    one.turn(NOW)
    assert one._store is not None
    with one._store._home.database.reading() as connection:  # type: ignore[attr-defined]
        assert connection.exec_driver_sql("SELECT count(*) FROM message").scalar() == 3
    one.close()


def test_expiry_in_its_time(tmp_path: Path) -> None:
    """A minute after the start, then every so often; what was done is logged."""
    one = hired(tmp_path, keep=Keep(spam=DAY, policy=DAY), expire_every=3600.0)
    hold = Hold(kept_at="2026-11-01T00:00:00Z")
    hold.keep(one.settings.quarantine)
    one.turn(NOW)
    one.turn(NOW + 59)
    assert events(one) == []
    one.turn(NOW + 61)
    assert events(one) == [
        {"event": "expired", "expired": 1, "removed": 1, "forgotten": 0, "facts": 0}
    ]
    Hold(octets=b"other", kept_at="2026-11-01T00:00:00Z").keep(one.settings.quarantine)
    one.turn(NOW + 3600)
    assert len(events(one)) == 1
    one.turn(NOW + 61 + 3600)
    assert len(events(one)) == 2
    one.close()


def test_the_history_is_taken_in_and_forgotten(tmp_path: Path) -> None:
    """Every turn, and with expiry what is too old."""
    one = hired(tmp_path, expire_every=3600.0)
    history.append(str(tmp_path), fact(id="old-1", at=NOW - 40 * DAY))
    history.append(str(tmp_path), fact(id="new-1", at=NOW - DAY))
    one.turn(NOW)
    assert not (tmp_path / history.NAME).exists()
    assert one._store is not None
    assert one._store.history.find("old-1")
    one.turn(NOW + 61)
    assert not one._store.history.find("old-1")
    assert one._store.history.find("new-1")
    assert events(one)[-1]["facts"] == 1
    one.close()


def test_digests_when_they_are_due(tmp_path: Path) -> None:
    """One round a day, into the outbox; and not again."""
    settings = Settings(
        quarantine=Quarantine(dir=str(tmp_path), expire_every=0.0),
        digest=Digest(to=("@example.com",), at=("00:00",)),
    )
    one = Clerk(settings=settings, log=Witness())
    now = time.time()
    kept_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    Hold(kept_at=kept_at).keep(settings.quarantine)
    tomorrow = now + DAY
    for seconds in (0.0, 2.0):
        one.turn(tomorrow + seconds)
    (name,) = outbox.waiting(outbox.folder(str(tmp_path)))
    assert outbox.read(outbox.folder(str(tmp_path)), name).to == (b"joe@example.com",)
    assert events(one) == [{"event": "digests-written", "letters": 1}]
    one.close()


def test_never_by_itself(tmp_path: Path) -> None:
    """With expire_every = 0 nothing expires here."""
    one = hired(tmp_path, keep=Keep(spam=DAY), expire_every=0.0)
    Hold(kept_at="2026-11-01T00:00:00Z").keep(one.settings.quarantine)
    for seconds in (0, 100, 100_000):
        one.turn(NOW + seconds)
    assert events(one) == []
    one.close()


def test_it_ends_in_the_middle(tmp_path: Path) -> None:
    """When the dispatcher goes, what is done is done, and the rest is for the next one."""
    one = hired(tmp_path, keep=Keep(spam=DAY, policy=DAY))
    Hold(kept_at="2026-11-01T00:00:00Z").keep(one.settings.quarantine)
    one.turn(NOW)
    with pytest.raises(Over):
        one.turn(NOW + 61, is_over=lambda: True)
    one.close()
    with Store.open(one.settings.quarantine) as store:
        (held,) = store.search(Filter())
        assert held.state is State.EXPIRED
        assert list(store.verify()) == []


def test_trouble_is_told_once(tmp_path: Path) -> None:
    """A quarantine that cannot be used is logged once, tried again, and works when it can."""
    index = tmp_path / "index.sqlite"
    index.write_bytes(b"not a database" * 100)
    one = hired(tmp_path)
    for seconds in (0.0, 1.0, 10.0, 20.0):
        one.turn(NOW + seconds)
    (event,) = events(one)
    assert event["event"] == "clerk-waits"
    assert "quarantine rebuild" in event["why"]
    index.unlink()
    one.turn(NOW + 30.0)
    assert one._store is not None
    one.close()


def test_trouble_with_one_thing_stops_no_other(tmp_path: Path) -> None:
    """Where the history cannot be read, what is too old expires all the same: room is needed."""
    one = hired(tmp_path, keep=Keep(spam=DAY, policy=DAY), expire_every=3600.0)
    Hold(kept_at="2026-11-01T00:00:00Z").keep(one.settings.quarantine)
    (tmp_path / f"{history.NAME}.taking.1").symlink_to("nowhere")
    one.turn(NOW)
    one.turn(NOW + 61)
    assert [each["event"] for each in events(one)] == ["clerk-waits", "expired"]
    one.close()
    with Store.open(one.settings.quarantine) as store:
        (held,) = store.search(Filter())
        assert held.state is State.EXPIRED


def test_a_clock_that_is_set_back(tmp_path: Path) -> None:
    """It stops nothing for as long as it was set back: neither expiry nor what failed before."""
    index = tmp_path / "index.sqlite"
    index.write_bytes(b"not a database" * 100)
    one = hired(tmp_path, keep=Keep(spam=DAY, policy=DAY), expire_every=3600.0)
    one.turn(NOW + 90 * DAY)
    index.unlink()
    one.turn(NOW + 60 * DAY)
    assert one._store is not None
    Hold(kept_at="2026-11-01T00:00:00Z").keep(one.settings.quarantine)
    one.turn(NOW)
    assert events(one)[-1]["event"] == "expired"
    one.close()


def test_the_process_ends_with_its_socket(tmp_path: Path) -> None:
    """No dispatcher, no clerk; signals that are for the dispatcher do not end it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if not pid:
        ours.close()
        clerk.serve(theirs, hired(tmp_path).settings, Witness())
    theirs.close()
    ours.send(b"a word")
    ours.close()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
