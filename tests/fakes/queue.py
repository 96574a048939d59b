"""Compiles the strict stand-in queue program and reads what it left in its folder.

Called by  conftest (build) and the tests (queued, started).
Ends       raises subprocess.CalledProcessError where there is no working C compiler.
Careful    N.env is linked last: a message without it is not queued.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("queue.c")
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """One queued message: its octets, its envelope's octets, and the facts of the process."""

    number: int
    message: bytes
    envelope: bytes
    facts: dict[str, str]


def build(folder: Path, *options: str) -> Path:
    """Compile into `folder` where it is not there yet, and give the program's path.

    Several processes may do this at once: each compiles to a name of its own and renames.
    """
    program = folder / "fake-queue"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        mine = folder / f"fake-queue.{os.getpid()}"
        command = ["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(mine), str(SOURCE)]
        command += options
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)
        mine.chmod(0o755)
        mine.rename(program)
    return program


def build_set_uid(folder: Path, uid: int) -> tuple[Path, Path]:
    """Compile one that is set-uid, as qmail-queue is; give it, and the folder where it queues.

    Program and folder are that user's, and nobody else (but root) may write the folder.
    """
    home = folder / "queue-of-another"
    home.mkdir()
    os.chown(home, uid, uid)
    home.chmod(0o700)
    program = build(folder, f'-DQUEUE_DIR="{home}"')
    os.chown(program, uid, uid)
    program.chmod(0o4711)
    return program, home


def queued(folder: Path) -> list[Queued]:
    """Give what is queued in the folder, in the order of starting."""
    return [
        Queued(
            number=number,
            message=(folder / f"{number}.mess").read_bytes(),
            envelope=(folder / f"{number}.env").read_bytes(),
            facts=_facts(folder / f"{number}.proc"),
        )
        for number in _numbers(folder, "env")
    ]


def started(folder: Path) -> list[dict[str, str]]:
    """Give the facts of every start of the program, whether it queued or not."""
    return [_facts(folder / f"{number}.proc") for number in _numbers(folder, "proc")]


def _numbers(folder: Path, suffix: str) -> list[int]:
    return sorted(int(file.stem) for file in folder.glob(f"*.{suffix}") if file.stem.isdigit())


def _facts(file: Path) -> dict[str, str]:
    lines = file.read_text("ascii").splitlines()
    pairs = (line.partition("=")[::2] for line in lines)
    return {key: _ESCAPE.sub(lambda hit: chr(int(hit[1], 16)), value) for key, value in pairs}
