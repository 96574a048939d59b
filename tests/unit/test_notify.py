"""Supervisors and the socket: what they are told, and whose socket it is."""

import os
import socket
import stat
from pathlib import Path

import pytest

from qscanner import notify
from qscanner.outcomes import Unusable


@pytest.mark.parametrize("is_abstract", [False, True])
def test_systemd_is_told(tmp_path: Path, is_abstract: bool) -> None:
    """States go to the socket that systemd names, by path or in the abstract space."""
    name = f"@qscanner-test-{os.getpid()}" if is_abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name.replace("@", "\0"))
        systemd.settimeout(5)
        notify.tell("READY=1", {"NOTIFY_SOCKET": name})
        assert systemd.recv(100) == b"READY=1"


def test_a_full_supervisor_holds_nobody_up(tmp_path: Path) -> None:
    """A supervisor that does not read what it is told is not waited for."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        for _ in range(1000):
            notify.tell("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "notify")})


@pytest.mark.parametrize("name", ["", "relative", "/nowhere/notify"])
def test_nobody_to_tell(name: str) -> None:
    """No supervisor, or a dead one, is no trouble."""
    notify.tell("READY=1", {"NOTIFY_SOCKET": name} if name else {})


def test_s6_is_told() -> None:
    """A newline, and the end; no descriptor, or a closed one, is no trouble."""
    reading, writing = os.pipe()
    notify.tell_s6(writing)
    assert os.read(reading, 9) == b"\n"
    assert os.read(reading, 9) == b""
    os.close(reading)
    notify.tell_s6(None)
    notify.tell_s6(writing)


def test_a_new_socket(tmp_path: Path) -> None:
    """Any user may connect; removing takes it away, and twice is no trouble."""
    path = tmp_path / "d.sock"
    door = notify.listening(str(path), {})
    with door.sock:
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(str(path))
        door.remove()
        door.remove()
        assert not path.exists()


def test_a_dead_socket_is_replaced(tmp_path: Path) -> None:
    """What a killed daemon left is no obstacle."""
    path = str(tmp_path / "d.sock")
    notify.listening(path, {}).sock.close()
    with (
        notify.listening(path, {}).sock,
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client,
    ):
        client.connect(path)


def test_another_daemon(tmp_path: Path) -> None:
    """Where one listens, even one with a full backlog, there is no second; nothing is left."""
    path = str(tmp_path / "d.sock")
    with notify.listening(path, {}).sock as first:
        first.listen(0)
        clients = [
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
            for _ in range(2)
        ]
        for client in clients:
            client.connect_ex(path)
        with pytest.raises(Unusable, match="another qscannerd listens"):
            notify.listening(path, {})
        for client in clients:
            client.close()
    assert sorted(os.listdir(tmp_path)) == ["d.sock", "d.sock.lock"]


def test_two_at_the_same_moment(tmp_path: Path) -> None:
    """Who is just looking whether the place is free is not overtaken."""
    path = str(tmp_path / "d.sock")
    with notify._alone(path), pytest.raises(Unusable, match="is starting"):
        notify.listening(path, {})


def test_the_next_one_is_not_removed(tmp_path: Path) -> None:
    """A daemon that ends leaves the socket alone that another has put in its place."""
    path = tmp_path / "d.sock"
    door = notify.listening(str(path), {})
    door.sock.close()
    with notify.listening(str(path), {}).sock:
        door.remove()
        assert path.exists()


def test_something_else_is_there(tmp_path: Path) -> None:
    """A file, or the socket of another kind of server, is never replaced."""
    path = tmp_path / "d.sock"
    path.write_text("precious")
    with pytest.raises(Unusable, match="is no socket"):
        notify.listening(str(path), {})
    assert path.read_text() == "precious"
    path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(Unusable, match="listens"):
            notify.listening(str(path), {})


def test_no_folder(tmp_path: Path) -> None:
    """The reason is in the words."""
    with pytest.raises(Unusable, match="No such file"):
        notify.listening(str(tmp_path / "none" / "d.sock"), {})
    with pytest.raises(Unusable, match="too long"):
        notify.listening(str(tmp_path / ("x" * 200)), {})


def test_a_passed_socket_of_another_process(tmp_path: Path) -> None:
    """LISTEN_FDS that is meant for another process is none of ours."""
    environment = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid() + 1)}
    with notify.listening(str(tmp_path / "d.sock"), environment).sock:
        assert (tmp_path / "d.sock").exists()
