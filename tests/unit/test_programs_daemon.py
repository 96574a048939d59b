"""The start of qscannerd: its arguments, its limits, and its words where it cannot start.

What the running daemon does is tested in tests/programs.
"""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.fakes import resident
from tests.fakes.resident import serving
from tests.fakes.site import ROOT, Site


@pytest.fixture
def site(open_tmp: Path, fake_queue: Path) -> Site:
    """Give an installation."""
    return Site(open_tmp, fake_queue)


def _run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "qscanner.programs.daemon", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )


def test_help() -> None:
    """--help names both options, and ends with 0."""
    done = _run("--help")
    assert done.returncode == 0
    assert "--config" in done.stdout
    assert "--ready-fd" in done.stdout


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--ready-fd", "x"]])
def test_wrong_usage(arguments: list[str]) -> None:
    """2, and what would be right."""
    done = _run(*arguments)
    assert done.returncode == 2
    assert "usage: qscannerd" in done.stderr


def test_no_settings(tmp_path: Path) -> None:
    """A file that is not there is named: by the option, and by the variable."""
    missing = str(tmp_path / "none.toml")
    for done in (_run("--config", missing), _run(QSCANNER_CONFIG=missing)):
        assert done.returncode == 2
        assert missing in done.stderr
        assert done.stdout == ""


def test_a_bug_is_said(site: Site) -> None:
    """A bug of ours ends it with 1 and a line; its supervisor starts it again."""
    spoil = "daemon.Daemon.run = lambda self: 1 / 0"
    with serving(site, spoil=spoil, is_ready=False) as one:
        assert one.ended() == 1
        assert "bug: ZeroDivisionError" in one.log
    with serving(site) as one:
        assert one.path.exists()


def test_descriptors(site: Site) -> None:
    """The soft limit of descriptors is raised to the hard one, and so is that of the workers."""
    with serving(site, before="ulimit -Sn 64") as one:
        for pid in (one.pid, *one.workers()):
            limits = Path(f"/proc/{pid}/limits").read_text()
            (row,) = (line for line in limits.splitlines() if "open files" in line)
            soft, hard = row.split()[3:5]
            assert soft == hard != "64"


def test_workers_by_processors(site: Site) -> None:
    """[daemon] workers = 0 means two for each processor."""
    with serving(site, daemon="workers = 0") as one:
        assert len(one.workers()) == 2 * (os.cpu_count() or 1)


def test_workers_hold_nothing_of_the_daemon(site: Site) -> None:
    """But for 0, 1, 2 and one socket: no other worker's, not the listening one, no metrics."""
    port = resident.free_port()
    with serving(site, daemon=f'workers = 4\nmetrics = "127.0.0.1:{port}"') as one:
        for pid in one.workers():
            resident.until(partial(_is_alone, pid), f"worker {pid} holds one socket")


def _is_alone(pid: int) -> bool:
    return len(resident.sockets(pid)) == 1 and len(os.listdir(f"/proc/{pid}/fd")) <= 5
