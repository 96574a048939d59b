"""The store with files and SQLite: what every store must do."""

from pathlib import Path

import pytest

from qscanner.settings import Quarantine
from tests.fakes.vault import Contract


class TestFiles(Contract):
    """The contract, with files."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Quarantine:
        """Give settings of an empty folder."""
        return Quarantine(dir=str(tmp_path))
