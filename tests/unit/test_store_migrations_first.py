"""The first step: on an empty database, and never changed again."""

import hashlib
from pathlib import Path

from qscanner.store.database import Database, sqlite
from qscanner.store.migrations import first


def test_it_is_the_first() -> None:
    """Nothing comes before it."""
    assert (first.revision, first.down_revision) == ("0001", None)


def test_once(tmp_path: Path) -> None:
    """A database that has it is left alone."""
    path = str(tmp_path / "x")
    Database(sqlite(path)).close()
    before = hashlib.sha256(Path(path).read_bytes()).digest()
    Database(sqlite(path)).close()
    assert hashlib.sha256(Path(path).read_bytes()).digest() == before
