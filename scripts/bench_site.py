"""Everything a bench or a soak needs: built programs, real servers, the daemon, one folder.

Called by  bench, bench_smtp, soak.
Ends       all that it started with the block, and removes the folder.
Careful    only processes that it started itself are counted and ended, each by its pid.
"""

import compileall
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench_memory import CLERK, children, comm  # noqa: E402

from tests.fakes import caller, queue  # noqa: E402
from tests.real import servers  # noqa: E402

PACKAGE = ROOT / "qscanner"
BIN = Path(sys.executable).absolute().parent
NOBODY = "nobody-listens-here.sock"
UNCACHED = servers.SEEING + "DisableCache yes\n"
UP_WITHIN_S = 20.0
_ELF = b"\x7fELF"
_SETTINGS = """\
[queue]
program = "{program}"
spool = "spool"
host = "mx.example.com"
daemon_away = "{away}"
[daemon]
socket = "{socket}"
{daemon}
[virus]
engines = ["clamav"]
[virus.clamav]
servers = ["unix:{clamd}"]
[spam]
{spam}
[policy]
dir = "policies"
[quarantine]
dir = "quarantine"
"""
_OTHERWISE = """
import functools
from qscanner.programs import daemon
daemon.Daemon = functools.partial(daemon.Daemon, messages={messages})
daemon.main()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Programs, each by its path. `python` is the interpreter of `python_client`.

    `is_from_wheel`: the Python client is installed as users install it, else for development.
    """

    feed: Path
    wrapper: Path
    empty: Path
    fake_queue: Path
    c_client: Path
    python_client: Path
    python: Path = Path(sys.executable)
    is_from_wheel: bool = False


def build(folder: Path) -> Tools:
    """Compile what is in C; take the installed Python client where it is, else make it.

    The package's modules are compiled too, as pip does when it installs a wheel.
    """
    compileall.compile_dir(PACKAGE, quiet=2)
    here = Path(__file__).parent
    empty = folder / "empty.c"
    empty.write_text("int main(void) { return 0; }\n")
    return Tools(
        feed=_compiled(here / "bench_feed.c", folder / "feed"),
        wrapper=_compiled(here / "bench_wrapper.c", folder / "wrapper"),
        empty=_compiled(empty, folder / "empty"),
        fake_queue=queue.build(folder),
        c_client=_c_client(folder),
        python_client=_python_client(folder),
    )


def _compiled(source: Path, program: Path, *flags: str) -> Path:
    command = ["cc", "-O2", *flags, "-static", "-o", str(program), str(source)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=120)
    program.chmod(0o755)
    return program


def _c_client(folder: Path) -> Path:
    """Compile the C client of this tree, as setup.py does; beside it stands the Python one."""
    made = folder / "bin"
    made.mkdir(exist_ok=True)
    (made / "qscanner-queue-python").symlink_to(_python_client(folder))  # for a daemon away
    flags = ("-std=gnu11", "-fstack-protector-strong")
    return _compiled(PACKAGE / "programs" / "queue.c", made / "qscanner-queue", *flags)


def _python_client(folder: Path) -> Path:
    """Give the installed program, or one that starts what is in this tree."""
    for name in ("qscanner-queue-python", "qscanner-queue"):
        installed = BIN / name
        if installed.exists() and installed.read_bytes()[:4] != _ELF:
            return installed
    script = folder / "qscanner-queue-python"
    python = sys.executable
    script.write_text(f"#!{python}\nfrom qscanner.programs.queue import main\nmain()\n")
    script.chmod(0o755)
    return script


