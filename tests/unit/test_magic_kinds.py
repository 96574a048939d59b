"""magic_kinds: libmagic is found without starting programs, and leaves its process as it was."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from qscanner import magic_kinds
from qscanner.kinds import kinds

PDF = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"


def test_type_of() -> None:
    """A type libmagic knows; None for what it does not."""
    assert magic_kinds.type_of(PDF) == "application/pdf"
    assert magic_kinds.type_of(b"\0\1\2\3") is None
    assert magic_kinds.type_of(PDF + bytes(1 << 20)) == "application/pdf"


def test_threads() -> None:
    """Many threads ask at once: no crash, no other's answer."""
    contents = [PDF, b"\x89PNG\r\n\x1a\n" + bytes(20), b"\x1f\x8b\x08" + bytes(20)] * 100
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(magic_kinds.type_of, contents))
    assert answers == [magic_kinds.type_of(content) for content in contents]


_PROBE = """
import ctypes, ctypes.util, os, sys
before = dict(os.environ), ctypes.CDLL.__init__, ctypes.util.find_library
started = []
sys.addaudithook(lambda event, _: started.append(event) if event in
                 ("subprocess.Popen", "os.posix_spawn", "os.system") else None)
from qscanner import magic_kinds
{setup}
print(magic_kinds.type_of(b"%PDF-1.4"), started,
      before == (dict(os.environ), ctypes.CDLL.__init__, ctypes.util.find_library))
"""


@pytest.mark.parametrize(
    "setup",
    [
        pytest.param("", id="as the machine is"),
        pytest.param("magic_kinds._SYSTEM = ()", id="only what pylibmagic brings"),
    ],
)
def test_nothing_is_started_or_changed(setup: str) -> None:
    """Neither ldconfig nor gcc run at the start, environment and ctypes stay what they were."""
    answer = subprocess.run(
        [sys.executable, "-c", _PROBE.format(setup=setup)],
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert answer.stdout.split() == ["application/pdf", "[]", "True"], answer.stderr


def test_no_library() -> None:
    """Where there is none, that is said, and is no crash."""
    setup = "magic_kinds._candidates = lambda: iter(())"
    answer = subprocess.run(
        [sys.executable, "-c", _PROBE.format(setup=setup)],
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert "MagicError: libmagic is not there" in answer.stderr


def test_this_release_is_known() -> None:
    """What the installed libmagic says about common things is in our tables."""
    samples = {"pdf": PDF, "gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\3", "image": b"GIF89a" + bytes(10)}
    for kind, content in samples.items():
        assert kind in kinds((), "", b"\0", magic_kinds.type_of(content))
