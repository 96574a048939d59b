"""programs.admin_policy: `qscanner policy check`."""

import json
import sys
from pathlib import Path

import pytest

from tests.fakes.desk import Desk

MISTAKES = """
schema = 1
[[rule]]
id = "a"
why = "x"
virus = "*"
action = "rejekt"
[[rule]]
id = "b"
why = "x"
partt = { kind = "elf" }
action = "reject"
"""
DOUBTFUL = """
schema = 1
[[rule]]
id = "forgeable"
why = "x"
part = { kind = "elf" }
unless = { from = "a@b.example" }
action = "quarantine"
"""


def test_shipped_policies_are_fine(tmp_path: Path) -> None:
    """What we ship has neither mistakes nor warnings."""
    done = Desk(tmp_path).run("policy", "check")
    assert done.exit_code == 0
    assert done.output.endswith(": fine\n")


def test_all_mistakes_at_their_places(tmp_path: Path) -> None:
    """Every mistake of every file, with file:line, a caret and the right word; ends with 2."""
    desk = Desk(tmp_path)
    desk.policy(MISTAKES)
    desk.policy("schema = 1\n[[rule]]\nid = 3\n", "98-other.toml")
    done = desk.run("policy", "check")
    assert done.exit_code == 2
    assert f"{desk.policies}/99-more.toml:7:" in done.output
    assert 'did you mean "reject"?' in done.output
    assert f"{desk.policies}/99-more.toml:11:" in done.output
    assert f"{desk.policies}/98-other.toml:" in done.output
    assert "^~~~" in done.output
    assert f"problems in {desk.policies}: until that is put right, all mail" in done.output
    done = desk.run("policy", "check", str(desk.policies))  # a folder by name: perhaps a copy
    assert done.exit_code == 2
    assert done.output.endswith(f"problems in {desk.policies}: unusable\n")


def test_what_nobody_verifies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, a rule that asks for DKIM is a warning, unless our server is believed."""
    desk = Desk(tmp_path)
    desk.policy(DOUBTFUL.replace('"a@b.example"', '"a@b.example", auth = "dkim"'))
    assert desk.run("policy", "check").output.endswith(": fine\n")
    monkeypatch.setitem(sys.modules, "dkim", None)  # as if it were not installed
    done = desk.run("policy", "check")
    assert done.exit_code == 1
    assert "nothing here verifies DKIM" in done.output
    assert "nothing here verifies DKIM" in desk.run("check").output
    desk.file.write_text(desk.file.read_text() + '[auth]\nauthserv_id = "mx.example"\n')
    assert desk.run("policy", "check").output.endswith(": fine\n")


def test_warnings_end_with_1(tmp_path: Path) -> None:
    """What is allowed but hardly meant is a warning."""
    desk = Desk(tmp_path)
    desk.policy(DOUBTFUL)
    done = desk.run("policy", "check")
    assert done.exit_code == 1
    assert f"warning: {desk.policies}/99-more.toml:" in done.output


def test_a_folder_by_name(tmp_path: Path) -> None:
    """A folder can be checked without settings, before it is put in place."""
    desk = Desk(tmp_path)
    desk.file.unlink()
    assert desk.run("policy", "check", str(desk.policies)).exit_code == 0
    assert desk.run("policy", "check").exit_code == 2
    assert desk.run("policy", "check", str(tmp_path / "none")).exit_code == 2


def test_json(tmp_path: Path) -> None:
    """--json says the same to programs."""
    desk = Desk(tmp_path)
    desk.policy(DOUBTFUL)
    told = json.loads(desk.run("policy", "check", "--json").output)
    assert told["errors"] == []
    assert told["rules"] > 5
    assert [each["file"] for each in told["warnings"]] == [f"{desk.policies}/99-more.toml"]
    desk.policy(MISTAKES)
    told = json.loads(desk.run("policy", "check", "--json").output)
    assert {7, 11} <= {each["line"] for each in told["errors"]}
    assert told["rules"] == 0
