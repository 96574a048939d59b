"""From records to rows: whatever a record says, and in whatever order events are read again."""

from pathlib import Path
from typing import Any

import pytest

from qscanner.settings import Quarantine
from qscanner.store import rows
from qscanner.store.local import Local
from qscanner.store.store import Store
from qscanner.store.words import Arrived, Class, Filter
from tests.fakes.holds import Hold, several

EVENT = Arrived(at=5.0, digest="d", is_fresh=True)


@pytest.mark.parametrize(
    ("record", "want"),
    [
        ({"class": "spam", "rules": ["infected"]}, Class.SPAM),
        ({"rules": ["default.infected"]}, Class.VIRUS),
        ({"rules": ["spam"], "findings": [{"id": "unscannable.too-large"}]}, Class.UNSCANNABLE),
        ({"rules": ["surely-spam"]}, Class.SPAM),
        ({"rules": ["x"], "findings": [{"id": "archive.encrypted"}]}, Class.BANNED),
        ({"rules": ["mine"]}, Class.POLICY),
        ({"class": "new-word"}, Class.POLICY),
    ],
    ids=["named", "virus", "unscannable", "spam", "banned", "policy", "unknown"],
)
def test_class(record: dict[str, Any], want: Class) -> None:
    """A record of the first version has none: rules and findings say it."""
    assert rows.class_of(record) is want


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"envelope": 1, "client": [], "rules": 5, "findings": {}, "score": "x", "octets": None},
        {"envelope": {"recipients": [1, {"action": "quarantine"}]}, "findings": [1]},
        {"subject": "\ud800\0", "why": "x" * 10_000, "kept_at": "yesterday"},
    ],
    ids=["empty", "odd", "odder", "hostile"],
)
def test_odd_records(record: dict[str, Any]) -> None:
    """Damage makes empty columns, no exception, and what both databases can hold."""
    row = rows.row_of("d", EVENT, record)
    assert row["since"] == 5.0
    for value in (*row.values(), rows.words_of(record)):
        if isinstance(value, str):
            assert "\0" not in value
            assert len(value.encode()) <= 4000
    assert rows.recipients_of(record)


def test_who_got_it_without_some_parts() -> None:
    """The original is theirs, too."""
    to = [{"address": f"{n}@y", "action": each} for n, each in enumerate(("accept", "discard"))]
    for stripped, places in ([{"path": "2"}], [0]), ([], [1]):
        record = {"envelope": {"recipients": to}, "stripped": stripped}
        assert [each["place"] for each in rows.recipients_of(record)] == places


@pytest.mark.parametrize("batch", [1, 3, 400])
def test_batches(batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many events are taken together, the result is the same."""
    settings = Quarantine(dir=str(tmp_path))
    holds = several(7)
    for hold in (*holds, *holds[:3]):
        hold.keep(settings)
    monkeypatch.setattr(rows, "BATCH", batch)
    with Store.open(settings) as store:
        assert store.count(Filter()) == 7
        assert all(len(held.recipients) == 2 for held in store.search(Filter()))


def test_read_again(tmp_path: Path) -> None:
    """Events that say nothing new change nothing."""
    settings = Quarantine(dir=str(tmp_path))
    hold = Hold()
    hold.keep(settings)
    home = Local(settings.dir)
    for _ in range(2):
        with home.writing() as connection:
            rows.apply(
                connection,
                [Arrived(at=9.0, digest=hold.digest, is_fresh=True), None],
                home.record_of,
            )
    home.close()
    with Store.open(settings) as store:
        assert store.count(Filter()) == 1
        assert list(store.audit()) == []


@pytest.mark.parametrize(
    ("address", "want"),
    [("a@B.c", "b.c"), ("a@b@c", "c"), ("a", ""), ("", ""), ("a@", "")],
)
def test_domain(address: str, want: str) -> None:
    """What stands behind the last @."""
    assert rows.domain_of(address) == want
