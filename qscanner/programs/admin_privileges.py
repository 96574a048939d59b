"""Whether a process can start the queue program with the privileges that it needs.

Called by  programs.admin_check_host for the shell it runs in, programs.admin_daemon for qscannerd.
Ends       always with an answer; what cannot be looked at is "nothing is known to be wrong".
Careful    NO_NEW_PRIVS is inherited and cannot be undone: a set-uid qmail-queue is then started as
           whoever started it, and cannot write its queue.
"""

import os
import re
import stat

_SET = re.compile(r"^NoNewPrivs:\s*1$", re.MULTILINE)


def are_withheld(program: str, pid: int | None = None) -> bool:
    """Say whether this process, or that with the pid, starts a set-uid program without its uid."""
    try:
        if not os.stat(program).st_mode & stat.S_ISUID:
            return False
        with open(f"/proc/{pid or 'self'}/status", encoding="utf-8", errors="replace") as file:
            return bool(_SET.search(file.read()))
    except OSError:
        return False
