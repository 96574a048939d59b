"""Builds the commands `qscanner-queue` and `qscanner-queue-python`; all else is in pyproject.toml.

Called by  pip and build, through setuptools.
Ends       with the queue program in C as `qscanner-queue`, and the wheel for this kind of machine;
           where no compiler works, or $QSCANNER_NO_C is set, with the program in Python there too.
Careful    a client of every message must start fast. So the program is static where the C library
           allows it, and the Python one is no entry point: those import re and more.
"""

import atexit
import functools
import os
import shutil
import subprocess
import sysconfig
import tempfile
from distutils.command.build_scripts import build_scripts
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel

SOURCE = "qscanner/programs/queue.c"
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-fstack-protector-strong")
CUT_SHORT = 54  # how it ends with nothing to read: the proof that it runs here
PYTHON = """#!python
import sys

sys.dont_write_bytecode = True  # under ulimit -f importlib leaves half a file, and nothing starts
from qscanner.programs.queue import main

main()
"""


@functools.cache
def client() -> Path | None:
    """Give the compiled queue program, None where there is none to be had."""
    if os.environ.get("QSCANNER_NO_C"):
        return None
    folder = tempfile.mkdtemp(prefix="qscanner-build-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    compiler = os.environ.get("CC", "cc").split()
    for linking in (["-static"], []):
        program = Path(folder, "qscanner-queue")
        command = [*compiler, *FLAGS, *linking, "-o", str(program), SOURCE]
        if _ends(command) == 0 and _ends([str(program)]) == CUT_SHORT:
            print("qscanner-queue in C:", " ".join(command))
            return program
    print("no working C compiler: qscanner-queue will be the Python program")
    return None


def _ends(command: list[str]) -> int | None:
    """Give the exit code of a command that reads and says nothing, None where it cannot start."""
    try:
        nothing = subprocess.DEVNULL
        done = subprocess.run(
            command, stdin=nothing, stdout=nothing, stderr=nothing, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.returncode


class Commands(build_scripts):
    """Puts both queue programs among the scripts."""

    def run(self) -> None:
        """Write them into the build folder; pip puts its interpreter into the first line."""
        shutil.rmtree(self.build_dir, ignore_errors=True)  # another build's may be there
        folder = Path(self.build_dir)
        folder.mkdir(parents=True)
        for name in ("qscanner-queue-python", "qscanner-queue"):
            (folder / name).write_text(PYTHON)
            (folder / name).chmod(0o755)
        if program := client():
            shutil.copy(program, folder / "qscanner-queue")


class Wheel(bdist_wheel):
    """For any Python 3, and where the program in C is within for this kind of machine only."""

    def get_tag(self) -> tuple[str, str, str]:
        """Give the tags of the wheel's name."""
        if client() is None:
            return ("py3", "none", "any")
        return ("py3", "none", sysconfig.get_platform().replace("-", "_").replace(".", "_"))


setup(scripts=[SOURCE], cmdclass={"build_scripts": Commands, "bdist_wheel": Wheel})
