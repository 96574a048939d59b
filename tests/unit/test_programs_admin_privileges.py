"""programs.admin_privileges: a set-uid program and a process that cannot start it as such."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qscanner.programs.admin_privileges import are_withheld

CODE = "import sys; from qscanner.programs.admin_privileges import are_withheld as a; "
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("mode", "before", "want"),
    [
        (0o4711, ("setpriv", "--no-new-privs"), "True"),
        (0o711, ("setpriv", "--no-new-privs"), "False"),
        (0o4711, (), "False"),
    ],
    ids=["set-uid", "not-set-uid", "privileges"],
)
def test_of_this_process(mode: int, before: tuple[str, ...], want: str, tmp_path: Path) -> None:
    """Only both together are trouble."""
    program = tmp_path / "qmail-queue"
    program.touch()
    program.chmod(mode)
    said = subprocess.run(
        [*before, sys.executable, "-c", f"{CODE}print(a(sys.argv[1]))", str(program)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert said.stdout == f"{want}\n"


def test_of_another(tmp_path: Path) -> None:
    """By its pid; of one that is gone, and of a program that is not there, nothing is known."""
    program = tmp_path / "qmail-queue"
    program.touch()
    program.chmod(0o4711)
    with subprocess.Popen(
        ["setpriv", "--no-new-privs", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdin.write(b"\n")
        other.stdin.flush()
        assert other.stdout.readline() == b"\n", "it runs"
        assert are_withheld(str(program), other.pid)
        assert not are_withheld(str(program), os.getpid())
        assert not are_withheld(str(tmp_path / "nowhere"), other.pid)
        other.stdin.close()
    assert not are_withheld(str(program), other.pid)
