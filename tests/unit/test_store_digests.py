"""Digests with files and SQLite: what they must be in every store, and what is this one's own."""

from pathlib import Path

import pytest

from qscanner.settings import Quarantine
from qscanner.store.store import Store
from tests.fakes.carrier import DAY, HOUR, JOE, NOW, SLOT, SUE, DigestContract, Round, hold, utc

__all__ = ["utc"]  # a fixture


class TestFiles(DigestContract):
    """The contract, with files."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Quarantine:
        """Give settings of an empty folder."""
        return Quarantine(dir=str(tmp_path))

    def test_rebuilding(self, round: Round, settings: Quarantine) -> None:
        """A new index is no reason to tell everything again."""
        round.keep(hold("x", SLOT - HOUR))
        assert round.subjects() == {JOE: ["x"], SUE: ["x"]}
        Store.rebuilt(settings)[0].close()
        assert round.subjects(NOW + DAY) == {}
