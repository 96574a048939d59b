"""The answers of several virus engines as one.

Called by  scan, when all engines have answered or failed.
Ends       with a CheckResult; raises nothing but ValueError where there is no answer to merge.
Careful    one engine that could not answer is not outvoted by another's "clean".
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from qscanner.model import CheckResult, Outcome

_T = TypeVar("_T")
_WORST_FIRST = (Outcome.FOUND, Outcome.UNAVAILABLE, Outcome.UNSCANNABLE, Outcome.CLEAN)


def merge(results: Sequence[CheckResult]) -> CheckResult:
    """Give the worst outcome: found, unavailable, unscannable, clean.

    Names, findings and scanners are those of all engines, each once; `detail` is from those that
    had the worst outcome; `ms` is the slowest one's, since they run side by side.
    """
    if not results:
        raise ValueError("no engine was asked")
    worst = min((result.outcome for result in results), key=_WORST_FIRST.index)
    decisive = [result for result in results if result.outcome is worst]
    return CheckResult(
        outcome=worst,
        detail="; ".join(_once(result.detail for result in decisive if result.detail)),
        names=_once(name for result in results for name in result.names),
        findings=_once(finding for result in results for finding in result.findings),
        scanners=_once(scanner for result in results for scanner in result.scanners),
        ms=max(result.ms for result in results),
    )


def _once(values: Iterable[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(values))
