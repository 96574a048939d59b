"""programs.admin_daemon: what `qscanner check` says of the daemon and of an emergency."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qscanner import __version__, emergency, fingerprint
from qscanner.codec import status
from qscanner.codec.status import Load, State
from qscanner.programs import admin_daemon
from qscanner.programs.admin_daemon import Away, Heard, ask, is_of, look
from qscanner.programs.admin_items import Item, Level
from qscanner.settings import Daemon, Policy, Queue, Settings

WITHIN_S = 5.0


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Give settings whose socket is in a folder that is there, and is what clients look for."""
    tmp_path.chmod(0o755)
    monkeypatch.setenv("QSCANNER_SOCKET", str(tmp_path / "s"))
    (tmp_path / "policies").mkdir()
    return Settings(
        daemon=Daemon(socket=str(tmp_path / "s")), policy=Policy(dir=str(tmp_path / "policies"))
    )


def state(settings: Settings) -> State:
    load = Load(mark=fingerprint.of(settings), at=time.time(), rules=3)
    return State(
        version=__version__,
        pid=os.getpid(),
        since=time.time(),
        busy=1,
        idle=2,
        waiting=5,
        load=load,
    )


@contextlib.contextmanager
def answering(path: str, *answers: bytes | None) -> Iterator[None]:
    """Be a daemon that says these things, one to each who asks; None: nothing at all."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen()
        kept = []

        def serve() -> None:
            for answer in answers:
                peer, _ = listener.accept()
                kept.append(peer)
                assert peer.recv(100) == status.ASK
                if answer is not None:
                    peer.send(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        thread.join(10)
        for peer in kept:
            peer.close()


def of(items: list[Item], area: str) -> list[Item]:
    return [item for item in items if item.area == area]


def test_all_is_well(settings: Settings) -> None:
    """Version, pid, who works and who waits, and that the policy is that of the disk."""
    with answering(settings.daemon.socket, status.encode(state(settings))):
        items = look(settings)
    assert [item.level for item in items] == [Level.OK, Level.OK]
    for words in (f"pid {os.getpid()}", "1 worker busy, 2 idle, 5 waiting", __version__):
        assert words in items[0].text
    assert items[1].text.endswith("as on disk")


@pytest.mark.parametrize("told", ["", "/nonexistent/other"], ids=["nothing", "another"])
def test_clients_look_elsewhere(
    told: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket that qscanner-queue does not look for is told, and what to write where."""
    monkeypatch.setenv("QSCANNER_SOCKET", told)
    path = settings.daemon.socket
    with answering(path, status.encode(state(settings))):
        (found,) = (item for item in look(settings) if item.level is not Level.OK)
    assert found.level is Level.WARNING
    assert "else at /run/qscanner/qscannerd.sock" in found.text
    assert f'QSCANNER_SOCKET="{path}"' in found.todo[0]


Change = Callable[[State], State]


@pytest.mark.parametrize(
    ("change", "level", "todo"),
    [
        pytest.param(
            lambda it: replace(it, version="0.0"), Level.WARNING, "restart it", id="old-daemon"
        ),
        pytest.param(
            lambda it: replace(it, busy=0, idle=0), Level.DOWN, "no worker", id="no-worker"
        ),
        pytest.param(
            lambda it: replace(it, load=replace(it.load, mark="other")),
            Level.WARNING,
            "policy changed on disk; not loaded yet: send SIGHUP to qscannerd, or qscanner policy",
            id="changed",
        ),
        pytest.param(
            lambda it: replace(it, load=replace(it.load, mark="other", is_latest=False)),
            Level.WARNING,
            "the last reload failed",
            id="failed-reload",
        ),
    ],
)
def test_what_is_not(settings: Settings, change: Change, level: Level, todo: str) -> None:
    """Each is told with what to do."""
    with answering(settings.daemon.socket, status.encode(change(state(settings)))):
        items = look(settings)
    (item,) = (each for each in items if each.todo)
    assert item.level is level
    assert item.todo[0].startswith(todo) or todo in item.todo[0]


@pytest.mark.parametrize(
    ("away", "level"),
    [
        pytest.param("scan", Level.WARNING, id="scan"),
        pytest.param("defer", Level.DOWN, id="defer"),
    ],
)
def test_nobody_listens(settings: Settings, away: str, level: Level) -> None:
    """With "defer" no mail passes; with "scan" it is slower."""
    settings = replace(settings, queue=Queue(daemon_away=away))
    (item,) = look(settings)
    assert (item.area, item.level) == ("daemon", level)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as gone:
        gone.bind(settings.daemon.socket)
    (item,) = look(settings)
    assert (item.area, item.level) == ("daemon", level)
    assert "left its socket behind" in item.text


def test_never_set_up(settings: Settings) -> None:
    """Where not even the folder is there, nobody wants a daemon; needed it is all the same."""
    settings = replace(settings, daemon=Daemon(socket="/nonexistent/folder/s"))
    (item,) = look(settings)
    assert item.level is Level.OK
    (item,) = look(replace(settings, queue=Queue(daemon_away="defer")))
    assert item.level is Level.DOWN


@pytest.mark.parametrize("octets", [b"rubbish", b"qscanner state 1\0{}"], ids=["rubbish", "cut"])
def test_what_cannot_be_understood(settings: Settings, octets: bytes) -> None:
    """Is told as such, and nothing of it is believed."""
    with (
        answering(settings.daemon.socket, octets),
        pytest.raises(Away, match="cannot be understood"),
    ):
        ask(settings.daemon.socket, within_s=WITHIN_S)


def test_a_daemon_that_says_nothing(settings: Settings) -> None:
    """Is waited for as long as was said."""
    begun = time.monotonic()
    with answering(settings.daemon.socket, None), pytest.raises(Away, match="said in time"):
        ask(settings.daemon.socket, within_s=0.3)
    assert time.monotonic() - begun < 5


def test_whose_pid_it_is(settings: Settings) -> None:
    """A pid is believed only if its process is of whoever listens; root may name any."""
    told = state(settings)
    ours = Heard(state=told, uid=os.getuid())
    assert is_of(ours)
    assert not is_of(Heard(state=told, uid=os.getuid() + 4711))
    assert is_of(Heard(state=told, uid=0))
    assert not is_of(Heard(state=replace(told, pid=2**22 + 1), uid=os.getuid() + 1))
    with answering(settings.daemon.socket, status.encode(told)):
        assert ask(settings.daemon.socket, within_s=WITHIN_S) == ours


def test_an_emergency_is_told(settings: Settings) -> None:
    """A warning with who, why and until when; a broken file is one as well."""
    path = settings.daemon.socket
    made = emergency.declare(path, for_s=60, who="ann", why="broken", now=time.time())
    (item,) = of(look(settings), "emergency")
    assert item.level is Level.WARNING
    assert made.told in item.text
    emergency.declare(path, for_s=60, who="ann", why="broken", now=time.time() - 100)
    assert of(look(settings), "emergency") == []
    Path(emergency.file(path)).write_text("")
    (item,) = of(look(settings), "emergency")
    assert item.level is Level.WARNING
    assert "not in force" in item.text


def test_a_limit_of_its_own() -> None:
    """check waits for a daemon, but not for long."""
    assert admin_daemon.WITHIN_S <= 10
