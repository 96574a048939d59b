"""From records to rows: whatever a record says, and in whatever order events are read again."""

import tracemalloc
from pathlib import Path

import pytest

from qscanner.settings import Keep, Quarantine
from qscanner.store import rows, search
from qscanner.store.local import Local
from qscanner.store.store import Store
from qscanner.store.words import Arrived, Filter, State, Who
from tests.fakes.holds import Hold, several


@pytest.mark.parametrize("batch", [1, 3, 400])
def test_batches(batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many events are taken together, the result is the same."""
    settings = Quarantine(dir=str(tmp_path))
    holds = several(7)
    for hold in (*holds, *holds[:3]):
        hold.keep(settings)
    monkeypatch.setattr(rows, "BATCH", batch)
    with Store.open(settings) as store:
        assert store.count(Filter()) == 7
        assert all(len(held.recipients) == 2 for held in store.search(Filter()))


def test_read_again(tmp_path: Path) -> None:
    """Events that say nothing new change nothing."""
    settings = Quarantine(dir=str(tmp_path))
    hold = Hold()
    hold.keep(settings)
    home = Local(settings.dir)
    for _ in range(2):
        with home.writing() as connection:
            rows.apply(
                connection,
                [Arrived(at=9.0, digest=hold.digest, is_fresh=True), None],
                home.record_of,
            )
    home.close()
    with Store.open(settings) as store:
        assert store.count(Filter()) == 1
        assert list(store.audit()) == []


@pytest.mark.timeout(60)
def test_many_recipients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with the recipients of all messages together: strangers choose them."""
    for module in (rows, search):
        monkeypatch.setattr(module, "ROWS", 400)
    settings = Quarantine(dir=str(tmp_path), keep=Keep(policy=1.0))
    to = tuple(b"user%d@example.com" % number for number in range(400))
    for hold in several(20, to=to):
        hold.keep(settings)
    with Store.open(settings) as store:  # what is imported and compiled is not counted
        assert store.count(Filter()) == 20
    tracemalloc.start()
    with Store.rebuilt(settings)[0] as store:
        assert sum(len(held.recipients) for held in store.search(Filter())) == 8000
        assert store.expire(by=Who.here("test")).expired == 20
        states = {one.state for held in store.search(Filter()) for one in held.recipients}
        assert states == {State.EXPIRED}
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 << 20, "12 MiB where all are in memory at once"
