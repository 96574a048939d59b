"""checks.command: exit codes and printed words of a program become what they mean."""

from collections.abc import Iterator

import pytest

from qscanner import patterns
from qscanner.checks.command import Engine, Scorer
from qscanner.checks.told import Told
from qscanner.model import Outcome, Score
from qscanner.outcomes import CheckFailed
from qscanner.spool import Message


@pytest.fixture
def message() -> Iterator[Message]:
    """A message."""
    made = Message.of_octets(b"Subject: evil\n\nhello\n")
    yield made
    made.close()


def engine(script: str, name: str = "") -> Engine:
    return Engine(
        words=("/bin/sh", "-c", script),
        clean=frozenset([0]),
        infected=frozenset([1, 3]),
        unscannable=frozenset([9]),
        name=patterns.compile_capturing(name) if name else None,
    )


@pytest.mark.parametrize(
    ("script", "name", "outcome", "names", "finding"),
    [
        ("exit 0", "", Outcome.CLEAN, (), ""),
        ("grep -q evil && exit 1", "", Outcome.FOUND, ("malware",), "virus.command"),
        ("echo x: Evil FOUND; exit 3", ": (.+) FOUND", Outcome.FOUND, ("Evil",), "virus.command"),
        ("echo Evil.B; exit 1", "Evil[.]B", Outcome.FOUND, ("Evil.B",), "virus.command"),
        (r"printf 'a\033[2Jb'; exit 1", "a.*b", Outcome.FOUND, (r"a\x1b[2Jb",), "virus.command"),
        ("echo encrypted; exit 9", "", Outcome.UNSCANNABLE, (), "unscannable.command"),
    ],
    ids=["clean", "nameless", "named", "whole match", "hostile", "unscannable"],
)  # fmt: skip
def test_an_engine(
    script: str,
    name: str,
    outcome: Outcome,
    names: tuple[str, ...],
    finding: str,
    message: Message,
) -> None:
    """Every exit code that the settings name has its outcome; the name is what it printed."""
    result = engine(script, name).look(message, within_s=5)
    assert (result.outcome, result.names) == (outcome, names)
    assert [found.id for found in result.findings] == ([finding] if finding else [])
    assert result.scanners == ("sh",)


@pytest.mark.parametrize("script", ["exit 2", "exit 127", "echo clean; exit 50"])
def test_other_exit_codes_are_no_answer(script: str, message: Message) -> None:
    """Never clean, and the log says what it printed."""
    with pytest.raises(CheckFailed, match="exit code"):
        engine(script).look(message, within_s=5)


def scorer(script: str) -> Scorer:
    return Scorer(words=("/bin/sh", "-c", script), max_octets=1000)


@pytest.mark.parametrize(
    ("script", "outcome", "score"),
    [
        ("echo 1.5/5.0", Outcome.CLEAN, Score(score=1.5, threshold=5)),
        ("echo 7/5; exit 1", Outcome.FOUND, Score(score=7, threshold=5)),
        ("echo -1 / 5.0 A_B,C", Outcome.CLEAN, Score(score=-1, threshold=5, rules=("A_B", "C"))),
    ],
    ids=["ham", "spam", "with rules"],
)  # fmt: skip
def test_a_scorer(script: str, outcome: Outcome, score: Score, message: Message) -> None:
    """SCORE/THRESHOLD and rules, as spamc -c prints them."""
    result = scorer(script).look(message, Told(), within_s=5)
    assert (result.outcome, result.score) == (outcome, score)


@pytest.mark.parametrize(
    "script",
    ["echo 0/0", "echo 5", "true", "echo 1/5; exit 74", "echo nan/5", "echo 1/5x", "exit 1"],
)
def test_no_score_is_no_answer(script: str, message: Message) -> None:
    """spamc prints 0/0 where no spamd listens: that is not "not spam"."""
    with pytest.raises(CheckFailed, match="exit code"):
        scorer(script).look(message, Told(), within_s=5)


def test_too_large_is_not_scored() -> None:
    """As with the other scorers, nobody is asked."""
    message = Message.of_octets(b"x" * 1001)
    result = scorer("false").look(message, Told(), within_s=5)
    message.close()
    assert result.outcome is Outcome.UNSCANNABLE
