"""store.history_columns: a line as columns, and as what it adds to the numbers."""

import json
from typing import Any

import pytest

from qscanner.store.history_columns import bare, counts_of, recipients_of, row_of, told
from tests.fakes.annals import NOW, fact


def line(**more: Any) -> Any:
    """Give a line as it is read."""
    found = told(fact(**more).strip())
    assert found
    return found


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b'{"id":"x"}',
        b'{"id":"","at":1}',
        b'{"id":1,"at":1}',
        b'{"id":"x","at":-1}',
        b'{"id":"x","at":1e300}',
        b'{"id":"x","at":NaN}',
        b'{"id":"x","at":1' + b"0" * 5000 + b"}",
        b"[" * 100_000,
        b"\xff",
    ],
    ids=lambda octets: repr(octets[:20]),
)
def test_what_is_no_line(octets: bytes) -> None:
    """Half a line, or one that does not say which message and when, is none."""
    assert told(octets) is None


def test_a_line_in_two_or_one() -> None:
    """A whole line is read as it was written."""
    assert told(fact()) == json.loads(fact())


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("<1@x>", "1@x"),
        (" <1@x> (comment)", "1@x"),
        ("1@x", "1@x"),
        ("-", ""),
        ("", ""),
        ("<>", "<>"),
        ("<a<b>", "b"),
    ],
)
def test_message_ids(text: str, want: str) -> None:
    """The brackets are no part of it, so that it is found with and without."""
    assert bare(text) == want


def test_columns_are_bounded() -> None:
    """What a column cannot hold is cut or 0."""
    row = row_of(line(pid=1 << 40, ms=-1, octets=1 << 70, verdict="x" * 99, score="y", why=7))
    assert (row["pid"], row["ms"], row["octets"], row["verdict"]) == (0, 0, 0, "x" * 16)
    assert (row["score"], row["why"]) == (None, "")
    assert row_of(line(rules=["a,b", "c"]))["rules"] == "a b,c"


@pytest.mark.parametrize("more", [{"how": 5}, {"how": []}, {"how": [["x"]]}, {"how": [[1, 2, 3]]}])
def test_damaged_recipients(more: dict[str, Any]) -> None:
    """Are left out."""
    assert recipients_of(line(**more)) == []


def test_counts() -> None:
    """Each name and word once, by the hour; empty words are none."""
    found = list(
        counts_of(
            line(
                rules=["r", "r", ""],
                names=["v" * 300],
                checks={"virus": "unavailable", "spam": "unavailable", "other": "clean"},
            )
        )
    )
    hour = int(NOW) // 3600
    assert [(name, word) for at, host, name, word in found if (at, host) == (hour, "mx")] == [
        ("verdict", "accept"),
        ("ending", "accepted"),
        ("direction", "in"),
        ("rule", "r"),
        ("virus", "v" * 200),
        ("unavailable", "virus"),
        ("spam", "unavailable"),
        ("unavailable", "spam"),
    ]
    assert len(found) == 8
    assert len(list(counts_of(line(checks=5, rules=5, names=None)))) == 3
