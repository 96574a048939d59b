"""The package as others get it: wheel and sdist, installed by pip into a fresh environment."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import qscanner

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parent.parent.parent
LEFT_OUT = (".*", "build", "dist", "*.egg-info", "__pycache__", "private")


def run(*words: str | Path, cwd: Path) -> str:
    """Run a program and give what it says; a failure shows all of it."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build wheel and sdist from a copy: nothing of an earlier build may help."""
    folder = tmp_path_factory.mktemp("build")
    copy = folder / "qscanner"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
    run(sys.executable, "-m", "build", "-o", folder / "dist", copy, cwd=folder)
    return folder / "dist"


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the bin folder of a fresh environment with the wheel in it."""
    folder = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", folder, cwd=folder)
    wheel = next(built.glob("*.whl"))
    pip = (folder / "bin" / "python", "-m", "pip", "-q", "--disable-pip-version-check")
    run(*pip, "install", wheel, cwd=folder)
    yield folder / "bin"
    shutil.rmtree(folder)


def shipped(*patterns: str) -> set[str]:
    """Give the files of the repository that match."""
    return {str(each.relative_to(ROOT)) for pattern in patterns for each in ROOT.glob(pattern)}


def test_wheel(built: Path) -> None:
    """It has the package, the YARA rules, the manual and the policies, and no tests."""
    names = set(zipfile.ZipFile(next(built.glob("*.whl"))).namelist())
    share = f"qscanner-{qscanner.__version__}.data/data/share/qscanner/"
    wanted = shipped("docs/*.md", "docs/*.toml", "policies/*.toml", "policies/lists/*.txt")
    assert {name.removeprefix(share) for name in names if name.startswith(share)} == wanted
    assert shipped("qscanner/**/*.py") <= names
    assert {"qscanner/py.typed", "qscanner/checks/test-strings.yar"} <= names
    assert not [name for name in names if re.match("tests|scripts", name)]


def test_sdist(built: Path) -> None:
    """It has all of the repository that is needed to build, test and read it."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = shipped(
        "qscanner/**/*.py", "docs/*", "policies/*.toml", "scripts/*", "tests/**/*.py", "*.md"
    )
    assert wanted - names - {"scripts/__pycache__"} == set()


def test_commands_of_a_fresh_installation(installed: Path, tmp_path: Path) -> None:
    """pip installs the commands, the manual and the policies, without the extra yara."""
    admin = installed / "qscanner"
    assert run(admin, "version", cwd=tmp_path).startswith(f"qscanner {qscanner.__version__} ")
    assert run(admin, "help", "policy", cwd=tmp_path) == (ROOT / "docs/policy.md").read_text()
    place = Path(run(admin, "help", "--where", cwd=tmp_path).strip())
    assert place.is_relative_to(installed.parent)
    said = run(admin, "policy", "check", place / "policies", cwd=tmp_path)
    assert said.endswith(": fine\n")
    for name in ("qscanner-queue", "qscanner-maildir"):
        assert os.access(installed / name, os.X_OK)
