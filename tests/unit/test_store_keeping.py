"""Keeping in the store: files first, one line for the index, and nothing heavy."""

import os
import threading
from pathlib import Path

import pytest

from qscanner.outcomes import Later
from qscanner.settings import Quarantine
from qscanner.store.journal import Journal
from qscanner.store.store import Store
from qscanner.store.words import Arrived, Filter
from tests.fakes import child
from tests.fakes.holds import Hold

LIGHT = """
import sys
from qscanner.settings import Quarantine
from tests.fakes.holds import Hold
Hold().keep(Quarantine(dir=sys.argv[1]))
print(sorted({"sqlalchemy", "alembic", "sqlite3", "gzip", "psycopg"} & set(sys.modules)))
"""


def test_nothing_heavy(tmp_path: Path) -> None:
    """Who keeps a message loads no database."""
    assert child.said(child.run(LIGHT, tmp_path)).strip() == "[]"


def test_one_line_each_time(tmp_path: Path) -> None:
    """Whoever was killed behind the files was not answered: the next try tells the index."""
    for _ in range(2):
        Hold().keep(Quarantine(dir=str(tmp_path)))
    journal = Journal(str(tmp_path))
    events = [event for event, _ in journal.events(0) if isinstance(event, Arrived)]
    journal.close()
    assert [event.is_fresh for event in events] == [True, False]


@pytest.mark.parametrize("index", ["broken", "locked", "a-folder"])
def test_the_index_does_not_matter(index: str, tmp_path: Path) -> None:
    """Broken or locked: what is held is held."""
    settings = Quarantine(dir=str(tmp_path))
    Hold().keep(settings)
    other = Hold(octets=b"Subject: other\n\n")
    match index:
        case "locked":
            with Store.open(settings) as store, store._home.writing():
                assert other.keep(settings)
        case "broken":
            (tmp_path / "index.sqlite").write_bytes(b"x" * 9999)
            assert other.keep(settings)
            (tmp_path / "index.sqlite").unlink()
        case _:
            (tmp_path / "index.sqlite").mkdir()
            assert other.keep(settings)
            (tmp_path / "index.sqlite").rmdir()
    with Store.open(settings) as store:
        assert store.count(Filter()) == 2


def test_many_at_once(tmp_path: Path) -> None:
    """Tries of the same message at the same time make one hold."""
    settings, said = Quarantine(dir=str(tmp_path)), list[bool]()
    threads = [
        threading.Thread(target=lambda: said.append(Hold().keep(settings))) for _ in range(6)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(15)
    assert sorted(said) == [False] * 5 + [True]


def test_no_folder(tmp_path: Path) -> None:
    """It is "later", and none is made."""
    with pytest.raises(Later):
        Hold().keep(Quarantine(dir=str(tmp_path / "none")))
    assert os.listdir(tmp_path) == []
