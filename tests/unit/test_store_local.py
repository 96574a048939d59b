"""Files, journal and index: the index can be lost at any time, and is made anew."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from qscanner.outcomes import Unusable
from qscanner.settings import Quarantine
from qscanner.store.local import Local
from qscanner.store.store import Store
from qscanner.store.words import Audited, Filter, Gone, Held, State, Who
from tests.fakes.holds import Hold, several
from tests.fakes.vault import Queue

ANN = Who(name="ann", via="x")


@pytest.fixture
def settings(tmp_path: Path) -> Quarantine:
    return Quarantine(dir=str(tmp_path))


def lived(settings: Quarantine) -> list[Hold]:
    """Give messages of which some were released, deleted, or came again."""
    holds = several(5)
    for hold in holds:
        hold.keep(settings)
    with Store.open(settings) as store:
        held = [store.find(hold.digest) for hold in holds]
        store.release(held[0], held[0].recipients[:1], by=ANN, inject=Queue().inject)
        store.move(held[1], None, State.DELETED, by=ANN)
        store.move(held[2], None, State.DELETED, by=ANN)
        store.move(held[3], None, State.RELEASING, by=ANN)
        store.write_entry(is_allowed=False, sender="@x", until=None, why="w", by=ANN)
    holds[2].keep(settings)
    return holds


def seen(settings: Quarantine) -> tuple[dict[str, Held], list[Audited], object]:
    with Store.open(settings) as store:
        found = {held.digest: held for held in store.search(Filter())}
        return found, list(store.audit()), store.lists().find(b"a@x", b"b@y")


def _without(folder: str, *names: str) -> None:
    for name in names:
        os.unlink(f"{folder}/{name}")


LOSSES: dict[str, Callable[[str], None]] = {
    "removed": lambda folder: _without(folder, "index.sqlite"),
    "emptied": lambda folder: os.truncate(f"{folder}/index.sqlite", 0),
    "and-the-lists": lambda folder: _without(folder, "index.sqlite", "lists"),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_the_index_is_lost(loss: str, settings: Quarantine) -> None:
    """Whoever looks next has it back: states, who did what, entries; what is gone is not there."""
    holds = lived(settings)
    before = seen(settings)
    for name in ("index.sqlite-wal", "index.sqlite-shm"):
        Path(settings.dir, name).unlink(missing_ok=True)
    LOSSES[loss](settings.dir)
    after = seen(settings)
    assert after[0] == {d: held for d, held in before[0].items() if d != holds[1].digest}
    assert after[1:] == before[1:]


def test_rebuilt(settings: Quarantine) -> None:
    """Said or not, the result is the same; and a second time as well."""
    lived(settings)
    before = seen(settings)
    for _ in range(2):
        store, aside = Store.rebuilt(settings)
        store.close()
        assert aside == ""
    after = seen(settings)
    assert after[1:] == before[1:]
    assert {d: h.recipients for d, h in after[0].items()}.items() <= {
        d: h.recipients for d, h in before[0].items()
    }.items()


def test_files_of_the_first_version(settings: Quarantine) -> None:
    """They are taken over: class and all from what their records say."""
    hold = Hold(rules=("infected",))
    old = {
        key: value
        for key, value in hold.record.items()
        if key not in ("class", "score", "subject", "release", "stripped")
    }
    for ending, octets in (("eml", hold.octets), ("json", json.dumps(old).encode())):
        Path(settings.dir, f"{hold.digest}.{ending}").write_bytes(octets)
    told = list[tuple[int, int]]()
    with Store.open(settings, progress=lambda *at: told.append(at)) as store:
        (held,) = store.search(Filter())
    assert (held.class_.value, held.release, held.since) == ("virus", "admin", 1795399200.0)
    assert told == [(1, 1)]


def test_a_journal_that_was_put_back(settings: Quarantine) -> None:
    """An older copy of the journal: the index follows it, and does not read on in the middle."""
    lived(settings)
    journal = Path(settings.dir, "journal")
    journal.write_bytes(journal.read_bytes()[:200])
    found, _, _ = seen(settings)
    assert all(held.state is State.HELD for held in found.values())


def test_a_line_is_the_deed(settings: Quarantine) -> None:
    """A line without its transaction counts: the next one to look sees it."""
    hold = Hold()
    hold.keep(settings)
    home = Local(settings.dir)

    def write_half() -> None:
        with home.writing() as connection:
            home.write(connection, Gone(at=1.0, digests=(hold.digest,)))
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    home.close()
    with Store.open(settings) as store:
        assert store.find(hold.digest).is_gone


def test_who_is_kept_meanwhile_is_not_removed(settings: Quarantine) -> None:
    """A message that somebody keeps at this moment is left for the next time."""
    hold = Hold()
    hold.keep(settings)
    home, other = Local(settings.dir), Local(settings.dir)
    with other._journal.locked(hold.digest, within_s=1.0):
        assert home.remove([hold.digest]) == 0
    assert home.remove([hold.digest]) == 0, "it is held"
    home.close()
    other.close()


def test_strays(settings: Quarantine) -> None:
    """Files that the index does not know, halves, and lines that say nothing are told."""
    Hold().keep(settings)
    home = Local(settings.dir)
    assert list(home.strays()) == []
    stray = "0" * 64
    Path(settings.dir, f"{stray}.json").write_text("{}")
    half = Path(settings.dir, "1" * 64 + ".eml")
    half.touch()
    os.utime(half, (1, 1))
    with open(f"{settings.dir}/journal", "ab") as file:
        file.write(b"\nhalf a line\n")
    assert [name for name, _ in home.strays()] == [stray, half.name, "journal"]
    home.close()


def test_an_index_that_cannot_be_made(settings: Quarantine) -> None:
    """A damaged index says what to do."""
    Path(settings.dir, "index.sqlite").write_bytes(b"rubbish" * 1000)
    with pytest.raises(Unusable, match="rebuild"):
        Local(settings.dir)
