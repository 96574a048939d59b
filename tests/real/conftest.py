"""The real servers, one of each for every test process."""

from collections.abc import Iterator

import pytest

from tests.real import postgres as database
from tests.real import servers
from tests.real.postgres import Postgres
from tests.real.servers import Running


@pytest.fixture(scope="session")
def clamd() -> Iterator[Running]:
    """A clamd as docs/scanners.md says: large limits, and it speaks up above them."""
    with servers.clamd(servers.SEEING) as running:
        yield running


@pytest.fixture(scope="session")
def blind_clamd() -> Iterator[Running]:
    """A clamd with small limits that says OK to whatever is above them."""
    with servers.clamd(servers.BLIND) as running:
        yield running


@pytest.fixture(scope="session")
def rspamd() -> Iterator[Running]:
    """An rspamd with a rule or two of our own, and no network."""
    with servers.rspamd() as running:
        yield running


@pytest.fixture(scope="session")
def learning_rspamd() -> Iterator[Running]:
    """The controller of an rspamd that learns, with the password "sesame"."""
    with servers.learning_rspamd() as running:
        yield running


@pytest.fixture(scope="session")
def spamd() -> Iterator[Running]:
    """A spamd with local tests only."""
    with servers.spamd() as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL with no databases yet."""
    with database.postgres() as running:
        yield running
