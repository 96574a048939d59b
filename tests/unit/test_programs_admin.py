"""programs.admin: the command line as a whole."""

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

import qscanner
from qscanner.programs.admin import command
from tests.fakes.desk import Desk

ROOT = Path(__file__).resolve().parent.parent.parent


def test_version(tmp_path: Path) -> None:
    """`version` and `--version` say the same, and need no settings."""
    said = CliRunner().invoke(command, ["version"])
    assert said.output.startswith(f"qscanner {qscanner.__version__} (Python 3.")
    assert CliRunner().invoke(command, ["--version"]).output == said.output


def test_help_lists_the_pages() -> None:
    """Every page of docs/ is listed with what it is about."""
    said = CliRunner().invoke(command, ["help"])
    assert said.exit_code == 0
    for page in (ROOT / "docs").glob("*.md"):
        assert f"\n{page.stem} " in f"\n{said.output}"


def test_help_prints_a_page() -> None:
    """In a pipe a page is printed as it is."""
    said = CliRunner().invoke(command, ["help", "log"])
    assert said.output == (ROOT / "docs" / "log.md").read_text("utf-8")


def test_help_knows_the_nearest_page() -> None:
    """A misspelt topic is a usage error that names the right one."""
    said = CliRunner().invoke(command, ["help", "setings"])
    assert said.exit_code == 2
    assert 'did you mean "settings"?' in said.output


def test_help_says_where() -> None:
    """--where gives the folder to copy the policies from."""
    said = CliRunner().invoke(command, ["help", "--where"])
    assert (Path(said.output.strip()) / "policies" / "10-virus.toml").exists()


def test_config_before_and_behind(tmp_path: Path) -> None:
    """--config may stand before or behind a subcommand; the one behind counts."""
    desk = Desk(tmp_path)
    behind = ["policy", "check", "--config", str(desk.file)]
    assert CliRunner().invoke(command, behind).exit_code == 0
    assert desk.run("policy", "check").exit_code == 0
    assert CliRunner().invoke(command, ["--config", "/nowhere", *behind]).exit_code == 0
    assert desk.run("policy", "check", "--config", "/nowhere").exit_code == 2


def test_config_from_the_environment(tmp_path: Path) -> None:
    """$QSCANNER_CONFIG is used where there is no --config."""
    desk = Desk(tmp_path)
    done = CliRunner().invoke(
        command, ["policy", "check"], env={"QSCANNER_CONFIG": str(desk.file)}
    )
    assert done.exit_code == 0


def test_usage_errors_end_with_2() -> None:
    """As monitoring expects."""
    for words in (["nonsense"], ["scan"], ["scan", "--nonsense"], ["policy", "nonsense"]):
        assert CliRunner().invoke(command, words).exit_code == 2, words


def test_a_bug_is_not_something_found() -> None:
    """A bug of ours ends with 3 and one line that says where, not with Python's 1."""
    code = (
        "import sys, click; from qscanner.programs import admin;"
        "admin.command.add_command(click.Command('bug', callback=lambda: [][1]));"
        "sys.argv[1:] = ['bug']; admin.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 3
    assert done.stderr.startswith("qscanner: bug: IndexError(")
    assert len(done.stderr.splitlines()) == 1


def test_no_memory_is_no_bug() -> None:
    """Under softlimit the command says what to do about it, and ends with 3."""
    code = (
        "import sys, click; from qscanner.programs import admin;"
        "admin.command.add_command(click.Command('big', callback=lambda: bytes(1 << 62)));"
        "sys.argv[1:] = ['big']; admin.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 3
    assert done.stderr == "qscanner: out of memory: raise softlimit or ulimit of this shell\n"
