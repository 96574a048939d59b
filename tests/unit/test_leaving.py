"""Children on their way out: told of once, never waited for."""

import os
import signal
import time

import pytest

from qscanner.leaving import Leaving
from tests.fakes.resident import until


def _child(code: int | None) -> int:
    """Give a child that ends with this code, or not by itself (None)."""
    pid = os.fork()
    if not pid:
        if code is None:
            signal.pause()
        os._exit(code or 0)
    return pid


def _is_gone(leaving: Leaving) -> bool:
    leaving.look()
    return not leaving


@pytest.mark.parametrize(("code", "how"), [(None, "signal 9"), (0, "exit 0"), (7, "exit 7")])
def test_how_it_ended(code: int | None, how: str) -> None:
    """Killed, or ended before it was: the word is the kernel's, and it is said once."""
    leaving, pid, told = Leaving(), _child(code), list[str]()
    until(lambda: code is None or _has_ended(pid), "it has ended")
    leaving.kill(pid, told.append)
    until(lambda: _is_gone(leaving), "it is gone")
    leaving.look()
    assert told == [how]


def _has_ended(pid: int) -> bool:
    return bool(os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))


def test_let_go() -> None:
    """One that ends by itself is not killed, and no zombie stays."""
    leaving, pid = Leaving(), _child(0)
    leaving.let_go(pid)
    assert len(leaving) == 1
    until(lambda: _is_gone(leaving), "it is gone")
    assert not os.path.exists(f"/proc/{pid}")


def test_never_waits() -> None:
    """A child that does not end holds nobody up."""
    leaving, pid = Leaving(), _child(None)
    leaving.let_go(pid)
    begun = time.monotonic()
    leaving.look()
    assert time.monotonic() - begun < 0.5
    assert len(leaving) == 1
    leaving.kill(pid, lambda _how: None)
    until(lambda: _is_gone(leaving), "it is gone")
