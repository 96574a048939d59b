"""The store with a real PostgreSQL: what every store must do, shared by several hosts."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qscanner.outcomes import Later, Unusable
from qscanner.settings import Quarantine
from qscanner.store import shared
from qscanner.store.lists import Lists
from qscanner.store.store import Store
from qscanner.store.words import Filter, Who
from tests.fakes.carrier import DAY, HOUR, NOW, SLOT, DigestContract, Round, hold, utc
from tests.fakes.holds import Hold
from tests.fakes.vault import Contract
from tests.real.postgres import PASSWORD, Postgres

__all__ = ["utc"]  # a fixture

pytestmark = pytest.mark.real


@pytest.fixture
def settings(postgres: Postgres, tmp_path: Path) -> Iterator[Quarantine]:
    """Give settings of an empty database; there is no folder."""
    yield Quarantine(
        dir=str(tmp_path / "no-folder"), database=postgres.made(f"t{os.urandom(6).hex()}")
    )
    shared._home.cache_clear()


class TestPostgresql(Contract):
    """The contract, with PostgreSQL."""


class TestDigests(DigestContract):
    """That of digests, with PostgreSQL."""

    def test_two_hosts(self, round: Round, settings: Quarantine, tmp_path: Path) -> None:
        """Each with an outbox of its own: one of them writes the letter, and later the other."""
        elsewhere = replace(settings, dir=str(tmp_path / "elsewhere"))
        os.makedirs(elsewhere.dir)
        with Store.open(elsewhere) as store:
            other = Round(elsewhere, store)
            round.keep(hold("x", SLOT - HOUR, to=(b"joe@example.com",)))
            assert (len(round.turn()), len(other.turn())) == (1, 0)
            other.keep(hold("y", SLOT + HOUR, to=(b"joe@example.com",)))
            assert (len(other.turn(NOW + DAY)), len(round.turn(NOW + DAY))) == (1, 0)


def test_several_hosts(settings: Quarantine, tmp_path: Path) -> None:
    """What one host keeps the other sees, lists and reads: all of it is in the database."""
    hold = Hold()
    hold.keep(settings)
    other = replace(settings, dir=str(tmp_path / "elsewhere"))
    with Store.open(other) as store:
        (held,) = store.search(Filter())
        message = store.message(held)
        assert bytes(message.octets) == hold.octets
        message.close()
        assert store.envelope(held, held.recipients) == hold.raw
    with pytest.raises(Unusable, match="no index"):
        Store.rebuilt(other)
    assert os.listdir(tmp_path) == []


def test_lists_of_several_hosts(settings: Quarantine, tmp_path: Path) -> None:
    """Who is allowed here is so for scans of every host, by a file: no scan asks the database."""
    here, there = (replace(settings, dir=str(tmp_path / name)) for name in ("here", "there"))
    for each in (here, there):
        os.mkdir(each.dir)
    with Store.open(here) as store, Store.open(there) as other:
        by = Who(name="ann", via="test")
        made = store.write_entry(is_allowed=True, sender="a@x", until=None, why="", by=by)
        assert Lists.of_folder(here.dir).allowed(b"a@x", b"b@y")
        assert not Lists.of_folder(there.dir).allowed(b"a@x", b"b@y")
        other.follow()
        assert Lists.of_folder(there.dir).allowed(b"a@x", b"b@y")
        before = os.stat(f"{there.dir}/lists").st_mtime_ns
        other.follow()
        assert os.stat(f"{there.dir}/lists").st_mtime_ns == before, "written when it has changed"
        os.unlink(f"{there.dir}/lists")
        other.follow()
        assert Lists.of_folder(there.dir).allowed(b"a@x", b"b@y"), "or is gone"
        store.remove_entry(made.id, by=by)
        other.follow()
        assert not Lists.of_folder(there.dir).allowed(b"a@x", b"b@y")
        assert [each.did.partition(" for")[0] for each in other.audit()] == [
            "allowed a@x",
            "took back: allowed a@x",
        ]


def test_a_host_without_a_folder_can_list(settings: Quarantine) -> None:
    """The entry is made, and scans of other hosts have it; here nobody scans."""
    with Store.open(settings) as store:
        store.write_entry(
            is_allowed=False, sender="a@x", until=None, why="", by=Who(name="ann", via="test")
        )
        assert [each.sender for each in store.entries()] == ["a@x"]
    assert not os.path.exists(settings.dir)


@pytest.mark.parametrize("kind", ["right", "wrong", "missing-file"])
def test_the_password(kind: str, settings: Quarantine, postgres: Postgres, tmp_path: Path) -> None:
    """It is read from its file; a wrong one is "later", a missing file an admin's matter."""
    file = tmp_path / "password"
    if kind != "missing-file":
        file.write_text(f"{PASSWORD if kind == 'right' else 'wrong'}\n")
    name = settings.database.partition("@/")[2].partition("?")[0]
    by_tcp = replace(settings, database=postgres.by_tcp(name), password_file=str(file))
    match kind:
        case "right":
            assert Hold().keep(by_tcp)
        case "wrong":
            with pytest.raises(Later, match="password"):
                Hold().keep(by_tcp)
        case _:
            with pytest.raises(Unusable, match="password_file"):
                Hold().keep(by_tcp)


def test_a_server_that_is_away(tmp_path: Path) -> None:
    """Nobody is answered for what is not kept."""
    nowhere = Quarantine(database=f"postgresql://postgres@/x?host={tmp_path}")
    with pytest.raises(Later):
        Hold().keep(nowhere)
