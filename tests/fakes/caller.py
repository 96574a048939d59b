"""The strict stand-in caller: does with a queue program what qmail.c and qmail-smtpd do.

Called by  the tests, and whoever wants to see the SMTP reply that a sender would see.
Ends       with a Result; raises Overdue, after killing the program, where a limit passes.
Careful    the program is started before there is any message; the error-text pipe is read to its
           end before the wait, so whatever keeps it open holds the reply; a pipe nobody reads is
           an error of the caller (flagerr), never a signal.

Source: notqmail's qmail.c, qmail_open() to qmail_close(), and qmail-smtpd.c.
"""

import contextlib
import enum
import os
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.replies import Flavour, closing, smtp_reply

_LAUNCH = str(Path(__file__).with_name("launch.py"))
_PIPE_OCTETS = 65536


class Overdue(AssertionError):
    """The program, or whoever holds one of its pipes, did not end within the limit."""


class Ends(enum.Enum):
    """How the caller comes to the end of a message."""

    WHOLE = "message and envelope written"
    FAILED = "message cut, no envelope, the reply is awaited"  # databytes, over 100 hops
    DROPPED = "everything closed, nobody waits"  # the client went away within DATA


class Other(enum.Enum):
    """A descriptor that happens to be open in the program, and is no reply channel."""

    SOCKET = "socket"  # sslserver, ucspi
    FILE = "file"  # a log


class Stage(enum.Enum):
    """Where Setting.at is called, to kill or to look."""

    STARTED = "started"
    MESSAGE = "message written"
    ENVELOPE = "envelope written"


TCPSERVER = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "PROTO": "TCP",
    "TCPLOCALIP": "127.0.0.1",
    "TCPLOCALPORT": "25",
    "TCPREMOTEIP": "192.0.2.7",
    "TCPREMOTEPORT": "40000",
}


