"""policy.rules: what a rule says by itself, and where its problems point."""

from pathlib import Path

from qscanner.model import Action, Edits
from qscanner.policy.rules import Mode, Rule, Scope
from tests.fakes.facts import policy


def test_a_rule_by_default() -> None:
    """It meets everybody, acts, and changes nothing."""
    rule = Rule(id="a", action=Action.REJECT, file="", number=0)
    assert rule.when == (Scope(),)
    assert rule.unless == ()
    assert rule.mode is Mode.ON
    assert rule.edits == Edits()
    assert not rule.is_final


def test_problems_point_at_the_rule(tmp_path: Path) -> None:
    """At the key, or at the rule where there is no such key."""
    found = policy(tmp_path, '[[rule]]\nid = "a"\nvirus = "*"\naction = "reject"\n')
    problem = found.problem(found.rules[0], "is odd", "virus")
    assert (problem.line, problem.text) == (4, 'rule "a": is odd')
    assert found.problem(found.rules[0], "is odd").line == 2
