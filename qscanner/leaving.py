"""Children that are to end: never waited for, and told of when they have ended.

Called by  dispatcher, for workers that it lets go or kills.
Ends       raises nothing.
Careful    a process that hangs in the kernel (a dead disk) survives a SIGKILL for as long as the
           disk is dead: whoever waited for it would hang, too. A pid is only ever killed before it
           was waited for, so it cannot be a stranger's.
"""

import os
import signal
from collections.abc import Callable


class Leaving:
    """The children that are on their way out."""

    def __init__(self) -> None:
        self._tell: dict[int, Callable[[str], None]] = {}

    def __len__(self) -> int:
        return len(self._tell)

    def let_go(self, pid: int) -> None:
        """Take note of a child that ends by itself."""
        self._tell[pid] = lambda _how: None

    def kill(self, pid: int, tell: Callable[[str], None]) -> None:
        """Kill a child; look() will call `tell` with how it ended, like "signal 9"."""
        os.kill(pid, signal.SIGKILL)  # changes nothing for one that has ended
        self._tell[pid] = tell
        self.look()

    def look(self) -> None:
        """Take leave of those that have ended."""
        for pid in list(self._tell):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                self._tell.pop(pid)(_how(status))


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit {os.WEXITSTATUS(status)}"
