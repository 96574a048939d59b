"""programs.queue: the first stage in this process; the rest is in tests/programs."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from qscanner.outcomes import AddressTooLong, BadEnvelope, CutShort
from qscanner.programs import queue


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
    """While a sender types, hundreds of these may wait: no parser, no settings, no scanner."""
    heavy = ("email", "asyncio", "logging", "tomllib", "re2", "magic", "pyclamd", "json", "socket")
    code = f"import sys, qscanner.programs.queue; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, timeout=15
    )

    assert done.stdout.strip() == b"[]"
