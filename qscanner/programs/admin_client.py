"""Which queue program is installed beside this command: the one in C, or the one in Python.

Called by  admin, for `qscanner version`.
Ends       with a few words; raises nothing.
"""

import os
import shutil

_ELF = b"\x7fELF"


def kind(command: str) -> str:
    """Give "in C", "in Python" or "is not installed", of the queue program beside the command."""
    program = os.path.join(os.path.dirname(shutil.which(command) or command), "qscanner-queue")
    try:
        with open(program, "rb") as file:
            return "in C" if file.read(len(_ELF)) == _ELF else "in Python"
    except OSError:
        return "is not installed"
