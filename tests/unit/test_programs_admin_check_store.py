"""programs.admin_check_store: what `qscanner check` says of held mail."""

from dataclasses import replace
from pathlib import Path

import pytest

from qscanner import history
from qscanner.programs import admin_check_store
from qscanner.programs.admin_items import Item, Level
from qscanner.settings import Quarantine, Settings
from qscanner.store.store import Store
from qscanner.store.words import State, Who
from tests.fakes.holds import Hold, several


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Give settings of an empty quarantine."""
    return Settings(quarantine=Quarantine(dir=str(tmp_path)))


def look(settings: Settings) -> list[Item]:
    """Give what is said."""
    return admin_check_store.look(settings)


def test_all_is_well(settings: Settings) -> None:
    """How many are held, and since when; nothing where nobody may look."""
    assert [each.text for each in look(settings)] == ["0 messages held"]
    for hold in several(2):
        hold.keep(settings.quarantine)
    (item,) = look(settings)
    assert item.level is Level.OK
    assert item.text.startswith("2 messages held, the oldest since 2026-11-01 ")
    assert look(Settings(quarantine=Quarantine(dir="/nonexistent"))) == []


def test_a_release_that_was_cut_off(settings: Settings) -> None:
    """A person has to look; one that is at work needs nobody."""
    hold = Hold()
    hold.keep(settings.quarantine)
    with Store.open(settings.quarantine) as store:
        held = store.move(store.find(hold.digest), None, State.RELEASING, by=Who.here("test"))
    assert {each.level for each in look(settings)} == {Level.OK}
    with Store.open(settings.quarantine) as store:
        store.move(held, None, State.HELD, by=held.recipients[0].claim or Who.here("test"))
        gone = Who(name="ann", via="quarantine@elsewhere:1:1")
        store.move(held, None, State.RELEASING, by=gone)
    item = look(settings)[-1]
    assert (item.level, hold.digest[:12] in item.text) == (Level.WARNING, True)
    assert "resolve" in item.todo[0]


def test_a_damaged_index(settings: Settings) -> None:
    """It is an error, and says what makes it anew."""
    Path(settings.quarantine.dir, "index.sqlite").write_bytes(b"damaged " * 1000)
    (item,) = look(settings)
    assert item.level is Level.ERROR
    assert "rebuild" in item.todo[0]


def test_a_database_that_is_away(tmp_path: Path) -> None:
    """Mail that would be held is put off: something is down."""
    away = Quarantine(dir=str(tmp_path), database="postgresql://x@127.0.0.1:1/x")
    (item,) = look(Settings(quarantine=away))
    assert item.level is Level.DOWN


def test_a_history_that_waits(settings: Settings) -> None:
    """Where neither daemon nor cron takes it in, that is told before it is too large."""
    path = Path(settings.quarantine.dir, history.NAME)
    with path.open("wb") as file:
        file.truncate(20 << 20)
    item = look(settings)[-1]
    assert (item.level, "20 MiB" in item.text) == (Level.WARNING, True)


def test_damaged_lists(settings: Settings) -> None:
    """Blocks are off then: an error."""
    Path(settings.quarantine.dir, "lists").write_bytes(b"damaged")
    item = look(settings)[-1]
    assert item.level is Level.ERROR
    away = replace(settings.quarantine, database="postgresql://x@127.0.0.1:1/x")
    assert "qscannerd writes it anew" in look(Settings(quarantine=away))[-1].todo[0]
    Store.rebuilt(settings.quarantine)[0].close()
    assert {each.level for each in look(settings)} == {Level.OK}
