"""A short mark of settings and rules, to see whether what is loaded is what is on disk.

Called by  programs.daemon when it loads, and `qscanner check` and `policy load` afterwards.
Ends       with the mark; a file that cannot be read marks as such, nothing is raised.
Careful    take the mark before the rules are loaded: a file that changes in between then looks
           like a change that is not loaded yet, and never like one that is.
"""

import hashlib
import os
from dataclasses import replace

from qscanner.settings import Settings

_CHARS = 12


def of(settings: Settings, *, has_lists: bool = True) -> str:
    """Give the mark of the settings, as they were read, and of the rule and list files.

    Without lists, it is the mark of all that only comes into force when somebody asks for it.
    """
    mark = hashlib.sha256(repr(replace(settings, file="")).encode("utf-8", "surrogateescape"))
    folder = settings.policy.dir
    names = _names(folder, ".toml")
    if has_lists:
        names += _names(os.path.join(folder, "lists"), ".txt")
    for name in (*names, *settings.virus.yara.rules):
        mark.update(b"\0" + os.fsencode(name) + b"\0" + _content(name))
    return mark.hexdigest()[:_CHARS]


def _names(folder: str, ending: str) -> list[str]:
    """Give the files that policy.read reads."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [
        os.path.join(folder, name)
        for name in names
        if name.endswith(ending) and not name.startswith(".")
    ]


def _content(name: str) -> bytes:
    try:
        with open(name, "rb") as opened:
            return hashlib.file_digest(opened, "sha256").digest()
    except OSError as error:
        return f"errno {error.errno}".encode()
