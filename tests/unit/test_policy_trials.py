"""policy.trials: what a test is that says nothing but what it expects."""

from qscanner.model import Action
from qscanner.policy.trials import Expected, Specimen, Trial


def test_a_test_that_says_little() -> None:
    """A stranger writes to one recipient at noon, and the rule itself must hit."""
    trial = Trial(number=0, specimen=Specimen(), expected=Expected(action=Action.REJECT))
    assert trial.specimen.sender
    assert len(trial.specimen.recipients) == 1
    assert trial.specimen.direction is None
    assert trial.expected.is_hit
    assert trial.expected.rule == ""
