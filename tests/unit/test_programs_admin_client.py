"""programs.admin_client: what kind of program stands beside the command."""

from pathlib import Path

import pytest

from qscanner.programs.admin_client import kind


@pytest.mark.parametrize(
    ("octets", "want"),
    [
        pytest.param(b"\x7fELF\x02\x01", "in C", id="c"),
        pytest.param(b"#!/usr/bin/python3\n", "in Python", id="python"),
        pytest.param(b"", "in Python", id="empty"),
        pytest.param(None, "is not installed", id="missing"),
    ],
)
def test_kind(tmp_path: Path, octets: bytes | None, want: str) -> None:
    """The program beside the command is told by its first octets."""
    if octets is not None:
        (tmp_path / "qscanner-queue").write_bytes(octets)
    assert kind(str(tmp_path / "qscanner")) == want
