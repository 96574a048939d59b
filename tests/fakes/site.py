"""One installation of qscanner in a folder: settings, spool, quarantine, queue, and calls to it.

Called by  the tests of the queue program.
Careful    any uid may call: the folders are open to all, as a test's are and a real one's are not.
"""

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.fakes import caller, queue

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = Path(sys.executable).absolute().parent / "qscanner-queue"
_SETTINGS = """
[queue]
program = "{program}"
spool = "spool"
host = "mx.example.com"
{queue}
[limits]
time = "60 s"
{limits}
[virus]
{virus}
[spam]
{spam}
[policy]
dir = "policies"
[quarantine]
dir = "quarantine"
{books}
"""
# No clerk beside the workers: a test that wants one says so with books="".
_NO_BOOKS = 'expire_every = "0 s"\n[history]\nkeep = "0 s"'


class Site:
    """A folder with everything in it. `queue_dir` is where the strict queue program queues.

    `ours` is the queue program under test: the installed one, or one of fakes/clients.py.
    """

    def __init__(self, folder: Path, fake_queue: Path, ours: Path = PROGRAM) -> None:
        self.ours = ours
        self.folder = folder
        self.spool = folder / "spool"
        self.quarantine = folder / "quarantine"
        self.queue_dir = folder / "queue"
        self.program = fake_queue
        for made, mode in (
            (self.spool, 0o1733),
            (self.quarantine, 0o777),
            (self.queue_dir, 0o777),
        ):
            made.mkdir()
            made.chmod(mode)
        shutil.copytree(ROOT / "policies", folder / "policies")
        self.settings()

    @property
    def socket(self) -> Path:
        """Give the path of the daemon's socket, which is there while a daemon runs."""
        return self.folder / "qscannerd.sock"

    @property
    def file(self) -> Path:
        """Give the path of the settings file."""
        return self.folder / "qscanner.toml"

    def settings(
        self,
        *,
        queue: str = "",
        limits: str = "",
        virus: str = 'engines = ["yara"]',
        spam: str = "",
        books: str = _NO_BOOKS,
        program: str | None = None,
    ) -> None:
        """Write the settings, each piece as lines of its table; `books` is [quarantine]."""
        text = _SETTINGS.format(
            program=program or self.program,
            queue=queue,
            limits=limits,
            virus=virus,
            spam=spam,
            books=books,
        )
        self.file.write_text(text)

    def policy(self, text: str) -> None:
        """Put one policy file in the place of the shipped ones."""
        for file in (self.folder / "policies").glob("*.toml"):
            file.unlink()
        (self.folder / "policies" / "one.toml").write_text("schema = 1\n" + text)

    def environment(self) -> dict[str, str]:
        """Give what an admin sets, and where the strict queue program is to queue."""
        return {
            "QSCANNER_CONFIG": str(self.file),
            "QSCANNER_SOCKET": str(self.socket),
            "QSCANNER_SPOOL": str(self.spool),
            "FAKE_QUEUE_DIR": str(self.queue_dir),
        }

    def call(
        self,
        message: bytes,
        envelope: bytes | None = None,
        *,
        setting: caller.Setting | None = None,
        **environment: str,
    ) -> caller.Result:
        """Hand a message to the real qscanner-queue."""
        chosen = setting or caller.Setting()
        chosen = replace(chosen, env={**chosen.env, **self.environment(), **environment})
        return caller.call(self.ours, message, envelope, setting=chosen)

    def queued(self) -> list[queue.Queued]:
        """Give what was queued."""
        return queue.queued(self.queue_dir)

    def held(self) -> list[dict[str, Any]]:
        """Give the records of what is held and whole: message file and JSON."""
        return [
            json.loads(file.read_text())
            for file in sorted(self.quarantine.glob("*.json"))
            if file.with_suffix(".eml").exists()
        ]

    def left(self) -> list[str]:
        """Give the names of files that should not have stayed."""
        spooled = [
            name for name in os.listdir(self.spool) if not name.startswith("qscanner-slot-")
        ]
        return spooled + [name for name in os.listdir(self.quarantine) if name.startswith(".")]


def below_our_lines(octets: bytes) -> bytes:
    """Give the message below the header lines that we put on top."""
    head, ours, below = octets.partition(b"X-Qscanner: mx.example.com ")
    assert ours, f"no X-Qscanner line in {octets[:300]!r}"
    assert all(line.startswith(b"X-Spam-") for line in head.splitlines()), head
    return below.partition(b"\n")[2]
