"""The two queue programs, made in a hurry: they wait for a daemon for a second or two only.

Called by  tests of what a client does with a daemon; the installed ones wait for minutes.
Ends       raises subprocess.CalledProcessError where there is no working C compiler.
Careful    the program in C is linked dynamically, so that fault.c can be preloaded.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = ROOT / "qscanner" / "programs" / "queue.c"
WAIT_S, GRACE_S = 2, 1
INSTALLED = Path(sys.executable).absolute().parent
NAMES = {"c": "qscanner-queue", "python": "qscanner-queue-python"}
_PYTHON = f"""#!{sys.executable}
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, {str(ROOT)!r})
from qscanner import visit
from qscanner.programs.queue import main
visit.WAIT_S, visit.GRACE_S = {WAIT_S}, {GRACE_S}
main()
"""


def build(folder: Path) -> dict[str, Path]:
    """Make both in a new folder `clients`, side by side as they are installed."""
    place = folder / "clients"
    place.mkdir(mode=0o755)
    programs = {kind: place / name for kind, name in NAMES.items()}
    warnings = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-U_FORTIFY_SOURCE"]
    hurry = [f"-DWAIT_S={WAIT_S}", f"-DGRACE_S={GRACE_S}"]
    command = ["cc", "-O1", *warnings, *hurry, "-o", str(programs["c"]), str(SOURCE)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=60)
    programs["python"].write_text(_PYTHON)
    programs["python"].chmod(0o755)
    return programs


def installed(kind: str) -> Path:
    """Give the installed program of this kind. Fails where `qscanner-queue` is the other kind."""
    program = INSTALLED / NAMES[kind]
    if kind == "c":
        assert program.read_bytes()[:4] == b"\x7fELF", f"{program} is not the program in C"
    return program
