"""A piece of Python in a process of its own: for what changes a process for good, or kills it.

Called by  unit tests of limits, signals, users, descriptors and exec.
Ends       run() with what the process wrote and how it ended; raises TimeoutExpired.
Careful    the code runs as `python -c`, sees the repository, and nothing else of the test.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 15.0


def command(code: str, *words: object) -> list[str]:
    """Give the command line that runs the code with the words as sys.argv[1:]."""
    return [sys.executable, "-c", code, *map(str, words)]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give a small environment in which the repository can be imported."""
    ours = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(ROOT)}
    kept = {key: value for key, value in os.environ.items() if key.startswith("COVERAGE_")}
    return {**ours, **kept, **(more or {})}


def run(
    code: str,
    *words: object,
    uid: int | None = None,
    fds: tuple[int, ...] = (),
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run the code to its end; `fds` stay open in it, `uid` is its user and group."""
    return subprocess.run(
        command(code, *words),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        pass_fds=fds,
        env=environment(env),
        user=uid,
        group=uid,
        extra_groups=None if uid is None else [],
        timeout=LIMIT_S,
        check=False,
    )


def said(done: subprocess.CompletedProcess[bytes]) -> str:
    """Give what a child that ended well wrote; fails with its stderr where it did not."""
    assert done.returncode == 0, (done.returncode, done.stderr.decode("utf-8", "replace"))
    return done.stdout.decode("utf-8")


def killed_by(done: subprocess.CompletedProcess[bytes]) -> signal.Signals | None:
    """Give the signal that ended it, or None."""
    return signal.Signals(-done.returncode) if done.returncode < 0 else None
