"""Becomes a program with exactly the descriptors, user, limits and folder that qmail gives it.

Called by  fakes/caller.py, as `python -I -S launch.py PROGRAM ORDER...`, a process of its own:
           a fork of a process with threads is not safe, and this one has none.
Ends       by exec of PROGRAM with argv[0] alone; 120 where that fails and 61 where its folder
           cannot be entered, as the child of qmail.c does.
Careful    SIGPIPE stays ignored, as under qmail-smtpd; Python also ignores SIGXFSZ, which must not
           be handed on. Imports are kept few: this stands before every program under test.

Orders: fd:FROM:TO  tell:FD  cwd:FOLDER  user:UID:GID  limit:RESOURCE:SOFT:HARD  umask:OCTAL
`tell` is closed by the exec, and by nothing before it: its reader knows that the program runs.
"""

import _signal  # type: ignore[import-not-found]  # signal itself imports enum: 4 ms
import fcntl
import os
import resource
import sys

_HIGH = 200  # above every number that is asked for


def _become(program: str, orders: list[list[str]]) -> None:
    given = {
        int(to): _move_up(int(of)) for kind, of, *rest in orders for to in rest if kind == "fd"
    }
    for kind, value, *_ in orders:
        if kind == "tell":
            _move_up(int(value))
    os.closerange(0, _HIGH)
    for to, fd in given.items():
        os.dup2(fd, to, inheritable=True)
    for order in orders:
        _obey(*order)
    _signal.signal(_signal.SIGXFSZ, _signal.SIG_DFL)
    _signal.signal(_signal.SIGPIPE, _signal.SIG_IGN)
    os.execv(program, [program])


def _move_up(fd: int) -> int:
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    os.close(fd)
    return high


def _obey(kind: str, value: str, *more: str) -> None:
    if kind == "cwd":
        _enter(":".join((value, *more)))
    elif kind == "umask":
        os.umask(int(value, 8))
    elif kind == "limit":
        resource.setrlimit(int(value), (int(more[0]), int(more[1])))
    elif kind == "user":
        os.setgroups([])
        os.setgid(int(more[0]))
        os.setuid(int(value))


def _enter(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError:
        os._exit(61)


if __name__ == "__main__":
    try:
        _become(sys.argv[1], [order.split(":") for order in sys.argv[2:]])
    except OSError:
        os._exit(120)
