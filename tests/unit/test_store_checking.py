"""Verifying: every kind of damage is found, and nothing else is told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from qscanner.settings import Quarantine
from qscanner.store.store import Store
from tests.fakes.holds import Hold, several

DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no-message": (lambda file: file.with_suffix(".eml").unlink(), "cannot be read"),
    "cut": (lambda file: file.with_suffix(".eml").write_bytes(b"cut"), "not those of"),
    "no-record": (lambda file: file.unlink(), "record is missing"),
    "half-a-record": (lambda file: file.write_bytes(b"{"), "record is missing"),
    "no-envelope": (lambda file: file.write_bytes(b"{}"), "no envelope"),
    "odd-envelope": (lambda file: file.write_bytes(b'{"envelope": {"octets": 5}}'), "no envelope"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage(kind: str, tmp_path: Path) -> None:
    """It is told with the digest of the message, and only of that."""
    settings = Quarantine(dir=str(tmp_path))
    for hold in (Hold(), *several(3)):
        hold.keep(settings)
    damage, words = DAMAGE[kind]
    told = list[tuple[int, int]]()
    with Store.open(settings) as store:
        assert list(store.verify()) == []
        damage(tmp_path / f"{Hold().digest}.json")
        (problem,) = store.verify(progress=lambda *at: told.append(at))
    assert problem.name == Hold().digest
    assert words in problem.text
    assert told == [(4, 4)]
