"""commands: a program gets the message, is bounded in all it does, and nothing of it stays."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qscanner import commands
from qscanner.outcomes import CheckFailed, OutOfTime
from qscanner.spool import Message


@pytest.fixture
def message() -> Iterator[Message]:
    """A message that does not fit into a pipe."""
    made = Message.of_octets(b"hello\n" + b"x" * 200_000)
    yield made
    made.close()


def run(message: Message, script: str, *words: str, within_s: float = 5) -> commands.Ran:
    return commands.run(["/bin/sh", "-c", script, *words], message.fd, within_s=within_s)


def test_it_reads_the_message_and_tells(message: Message) -> None:
    """stdin holds all octets from the start; code, stdout and stderr come back."""
    os.lseek(message.fd, 3, os.SEEK_SET)
    ran = run(message, "wc -c; echo oh >&2; exit 7")
    assert (ran.code, ran.out.strip(), ran.err) == (7, b"200006", b"oh\n")
    assert os.lseek(message.fd, 0, os.SEEK_CUR) == 3


def test_nothing_of_it_can_be_written_to(message: Message) -> None:
    """The message is open for reading only."""
    assert run(message, "echo x >&0").code != 0
    assert bytes(message.octets[:5]) == b"hello"


def test_its_words_meet_no_shell(message: Message, tmp_path: Path) -> None:
    """What would be a command to a shell is an argument."""
    evil = f"$(touch {tmp_path}/evil); touch {tmp_path}/evil"
    ran = commands.run(["/bin/echo", evil], message.fd, within_s=5)
    assert ran.out.decode() == evil + "\n"
    assert list(tmp_path.iterdir()) == []


def test_its_environment_is_bare(message: Message, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither our secrets nor a stranger's variables are handed on."""
    monkeypatch.setenv("TCPREMOTEINFO", "evil")
    names = {line.split(b"=")[0] for line in run(message, "env").out.splitlines()}
    assert names <= {b"PATH", b"LC_ALL", b"PWD", b"SHLVL", b"_"}


def test_only_three_descriptors(message: Message) -> None:
    """Nothing else of ours is open in it."""
    assert run(message, "ls /proc/self/fd | wc -l").out.strip() in (b"4", b"3")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("kill -9 $$", "killed by SIGKILL"),
        ("yes", "printed more than"),
        ("yes >&2", "printed more than"),
    ],
)
def test_it_is_no_answer(script: str, reason: str, message: Message) -> None:
    """A crash and endless talk say nothing about the message."""
    with pytest.raises(CheckFailed, match=reason):
        run(message, script)


def test_it_cannot_be_started(message: Message) -> None:
    """The path is named, and why."""
    with pytest.raises(CheckFailed, match="/nonexistent/scan: no such file"):
        commands.run(["/nonexistent/scan"], message.fd, within_s=1)


@pytest.mark.parametrize(
    "script", ["cat >/dev/null; exec sleep 60", "sleep 60", "exec >&- 2>&-; sleep 60"]
)
def test_time_is_bounded(script: str, message: Message) -> None:
    """It is killed when its time is over, whatever it does with its output."""
    began = time.monotonic()
    with pytest.raises(OutOfTime, match="did not end in time"):
        run(message, script, within_s=0.3)
    assert time.monotonic() - began < 5


def test_what_it_started_is_killed_too(message: Message, tmp_path: Path) -> None:
    """Nothing stays behind that could go on for ever."""
    file = tmp_path / "pid"
    with pytest.raises(OutOfTime):
        run(message, 'sleep 60 & echo $! > "$0"; wait', str(file), within_s=0.5)
    pid = int(file.read_text())
    ends_at = time.monotonic() + 5
    while Path(f"/proc/{pid}/cmdline").exists() and b"sleep" in _cmdline(pid):
        assert time.monotonic() < ends_at


def _cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
