"""The database: one writer at a time, all or nothing, and every trouble in our words."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from qscanner.outcomes import DiskFull, Later, QScannerError, Unusable
from qscanner.store import database as module
from qscanner.store.database import Database, postgresql, sqlite


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "index")


def test_all_or_nothing(path: str) -> None:
    """What was written before an exception is not there."""
    database = Database(sqlite(path))

    def write_half() -> None:
        with database.writing() as connection:
            database.set_number(connection, "x", 1)
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    with database.reading() as connection:
        assert database.number(connection, "x") is None
    for value in (2, 3):
        with database.writing() as connection:
            database.set_number(connection, "x", value)
    with database.reading() as connection:
        assert database.number(connection, "x") == 3
    database.close()


def test_writers_wait(path: str) -> None:
    """Two who write at once come one after the other; who reads waits for nobody."""
    database, other = Database(sqlite(path)), Database(sqlite(path))

    def add() -> None:
        for _ in range(20):
            with other.writing() as connection:
                other.set_number(connection, "x", (other.number(connection, "x") or 0) + 1)

    thread = threading.Thread(target=add)
    thread.start()
    for _ in range(20):
        with database.writing() as connection:
            database.set_number(connection, "x", (database.number(connection, "x") or 0) + 1)
    thread.join(15)
    with database.writing() as connection, other.reading() as reader:
        database.set_number(connection, "x", 0)
        assert other.number(reader, "x") == 40
    database.close()
    other.close()


def test_locked(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits too long hears "later"."""
    monkeypatch.setattr(module, "BUSY_S", 0.05)
    database, other = Database(sqlite(path)), Database(sqlite(path))
    with database.writing(), pytest.raises(Later, match="locked"), other.writing():
        pass
    database.close()
    other.close()


def test_opened_by_many_at_once(path: str) -> None:
    """The tables are made once, whoever comes first."""
    errors = list[QScannerError]()

    def work() -> None:
        try:
            Database(sqlite(path)).close()
        except QScannerError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(15)
    assert errors == []


def test_damaged(path: str) -> None:
    """What is no database is an admin's matter."""
    Path(path).write_bytes(b"no database at all" * 100)
    with pytest.raises(Unusable, match="rebuild"):
        Database(sqlite(path))


def test_a_newer_version(path: str) -> None:
    """Tables of a newer program are not touched."""
    database = Database(sqlite(path))
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(Unusable, match="another version"):
        Database(sqlite(path))


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("database or disk is full", DiskFull),
        ("could not extend file: No space left on device", DiskFull),
        ("database disk image is malformed", Unusable),
        ("attempt to write a readonly database", Later),
        ("server closed the connection unexpectedly", Later),
    ],
)
def test_what_goes_wrong(words: str, kind: type[QScannerError]) -> None:
    """The words of a database become an ending."""
    from sqlalchemy.exc import OperationalError

    with pytest.raises(kind), module.told():
        raise OperationalError("SELECT 1", {}, Exception(words))


def test_an_odd_address() -> None:
    """What is no address of a database is said with the name of the setting."""
    with pytest.raises(Unusable, match=r"quarantine\.database"):
        postgresql("postgresql://h:port/x", "")
