"""Limits of real processes: taken off, restored, and put on what scans."""

import os
import resource
import select
import signal
import subprocess

import pytest

from qscanner import confine
from tests.fakes import child

MIB = 1 << 20
CONFINED = (
    "import os\nfrom qscanner import confine\n"
    "confine.scanner(memory_octets={}, cpu_s={}, parent=os.getppid())\n"
)


def test_lift_and_restore() -> None:
    """Soft limits go up to the hard ones, and back to what they were; hard ones never move."""
    code = (
        "import resource as r; from qscanner import confine\n"
        "A, D = r.RLIMIT_AS, r.RLIMIT_DATA\n"
        "r.setrlimit(A, (1 << 30, 2 << 30)); r.setrlimit(D, (1 << 29, r.getrlimit(D)[1]))\n"
        "before = (r.getrlimit(A), r.getrlimit(D))\n"
        "saved = confine.lift()\n"
        "assert r.getrlimit(A) == (2 << 30, 2 << 30), r.getrlimit(A)\n"
        "assert r.getrlimit(D)[0] == r.getrlimit(D)[1]\n"
        "confine.restore(saved)\n"
        "assert (r.getrlimit(A), r.getrlimit(D)) == before\n"
    )
    child.said(child.run(code))


def test_restoring_what_cannot_be_restored_is_no_trouble() -> None:
    """A limit that the kernel refuses is left as it is."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    confine.restore({resource.RLIMIT_AS: (5, 4)})  # soft above hard
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_memory_is_limited() -> None:
    """What takes more than its memory gets a MemoryError, not the machine's."""
    code = CONFINED.format(256 * MIB, 10) + (
        "try: b'x' * (300 << 20)\nexcept MemoryError: print('no room')\n"
    )
    assert child.said(child.run(code)) == "no room\n"


def test_a_lower_hard_limit_stands() -> None:
    """We never ask for more than the hard limit, and take it where it is lower."""
    code = (
        "import resource as r\nr.setrlimit(r.RLIMIT_AS, (300 << 20, 300 << 20))\n"
        + CONFINED.format(1 << 40, 10)
        + "print(r.getrlimit(r.RLIMIT_AS)[0] >> 20)\n"
    )
    assert child.said(child.run(code)) == "300\n"


def test_processor_time_is_limited() -> None:
    """A scan that spins is ended by the kernel."""
    done = child.run(CONFINED.format(1 << 30, 0.1) + "while True: pass\n")
    assert child.killed_by(done) is signal.SIGXCPU


def test_no_core_and_no_new_privileges() -> None:
    """No core file of a stranger's mail; set-uid programs give nothing any more."""
    code = (
        "import resource as r\n"
        "hard = r.getrlimit(r.RLIMIT_CORE)[1]; r.setrlimit(r.RLIMIT_CORE, (hard, hard))\n"
        + CONFINED.format(1 << 30, 10)
        + "print(r.getrlimit(r.RLIMIT_CORE)[0], open('/proc/self/status').read())\n"
    )
    core, _, status = child.said(child.run(code)).partition(" ")
    assert core == "0"
    assert "NoNewPrivs:\t1\n" in status


def test_the_parent_keeps_its_privileges() -> None:
    """NO_NEW_PRIVS and the limits are the child's alone: qmail-queue is set-uid."""
    code = (
        "import os\npid = os.fork()\nif pid == 0:\n    "
        + CONFINED.format(1 << 30, 10).replace("\n", "\n    ")
        + "os._exit(0)\n"
        "os.waitpid(pid, 0)\nprint(open('/proc/self/status').read())\n"
    )
    assert "NoNewPrivs:\t0\n" in child.said(child.run(code))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "term"])
def test_it_dies_with_its_parent(how: signal.Signals) -> None:
    """Whoever kills the queue program has killed the scan: the pipe that it holds ends."""
    code = (
        "import os, signal, sys, time\n"
        "if os.fork() == 0:\n    "
        + CONFINED.format(1 << 30, 10).replace("\n", "\n    ")
        + "os.write(1, b'ready'); signal.pause(); os._exit(0)\n"
        "signal.pause()\n"
    )
    process = subprocess.Popen(
        child.command(code), stdout=subprocess.PIPE, env=child.environment()
    )
    assert process.stdout is not None
    out = process.stdout.fileno()
    assert os.read(out, 5) == b"ready"
    process.send_signal(how)
    process.wait(10)
    ready, _, _ = select.select([out], [], [], 10)
    assert ready, "the child outlived its parent by 10 s"
    assert os.read(out, 1) == b""
    process.stdout.close()


def test_memory_of_large_messages_is_given_back() -> None:
    """Pieces between large ones that are gone hold on to nothing: the process is small again."""
    code = CONFINED.format(2048 * MIB, 10) + (
        "def resident():\n"
        "    return int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGE_SIZE')\n"
        "before = resident()\n"
        "kept = []\n"
        "for size in (20 << 20, 1 << 20):\n"  # the first makes glibc keep what is below it
        "    held = []\n"
        "    for _ in range((60 << 20) // size):\n"
        "        held.append(b'x' * size); kept.append(b'x' * 3000)\n"
        "    del held\n"
        "print((resident() - before) >> 20)\n"
    )
    assert int(child.said(child.run(code))) < 8, "MiB are kept"
