"""policy.mailboxes: the names and addresses of a header field, however it was written."""

import time

import pytest

from qscanner.patterns import MAX_TEXT_CHARS
from qscanner.policy.mailboxes import mailboxes


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("a@b.c", [("", "a@b.c")]),
        ("Jane Doe <a@b.c>", [("Jane Doe", "a@b.c")]),
        ('"Doe, Jane" <a@b>, x@y (Bob)', [("Doe, Jane", "a@b"), ("Bob", "x@y")]),
        ('"a\\"b" <A@B.>', [('a"b', "a@b")]),
        ("Group: a@b, C <c@d>;", [("Group", ""), ("", "a@b"), ("C", "c@d")]),
        ("a@b: <c@d>", [("a@b:", "c@d")]),
        ("a@b <c@d> <e@f>", [("a@b", "c@d"), ("", "e@f")]),
        ("<@x,@y:u@d>", [("", "u@d")]),
        ("Jane jd@x.y", [("Jane", "jd@x.y")]),
        ("a @ b", [("", "a@b")]),
        ("a@b c@d", [("", "a@b"), ("", "c@d")]),
        ("Jane", [("Jane", "")]),
        ('"unended <a@b>', [("unended", "a@b")]),
        ("(unended a@b", [("unended", "a@b")]),
        ("<a@b", [("", "a@b")]),
        ("<>", []),
        ("", []),
        (" , ;", []),
        ("\0\ud800<\xff@b>", [("\0\ud800", "\xff@b")]),
    ],
)
def test_reading(text: str, want: list[tuple[str, str]]) -> None:
    """What cannot be an address is a name; nothing is thrown away."""
    assert [(each.name, each.address.whole) for each in mailboxes(text)] == want


@pytest.mark.parametrize(
    "piece", ['"\\', "<", "(", ",a@b", '"', '"<\\>', '"\\"(', " ", " @ ", "a:  ", "x@: ", '"a" ']
)
def test_linear(piece: str) -> None:
    """The longest text that is read, of the worst pieces, takes a moment."""
    begun = time.monotonic()
    mailboxes(piece * (MAX_TEXT_CHARS // len(piece)))
    assert time.monotonic() - begun < 2


def test_both_ends_of_a_long_text() -> None:
    """What is too long is read from both ends."""
    found = mailboxes("first@a, " + "x" * MAX_TEXT_CHARS + ", last@b")
    assert [each.address.whole for each in found if each.address.domain] == ["first@a", "last@b"]
