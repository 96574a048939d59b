"""scripts/demo from a fresh copy, as the first thing a newcomer does."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parent.parent.parent
LEFT_OUT = (".*", "build", "dist", "*.egg-info", "__pycache__", "private")


def demo(clone: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run the demo of a clone from another folder, in a pipe."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [clone / "scripts" / "demo"],
        cwd="/",
        env=environment | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_demo_twice(tmp_path: Path) -> None:
    """It installs, shows the table, finds everything as it should be; the second time at once."""
    clone = tmp_path / "clone"
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(*LEFT_OUT))
    before = {file for file in clone.rglob("*") if file.is_file()}
    first = demo(clone, tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "installing qscanner" in first.stderr
    second = demo(clone, tmp_path)
    assert second.returncode == 0, second.stdout + second.stderr
    assert second.stderr == ""
    assert "\x1b" not in second.stdout
    for words in ("delivered", "held", "refused", "put off", "554 ", "451 ", "Try next:"):
        assert words in second.stdout
    after = {file for file in clone.rglob("*") if file.is_file()}
    strays = {file.relative_to(clone).parts[0] for file in after - before}
    assert strays == {".cache", ".venv-demo"}
    _try_next(second.stdout)


def _try_next(said: str) -> None:
    """The commands that the demo suggests do work."""
    lines = said.rpartition("Try next:")[2].strip().splitlines()
    codes = [subprocess.run(line.split(), capture_output=True, check=False) for line in lines]
    assert [done.returncode for done in codes] == [1, 0], codes
