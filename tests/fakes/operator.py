"""What an admin does with a running daemon: the command `qscanner`, a look at /metrics, a mail.

Called by  tests of what `qscanner` says of the daemon and asks of it.
"""

import tomllib
import urllib.request

from click.testing import CliRunner, Result

from qscanner.programs.admin import command
from tests.fakes import caller
from tests.fakes.resident import LIMIT_S, Resident
from tests.fakes.site import Site


def qscanner(site: Site, *words: str) -> Result:
    """Run `qscanner` with the settings of the site, and the socket that is its daemon's."""
    chosen = tomllib.loads(site.file.read_text())
    socket = site.folder / chosen.get("daemon", {}).get("socket", "")
    return CliRunner(env={"QSCANNER_SOCKET": str(socket)}).invoke(
        command, ["--config", str(site.file), *words], prog_name="qscanner"
    )


def metrics(port: int) -> str:
    """Give the page that Prometheus would get."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=LIMIT_S) as page:
        text: str = page.read().decode()
    return text


def call(daemon: Resident, octets: bytes) -> caller.Result:
    """Hand a message to the queue program, which finds this daemon."""
    return daemon.site.call(octets, QSCANNER_SOCKET=str(daemon.path))
