"""From records to rows: whatever a record says, and in whatever order events are read again."""

from pathlib import Path

import pytest

from qscanner.settings import Quarantine
from qscanner.store import rows
from qscanner.store.local import Local
from qscanner.store.store import Store
from qscanner.store.words import Arrived, Filter
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
