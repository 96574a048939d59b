"""programs.admin_options: what all subcommands share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from qscanner.codec.problems import Problem
from qscanner.programs.admin import command
from qscanner.programs.admin_options import Exit, counted, problem_as_json

ROOT = Path(__file__).resolve().parent.parent.parent
LONG = "one two three four five six seven eight nine ten eleven twelve"
FOLDS = f"""
from qscanner.programs.admin_options import folded
print(folded({LONG!r}, indent=4))
"""


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


def folded_in(stdout: int, columns: int) -> None:
    """Print a long line where so many columns are, into this descriptor."""
    environment = os.environ | {"COLUMNS": str(columns)}
    words = [sys.executable, "-c", FOLDS]
    subprocess.run(words, stdout=stdout, env=environment, cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("columns", "lines"),
    [
        (80, [LONG]),
        (45, [LONG[:40].rstrip(), "    " + LONG[40:].lstrip()]),
        (20, [LONG]),
    ],
    ids=["wide enough", "folded", "too narrow to help"],
)
def test_lines_fold_in_a_terminal(columns: int, lines: list[str]) -> None:
    """Between words, below where the text began; a narrow terminal is left alone."""
    ours, theirs = os.openpty()
    folded_in(theirs, columns)
    os.close(theirs)
    with open(ours, "rb", buffering=0) as terminal:
        assert terminal.read(1000).decode().splitlines() == lines


def test_lines_stay_whole_in_a_pipe() -> None:
    """For grep."""
    read, write = os.pipe()
    folded_in(write, 45)
    os.close(write)
    with open(read, encoding="utf-8") as pipe:
        assert pipe.read() == f"{LONG}\n"
