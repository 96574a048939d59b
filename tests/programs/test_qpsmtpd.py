"""Debian's qpsmtpd as a real caller, swaks as the sender, over loopback.

It cannot show a refusal: its plugin turns every exit code but 0 into 451, and a QMAILQUEUE that
was killed into "250 Queued!". So this is about accepted mail, and refused mail not being queued.
"""

import os
import pwd
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.fakes.queue import queued, started

pytestmark = pytest.mark.real

UP_WITHIN_S = 10.0
EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

TOP = (
    r"X-Qscanner: .*\n"
    r"Received: .*\n(?:[ \t].*\n)+"
    r"Authentication-Results: .*\n(?:[ \t].*\n)*"
)
CLEAN = (
    b"""\
From: Anna <anna@example.org>
To: Berta <berta@example.com>
Subject: a clean message,
\tfolded as its sender did
Message-ID: <qpsmtpd-1@example.org>
MIME-Version: 1.0
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: 8bit

Gr\xfc\xdfe in Latin-1, trailing blanks  \t
.
..two dots
From the start of a line
"""
    + b"a long line " * 80
    + b"\nthe end\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running qpsmtpd: its port, the folder of its queue program, and its log."""

    port: int
    queue: Path
    log: Path

    def send(self, message: bytes, *recipients: str, sender: str = "anna@example.org") -> str:
        """Hand in a message with swaks and give the whole dialogue, which may end in a refusal."""
        done = subprocess.run(
            [
                "swaks", "--server", f"127.0.0.1:{self.port}", "--helo", "client.example.org",
                "--from", sender, "--to", ",".join(recipients or ("berta@example.com",)),
                "--data", "-", "--no-data-fixup", "--suppress-data",
            ],
            input=_on_the_wire(message),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=15,
            check=False,
        )  # fmt: skip
        return done.stdout.decode("ascii", "replace")


def _on_the_wire(message: bytes) -> bytes:
    """Give the message as DATA carries it: CRLF, dots doubled, the dot at the end (RFC 5321)."""
    lines = message.removesuffix(b"\n").split(b"\n")
    stuffed = (b"." + line if line.startswith(b".") else line for line in lines)
    return b"".join(line + b"\r\n" for line in stuffed) + b".\r\n"


def _write(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o644)


def _configure(folder: Path, fake_queue: Path) -> dict[str, str]:
    """Write qpsmtpd's settings and ours; give the environment for both."""
    config, spool, held = (folder / name for name in ("config", "spool", "held"))
    for made, mode in ((config, 0o755), (spool, 0o1733), (held, 0o1777), (folder / "q", 0o1777)):
        made.mkdir()
        made.chmod(mode)
    plugins = {
        "plugins": "rcpt_ok\nqueue/qmail-queue\n",
        "plugin_dirs": "/usr/share/qpsmtpd/plugins\n",
        "logging": "logging/warn LOGINFO\n",
        "rcpthosts": "example.com\n",
        "me": "mx.example.com\n",
        "spool_dir": f"{folder}/mail/\n",
    }
    for name, text in plugins.items():
        _write(config / name, text)
    settings = folder / "qscanner.toml"
    _write(
        settings,
        f'[queue]\nprogram = "{fake_queue}"\nspool = "{spool}"\n'
        f'[virus]\nengines = ["yara"]\n[policy]\ndir = "{ROOT / "policies"}"\n'
        f'[quarantine]\ndir = "{held}"\n',
    )
    return {
        "PATH": os.environ["PATH"],
        "QPSMTPD_CONFIG": str(config),
        "QSCANNER_CONFIG": str(settings),
        "FAKE_QUEUE_DIR": str(folder / "q"),
    }


def _is_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + UP_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"qpsmtpd did not listen on port {port} within {UP_WITHIN_S} s: {log.read_text()}")


@pytest.fixture
def server(
    open_tmp: Path, fake_queue: Path, command: Callable[[str], Path], uids: tuple[int | None, ...]
) -> Iterator[Server]:
    """Start qpsmtpd as nobody where we are root, with qscanner-queue as its QMAILQUEUE."""
    program = shutil.which("qpsmtpd-forkserver")
    assert program, "qpsmtpd is not installed: scripts/test does that"
    log = open_tmp / "log"
    environment = _configure(open_tmp, fake_queue)
    environment["QMAILQUEUE"] = str(command("qscanner-queue"))
    user = pwd.getpwuid(os.getuid()).pw_name if uids == (None,) else "nobody"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [program, "-l", "127.0.0.1", "-p", str(port), "-u", user, "-H"],
            env=environment, cwd=open_tmp,
            stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
        )  # fmt: skip
    try:
        _is_up(process, port, log)
        yield Server(port=port, queue=open_tmp / "q", log=log)
    finally:
        process.terminate()
        process.wait(10)


def test_clean_mail_is_accepted(server: Server) -> None:
    """Below our line and qpsmtpd's own there is what swaks sent, octet for octet."""
    dialogue = server.send(CLEAN, "berta@example.com", "carl@example.com")
    assert "250 Queued!" in dialogue, dialogue + server.log.read_text()
    (mail,) = queued(server.queue)
    assert mail.envelope == b"Fanna@example.org\0Tberta@example.com\0Tcarl@example.com\0\0"
    assert mail.message.endswith(CLEAN)
    top = mail.message.removesuffix(CLEAN).decode("ascii")
    assert re.fullmatch(TOP, top), top
    assert mail.facts["alarm"] == "0"
    assert int(mail.facts["SigBlk"], 16) == 0
    assert (mail.facts["offset.0"], mail.facts["offset.1"]) == ("0", "0")


def test_null_sender_is_accepted(server: Server) -> None:
    """A bounce comes through with its empty sender."""
    dialogue = server.send(CLEAN, sender="<>")
    assert "250 Queued!" in dialogue, dialogue + server.log.read_text()
    (mail,) = queued(server.queue)
    assert mail.envelope == b"F\0Tberta@example.com\0\0"


def test_infected_mail_is_not_queued(server: Server) -> None:
    """The queue program is not even started; qpsmtpd says "later" for whatever refusal."""
    dialogue = server.send(b"Subject: x\n\n" + EICAR.encode() + b"\n")
    assert "Queued!" not in dialogue
    assert "451 Unable to queue message (31)" in dialogue, dialogue + server.log.read_text()
    assert started(server.queue) == []
