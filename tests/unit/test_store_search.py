"""Looking: the question is answered by an index. What is found is tested in fakes/vault.py."""

from pathlib import Path

import pytest
from sqlalchemy import text

from qscanner.settings import Quarantine
from qscanner.store import search
from qscanner.store.local import Local
from qscanner.store.words import Class, Filter, State, Unknown
from tests.fakes.holds import several


@pytest.fixture
def home(tmp_path: Path) -> Local:
    settings = Quarantine(dir=str(tmp_path))
    for hold in several(4):
        hold.keep(settings)
    return Local(settings.dir)


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(),
        Filter(state=State.HELD),
        Filter(class_=Class.SPAM),
        Filter(score=1.0),
        Filter(sender="a@b"),
        Filter(sender="@b"),
        Filter(recipient="a@b"),
        Filter(domain="b"),
        Filter(rule="r"),
        Filter(since=1.0),
    ],
    ids=lambda wanted: repr(wanted)[:60],
)
@pytest.mark.parametrize("is_oldest_first", [False, True])
def test_an_index_answers(wanted: Filter, is_oldest_first: bool, home: Local) -> None:
    """Nothing goes through the whole table, and a list is not sorted before its limit."""
    with home.reading() as connection:
        asked = search._asked(connection, wanted).order_by(text("since desc, id desc")).limit(50)
        question = asked.compile(connection.engine, compile_kwargs={"literal_binds": True})
        plan = [row[3] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {question}"))]
    home.close()
    assert not [step for step in plan if step.startswith("SCAN message") and "INDEX" not in step]


@pytest.mark.parametrize("many", [1, 2000])
def test_few_and_many(many: int, home: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to ask another table find the same."""
    monkeypatch.setattr(search, "_MANY", many)
    with home.reading() as connection:
        for wanted in (Filter(rule="spam"), Filter(recipient="@example.com"), Filter(text="joe")):
            assert len(search.page(connection, wanted, None, 9)) == 4
            assert search.count(connection, wanted) == 4
    home.close()


def test_nobody(home: Local) -> None:
    """A digest that is not there is unknown."""
    with home.reading() as connection, pytest.raises(Unknown):
        search.one(connection, "f" * 64)
    home.close()
