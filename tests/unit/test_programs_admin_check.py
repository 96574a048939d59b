"""programs.admin_check: `qscanner check` as a whole."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give an installation with the embedded engine."""
    return Desk(tmp_path)


def items(desk: Desk) -> list[dict[str, Any]]:
    """Give what --json says, having made sure that its exit code is the command's."""
    done = desk.run("check", "--json")
    told = json.loads(done.stdout)
    assert told["exit_code"] == done.exit_code
    found: list[dict[str, Any]] = told["items"]
    return found


def test_all_is_well(desk: Desk) -> None:
    """A whole installation ends with 0, and says what was proven."""
    done = desk.run("check")
    assert done.exit_code == 0, done.output
    assert "yara-x" in done.output
    assert "finds EICAR" in done.output
    assert "an infected message from outside would get: reject (infected" in done.output
    assert done.output.endswith("all is well\n")


def test_mistakes_of_settings_and_policies_together(desk: Desk) -> None:
    """One run tells all mistakes of both, with file and line, and ends with 2."""
    desk.file.write_text('[queue]\nprogam = "x"\n[limits]\ntime = "4 m"\n')
    desk.policy('schema = 1\n[[rule]]\nid = "a"\nvirus = "*"\naction = "rejekt"\n')
    done = desk.run("check")
    assert done.exit_code == 2
    for words in (
        f"{desk.file}:2: [queue]: unknown key",
        'did you mean "program"?',
        f"{desk.file}:4: limits.time: unknown unit",
        f"{desk.policies}/99-more.toml:5:",
        'did you mean "reject"?',
        "3 errors (exit 2)",
    ):
        assert words in done.output, words


def test_carets_stand_below_their_place(desk: Desk) -> None:
    """The lines of a mistake are moved together, so that the caret still means its word."""
    desk.file.write_text('[queue]\nprogam = "x"\n')
    lines = desk.run("check").output.splitlines()
    at = next(n for n, line in enumerate(lines) if line.endswith('progam = "x"'))
    assert lines[at].index("progam") == lines[at + 1].index("^~~~~~")


def test_no_settings(desk: Desk) -> None:
    """A file that is not there is an error that says what to do."""
    desk.file.unlink()
    found = items(desk)
    assert [each["level"] for each in found] == ["error"]
    assert "no such file" in found[0]["text"]


def test_policies_of_a_broken_file(desk: Desk) -> None:
    """Where settings are not even TOML, the policies beside them are checked all the same."""
    desk.file.write_text("[queue")
    assert [each["area"] for each in items(desk)] == ["settings", "policy"]


def test_policy_mistakes_are_told_once(desk: Desk) -> None:
    """Scanners are not asked with policies that cannot be used, and nothing is said twice."""
    desk.policy("nonsense")
    found = [each for each in items(desk) if each["level"] == "error"]
    assert [each["area"] for each in found] == ["policy"]


def test_tests_of_rules_are_run(desk: Desk) -> None:
    """They pass as shipped; one that fails is an error, at its place."""
    (item,) = (each for each in items(desk) if each["area"] == "tests")
    assert item["level"] == "ok"
    assert re.fullmatch(r"\d+ tests of rules pass", item["text"])
    rule = 'schema = 1\n[[rule]]\nid = "a"\nwhy = "x"\nvirus = "X"\naction = "reject"\n'
    desk.policy(f'{rule}[[rule.test]]\nexpect.action = "reject"\n')
    (item,) = (each for each in items(desk) if each["area"] == "tests")
    assert item["level"] == "error"
    assert f"{desk.policies}/99-more.toml:8: " in item["text"]
    assert "expected reject, got accept" in item["text"]
    desk.policy(rule)
    (item,) = (each for each in items(desk) if each["area"] == "tests")
    assert item["text"].endswith("; 1 rule without a test")


def test_policy_warnings_end_with_1(desk: Desk) -> None:
    """A warning of the policies is one of the check."""
    desk.policy('schema = 1\n[[rule]]\nid = "a"\nvirus = "X"\naction = "reject"\n')
    assert desk.run("check").exit_code == 1


def test_a_scanner_that_is_down(desk: Desk) -> None:
    """It ends with 3, whatever else is wrong."""
    desk.settings(virus='engines = ["clamav"]\n[virus.clamav]\nservers = ["unix:/nowhere"]')
    found = {each["area"]: each["level"] for each in items(desk)}
    assert found["clamav"] == "down"
    assert desk.run("check").exit_code == 3


def test_rules_of_yara_with_mistakes(desk: Desk) -> None:
    """They are told with file and line, as mistakes of the settings."""
    (desk.folder / "my.yar").write_text("rule x {\n  condition: nonsense\n}\n")
    desk.settings(virus='engines = ["yara"]\n[virus.yara]\nrules = ["my.yar"]')
    found = [each for each in items(desk) if each["level"] == "error"]
    assert len(found) == 1
    assert f"{desk.folder}/my.yar:2:" in found[0]["text"]
