"""inject: only what the queue program promised to keep counts as queued."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qscanner.inject import NotQueued, inject
from qscanner.spool import Message
from tests.fakes import child, queue

ROOT = Path(__file__).resolve().parent.parent.parent
OCTETS = b"Subject: x\n\n" + b"body \0\xff\n" * 40_000
ENVELOPE = b"F\0Ta@b.example\0\0"


@pytest.fixture
def message() -> Iterator[Message]:
    """A message whose descriptor stands somewhere in its middle."""
    made = Message.of_octets(OCTETS)
    os.lseek(made.fd, 7, os.SEEK_SET)
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A queue."""
    (tmp_path / "queue").mkdir()
    return tmp_path / "queue"


def injected(program: Path | str, message: Message, folder: Path, **more: str) -> None:
    environment = {"FAKE_QUEUE_DIR": str(folder), **more}
    inject(str(program), message.fd, ENVELOPE, within_s=10, environment=environment)


def test_it_is_queued_octet_for_octet(fake_queue: Path, message: Message, folder: Path) -> None:
    """Message and envelope arrive whole, from their start, and our offset stays where it was."""
    injected(fake_queue, message, folder)
    (one,) = queue.queued(folder)
    assert (one.message, one.envelope) == (OCTETS, ENVELOPE)
    assert os.lseek(message.fd, 0, os.SEEK_CUR) == 7


_WITH_DESCRIPTORS = """
import os, sys
from qscanner.inject import inject
program, message, count = sys.argv[1:]
os.closerange(3, 100)
for _ in range(int(count)):
    os.open("/dev/null", os.O_RDONLY)
inject(program, os.open(message, os.O_RDONLY), sys.stdin.buffer.read(), within_s=10,
       environment={"FAKE_QUEUE_DIR": os.environ["FAKE_QUEUE_DIR"]})
"""


@pytest.mark.parametrize("count", range(14))
def test_whatever_is_open(count: int, fake_queue: Path, tmp_path: Path, folder: Path) -> None:
    """Message and envelope are not mixed up, whatever numbers their descriptors have."""
    (tmp_path / "message").write_bytes(OCTETS)
    subprocess.run(
        [sys.executable, "-c", _WITH_DESCRIPTORS, fake_queue, tmp_path / "message", str(count)],
        input=ENVELOPE,
        env={**os.environ, "FAKE_QUEUE_DIR": str(folder)},
        cwd=ROOT,
        check=True,
    )
    (one,) = queue.queued(folder)
    assert (one.message, one.envelope) == (OCTETS, ENVELOPE)
    given = {name for name in one.facts if name.startswith("fd.")}
    assert given == {"fd.0", "fd.1", "fd.2", "fd.6"}


def test_it_finds_no_trace_of_us(fake_queue: Path, message: Message, folder: Path) -> None:
    """No ignored or blocked signal (but the two that are glibc's own), a bare environment."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        injected(fake_queue, message, folder)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    facts = queue.queued(folder)[0].facts
    assert int(facts["SigIgn"], 16) & ~(0b11 << 31) == 0
    assert int(facts["SigBlk"], 16) == 0
    assert {name for name in facts if name.startswith("env.")} == {
        "env.PATH",
        "env.FAKE_QUEUE_DIR",
    }


@pytest.mark.parametrize(
    ("code", "is_permanent"),
    [(31, True), (11, True), (40, True), (71, False), (53, False), (91, False)],
)
def test_a_refusal_is_told(
    code: int, is_permanent: bool, fake_queue: Path, message: Message, folder: Path
) -> None:
    """Its exit code says whether it is worth another try."""
    with pytest.raises(NotQueued, match=f"ended with {code}") as caught:
        injected(fake_queue, message, folder, FAKE_QUEUE_EXIT=str(code))
    assert caught.value.is_permanent is is_permanent
    assert not caught.value.is_unsure
    assert queue.queued(folder) == []


def test_killed_is_not_queued(fake_queue: Path, message: Message, folder: Path) -> None:
    """A child that a signal ended promised nothing."""
    with pytest.raises(NotQueued, match="killed by SIGKILL") as caught:
        injected(fake_queue, message, folder, FAKE_QUEUE_SIGNAL="9")
    assert caught.value.is_unsure


def test_too_slow_is_killed(message: Message, tmp_path: Path) -> None:
    """Its time is bounded, and then it is gone."""
    script = _script(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 60")
    began = time.monotonic()
    with pytest.raises(NotQueued, match="did not end in time"):
        inject(str(script), message.fd, ENVELOPE, within_s=0.5)
    assert time.monotonic() - began < 10
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_its_own_words_are_told(message: Message, tmp_path: Path) -> None:
    """A patched queue program writes the reason to descriptor 6."""
    script = _script(tmp_path, "echo 'Zdisk is full' >&6; exit 53")
    with pytest.raises(NotQueued, match="ended with 53: disk is full"):
        inject(str(script), message.fd, ENVELOPE, within_s=10)


@pytest.mark.parametrize("program", ["/nonexistent/qmail-queue", "/etc/passwd"])
def test_it_cannot_be_started(program: str, message: Message) -> None:
    """A missing program, or none: never queued."""
    with pytest.raises(NotQueued):
        inject(program, message.fd, ENVELOPE, within_s=1)


def test_nothing_stays_open(fake_queue: Path, message: Message, folder: Path) -> None:
    """However it ends, no descriptor of ours is left."""
    before = len(os.listdir("/proc/self/fd"))
    injected(fake_queue, message, folder)
    for program in ("/nonexistent", "/bin/false"):
        with pytest.raises(NotQueued):
            inject(program, message.fd, ENVELOPE, within_s=5)
    assert len(os.listdir("/proc/self/fd")) == before


def test_low_descriptors_do_not_matter(fake_queue: Path, folder: Path) -> None:
    """A process whose own 0, 1 and 6 are something else, or closed, injects just so."""
    code = f"""
import os
from qscanner.inject import inject
from qscanner.spool import Message
for fd in (0, 1, 6):
    try: os.close(fd)
    except OSError: pass
message = Message.of_octets(b"Subject: x\\n\\nhello\\n")
inject({str(fake_queue)!r}, message.fd, b"F\\0Ta@b\\0\\0", within_s=10,
       environment={{"FAKE_QUEUE_DIR": {str(folder)!r}}})
"""
    done = child.run(code, env={})
    assert done.returncode == 0, done.stderr
    (one,) = queue.queued(folder)
    assert (one.message, one.envelope) == (b"Subject: x\n\nhello\n", b"F\0Ta@b\0\0")


def _script(folder: Path, line: str) -> Path:
    script = folder / "queue-program"
    script.write_text(f"#!/bin/sh\n{line}\n")
    script.chmod(0o755)
    return script
