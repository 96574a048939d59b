"""The library that makes operations fail, compiled once for every test process."""

from pathlib import Path

import pytest

from tests.fakes import fault


@pytest.fixture(scope="session")
def fault_library(shared_tmp: Path) -> Path:
    """Give the path of the compiled library."""
    return fault.build(shared_tmp)