def _look_on(_stage: Stage, _pid: int) -> None:
    """Do nothing at any stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How the program is called. Only `flavour` and `env` are usually of interest.

    env         the whole environment of the program, but for ERROR_FD
    chunk       octets in one write of the message; `delay_s` seconds before each but the first
    cut_after   octets of the message after which FAILED or DROPPED stops
    error_fd    sets $ERROR_FD, and puts the text pipe there for flavours that know the variable
    others      further open descriptors that no qmail reads
    closed      descriptors of 0, 1, 2 that are closed in the program
    uid         None: stay who we are; else this user, without groups but `gid` (None: its number)
    limits      resource -> (soft, hard)
    within_s    seconds that each wait may take: for the program to read, to let go, to end
    at          called at each Stage with the program's pid
    """

    flavour: Flavour = Flavour.NOTQMAIL
    env: Mapping[str, str] = field(default_factory=lambda: dict(TCPSERVER))
    cwd: str = "/"
    chunk: int = _PIPE_OCTETS
    delay_s: float = 0.0
    ends: Ends = Ends.WHOLE
    cut_after: int = 0
    error_fd: int | None = None
    others: Mapping[int, Other] = field(default_factory=dict)
    closed: frozenset[int] = frozenset()
    uid: int | None = None
    gid: int | None = None
    limits: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    umask: int = 0o022
    within_s: float = 15.0
    at: Callable[[Stage, int], None] = _look_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How it went.

    One of `code` and `signal` is None. `text` is what came on the reply channel, `reply` the SMTP
    line without its CRLF ("" where nobody waited for one). `seconds` run from the last octet
    written to the exit; `held_s` is how much longer than the program the text pipe stayed open.
    `leaks` name processes that still hold one of its pipes after it ended. `strays` are the octets
    written to `others`. `is_flagerr`: the caller could not, or would not, write everything.
    """

    pid: int
    code: int | None
    signal: int | None
    text: bytes
    reply: str
    stderr: bytes
    seconds: float
    held_s: float
    is_flagerr: bool
    leaks: tuple[str, ...]
    strays: Mapping[int, bytes]


def envelope(sender: bytes = b"a@example.org", *recipients: bytes) -> bytes:
    """Give the octets of an envelope; without recipients one is made up."""
    to = recipients or (b"b@example.com",)
    return b"F" + sender + b"\0" + b"".join(b"T" + one + b"\0" for one in to) + b"\0"


def call(
    program: str | Path,
    message: bytes,
    raw_envelope: bytes | None = None,
    *,
    setting: Setting | None = None,
) -> Result:
    """Hand one message to a queue program as qmail does. None: a plain envelope or Setting()."""
    raw = envelope() if raw_envelope is None else raw_envelope
    with contextlib.closing(_Call(str(program), setting or Setting())) as one:
        return one.run(message, raw)


class _Call:
    """One call: its descriptors, its process, and the path from start to Result."""

    def __init__(self, program: str, setting: Setting) -> None:
        self._set = setting
        self._is_flagerr = False
        self._open: set[int] = set()  # all that is ours to close
        self._inside: dict[int, int] = {}  # number in the program -> our descriptor
        self._pipes: dict[str, int] = {}  # link text of a pipe -> its number in the program
        self._others: dict[int, int] = {}
        self._message = self._pipe(0, is_read_inside=True)
        self._envelope = self._pipe(1, is_read_inside=True)
        self._errors = self._pipe(2, is_read_inside=False)
        self._text = self._text_pipe()
        for number, kind in setting.others.items():
            self._others[number] = self._other(number, kind)
        for number in setting.closed:
            self._shut(self._inside.pop(number))
        self._process = self._start(program)

    # ---- descriptors

    def _mine(self, fd: int) -> int:
        self._open.add(fd)
        return fd

    def _shut(self, fd: int) -> None:
        if fd in self._open:
            self._open.remove(fd)
            os.close(fd)

    def close(self) -> None:
        """End the program if it still runs, and give every descriptor back."""
        for fd in list(self._open):
            self._shut(fd)
        _reap(self._process)

    def _pipe(self, number: int, *, is_read_inside: bool) -> int:
        """Make a pipe whose other end is `number` in the program; give our end."""
        read, write = (self._mine(fd) for fd in os.pipe2(os.O_CLOEXEC))
        self._pipes[os.readlink(f"/proc/self/fd/{read}")] = number
        self._inside[number], ours = (read, write) if is_read_inside else (write, read)
        os.set_blocking(ours, False)
        return ours

    def _text_pipe(self) -> int | None:
        row = self._set.flavour.value
        number = row.text_fd
        if self._set.error_fd is not None and row.reads_variable:
            number = self._set.error_fd
        if number is None:
            return None
        # Where stderr is the reply channel, the caller itself reads it, at the end.
        return self._errors if number == 2 else self._pipe(number, is_read_inside=False)

    def _other(self, number: int, kind: Other) -> int:
        if kind is Other.SOCKET:
            here, there = (self._mine(end.detach()) for end in socket.socketpair())
        else:
            here, name = tempfile.mkstemp(prefix="stray-")
            os.unlink(name)
            there = self._mine(os.dup(self._mine(here)))
        self._inside[number] = there
        return here

    # ---- the process

    def _start(self, program: str) -> subprocess.Popen[bytes]:
        """Start it, and wait until it really runs: the launcher's time is not the program's."""
        told, tell = (self._mine(fd) for fd in os.pipe2(os.O_CLOEXEC))
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", _LAUNCH, program, f"tell:{tell}", *self._orders()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._inside.get(2, subprocess.DEVNULL),
            pass_fds=[tell, *self._inside.values()],
            env=self._environment(),
        )
        for fd in (tell, *self._inside.values()):
            self._shut(fd)
        if not _is_ready(told, select.POLLIN, self._set.within_s):
            _reap(process)
            raise Overdue("the launcher did not exec the program")
        self._shut(told)
        return process

    def _orders(self) -> list[str]:
        setting = self._set
        orders = [f"fd:{ours}:{number}" for number, ours in self._inside.items()]
        orders += [f"cwd:{setting.cwd}", f"umask:{setting.umask:o}"]
        if setting.uid is not None:
            gid = setting.uid if setting.gid is None else setting.gid
            orders.append(f"user:{setting.uid}:{gid}")
        orders += [f"limit:{what}:{soft}:{hard}" for what, (soft, hard) in setting.limits.items()]
        return orders

    def _environment(self) -> dict[str, str]:
        error_fd = self._set.error_fd
        return dict(self._set.env) | ({} if error_fd is None else {"ERROR_FD": str(error_fd)})

    # ---- the path

    def run(self, message: bytes, raw_envelope: bytes) -> Result:
        """Feed, hear, wait: the order of qmail.c."""
        setting, pid = self._set, self._process.pid
        stderr = bytearray()
        drain = self._drain_stderr(stderr)
        setting.at(Stage.STARTED, pid)
        self._feed(message, raw_envelope)
        fed_at = time.monotonic()
        text, held_s = self._hear()
        status = self._wait()
        seconds = time.monotonic() - fed_at - held_s
        leaks = self._leaks()
        if drain and not leaks:
            drain.join(setting.within_s)
        code = None if status < 0 else status
        closed = closing(setting.flavour, code, text, is_flagerr=self._is_flagerr)
        return Result(
            pid=pid,
            code=code,
            signal=None if status >= 0 else -status,
            text=text,
            reply="" if setting.ends is Ends.DROPPED else smtp_reply(closed, pid=pid),
            stderr=bytes(stderr) if drain else text,
            seconds=seconds,
            held_s=held_s,
            is_flagerr=self._is_flagerr,
            leaks=leaks,
            strays={number: _octets(fd) for number, fd in self._others.items()},
        )

    def _feed(self, message: bytes, raw_envelope: bytes) -> None:
        setting = self._set
        is_whole = setting.ends is Ends.WHOLE
        self._write(self._message, message if is_whole else message[: setting.cut_after])
        if not is_whole:
            self._is_flagerr = True  # qmail_fail(); or qmail-smtpd is gone, with all it had open
        self._shut(self._message)  # qmail_from(): the envelope only follows the whole message
        setting.at(Stage.MESSAGE, self._process.pid)
        self._write(self._envelope, raw_envelope)
        self._shut(self._envelope)
        setting.at(Stage.ENVELOPE, self._process.pid)

    def _write(self, fd: int, octets: bytes) -> None:
        """As substdio does: after one error nothing more is written, to either pipe."""
        rest = memoryview(octets)
        is_first = True
        while rest and not self._is_flagerr:
            if self._set.delay_s and not is_first:
                time.sleep(self._set.delay_s)  # the sender's speed
            is_first = False
            piece, rest = rest[: self._set.chunk], rest[self._set.chunk :]
            try:
                self._write_piece(fd, piece)
            except BrokenPipeError:
                self._is_flagerr = True

    def _write_piece(self, fd: int, piece: memoryview) -> None:
        until = time.monotonic() + self._set.within_s
        while piece:
            try:
                piece = piece[os.write(fd, piece) :]
            except BlockingIOError:
                if not _is_ready(fd, select.POLLOUT, until - time.monotonic()):
                    raise self._overdue("the program reads on") from None

    def _hear(self) -> tuple[bytes, float]:
        """Read the text to its end or limit; give it, and the seconds held after the exit."""
        if self._text is None:
            return b"", 0.0
        if self._set.ends is Ends.DROPPED:
            self._shut(self._text)
            return b"", 0.0
        limit = self._set.flavour.value.max_octets
        text = bytearray()
        ended_at = None
        until = time.monotonic() + self._set.within_s
        gone = self._mine(os.pidfd_open(self._process.pid))
        while len(text) < limit:
            ready = _which(self._text, None if ended_at else gone, until - time.monotonic())
            if not ready:
                raise self._overdue("the text pipe is closed")
            if gone in ready:
                ended_at = time.monotonic()
            if self._text in ready:
                if not (octets := os.read(self._text, limit - len(text))):
                    break
                text += octets
        self._shut(self._text)
        return bytes(text), time.monotonic() - ended_at if ended_at else 0.0

    def _wait(self) -> int:
        try:
            return self._process.wait(self._set.within_s)
        except subprocess.TimeoutExpired:
            raise self._overdue("the program ends") from None

    def _overdue(self, what: str) -> Overdue:
        holders = ", ".join(self._leaks()) or "nobody"
        within_s = self._set.within_s
        return Overdue(f"waited {within_s} s until {what}; its pipes are held by {holders}")

    # ---- what it leaves

    def _drain_stderr(self, into: bytearray) -> threading.Thread | None:
        """Keep stderr from filling up, as multilog does, where it is not the reply channel."""
        if self._text == self._errors:
            return None
        fd = os.dup(self._errors)
        os.set_blocking(fd, True)

        def drain() -> None:
            with open(fd, "rb", buffering=0) as pipe:
                while octets := pipe.read(4096):
                    into.extend(octets)

        thread = threading.Thread(target=drain, daemon=True)
        thread.start()
        return thread

    def _leaks(self) -> tuple[str, ...]:
        """Name the processes, but this one, that hold a pipe of the program."""
        others = (one for one in Path("/proc").iterdir() if one.name.isdigit())
        return tuple(
            held for one in others if int(one.name) != os.getpid() for held in self._held_by(one)
        )

    def _held_by(self, process: Path) -> list[str]:
        held = []
        with contextlib.suppress(OSError):
            name = (process / "comm").read_text("utf-8", "replace").strip()
            for fd in os.listdir(process / "fd"):
                with contextlib.suppress(OSError):
                    if (number := self._pipes.get(os.readlink(process / "fd" / fd))) is not None:
                        held.append(f"{name} {process.name}: pipe of fd {number}")
        return held


def _which(text: int, gone: int | None, within_s: float) -> set[int]:
    waiting = select.poll()
    waiting.register(text, select.POLLIN)
    if gone is not None:
        waiting.register(gone, select.POLLIN)
    return {fd for fd, _ in waiting.poll(max(0.0, within_s) * 1000)}


def _is_ready(fd: int, event: int, within_s: float) -> bool:
    waiting = select.poll()
    waiting.register(fd, event)
    return bool(waiting.poll(max(0.0, within_s) * 1000))


def _octets(fd: int) -> bytes:
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        return os.pread(fd, _PIPE_OCTETS, 0)
    os.set_blocking(fd, False)
    try:
        return os.read(fd, _PIPE_OCTETS)
    except BlockingIOError:
        return b""


def _reap(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        process.wait(10)
