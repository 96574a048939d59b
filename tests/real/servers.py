"""Real clamd, spamd and rspamd, each in a folder of its own, with a tiny database and free ports.

Called by  the fixtures of tests/real/conftest.py, and whatever else needs them.
Ends       the server with the block; a server that does not come up fails the test with its log.
Careful    clamd runs as the user clamav, who must reach the folder: pytest's own are mode 0700.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from qscanner.checks import clamav, spam
from qscanner.checks import rspamd as scores
from qscanner.checks.clamav_probe import EICAR
from qscanner.checks.told import Told
from qscanner.codec.servers import Server, parse
from qscanner.conversation import Conversation
from qscanner.outcomes import CheckFailed
from qscanner.spool import Message

UP_WITHIN_S = 15.0
_COMMON = """
LocalSocket {folder}/clamd.sock
LocalSocketMode 666
TCPSocket {port}
TCPAddr 127.0.0.1
FixStaleSocket yes
DatabaseDirectory {folder}/db
OfficialDatabaseOnly no
LogFile {folder}/log/clamd.log
Foreground yes
MaxThreads 12
MaxConnectionQueueLength 200
"""
SEEING = "StreamMaxLength 100M\nAlertExceedsMax yes\nAlertEncrypted yes\n"
BLIND = "StreamMaxLength 2M\nMaxFileSize 1M\nMaxScanSize 1M\nAlertExceedsMax no\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One server that runs: where it listens, and its process."""

    unix: Server
    tcp: Server
    pid: int

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Have the process stand still: the kernel goes on taking connections for it."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


@contextlib.contextmanager
def clamd(limits: str) -> Iterator[Running]:
    """Run a clamd that knows EICAR and nothing else, with these lines in its clamd.conf."""
    program = _program("clamd")
    with _folder() as folder:
        for name in ("db", "log"):
            os.mkdir(f"{folder}/{name}")
        _write(f"{folder}/db/test.ndb", f"Eicar-Test-Signature:0:*:{EICAR.hex()}\n")
        port = _free_port()
        user = "User clamav\n" if os.geteuid() == 0 else ""
        _write(f"{folder}/clamd.conf", _COMMON.format(folder=folder, port=port) + user + limits)
        if user:
            shutil.chown(folder, "clamav")
            shutil.chown(f"{folder}/log", "clamav")
        command = [program, "-c", f"{folder}/clamd.conf"]
        unix, tcp = parse(f"unix:{folder}/clamd.sock"), parse(f"tcp:127.0.0.1:{port}")

        def ping() -> None:
            for server in (unix, tcp):
                clamav.client(server, within_s=1).ping()

        with _running(command, folder, ping) as pid:
            yield Running(unix=unix, tcp=tcp, pid=pid)


@contextlib.contextmanager
def spamd(*options: str) -> Iterator[Running]:
    """Run a spamd with local tests only and at most two children."""
    program = _program("spamd")
    with _folder() as folder:
        port = _free_port()
        user = ["-u", "debian-spamd"] if os.geteuid() == 0 else []
        command = [program, "-L", "-x", *user, "--min-children=1", "--max-children=2"]
        command += ["--min-spare=1", "--max-spare=1", f"--listen=127.0.0.1:{port}"]
        command += [f"--socketpath={folder}/spamd.sock", "--socketmode=0666", *options]
        unix, tcp = parse(f"unix:{folder}/spamd.sock"), parse(f"tcp:127.0.0.1:{port}")
        message = Message.of_octets(b"Subject: is anybody there\n\nhello\n")

        def score() -> None:
            for server in (unix, tcp):
                spam.ask_spamd(message, server, Told(), within_s=5)

        with contextlib.closing(message), _running(command, folder, score) as pid:
            yield Running(unix=unix, tcp=tcp, pid=pid)


@contextlib.contextmanager
def learning_spamd() -> Iterator[tuple[Running, str]]:
    """Run a spamd that learns; give it, and where its Bayes files are."""
    with _folder() as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "debian-spamd")
        with spamd("--allow-tell", f"--cf=bayes_path {folder}/bayes") as running:
            yield running, f"{folder}/bayes"


