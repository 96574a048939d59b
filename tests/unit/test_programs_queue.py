"""programs.queue: the first stage in this process; the rest is in tests/programs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qscanner.outcomes import AddressTooLong, BadEnvelope, CutShort
from qscanner.programs import queue
from tests.fakes import clients, daemon, mails
from tests.fakes.caller import TCPSERVER, Setting
from tests.fakes.site import ROOT, Site

FIRST_STAGE = {
    "qscanner",
    "qscanner.codec",
    "qscanner.codec.envelope",
    "qscanner.intake",
    "qscanner.outcomes",
    "qscanner.programs",
    "qscanner.programs.queue",
    "qscanner.qmailqueue",
    "qscanner.reply",
    "qscanner.visit",
}


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Give the two ends of a pipe."""
    read, write = os.pipe()
    yield read, write
    os.close(read)


RAW = b"Fa@example.org\0Tb@example.com\0\0"


def test_the_envelope_is_read_to_its_last_nul(pipe: tuple[int, int]) -> None:
    """Nobody waits for the end of the stream, and what follows is left alone."""
    read, write = pipe
    os.write(write, RAW + b"rubbish")

    assert queue._read_envelope(read) == RAW

    os.close(write)


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        pytest.param(b"", CutShort, id="nothing"),
        pytest.param(RAW[:-1], CutShort, id="no-last-nul"),
        pytest.param(b"T", BadEnvelope, id="no-sender"),
        pytest.param(b"F" + b"a" * 1003, AddressTooLong, id="too-long"),
    ],
)
def test_a_bad_envelope(pipe: tuple[int, int], octets: bytes, error: type[Exception]) -> None:
    """Each fault of an envelope has its own exception."""
    read, write = pipe
    os.write(write, octets)
    os.close(write)

    with pytest.raises(error):
        queue._read_envelope(read)


def test_the_first_stage_loads_nothing_heavy() -> None:
    """While a sender types, hundreds of these may wait; and each starts anew for every message.

    So its start may take little more than that of Python itself: the list is what os loads, and
    what is built into the interpreter.
    """
    light = "_collections_abc _signal _socket _stat errno fcntl genericpath os os.path posix"
    light += " posixpath select stat sys time"
    code = (
        f"import sys; old = set(sys.modules); sys.path.insert(0, {str(ROOT)!r})\n"
        "import qscanner.programs.queue; print(*sorted(set(sys.modules) - old))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, check=True, timeout=15
    )
    loaded = set(done.stdout.decode().split())

    assert {name for name in loaded if not name.startswith("qscanner")} <= set(light.split())
    assert {name for name in loaded if name.startswith("qscanner")} == FIRST_STAGE


def test_nothing_more_is_loaded_until_the_end(open_tmp: Path, fake_queue: Path) -> None:
    """With a daemon to ask, a message is accepted without another module of ours."""
    site = Site(open_tmp, fake_queue, clients.installed("python"))
    environment = {**TCPSERVER, "PYTHONPROFILEIMPORTTIME": "1"}
    with daemon.serving(daemon.accepts, site.folder, site.program):
        result = site.call(mails.text(), setting=Setting(env=environment))
    assert result.code == 0, result
    loaded = {line.rpartition(b"|")[2].strip().decode() for line in result.stderr.splitlines()}
    assert {name for name in loaded if name.partition(".")[0] == "qscanner"} == FIRST_STAGE
