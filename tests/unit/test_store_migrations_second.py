"""The second step: a quarantine of the first version is taken over, with all that was done."""

from pathlib import Path

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from qscanner.store.database import Database, sqlite
from qscanner.store.migrations import first, second
from qscanner.store.tables import audit

LINE = (
    'INSERT INTO audit (at, digest, place, address, after, "by", via, why) '
    "VALUES (1, 'd', 0, 'a', 'held', 'b', 'v', 'w')"
)


def test_it_follows_the_first() -> None:
    """Its place is behind the first."""
    assert (second.revision, second.down_revision) == ("0002", first.revision)


def test_what_was_done_before_is_there(tmp_path: Path) -> None:
    """Lines of the first version stay, and say nothing in the new column."""
    path = str(tmp_path / "x")
    engine = sqlite(path)
    with engine.connect() as connection, connection.begin():
        context = MigrationContext.configure(connection)
        with Operations.context(context):
            first.upgrade()
        made = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
        for text in (made, "INSERT INTO alembic_version VALUES ('0001')", LINE):
            connection.execute(sa.text(text))
    engine.dispose()
    database = Database(sqlite(path))
    with database.reading() as connection:
        (row,) = connection.execute(sa.select(audit))
        assert (row.why, row.did) == ("w", "")
    database.close()
