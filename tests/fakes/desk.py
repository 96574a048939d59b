"""An installation for the admin's command: settings, shipped policies, folders; and runs of it.

Called by  the tests of programs.admin*.
"""

import shutil
from pathlib import Path

from click.testing import CliRunner, Result

from qscanner.programs.admin import command

ROOT = Path(__file__).resolve().parent.parent.parent
_SETTINGS = """
[queue]
program = "{program}"
spool = "spool"
host = "mx.example.com"
trusted_users = ["root"]
[daemon]
{daemon}
[limits]
{limits}
[virus]
{virus}
[spam]
{spam}
[policy]
dir = "policies"
[quarantine]
dir = "quarantine"
"""


class Desk:
    """A folder with everything in it that `qscanner` looks at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.policies = folder / "policies"
        self.file = folder / "qscanner.toml"
        for name, mode in (("spool", 0o1733), ("quarantine", 0o700)):
            (folder / name).mkdir()
            (folder / name).chmod(mode)
        shutil.copytree(ROOT / "policies", self.policies)
        self.settings()

    def settings(
        self,
        *,
        virus: str = 'engines = ["yara"]',
        spam: str = "",
        limits: str = "",
        daemon: str = 'socket = "/nonexistent/qscannerd.sock"',
        program: str = "/bin/true",
    ) -> None:
        """Write the settings, each piece as lines of its table."""
        self.file.write_text(
            _SETTINGS.format(program=program, virus=virus, spam=spam, limits=limits, daemon=daemon)
        )

    def policy(self, text: str, name: str = "99-more.toml") -> None:
        """Add a policy file."""
        (self.policies / name).write_text(text)

    def mail(self, octets: bytes, name: str = "mail.eml") -> str:
        """Write a message into a file and give its path."""
        path = self.folder / name
        path.write_bytes(octets)
        return str(path)

    def run(self, *arguments: str, given: bytes | None = None) -> Result:
        """Run `qscanner` with these settings."""
        words = ["--config", str(self.file), *arguments]
        return CliRunner().invoke(command, words, input=given, prog_name="qscanner")
