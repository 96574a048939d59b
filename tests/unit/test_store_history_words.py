"""store.history_words: values, and how sums are added."""

import pytest

from qscanner.store.history_words import Passed, Sum


def test_sums() -> None:
    """Messages and octets are added side by side."""
    total = sum([Sum(messages=1, octets=10), Sum(messages=2, octets=5)], Sum())
    assert total == Sum(messages=3, octets=15)


def test_values_do_not_change() -> None:
    """And the row in the database makes no difference."""
    told = {"scan_id": "1", "host": "h", "digest": "d", "verdict": "accept", "ending": "accepted"}
    one, same = (Passed(**told, at=1.0, sender="", recipients=0, to=(), row=n) for n in (1, 2))  # type: ignore[arg-type]
    assert one == same
    with pytest.raises(AttributeError):
        one.at = 2.0  # type: ignore[misc]
