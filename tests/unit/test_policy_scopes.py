"""policy.scopes: `when` and `unless`. What is refused is in tests/bad_policies."""

import datetime
from pathlib import Path
from typing import Any

import pytest

from qscanner.policy.decide import decide, meets
from qscanner.policy.evidence import Evidence
from tests.fakes.facts import ON_FAILURE, TODAY, facts, policy

NIGHT, DAY = datetime.time(23, 5), datetime.time(12, 5)


@pytest.mark.parametrize(
    ("condition", "hit", "miss"),
    [
        ('when.rdns = ".dyn.example"', {"host": "a.dyn.example"}, {"host": "a.example"}),
        ('when.rdns = ["a.example", ""]', {"host": "unknown"}, {"host": "b.example"}),
        ('when.auth = "user"', {"auth_user": "x"}, {}),
        ('when.auth = ["jane", "Bob"]', {"auth_user": "bob"}, {"auth_user": "eve"}),
        ('when.auth = ["jane", "dkim"]', {"auth_user": "jane"}, {"auth_user": "dkim"}),
        ("when.recipients_over = 1", {"to": (b"a@b", b"c@d")}, {}),
    ],
)
def test_each_key(
    tmp_path: Path, condition: str, hit: dict[str, Any], miss: dict[str, Any]
) -> None:
    """A message that is meant, and one that is not."""
    rule = policy(tmp_path, f'[[rule]]\nid = "a"\naction = "reject"\n{condition}\n').rules[0]
    for said, want in ((hit, True), (miss, False)):
        assert meets(rule, Evidence(facts(**said), TODAY), None) is want


def test_time(tmp_path: Path) -> None:
    """Handed in, or that of the clock."""
    text = '[[rule]]\nid = "a"\naction = "reject"\nwhen.time = ["22:00-06:00", "06:00-06:30"]\n'
    found = policy(tmp_path, text)
    assert decide(found, facts(), ON_FAILURE, today=TODAY, at=NIGHT).rules == ("a",)
    assert decide(found, facts(), ON_FAILURE, today=TODAY, at=DAY).rules == ()
    always = policy(tmp_path, text.replace('"06:00-06:30"', '"06:00-22:00"'))
    assert decide(always, facts(), ON_FAILURE, today=TODAY).rules == ("a",)


def test_names(tmp_path: Path) -> None:
    """As they stand in the file."""
    text = """
    [[rule]]
    id = "t"
    tag = "x"
    when.relay = false
    [[rule]]
    id = "a"
    action = "reject"
    when = {rdns = "a.b", auth = "user", recipients_over = 1, time = "22:00-06:00", tag = "x"}
    """
    scope = policy(tmp_path, text).rules[0].when[0]
    assert [each.name for each in (*scope.conditions, *scope.marks)] == [
        "when.recipients_over", "when.rdns", "when.auth", "when.time", "when.tag",
    ]  # fmt: skip
