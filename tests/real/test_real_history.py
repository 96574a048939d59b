"""The history with a real PostgreSQL: what every history must do, shared by several hosts."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qscanner.history import append
from qscanner.settings import Quarantine
from qscanner.store import shared
from qscanner.store.history_words import Sought, Sum
from qscanner.store.store import Store
from tests.fakes.annals import NOW, Contract, fact
from tests.real.postgres import Postgres

pytestmark = pytest.mark.real


@pytest.fixture
def settings(postgres: Postgres, tmp_path: Path) -> Iterator[Quarantine]:
    """Give settings of an empty database, and a folder for what this host writes."""
    yield Quarantine(dir=str(tmp_path), database=postgres.made(f"h{os.urandom(6).hex()}"))
    shared._home.cache_clear()


class TestPostgresql(Contract):
    """The contract, with PostgreSQL."""


def test_several_hosts(settings: Quarantine, tmp_path: Path) -> None:
    """Each takes in what it wrote, and sees what the others did; one without a folder as well."""
    for name in ("mx1", "mx2"):
        (tmp_path / name).mkdir()
        one = replace(settings, dir=str(tmp_path / name))
        for number in range(3):
            append(one.dir, fact(id=f"19a-{number}", host=name))
        with Store.open(one) as store:
            assert store.history.take() == 3
    with Store.open(replace(settings, dir=str(tmp_path / "none"))) as store:
        assert store.history.take() == 0
        assert len(list(store.history.search(Sought()))) == 6
        totals = store.history.numbers(NOW, NOW).totals
    assert totals["verdict"] == {"accept": Sum(messages=6, octets=600)}
