"""programs.admin_options: what all subcommands share."""

import pytest
from click.testing import CliRunner

from qscanner.codec.problems import Problem
from qscanner.programs.admin import command
from qscanner.programs.admin_options import Exit, counted, problem_as_json


@pytest.mark.parametrize(("number", "said"), [(0, "0 rules"), (1, "1 rule"), (2, "2 rules")])
def test_counted(number: int, said: str) -> None:
    """One is one."""
    assert counted(number, "rule") == said


def test_exit_codes() -> None:
    """These numbers are promised to monitoring."""
    assert [each.value for each in Exit] == [0, 1, 2, 3]


def test_problem_as_json() -> None:
    """A problem's place and words, and no line of the file."""
    problem = Problem(file="a.toml", line=3, column=4, text="wrong", source="x = 1")
    assert problem_as_json(problem) == {"file": "a.toml", "line": 3, "column": 4, "text": "wrong"}


def test_settings_that_cannot_be_read() -> None:
    """Every mistake is told on stderr, and the command ends with 2."""
    done = CliRunner().invoke(command, ["scan", "--config", "/nowhere/x.toml", "/dev/null"])
    assert done.exit_code == 2
    assert "/nowhere/x.toml: no such file" in done.stderr
    assert done.stdout == ""
