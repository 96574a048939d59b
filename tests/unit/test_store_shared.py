"""PostgreSQL, as far as it goes without one: tests/real/test_real_store.py has the rest."""

from pathlib import Path

import pytest

from qscanner.outcomes import Unusable
from qscanner.settings import Quarantine
from qscanner.store.shared import _password


def test_the_password_is_one_line(tmp_path: Path) -> None:
    """Without its newline; none where no file is named."""
    file = tmp_path / "secret"
    file.write_text("pass word\nmore\n")
    assert _password(Quarantine(password_file=str(file))) == "pass word"
    assert _password(Quarantine()) == ""


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """An admin must act, and hears which setting it is."""
    with pytest.raises(Unusable, match="password_file"):
        _password(Quarantine(password_file=str(tmp_path)))
