"""From records to columns: whatever a record says."""

from typing import Any

import pytest

from qscanner.store import columns
from qscanner.store.words import Arrived, Class

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
    assert columns.class_of(record) is want


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
    row = columns.row_of("d", EVENT, record)
    assert row["since"] == 5.0
    for value in (*row.values(), columns.words_of(record)):
        if isinstance(value, str):
            assert "\0" not in value
            assert len(value.encode()) <= 4000
    assert columns.recipients_of(record)


def test_who_got_it_without_some_parts() -> None:
    """The original is theirs, too."""
    to = [{"address": f"{n}@y", "action": each} for n, each in enumerate(("accept", "discard"))]
    for stripped, places in ([{"path": "2"}], [0]), ([], [1]):
        record = {"envelope": {"recipients": to}, "stripped": stripped}
        assert [each["place"] for each in columns.recipients_of(record)] == places


@pytest.mark.parametrize(
    ("address", "want"),
    [("a@B.c", "b.c"), ("a@b@c", "c"), ("a", ""), ("", ""), ("a@", "")],
)
def test_domain(address: str, want: str) -> None:
    """What stands behind the last @."""
    assert columns.domain_of(address) == want
