"""Questions that run beside the parsing: what they end with, whatever the check does."""

import threading

import pytest

from qscanner.asking import Pending, Question
from qscanner.model import CheckResult, Outcome
from qscanner.outcomes import CheckFailed, Later, OutOfTime


def raising(error: BaseException) -> Question:
    def ask() -> CheckResult:
        raise error

    return Question(ask)


def test_an_answer_is_given_as_it_is() -> None:
    """What the check said is the result, as often as it is asked for."""
    answer = CheckResult(outcome=Outcome.FOUND, names=("Eicar",))
    question = Question(lambda: answer)
    assert question.result() is answer
    assert question.result() is answer


@pytest.mark.parametrize("kind", [Question, Pending])
@pytest.mark.parametrize("error", [CheckFailed("gone away"), OutOfTime("gone away")])
def test_no_answer_is_never_clean(error: Exception, kind: type[Question] | type[Pending]) -> None:
    """Trouble and time are UNAVAILABLE, with the reason and the time it took."""

    def ask() -> CheckResult:
        raise error

    result = kind(ask).result()
    assert (result.outcome, result.detail) == (Outcome.UNAVAILABLE, "gone away")
    assert result.ms >= 0


@pytest.mark.parametrize(
    "error", [ValueError("bug"), MemoryError(), Later("x"), KeyboardInterrupt()]
)
def test_a_bug_is_raised_in_the_scan(error: BaseException) -> None:
    """Anything else reaches who asks for the result, every time, and no thread prints it."""
    question = raising(error)
    for _ in range(2):
        with pytest.raises(type(error)):
            question.result()


def test_what_is_pending_is_asked_for_once_it_is_wanted() -> None:
    """No thread: the answer is heard by who wants it, and a bug reaches it."""
    threads: list[threading.Thread] = []

    def ask() -> CheckResult:
        threads.append(threading.current_thread())
        raise ValueError("bug")

    pending = Pending(ask)
    assert threads == []
    with pytest.raises(ValueError, match="bug"):
        pending.result()
    assert threads == [threading.current_thread()]


def test_questions_run_side_by_side() -> None:
    """Two that wait for each other both end: none waits until it is asked for."""
    meeting = threading.Barrier(2)

    def ask() -> CheckResult:
        meeting.wait(10)
        return CheckResult(outcome=Outcome.CLEAN)

    several = [Question(ask), Question(ask)]
    assert [each.result().outcome for each in several] == [Outcome.CLEAN, Outcome.CLEAN]


def test_its_thread_holds_up_nobody() -> None:
    """A process that must end can, also while a question waits."""
    gate, daemons = threading.Event(), []

    def ask() -> CheckResult:
        daemons.append(threading.current_thread().daemon)
        gate.wait(10)
        return CheckResult(outcome=Outcome.CLEAN)

    question = Question(ask)
    gate.set()
    question.result()
    assert daemons == [True]
