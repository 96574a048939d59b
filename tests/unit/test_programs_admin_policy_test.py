"""programs.admin_policy_test: `qscanner policy test`."""

import json
from pathlib import Path

import pytest

from tests.fakes.desk import Desk

FAILING = """schema = 1
[[rule]]
id = "films"
why = "x"
part = { type = "video/*" }
action = "reject"
[[rule.test]]
attach = [{ type = "video/mp4" }]
expect = { action = "reject" }
[[rule.test]]
text = "\\u001b[31m"
expect = { action = "reject", rule = "films" }
[[rule]]
id = "bare"
why = "x"
part = { type = "audio/*" }
action = "reject"
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give an installation with the shipped policies."""
    return Desk(tmp_path)


def test_shipped_tests_pass(desk: Desk) -> None:
    """All of them; ends with 0."""
    done = desk.run("policy", "test")
    assert done.exit_code == 0, done.output
    assert done.output.endswith(" rules in " + str(desk.policies) + ": all pass\n")


def test_what_fails(desk: Desk) -> None:
    """Place, what was expected, what came; which rules have no test; ends with 1."""
    desk.policy(FAILING)
    done = desk.run("policy", "test")
    assert done.exit_code == 1
    assert f"FAIL {desk.policies}/99-more.toml:12:\n" in done.output
    assert (
        'rule "films": test 2 fails: expected reject, got accept; "films" did not' in done.output
    )
    assert "1 failed" in done.output
    assert "without a test: bare" in done.output


def test_some_rules(desk: Desk) -> None:
    """Those that are named; an unknown one is told with the nearest."""
    desk.policy(FAILING)
    done = desk.run("policy", "test", "macros", "spam")
    assert done.exit_code == 0
    assert done.output.startswith("4 tests of 2 rules in ")
    done = desk.run("policy", "test", "bare")
    assert (done.exit_code, done.output.splitlines()) == (
        0,
        [f"0 tests of 1 rule in {desk.policies}: nothing to run", "without a test: bare"],
    )
    done = desk.run("policy", "test", "film")
    assert done.exit_code == 2
    assert 'did you mean "films"?' in done.output


def test_a_folder(desk: Desk, tmp_path: Path) -> None:
    """Another folder, also where there are no settings; with mistakes it ends with 2."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "1.toml").write_text(FAILING)
    assert desk.run("policy", "test", "--dir", str(other)).exit_code == 1
    desk.file.unlink()
    assert desk.run("policy", "test", "--dir", str(other)).exit_code == 1
    (other / "1.toml").write_text(FAILING.replace("expect =", "expct ="))
    done = desk.run("policy", "test", "--dir", str(other))
    assert done.exit_code == 2
    assert 'did you mean "expect"?' in done.output


def test_json(desk: Desk) -> None:
    """--json says the same to programs."""
    desk.policy(FAILING)
    done = desk.run("policy", "test", "--json", "films")
    assert done.exit_code == 1
    told = json.loads(done.output)
    passed, failed = told["tests"]
    assert (passed["passes"], passed["wrong"], passed["hit"]) == (True, "", ["films"])
    assert (failed["rule"], failed["number"], failed["line"]) == ("films", 2, 12)
    assert failed["file"] == f"{desk.policies}/99-more.toml"
    assert failed["wrong"].startswith("expected reject, got accept")
    assert (told["failed"], told["untested"]) == (1, ["bare"])
