"""The tables: what migrations make is what the code thinks there is."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from qscanner.store.database import Database, sqlite
from qscanner.store.tables import HEAD, metadata

MIGRATIONS = Path(__file__).resolve().parents[2] / "qscanner" / "store" / "migrations"


def test_migrations_make_them(tmp_path: Path) -> None:
    """No table, column or index is missing, and there are no others."""
    database = Database(sqlite(str(tmp_path / "x")))
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_the_version() -> None:
    """The number that the code asks for is that of the last step."""
    script = ScriptDirectory(str(MIGRATIONS), version_locations=[str(MIGRATIONS)])
    assert script.get_heads() == [HEAD]
