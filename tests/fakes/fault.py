"""Compiles fault.c and tells it which operation of which call is to fail, or to be the last.

Called by  tests/crash.
Ends       raises subprocess.CalledProcessError where there is no working C compiler.
"""

import ctypes
import mmap
import subprocess
from pathlib import Path

FAIL, KILL = 1, 2
_SOURCE = Path(__file__).with_name("fault.c")


def build(folder: Path) -> Path:
    """Compile the library into a folder and give its path."""
    library = folder / "fault.so"
    command = ["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*command, "-o", str(library), str(_SOURCE), "-ldl"], check=True, timeout=60)
    return library


class _State(ctypes.Structure):
    """struct state of fault.c."""

    _fields_ = (
        ("armed", ctypes.c_int),
        ("count", ctypes.c_int),
        ("at", ctypes.c_int),
        ("what", ctypes.c_int),
        ("error", ctypes.c_int),
        ("reads", ctypes.c_int),
        ("hits", ctypes.c_int),
        ("name", ctypes.c_char * 32),
    )


class Fault:
    """The fault to come, in a file that the processes of one call share."""

    def __init__(self, library: Path, folder: Path) -> None:
        self._library = library
        self._file = folder / "fault-state"
        self._file.write_bytes(bytes(mmap.PAGESIZE))
        self._file.chmod(0o666)
        with self._file.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.state = _State.from_buffer(self._map)

    def set(self, at: int, what: int, error: int, *, reads: bool) -> dict[str, str]:
        """Prepare one call and give the environment it needs."""
        self._map[:] = bytes(mmap.PAGESIZE)
        state = self.state
        state.at, state.what, state.error, state.reads = at, what, error, int(reads)
        return {"LD_PRELOAD": str(self._library), "FAULT_STATE": str(self._file)}
