"""libarchive_reader: how the library is found, and what becomes of a child in bad surroundings."""

import os
import subprocess
import sys

import pytest

from qscanner import libarchive_reader
from tests.fakes.packed import EICAR, written

FILES = (("a.com", EICAR), ("übel.txt", b"text"))


@pytest.mark.parametrize(
    ("reason", "is_so"),
    [
        pytest.param("RAR encryption support unavailable.", True, id="rar"),
        pytest.param("Incorrect passphrase", True, id="zip"),
        pytest.param("Truncated input file", False, id="cut"),
    ],
)
def test_is_about_locks(reason: str, is_so: bool) -> None:
    """What a password would help against."""
    assert libarchive_reader.is_about_locks(reason) is is_so


_PROBE = """
import sys
from qscanner import libarchive_members as it, libarchive_reader as reader
from qscanner.budget import Budget
from qscanner.settings import Limits
started = []
sys.addaudithook(lambda event, _: started.append(event) if event in
                 ("subprocess.Popen", "os.posix_spawn", "os.system") else None)
{setup}
try:
    found = list(it.members(bytes.fromhex("{content}"), "x", it.Options(), Budget.of(Limits())))
    print([ascii(getattr(each, "names", None) or each.id) for each in found], started)
except it.NotThere as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("setup", "answer"),
    [
        pytest.param("", r"\\xfcbel", id="locale C"),
        pytest.param("reader._SYSTEM = ()", "libarchive is not there", id="no library"),
        pytest.param(
            "reader._Reader.run = lambda self: reader.os.abort()",
            "archive.unreadable",
            id="a crash",
        ),
        pytest.param(
            "reader._SILENT_CPU_S = 0.2\n"
            "reader._Reader._file = lambda self: [0 for _ in iter(int, 1)]",
            "archive.unreadable",
            id="a loop",
        ),
    ],
)
def test_surroundings(setup: str, answer: str) -> None:
    """Nothing is started to find the library; what befalls the child is a finding."""
    content = written("7zip", *FILES).hex()
    done = subprocess.run(
        [sys.executable, "-c", _PROBE.format(setup=setup, content=content)],
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
        env={
            **{name: value for name, value in os.environ.items() if name != "LIBARCHIVE"},
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "LC_ALL": "C",
        },
    )
    assert answer in done.stdout, done.stderr
    assert done.stderr == ""
    assert "subprocess" not in done.stdout
