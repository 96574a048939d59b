"""The few fixtures that all tests share: real programs, folders for strangers, corpora."""

import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import coverage
import pytest

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # so that `from tests.fakes...` works however pytest was started
    sys.path.insert(0, str(ROOT))

from tests.fakes import clients, queue  # noqa: E402

# scripts/test measures what the tests run in their own process; coverage starts before any import
# of ours, and in every worker of xdist by itself.
_COVERAGE = os.environ.get("QSCANNER_COVERAGE")
_measured = coverage.Coverage(data_file=_COVERAGE, data_suffix=True) if _COVERAGE else None
if _measured:
    _measured.set_option("run:disable_warnings", ["no-data-collected"])  # xdist's controller
    _measured.start()


def pytest_unconfigure() -> None:
    """Write down what was measured."""
    if _measured:
        _measured.stop()
        _measured.save()


UIDS = (12001, 12002, 12003)  # users that exist on no machine: nothing belongs to them


@pytest.fixture(scope="session")
def shared_tmp() -> Iterator[Path]:
    """Give a folder of this test process that every uid may read."""
    with tempfile.TemporaryDirectory(prefix="qscanner-tests-", ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture(scope="session")
def fake_queue(shared_tmp: Path) -> Path:
    """Give the path of the strict stand-in queue program, compiled once."""
    return queue.build(shared_tmp)


@pytest.fixture(scope="session")
def hurried(shared_tmp: Path) -> dict[str, Path]:
    """Give both queue programs, "c" and "python", as builds that do not wait long for a daemon."""
    return clients.build(shared_tmp)


@pytest.fixture(scope="session")
def command(shared_tmp: Path) -> Callable[[str], Path]:
    """Give the path of a command of ours by its name: the installed one, where one is installed.

    Else an executable that calls the same main() of this source tree.
    """

    def find(name: str) -> Path:
        installed = Path(sys.executable).with_name(name)
        if installed.exists():
            return installed
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        ours = {"qscanner-queue": "qscanner.programs.queue:main", **project["scripts"]}
        module, _, function = ours[name].partition(":")
        file = shared_tmp / name
        file.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
            f"from {module} import {function}\n{function}()\n"
        )
        file.chmod(0o755)
        return file

    return find


@pytest.fixture
def open_tmp() -> Iterator[Path]:
    """Give an empty folder like tmp_path, but one that every uid may enter and write (1777)."""
    name = tempfile.mkdtemp(prefix="qscanner-test-")
    os.chmod(name, 0o1777)
    yield Path(name)
    shutil.rmtree(name, ignore_errors=True)


@pytest.fixture(scope="session")
def uids() -> tuple[int | None, ...]:
    """Give several users to call a program as (Setting.uid): unprivileged where we are root.

    (None,) where we are not: the tests then run as ourselves. Fails where root keeps the code in
    a folder that others cannot enter, since nothing could be tested as another user then.
    """
    if os.getuid() != 0:
        return (None,)
    for folder in (
        Path(sys.executable).resolve(),
        Path(sys.executable).absolute(),
        ROOT / "qscanner",
    ):
        for step in (folder, *folder.parents):
            if not step.stat().st_mode & 0o001:
                pytest.fail(f"{step} is closed to other users: move the clone, or chmod o+x it")
    return UIDS


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Give the folder of the third-party corpora: $QSCANNER_CORPORA, else beside the repository.

    The only skip of the suite, and said aloud: a clone has no corpora.
    """
    named = os.environ.get("QSCANNER_CORPORA")
    folder = Path(named) if named else ROOT.parent / "shared" / "corpora"
    if not folder.is_dir():
        pytest.skip(f"NO CORPORA at {folder}: set QSCANNER_CORPORA to test with them")
    return folder
