"""The real qscannerd in a Site: started, waited for, listened to, and stopped with the block.

Called by  tests/programs/test_daemon.py.
Ends       with SIGTERM, and fails the test where the daemon does not end with 0 then, unless the
           test has ended it by itself.
Careful    its log is read all the time, or it would stand still when the pipe is full.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.fakes import caller
from tests.fakes.site import ROOT, Site

LIMIT_S = 15.0
_OTHERS = ("q-injector", "q-clerk")  # children that are no workers
_PROGRAM = f"""
import functools, os, sys
sys.path.insert(0, {str(ROOT)!r})
from qscanner.programs import daemon
"""


def until(holds: Callable[[], object], what: str, *, within_s: float = LIMIT_S) -> None:
    """Wait until something holds. Fails after `within_s` seconds."""
    ends_at = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < ends_at, f"waited {within_s} s until {what}"
        time.sleep(0.01)  # between two looks


def free_port() -> int:
    """Give a port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


class Resident:
    """A running daemon."""

    def __init__(self, site: Site, process: "subprocess.Popen[bytes]") -> None:
        self.site = site
        self.process = process
        self.lines: list[str] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    @property
    def path(self) -> Path:
        """Give the path of its socket."""
        return self.site.folder / "d.sock"

    @property
    def pid(self) -> int:
        """Give the process id of the dispatcher."""
        return self.process.pid

    @property
    def log(self) -> str:
        """Give all that it has logged."""
        return "\n".join(self.lines)

    def call(self, message: bytes, *, setting: caller.Setting | None = None) -> caller.Result:
        """Hand a message to the real qscanner-queue, which asks this daemon."""
        return self.site.call(
            message,
            setting=setting,
            QSCANNER_SOCKET=str(self.path),
            QSCANNER_SPOOL=str(self.site.spool),
        )

    def workers(self) -> list[int]:
        """Give the process ids of the workers."""
        return [pid for pid in children(self.pid) if comm(pid) not in _OTHERS]

    def busy_worker(self) -> int:
        """Wait until a worker burns processor time over a message, and give its process id."""
        found: list[int] = []

        def is_there() -> bool:
            before = {pid: cpu_ticks(pid) for pid in self.workers()}
            time.sleep(0.05)
            found.extend(pid for pid, used in before.items() if cpu_ticks(pid) > used + 1)
            return bool(found)

        until(is_there, "a worker is busy")
        return found[0]

    def wait_for(self, pattern: str, *, times: int = 1) -> str:
        """Wait until so many lines match, and give the latest."""
        found: list[str] = []

        def is_there() -> bool:
            found[:] = [line for line in list(self.lines) if re.search(pattern, line)]
            is_over = self.process.poll() is not None and not self._reading.is_alive()
            assert len(found) >= times or not is_over, f"it ended before {pattern}"
            return len(found) >= times

        try:
            until(is_there, pattern)
        except AssertionError as error:
            raise AssertionError(f"{error}; the log: {self.log}") from None
        return found[-1]

    def signal(self, number: int) -> None:
        """Send a signal to the dispatcher."""
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait for its end, and give how it was."""
        code = self.process.wait(LIMIT_S)
        self._reading.join(LIMIT_S)
        return code

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.lines.append(line.decode("ascii", "replace").rstrip("\n"))


def children(pid: int) -> list[int]:
    """Give the process ids of the children of a process, those that have not ended."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(each) for each in text.split() if _state(int(each)) not in ("Z", "X")]


def comm(pid: int) -> str:
    """Give the name of a process (proc(5), comm), "" where it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")
    except OSError:
        return ""


def _state(pid: int) -> str:
    return (_stat(pid) or ["X"])[0]


def cpu_ticks(pid: int) -> int:
    """Give the processor time that a process has used (proc(5), utime and stime)."""
    fields = _stat(pid)
    return int(fields[11]) + int(fields[12]) if fields else 0


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    """Say whether a process is there and has not ended."""
    return _state(pid) not in ("Z", "X")


def is_stopped(pid: int) -> bool:
    """Say whether a process stands still, as SIGSTOP makes it."""
    return _state(pid) == "T"


@contextlib.contextmanager
def serving(
    site: Site,
    *,
    daemon: str = "",
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    spoil: str = "",
    before: str = "",
    pass_fds: Sequence[int] = (),
    is_ready: bool = True,
    **settings: str,
) -> Iterator[Resident]:
    """Run the daemon with these lines of [daemon], and the other tables as in Site.settings().

    `spoil`: Python that is run before its main(). `before`: what a shell does before it becomes
    the daemon. `is_ready`: wait for that.
    """
    configure(site, daemon=daemon, **settings)
    program = f"{_PROGRAM}\n{spoil}\ndaemon.main()"
    command = [sys.executable, "-c", program, "--config", str(site.file), *arguments]
    process = subprocess.Popen(
        ["bash", "-c", f'{before}\nexec "$@"', "bash", *command],
        cwd="/",
        env={"PATH": os.environ["PATH"], **(environment or {})},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=pass_fds,
    )
    one = Resident(site, process)
    try:
        if is_ready:
            one.wait_for("event=ready")
        yield one
        if process.poll() is None:
            one.signal(signal.SIGTERM)
            assert one.ended() == 0, one.log
        assert not _undocumented(one.lines), _undocumented(one.lines)
    finally:
        if process.poll() is None:
            process.kill()
            one.ended()
        assert process.stderr
        process.stderr.close()


def configure(site: Site, *, daemon: str = "", queue: str = "", **settings: str) -> None:
    """Write the settings file."""
    lines = daemon if "workers" in daemon else f"workers = 2\n{daemon}"
    site.settings(queue=f'{queue}\n[daemon]\nsocket = "d.sock"\n{lines}', **settings)


def _undocumented(lines: Sequence[str]) -> list[str]:
    """Give the lines with an event or a key that docs/log.md does not name, or without one."""
    page = (ROOT / "docs" / "log.md").read_text("utf-8")
    rows = re.findall(r"^\| `event=([a-z-]+)` \| (.*?) \|", page, re.MULTILINE)
    known = {event: set(re.findall(r"`([a-z-]+)`", keys)) for event, keys in rows}
    wrong = []
    for line in lines:
        pairs = re.findall(r'([^ =]+)=("(?:[^"\\]|\\.)*"|[^ ]*)', line)
        told = dict(pairs)
        event = told.pop("event", "message")  # a message's keys are tested with the manual
        if event != "message" and set(told) != known.get(event):
            wrong.append(line)
    return wrong


def sockets(pid: int) -> list[str]:
    """Give what sockets a process holds."""
    folder = f"/proc/{pid}/fd"
    links = [os.readlink(f"{folder}/{name}") for name in os.listdir(folder)]
    return [link for link in links if link.startswith("socket:")]
