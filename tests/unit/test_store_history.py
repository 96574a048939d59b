"""The history with files and SQLite: what every history must do, and what only files have."""

import fcntl
import os
import time
from pathlib import Path

import pytest

from qscanner.history import NAME, append
from qscanner.settings import Quarantine
from qscanner.store import history, history_numbers
from qscanner.store.history_words import Sought
from qscanner.store.store import Store
from tests.fakes.annals import NOW, Contract, fact, ids
from tests.fakes.holds import Hold


class Stop(Exception):
    """Somebody has to leave."""


class TestFiles(Contract):
    """The contract, with files."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Quarantine:
        """Give settings of an empty folder."""
        return Quarantine(dir=str(tmp_path))


def test_a_rebuild_leaves_it_alone(tmp_path: Path) -> None:
    """The index is made anew of files and journal; the history is in neither, and stays."""
    settings = Quarantine(dir=str(tmp_path))
    Hold().keep(settings)
    append(settings.dir, fact())
    with Store.open(settings) as store:
        store.history.take()
    with Store.rebuilt(settings)[0] as store:
        assert ids(store.history.find("19a-1")) == ["19a-1"]
        assert store.history.numbers(NOW, NOW).totals["verdict"]["accept"].messages == 1
    (tmp_path / "journal").unlink()
    with Store.open(settings) as store:
        assert ids(store.history.search(Sought())) == ["19a-1"]


def test_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file is taken in several transactions: after a fault some of it is there."""
    monkeypatch.setattr(history, "_LINES", 10)
    settings = Quarantine(dir=str(tmp_path))
    for number in range(35):
        append(settings.dir, fact(id=f"1-{number}"))
    told = list[int]()

    def progress(done: int, _total: int) -> None:
        told.append(done)
        if done == 20:
            raise Stop

    with Store.open(settings) as store:
        with pytest.raises(Stop):
            store.history.take(progress=progress)
        assert len(list(store.history.search(Sought()))) == 20
        assert store.history.take(progress=progress) == 15
        assert told == [10, 20, 0, 0, 10, 15]
        assert store.history.take() == 0


def test_one_who_holds_the_file(tmp_path: Path) -> None:
    """Is waited for, but not for ever; the next one takes what he left."""
    settings = Quarantine(dir=str(tmp_path))
    append(settings.dir, fact())
    fd = os.open(tmp_path / NAME, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_SH)
    with Store.open(settings) as store:
        begun = time.monotonic()
        assert store.history.take(within_s=0.05) == 0
        assert time.monotonic() - begun < 5
        append(settings.dir, fact(id="19a-2"))
        os.close(fd)
        assert store.history.take() == 2


def test_the_latest_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who had most refused is asked of so many messages only, and the numbers say of how many."""
    monkeypatch.setattr(history_numbers, "LATEST", 2)
    settings = Quarantine(dir=str(tmp_path))
    for number in range(5):
        line = fact(id=f"1-{number}", at=NOW + number, verdict="reject", sender=f"a@{number}.x")
        append(settings.dir, line)
    with Store.open(settings) as store:
        store.history.take()
        found = store.history.numbers(NOW, NOW)
    assert found.senders == (("3.x", 1), ("4.x", 1))
    assert found.looked_at == 2
