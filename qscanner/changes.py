"""Have the list files of the policy changed? A cheap look at names, sizes and times.

Called by  programs.daemon, every few seconds.
Ends       raises nothing: a folder that is not there has no lists.
Careful    a file that is just being written must not be read half: a change counts when it has
           stood still from one look to the next. A list that was refused is not tried again until
           it changes again.
"""

import os

Seen = tuple[tuple[str, int, int, int], ...]
EVERY_S = 1.0


class Changes:
    """What the lists of one policy folder looked like when they were loaded."""

    def __init__(self, folder: str) -> None:
        self._folder = os.path.join(folder, "lists")
        self._loaded = self._latest = self._look()

    def are_there(self) -> bool:
        """Look again, and say once for each change that there is something new to load."""
        before, self._latest = self._latest, self._look()
        if self._latest == self._loaded or self._latest != before:
            return False
        self._loaded = self._latest
        return True

    def _look(self) -> Seen:
        try:
            with os.scandir(self._folder) as entries:
                return tuple(sorted(_mark(each) for each in entries if each.name[-4:] == ".txt"))
        except OSError:
            return ()


def _mark(entry: "os.DirEntry[str]") -> tuple[str, int, int, int]:
    try:
        found = entry.stat()
    except OSError:  # it went in this moment, or is a link to nowhere
        return entry.name, 0, 0, 0
    return entry.name, found.st_ino, found.st_size, found.st_mtime_ns
