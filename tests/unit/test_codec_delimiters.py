"""codec.delimiters: delimiter lines of nested multiparts, found in linear time."""

import pytest

from qscanner.codec.delimiters import Delimiters


def found(octets: bytes, *boundaries: str) -> list[tuple[str, int, bool]]:
    """Read all delimiter lines as the parser would, without going inside."""
    delimiters: Delimiters[str] = Delimiters(octets)
    for boundary in boundaries:
        delimiters.enter(boundary, [boundary], 0)
    result = []
    at = 1
    while following := delimiters.next(at):
        result.append((following.owner, following.start, following.is_close))
        at = following.end
    return result


@pytest.mark.parametrize(
    ("octets", "want"),
    [
        pytest.param(b"\n--A\nx\n--A--\n", [("A", 1, False), ("A", 7, True)], id="plain"),
        pytest.param(b"\r\n--A\r\nx\r\n--A--", [("A", 2, False), ("A", 10, True)], id="crlf"),
        pytest.param(b"\n--A \t\nx\n--A-- \n", [("A", 1, False), ("A", 9, True)], id="blanks"),
        pytest.param(b"\n--A junk\n", [("A", 1, False)], id="words behind"),
        pytest.param(b"\n--AA\n--Ax\nx--A\n", [], id="others"),
        pytest.param(b"\r--A\rx\r--A--\r", [("A", 1, False), ("A", 7, True)], id="bare cr"),
        pytest.param(b"\n--A\n--A\n", [("A", 1, False), ("A", 5, False)], id="twice"),
    ],
)
def test_next(octets: bytes, want: list[tuple[str, int, bool]]) -> None:
    """RFC 2046 section 5.1.1, with what clients pass over."""
    assert found(octets, "A") == want


@pytest.mark.parametrize(
    ("line", "want"),
    [
        (b"--A", False),
        (b"--A  ", False),
        (b"--A x", True),
        (b"--A\t", True),
        (b"--A-- x", True),
        (b"--AContent-Type: x", True),
        (b"--A\x0bContent-Type x", True),
    ],
)
def test_words_behind(line: bytes, want: bool) -> None:
    """Blanks are ordinary; for some clients words or a tab make it no delimiter."""
    delimiters: Delimiters[str] = Delimiters(b"\n" + line + b"\r\n")
    delimiters.enter("A", ["A"], 0)
    following = delimiters.next(1)
    assert following is not None
    assert following.has_words is want


def test_the_outer_one_counts() -> None:
    """Where an inner multipart uses the boundary of the outer one; and inner lines end at it."""
    assert found(b"\n--A\n", "A", "A") == [("A", 1, False)]
    assert found(b"\n--B--\n--A\n", "A", "B") == [("B", 1, True), ("A", 7, False)]


def test_goes_on() -> None:
    """A closing line that more delimiter lines follow, but not behind the end of the outer one."""
    octets = b"\n--B--\n--B\n--A\n--B\n"
    delimiters: Delimiters[str] = Delimiters(octets)
    delimiters.enter("A", ["A"], 0)
    delimiters.enter("B", ["B"], 0)
    first = delimiters.next(1)
    assert first is not None
    assert delimiters.goes_on(first)
    second = delimiters.next(first.end)
    assert second is not None
    assert not delimiters.goes_on(second)


def test_occurring_and_guess() -> None:
    """Of candidates those that delimit something; else what stands before a MIME field."""
    octets = b"\n--X\nContent-Type: a/b\n\n--A \n"
    delimiters: Delimiters[str] = Delimiters(octets)
    assert delimiters.occurring(["B", "A", ""], 1) == ["A"]
    assert delimiters.guess(1) == "X"


def test_looking_ahead_has_a_budget() -> None:
    """A thousand boundaries that never come are not searched for to the end each time."""
    delimiters: Delimiters[str] = Delimiters(b"x\n" * 1_000_000)
    for _ in range(20):
        delimiters.occurring(["A"], 1)
    assert delimiters.is_blind
    assert delimiters.occurring(["A"], 1) == ["A"]


def test_open_multiparts_that_never_go_on_cost_nothing() -> None:
    """What was searched to the end is not searched again for each part (seconds, not hours)."""
    octets = b"\n--A\nx" * 20_000 + b"\n" * 1_000_000
    delimiters: Delimiters[str] = Delimiters(octets)
    for number in range(30):
        delimiters.enter(f"never {number}", [f"never {number}"], 0)
    delimiters.enter("A", ["A"], 0)
    at = seen = 0
    while following := delimiters.next(at + 1):
        at = following.start
        seen += 1
    assert seen == 20_000
