"""Questions to servers that answer while the message is parsed.

Called by  scan.
Ends       result() gives what the check said; no answer becomes UNAVAILABLE with its reason. A
           bug in a check is raised again in the scan, where it means "later".
Careful    each question has its own deadline inside, so joining needs none; the threads are
           daemons all the same, so that a process that must end can.
"""

import time
from collections.abc import Callable
from threading import Thread
from typing import Protocol

from qscanner.model import CheckResult, Outcome
from qscanner.outcomes import CheckFailed, OutOfTime


class Asked(Protocol):
    """A question whose answer will be wanted."""

    def result(self) -> CheckResult:
        """Wait for the answer. Raises what the check raised, if it was a bug."""


class Pending:
    """A check whose server has its question already; `ask` hears the answer, in this thread."""

    def __init__(self, ask: Callable[[], CheckResult]) -> None:
        self._ask = ask

    def result(self) -> CheckResult:
        """Wait for the answer; to be called once."""
        return _answer(self._ask)


class Question:
    """One check that is running, in a thread."""

    def __init__(self, ask: Callable[[], CheckResult]) -> None:
        self._ask = ask
        self._result: CheckResult | None = None
        self._bug: BaseException | None = None
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = _answer(self._ask)
        except BaseException as bug:  # noqa: BLE001 - raised again by result(), in the scan
            self._bug = bug

    def result(self) -> CheckResult:
        """Wait for the answer. Raises what the check raised, if it was a bug."""
        self._thread.join()
        if self._bug is not None:
            raise self._bug
        assert self._result is not None
        return self._result


def _answer(ask: Callable[[], CheckResult]) -> CheckResult:
    begun = time.monotonic()
    try:
        return ask()
    except (CheckFailed, OutOfTime) as error:
        ms = (time.monotonic() - begun) * 1000
        return CheckResult(outcome=Outcome.UNAVAILABLE, detail=str(error), ms=ms)
