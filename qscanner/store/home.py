"""Where a store lives: what one host's files and a shared PostgreSQL have in common.

Called by  store, expiry, checking; local and shared are what it stands for.
Ends       never by itself.
Careful    events are true once write() has returned within a transaction that was committed, and
           with files as soon as the line is on disk: never write one that was not looked into
           within the same transaction.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection

from qscanner.spool import Message
from qscanner.store.columns import Record
from qscanner.store.lists import Lists
from qscanner.store.words import Event

Progress = Callable[[int, int], None]  # how many are done, of how many


def silent(done: int, total: int) -> None:
    """Tell nobody how far it is."""


class Home(Protocol):
    """Messages, records, and the database that knows them."""

    def reading(self) -> AbstractContextManager[Connection]:
        """Give a connection that knows all that has happened."""

    def writing(self) -> AbstractContextManager[Connection]:
        """Give a connection whose changes are all made at the end, or none."""

    def write(self, connection: Connection, *events: Event) -> None:
        """Make events true."""

    def record_of(self, digest: str) -> Record | None:
        """Give what is known of a message, None where there is nothing."""

    def message(self, digest: str) -> Message:
        """Give the octets of a message, to be closed. Raises OctetsGone."""

    def remove(self, digests: Sequence[str]) -> int:
        """Remove the octets of those that nobody needs any more; give how many were removed."""

    def pack(self, before: float) -> int:
        """Compress what was kept before a time; give how many messages."""

    def forget(self) -> None:
        """Drop what is written down elsewhere of messages that the database has forgotten."""

    def rebuild(self) -> None:
        """Make the index anew. Raises Unusable where there is none."""

    def strays(self) -> Iterator[tuple[str, str]]:
        """Give what is there that the index does not know, or nobody can use: name and words."""

    def publish(self) -> None:
        """Have the file of the lists, which scans read, say what the database says."""

    def lists(self) -> Lists:
        """Give who is allowed and blocked."""

    def close(self) -> None:
        """Give back what is open."""