_RSPAMD = """
options {{
    filters = "";
    url_tld = "/usr/share/rspamd/effective_tld_names.dat";
    dns {{ nameserver = ["127.0.0.1:{nowhere}"]; timeout = 0.1s; retransmits = 1; }}
    tempdir = "{folder}";
}}
logging {{ type = "console"; level = "warning"; }}
lua = "{folder}/rules.lua";
metric {{ name = "default"; actions {{ reject = 15; add_header = 6; greylist = 4; }} }}
"""
_SCORING = """
worker "normal" {{
    bind_socket = "127.0.0.1:{port}";
    bind_socket = "{folder}/rspamd.sock mode=0666";
    count = 2;
}}
"""
_LEARNING = """
classifier "bayes" {{
    tokenizer {{ name = "osb"; }}
    backend = "sqlite3";
    cache {{ type = "sqlite3"; file = "{folder}/learned.sqlite"; }}
    min_tokens = 11;
    statfile {{ symbol = "BAYES_HAM"; spam = false; path = "{folder}/ham.sqlite"; }}
    statfile {{ symbol = "BAYES_SPAM"; spam = true; path = "{folder}/spam.sqlite"; }}
}}
worker "controller" {{
    bind_socket = "127.0.0.1:{port}";
    bind_socket = "{folder}/rspamd.sock mode=0666";
    count = 1;
    password = "read";
    enable_password = "sesame";
    secure_ip = [];
}}
"""
_RULES = """
local function rule(name, score, is_met)
  rspamd_config:register_symbol({name = name, score = score, callback = is_met})
end
rule('TEST_LOTTERY', 7.5, function(task)
  return (task:get_subject() or ''):find('lottery') ~= nil
end)
rule('TEST_FINDINGS', 1.25, function(task)
  return (task:get_header('X-Qscanner-Findings') or ''):find('name.bidi', 1, true) ~= nil
end)
rule('TEST_ENVELOPE', 0.5, function(task)
  local ip, from, to = task:get_from_ip(), task:get_from('smtp'), task:get_recipients('smtp')
  return ip and tostring(ip) == '192.0.2.1' and from and from[1].addr == 's@x.example'
    and to and #to == 2 and task:get_user() == 'ann'
end)
"""


@contextlib.contextmanager
def rspamd() -> Iterator[Running]:
    """Run an rspamd that knows GTUBE and three rules of ours."""
    message = Message.of_octets(b"Subject: is anybody there\n\nhello\n")

    def score(server: Server) -> None:
        scores.ask(message, server, Told(), within_s=5)

    with contextlib.closing(message), _rspamd(_SCORING, score) as running:
        yield running


@contextlib.contextmanager
def learning_rspamd() -> Iterator[Running]:
    """Run a controller of rspamd's that learns; its password is "sesame".

    Nothing else of rspamd: of several processes one would find the files of SQLite locked.
    """

    def ping(server: Server) -> None:
        with Conversation(server, within_s=5) as talk:
            talk.send(b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            talk.receive(max_octets=4096)

    with _rspamd(_LEARNING, ping) as running:
        yield running


@contextlib.contextmanager
def _rspamd(workers: str, ask: Callable[[Server], object]) -> Iterator[Running]:
    """Run it with these workers, once `ask` succeeds with each of its servers."""
    program = _program("rspamd")
    with _folder() as folder:
        port = _free_port()
        _write(f"{folder}/rules.lua", _RULES)
        _write(
            f"{folder}/rspamd.conf",
            (_RSPAMD + workers).format(folder=folder, port=port, nowhere=_free_port()),
        )
        user = ["-u", "_rspamd", "-g", "_rspamd"] if os.geteuid() == 0 else ["-i"]
        if os.geteuid() == 0:
            shutil.chown(folder, "_rspamd", "_rspamd")
        command = [program, "-f", *user, "-c", f"{folder}/rspamd.conf"]
        unix, tcp = parse(f"unix:{folder}/rspamd.sock"), parse(f"tcp:127.0.0.1:{port}")

        def ask_both() -> None:
            for server in (unix, tcp):
                ask(server)

        with _running(command, folder, ask_both, within_s=60) as pid:
            yield Running(unix=unix, tcp=tcp, pid=pid)


@contextlib.contextmanager
def _running(
    command: list[str], folder: str, ask: Callable[[], None], *, within_s: float = UP_WITHIN_S
) -> Iterator[int]:
    """Start the program in the foreground, wait until `ask` succeeds, and stop it in the end."""
    with (
        open(f"{folder}/output", "wb") as output,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as process,
    ):
        try:
            _wait_until_up(process, ask, f"{folder}/output", within_s)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_up(
    process: "subprocess.Popen[bytes]", ask: Callable[[], None], output: str, within_s: float
) -> None:
    ends_at = time.monotonic() + within_s
    while True:
        try:
            ask()
        except CheckFailed as failure:
            if process.poll() is None and time.monotonic() < ends_at:
                threading.Event().wait(0.02)
                continue
            with open(output, errors="replace") as said:
                raise AssertionError(f"does not come up: {failure}\n{said.read()}") from failure
        return


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert found, f"{name} is not installed: run scripts/test"
    return found


@contextlib.contextmanager
def _folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="qscanner-") as folder:
        os.chmod(folder, 0o755)
        yield folder


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
