"""An installation for those who review: the command, held mail, and the strict queue program.

Called by  the tests of programs.admin_quarantine*.
"""

import json
import shlex
from pathlib import Path
from typing import Any

from qscanner.settings import Quarantine
from tests.fakes import queue
from tests.fakes.desk import Desk
from tests.fakes.holds import Hold


class Post:
    """An installation with the strict stand-in of qmail-queue."""

    def __init__(self, folder: Path, program: Path) -> None:
        self.desk = Desk(folder)
        self.folder = folder / "queue"
        self.folder.mkdir()
        self._program = program
        self._wrapper = folder / "wrapper"
        self.behaves()
        self.desk.settings(program=str(self._wrapper))
        self.quarantine = Quarantine(dir=str(folder / "quarantine"))

    def behaves(self, **how: str) -> None:
        """Have the queue program behave so."""
        given = {"FAKE_QUEUE_DIR": str(self.folder), **how}
        words = " ".join(f"{key}={shlex.quote(value)}" for key, value in given.items())
        self._wrapper.write_text(f"#!/bin/sh\n{words} exec {shlex.quote(str(self._program))}\n")
        self._wrapper.chmod(0o755)

    def kept(self, *holds: Hold) -> list[str]:
        """Hold messages and give their ids."""
        for hold in holds:
            hold.keep(self.quarantine)
        return [hold.digest[:12] for hold in holds]

    def run(self, *words: str, given: bytes | None = None) -> tuple[int, str]:
        """Run `qscanner quarantine`; give how it ended, and what it said."""
        done = self.desk.run("quarantine", *words, given=given)
        return done.exit_code, done.output

    def states(self) -> list[Any]:
        """Give the states of all recipients, a list for each message, oldest first."""
        lines = self.run("list", "--json", "--oldest-first")[1].splitlines()
        return [json.loads(line)["states"] for line in lines]

    @property
    def queued(self) -> list[queue.Queued]:
        """Give what was queued."""
        return queue.queued(self.folder)