class Site:
    """A folder with settings, policies, spool, quarantine and queue, and a daemon for it."""

    def __init__(self, folder: Path, fake_queue: Path, *, clamd: str, spamd: str = "") -> None:
        self.folder = folder
        self.queue_dir = folder / "queue"
        self.quarantine = folder / "quarantine"
        self.file = folder / "qscanner.toml"
        self.socket = folder / "d.sock"
        self.log = folder / "log"
        folder.mkdir()
        folder.chmod(0o755)
        for name, mode in (("spool", 0o1733), ("quarantine", 0o777), ("queue", 0o777)):
            (folder / name).mkdir()
            (folder / name).chmod(mode)
        shutil.copytree(ROOT / "policies", folder / "policies")
        self._fill = {"program": fake_queue, "clamd": clamd, "socket": self.socket}
        self._fill["spam"] = (
            f'scorer = "spamd"\n[spam.spamd]\nservers = ["unix:{spamd}"]' if spamd else ""
        )
        self.settings(away="defer")  # so that a client which scanned by itself is noticed

    def settings(self, *, away: str, daemon: str = "") -> None:
        """Write the settings file; `daemon` are further lines of its table.

        Beside it stands one for runs without a daemon.
        """
        for name, word in (("qscanner.toml", away), ("away.toml", "scan")):
            text = _SETTINGS.format(**self._fill, daemon=daemon, away=word)
            (self.folder / name).write_text(text)

    def environment(self, *, away: bool = False) -> dict[str, str]:
        """Give what the clients get from tcpserver and the admin."""
        return caller.TCPSERVER | {
            "QSCANNER_CONFIG": str(self.folder / "away.toml" if away else self.file),
            "QSCANNER_SOCKET": str(self.folder / NOBODY if away else self.socket),
            "QSCANNER_SPOOL": str(self.folder / "spool"),
            "FAKE_QUEUE_DIR": str(self.queue_dir),
        }

    def emptied(self) -> None:
        """Empty the queue: the stand-in looks for a free number from 1 on."""
        for name in os.listdir(self.queue_dir):
            os.unlink(self.queue_dir / name)

    def start(self, *, messages: int = 0) -> "subprocess.Popen[bytes]":
        """Start a daemon and wait until it says that it is ready.

        `messages`: so many until a worker retires; 0: as shipped. No setting has it.
        """
        program = ["-m", "qscanner.programs.daemon"]
        if messages:
            program = ["-c", _OTHERWISE.format(messages=messages)]
        with self.log.open("ab") as log:
            begun_at = log.tell()
            process = subprocess.Popen(
                [sys.executable, *program, "--config", str(self.file)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        ends_at = time.monotonic() + UP_WITHIN_S
        while b" event=ready " not in self.log.read_bytes()[begun_at:]:
            if process.poll() is not None or time.monotonic() > ends_at:
                process.kill()
                raise AssertionError(f"the daemon does not come up:\n{self.log.read_text()}")
            pause(0.02)
        while CLERK not in map(comm, children(process.pid)) and time.monotonic() < ends_at:
            pause(0.02)  # till then it looks like a worker
        return process

    @contextlib.contextmanager
    def daemon(self, *, messages: int = 0) -> Iterator[int]:
        """Run a daemon for the block; give its pid. `messages` as in start()."""
        with ended(self.start(messages=messages)) as process:
            yield process.pid


@contextlib.contextmanager
def ended(process: "subprocess.Popen[bytes]") -> Iterator["subprocess.Popen[bytes]"]:
    """See to it that a process is gone after the block."""
    with process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def pause(seconds: float) -> None:
    """Wait a moment between two looks at something."""
    threading.Event().wait(seconds)


@contextlib.contextmanager
def work_folder(*, in_memory: bool = False) -> Iterator[Path]:
    """Give a folder that clamd's user may enter, and remove it. In memory, fsync is free."""
    place = "/dev/shm" if in_memory else None
    with tempfile.TemporaryDirectory(prefix="qscanner-bench-", dir=place) as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def cpu_s(*roots: int) -> float:
    """Give the CPU seconds of these processes and of all below them, dead children included."""
    return sum(_own_cpu_s(pid) + _dead_cpu_s(pid) for pid in below(*roots))


def below(*roots: int) -> list[int]:
    """Give the pids of these processes and of all that come from them."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))):
            parents.setdefault(int(fields[1]), []).append(int(name))
    found = list(roots)
    for pid in found:  # grows while it is walked
        found += parents.get(pid, [])
    return found


def _stat(pid: int) -> list[str]:
    """Give the fields of proc(5) stat behind the name: state, ppid, …"""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def _own_cpu_s(pid: int) -> float:
    try:
        return time.clock_gettime(
            ~pid << 3 | 2
        )  # clock_getcpuclockid(3): nanoseconds, all threads
    except OSError:
        return 0.0


def _dead_cpu_s(pid: int) -> float:
    fields = _stat(pid)
    ticks = int(fields[13]) + int(fields[14]) if fields else 0
    return ticks / os.sysconf("SC_CLK_TCK")
