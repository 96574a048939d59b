"""The database behind the store: SQLite or PostgreSQL, its transactions, and what goes wrong.

Called by  local and shared, which say what is written in it.
Ends       raises Later where it is locked, away or damaged, DiskFull where it has no room,
           Unusable where an admin must act.
Careful    a connection is of one process: nothing here survives a fork. Every wait is bounded: by
           busy_timeout with SQLite, by what connect_args say with PostgreSQL.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from qscanner.outcomes import DiskFull, Later, QScannerError, Unusable
from qscanner.store.tables import HEAD, known

BUSY_S = 20
_CONNECT_S = 5
_MIGRATIONS = os.path.join(os.path.dirname(__file__), "migrations")
_LOCK = 0x71736361  # "qsca": who migrates a PostgreSQL database holds it
_FULL = ("disk is full", "disk i/o", "no space", "disk quota")
_DAMAGED = ("malformed", "not a database", "no such table", "no such column")


class Damaged(Unusable):
    """What is in the file is no database any more; the text says what to do."""


class Database:
    """One database, ready to be used: migrated, if need be. Raises Later, DiskFull, Unusable."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        with self.reading() as connection:
            is_ready = self._version(connection) == HEAD
        if not is_ready:
            with self.writing() as connection:
                _migrate(connection)

    def _version(self, connection: Connection) -> str | None:
        if not self.engine.dialect.has_table(connection, "alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()

    def close(self) -> None:
        """Give back the connections."""
        self.engine.dispose()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database."""
        with told(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection whose changes are all made at the end, or none.

        With SQLite nobody else writes meanwhile; with PostgreSQL rows are locked as they are read.
        """
        with told(), self.engine.connect() as connection:
            connection.execution_options(is_writing=True)
            with connection.begin():
                yield connection

    def number(self, connection: Connection, name: str) -> int | None:
        """Give a fact about the database, None where it has none of this name."""
        return connection.execute(select(known.c.value).where(known.c.name == name)).scalar()

    def set_number(self, connection: Connection, name: str, value: int) -> None:
        """Write a fact about the database."""
        there = known.update().where(known.c.name == name).values(value=value)
        if not connection.execute(there).rowcount:
            connection.execute(known.insert().values(name=name, value=value))


def sqlite(path: str) -> Engine:
    """Give the engine of a SQLite file that is there (it may be empty)."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_S})

    def connected(raw: Any, _: object) -> None:
        raw.isolation_level = None  # sqlite3 would begin by itself, and too late
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-65536"):
            raw.execute(f"PRAGMA {pragma}").close()

    def begin(connection: Connection) -> None:
        is_writing = connection.get_execution_options().get("is_writing")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begin)
    return engine


def postgresql(url: str, password: str) -> Engine:
    """Give the engine of a PostgreSQL database, "postgresql://user@host/name". Raises Unusable."""
    try:
        return create_engine(
            url.replace("postgresql://", "postgresql+psycopg://", 1),
            connect_args={
                **({"password": password} if password else {}),
                "connect_timeout": _CONNECT_S,
                "application_name": "qscanner",
                "options": f"-c lock_timeout={BUSY_S}s -c statement_timeout=120s",
            },
            poolclass=NullPool,  # so that a fork, or a server that was restarted, does no harm
        )
    except (ImportError, NoSuchModuleError) as error:
        raise Unusable("PostgreSQL needs: pip install 'qscanner[postgresql]'") from error
    except (SQLAlchemyError, ValueError) as error:
        raise Unusable(f"quarantine.database cannot be understood: {error}") from error


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Say what goes wrong in a database in our words."""
    try:
        yield
    except DBAPIError as error:
        raise _ours(error) from error
    except SQLAlchemyError as error:
        raise Later(f"the database of the quarantine: {error}") from error


def _ours(error: DBAPIError) -> QScannerError:
    words = " ".join(str(error.orig).split())[:300]
    low = words.lower()
    if any(each in low for each in _FULL):
        return DiskFull(f"the database of the quarantine cannot be written: {words}")
    if any(each in low for each in _DAMAGED):
        return Damaged(
            f"the index of the quarantine is damaged ({words}): qscanner quarantine rebuild"
        )
    return Later(f"the database of the quarantine: {words}")


def _migrate(connection: Connection) -> None:
    """Bring the tables to the version of this program. Raises Unusable where they are newer."""
    from alembic.config import Config  # a quarter of a second, and needed once
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    script = ScriptDirectory(_MIGRATIONS, version_locations=[_MIGRATIONS])

    def to_head(revision: Any, _: object) -> Any:
        return script._upgrade_revs("head", revision)

    try:
        with EnvironmentContext(Config(), script, fn=to_head) as environment:
            environment.configure(connection=connection)
            with environment.begin_transaction():
                environment.run_migrations()
    except CommandError as error:
        raise Unusable(f"the database was made by another version: {error}") from error
