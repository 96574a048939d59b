"""Numbers: the question is answered by an index. What is counted is tested in fakes/annals.py."""

from pathlib import Path

from sqlalchemy import text

from qscanner.history import append
from qscanner.settings import Quarantine
from qscanner.store.history_numbers import between
from qscanner.store.store import Store
from tests.fakes.annals import HOUR, NOW, fact


def test_nothing_came(tmp_path: Path) -> None:
    """Then all is empty, and the hours are those that were asked for."""
    with Store.open(Quarantine(dir=str(tmp_path))) as store:
        found = store.history.numbers(NOW, NOW)
    assert (found.since, found.until) == (HOUR * 3600, (HOUR + 1) * 3600)
    assert (found.verdicts, found.totals, found.held) == ({}, {}, {})
    assert (found.senders, found.recipients, found.looked_at) == ((), (), 0)


def test_hours_outside_do_not_count(tmp_path: Path) -> None:
    """A time is that of whole hours."""
    with Store.open(Quarantine(dir=str(tmp_path))) as store:
        for number in range(-2, 3):
            append(str(tmp_path), fact(id=f"{number}", at=(HOUR + number) * 3600.0))
        store.history.take()
        with store._home.reading() as connection:
            found = between(connection, (HOUR - 1) * 3600 + 1, HOUR * 3600 + 1)
            plan = connection.execute(
                text("EXPLAIN QUERY PLAN SELECT sum(messages) FROM counted WHERE hour >= 5")
            ).all()
    assert found.totals["verdict"]["accept"].messages == 2
    assert "SEARCH" in str(plan)
