"""checks.virus: several engines' answers as one."""

import itertools

import pytest

from qscanner.checks import virus
from qscanner.model import CheckResult, Finding, Outcome

FOUND = CheckResult(
    outcome=Outcome.FOUND,
    detail="Eicar",
    names=("Eicar",),
    findings=(Finding(id="virus.clamav", detail="Eicar"),),
    scanners=("clamav/1.4.6",),
    ms=3.0,
)
UNAVAILABLE = CheckResult(outcome=Outcome.UNAVAILABLE, detail="unix:/x: no answer", ms=60.0)
UNSCANNABLE = CheckResult(
    outcome=Outcome.UNSCANNABLE,
    detail="too large",
    findings=(Finding(id="unscannable.clamav-too-large"),),
)
CLEAN = CheckResult(outcome=Outcome.CLEAN, scanners=("yara-x/1.23.0",), ms=1.0)
WORST_FIRST = (FOUND, UNAVAILABLE, UNSCANNABLE, CLEAN)


@pytest.mark.parametrize("worse", range(4))
@pytest.mark.parametrize("better", range(4))
def test_the_worst_wins(worse: int, better: int) -> None:
    """Found beats unavailable beats unscannable beats clean, in whatever order they come."""
    expected = WORST_FIRST[min(worse, better)]
    for pair in itertools.permutations((WORST_FIRST[worse], WORST_FIRST[better])):
        merged = virus.merge(pair)
        assert (merged.outcome, merged.detail) == (expected.outcome, expected.detail)


def test_all_is_kept() -> None:
    """Names, findings, scanners of all engines are there, each once; ms is the slowest's."""
    other = CheckResult(
        outcome=Outcome.FOUND, detail="Eicar_Test_String", names=("Eicar_Test_String", "Eicar")
    )
    merged = virus.merge([CLEAN, FOUND, UNSCANNABLE, other, UNAVAILABLE, FOUND])
    assert merged == CheckResult(
        outcome=Outcome.FOUND,
        detail="Eicar; Eicar_Test_String",
        names=("Eicar", "Eicar_Test_String"),
        findings=(*FOUND.findings, *UNSCANNABLE.findings),
        scanners=("yara-x/1.23.0", "clamav/1.4.6"),
        ms=60.0,
    )


def test_nobody_asked() -> None:
    """No answer at all is not clean."""
    with pytest.raises(ValueError, match="no engine"):
        virus.merge([])
