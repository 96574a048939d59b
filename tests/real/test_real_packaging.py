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
from tests.fakes import mails
from tests.fakes.site import Site, below_our_lines

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parent.parent.parent
LEFT_OUT = (".*", "build", "dist", "*.egg-info", "__pycache__", "private")


def run(*words: str | Path, cwd: Path, **more: str) -> str:
    """Run a program and give what it says; a failure shows all of it."""
    ours = ("PYTHONPATH", "CC", "QSCANNER_NO_C")
    environment = {key: value for key, value in os.environ.items() if key not in ours} | more
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


CLIENTS = ("c", "python")


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give copies of the source to build from: nothing of an earlier build may help."""
    folder = tmp_path_factory.mktemp("source")
    for name in CLIENTS:
        shutil.copytree(ROOT, folder / name / "qscanner", ignore=shutil.ignore_patterns(*LEFT_OUT))
    return {name: folder / name / "qscanner" for name in CLIENTS}


def without_c(folder: Path) -> dict[str, str]:
    """Give what takes the C compiler away: one that fails."""
    compiler = folder / "no-cc"
    compiler.write_text("#!/bin/sh\nexit 1\n")
    compiler.chmod(0o755)
    return {"CC": str(compiler)}


@pytest.fixture(scope="module")
def wheels(copies: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build wheel and sdist with a C compiler and without, and give the folders."""
    folder = tmp_path_factory.mktemp("build")
    for name in CLIENTS:
        env = {} if name == "c" else without_c(folder)
        run(sys.executable, "-m", "build", "-o", folder / name, copies[name], cwd=folder, **env)
    return {name: folder / name for name in CLIENTS}


@pytest.fixture(scope="module")
def built(wheels: dict[str, Path]) -> Path:
    """Give the folder of what is built where there is a C compiler."""
    return wheels["c"]


def fresh(folder: Path) -> tuple[str | Path, ...]:
    """Make a fresh environment and give the command of its pip."""
    run(sys.executable, "-m", "venv", folder, cwd=folder)
    return (folder / "bin" / "python", "-m", "pip", "-q", "--disable-pip-version-check")


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the bin folder of a fresh environment with the wheel in it."""
    folder = tmp_path_factory.mktemp("venv")
    run(*fresh(folder), "install", next(built.glob("*.whl")), cwd=folder)
    yield folder / "bin"
    shutil.rmtree(folder)


def is_c(program: Path) -> bool:
    return program.read_bytes()[:4] == b"\x7fELF"


def ends(program: Path) -> int:
    """Give how a queue program ends that finds nothing on fd 0 and 1: an aborted session."""
    nothing = subprocess.DEVNULL
    return subprocess.run(
        [program], stdin=nothing, stdout=nothing, stderr=nothing, timeout=15, check=False
    ).returncode


def shipped(*patterns: str) -> set[str]:
    """Give the files of the repository that match."""
    found = (each for pattern in patterns for each in ROOT.glob(pattern) if each.is_file())
    return {str(each.relative_to(ROOT)) for each in found}


def test_wheel(built: Path) -> None:
    """It has the package, the YARA rules, the manual and the policies, and no tests."""
    names = set(zipfile.ZipFile(next(built.glob("*.whl"))).namelist())
    share = f"qscanner-{qscanner.__version__}.data/data/share/qscanner/"
    docs = shipped("docs/*.md", "docs/*.toml")
    wanted = docs | shipped("policies/*.*", "policies/lists/*.txt", "service/**/*")
    templates = shipped("qscanner/templates/*/*.txt", "qscanner/templates/*/*.html")
    assert templates <= names
    wanted |= {each.replace("qscanner/templates", "notices") for each in templates}
    assert {name.removeprefix(share) for name in names if name.startswith(share)} == wanted
    assert shipped("qscanner/**/*.py") <= names
    assert {"qscanner/py.typed", "qscanner/checks/test-strings.yar"} <= names
    assert not [name for name in names if re.match("tests|scripts", name)]


def test_sdist(built: Path) -> None:
    """It has all of the repository that is needed to build, test and read it."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = shipped(
        "qscanner/**/*.py",
        "docs/*",
        "policies/*.toml",
        "scripts/*",
        "service/**/run",
        "tests/**/*.py",
        "*.md",
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
    for name in ("qscanner-queue", "qscanner-queue-python", "qscanner-maildir", "qscannerd"):
        assert os.access(installed / name, os.X_OK)
    assert is_c(installed / "qscanner-queue")
    assert not is_c(installed / "qscanner-queue-python")
    assert run(admin, "version", cwd=tmp_path).strip().endswith("qscanner-queue in C)")
    assert ends(installed / "qscanner-queue") == ends(installed / "qscanner-queue-python") == 54


@pytest.mark.parametrize("name", ["qscanner-queue", "qscanner-queue-python"])
def test_a_message_of_a_fresh_installation(
    name: str, installed: Path, open_tmp: Path, fake_queue: Path
) -> None:
    """Without a daemon, both find what they were installed with: a message is queued."""
    site = Site(open_tmp, fake_queue, installed / name)
    site.settings(virus="engines = []")
    assert site.call(mails.text()).code == 0
    assert below_our_lines(site.queued()[-1].message) == mails.text()


def test_names_of_the_wheels(wheels: dict[str, Path]) -> None:
    """With the program in C it is for this kind of machine, and for any Python 3 all the same."""
    names = {name: next(folder.glob("*.whl")).stem for name, folder in wheels.items()}
    assert re.search(r"-py3-none-linux_\w+$", names["c"]), names
    assert names["python"].endswith("-py3-none-any"), names


def test_the_sdist_has_the_source_of_the_client(built: Path) -> None:
    """An sdist can be built with a C compiler and without."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= {"setup.py", *shipped("qscanner/programs/*.[ch]")}


# pip install of a wheel, of an sdist, of a folder, and in place; with and without a C compiler.
INSTALLATIONS = [
    pytest.param("wheel", "python", id="wheel-without-c"),
    pytest.param("sdist", "c", id="sdist"),
    pytest.param("sdist", "python", id="sdist-without-c"),
    pytest.param("folder", "c", id="folder"),
    pytest.param("folder", "switched-off", id="folder-switched-off"),
    pytest.param("in-place", "c", id="in-place"),
    pytest.param("in-place", "python", id="in-place-without-c"),
]


@pytest.mark.parametrize(("what", "client"), INSTALLATIONS)
def test_every_way_to_install(
    what: str, client: str, wheels: dict[str, Path], copies: dict[str, Path], tmp_path: Path
) -> None:
    """`qscanner-queue` is the program in C where a compiler works, else the one in Python."""
    env = {"c": {}, "python": without_c(tmp_path), "switched-off": {"QSCANNER_NO_C": "1"}}[client]
    words: dict[str, tuple[str | Path, ...]] = {
        "wheel": (*wheels["python"].glob("*.whl"),),
        "sdist": (*wheels["c"].glob("*.tar.gz"),),
        "folder": (copies["c"],),
        "in-place": ("-e", copies["python"]),
    }
    venv = tmp_path / "venv"
    venv.mkdir()
    run(*fresh(venv), "install", "--no-deps", *words[what], cwd=tmp_path, **env)
    programs = [venv / "bin" / name for name in ("qscanner-queue", "qscanner-queue-python")]
    assert [is_c(program) for program in programs] == [client == "c", False]
    assert [ends(program) for program in programs] == [54, 54]
