"""What a supervisor and the daemon say to each other: ready, stopping, and sockets made for us.

Called by  programs.daemon.
Ends       listening() gives a Door, or raises Unusable; the rest raises nothing.
Careful    the names in the environment are systemd's (sd_notify(3), sd_listen_fds(3)); s6 wants a
           newline on a descriptor of its choosing (s6-supervise, notification-fd).
"""

import contextlib
import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from qscanner.outcomes import Unusable

_FIRST_PASSED_FD = 3
_BACKLOG = 4096
_MODE = 0o666  # any user's mail is taken: who calls is asked of the kernel, not of the file mode


def tell(state: str, environment: Mapping[str, str]) -> None:
    """Tell systemd a state, such as "READY=1", where it asked for that."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    name = "\0" + address[1:] if address.startswith("@") else address
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, kind) as sock:
        sock.sendto(state.encode(), name)


def tell_s6(fd: int | None) -> None:
    """Write the readiness line, and close the descriptor, where one was named."""
    if fd is None:
        return
    with contextlib.suppress(OSError):
        os.write(fd, b"\n")
        os.close(fd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where clients come in: a listening socket, and its file if that is ours to take away."""

    sock: socket.socket
    path: str
    file: tuple[int, int] | None  # device and inode; None: a supervisor's

    def remove(self) -> None:
        """Take the file away, so that clients find nobody; unless another has taken its place."""
        with contextlib.suppress(OSError):
            if self.file == _file(self.path):
                os.unlink(self.path)


def listening(path: str, environment: Mapping[str, str]) -> Door:
    """Give the socket to listen on: the one a supervisor made for us, else one at `path`.

    A socket file that nobody listens on is replaced. Raises Unusable where another daemon
    answers there, where something else has the name, and where the folder cannot be written.
    """
    if environment.get("LISTEN_PID") == str(os.getpid()) and environment.get("LISTEN_FDS"):
        return Door(sock=_passed(), path=path, file=None)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    temporary = f"{path}.{os.getpid()}"
    try:
        with _alone(path):
            _prove_free(path)
            sock.bind(temporary)
            os.chmod(temporary, _MODE)
            sock.listen(_BACKLOG)
            os.rename(temporary, path)  # it appears with its mode and its queue, or not at all
        return Door(sock=sock, path=path, file=_file(path))
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        sock.close()
        raise Unusable(f"cannot listen on {path}: {error.strerror or error}") from error
    except Unusable:
        sock.close()
        raise


def _passed() -> socket.socket:
    try:
        sock = socket.socket(fileno=_FIRST_PASSED_FD)
        sock.set_inheritable(False)
        if (sock.family, sock.type) == (socket.AF_UNIX, socket.SOCK_SEQPACKET):
            return sock
        sock.close()
    except OSError as error:
        raise Unusable(f"LISTEN_FDS is set, but no socket was passed: {error.strerror}") from error
    raise Unusable("the socket of the supervisor is of another kind: ListenSequentialPacket=")


@contextlib.contextmanager
def _alone(path: str) -> Iterator[None]:
    """Let only one daemon at a time look whether the place is free, and take it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(f"{path}.lock", flags, 0o600)  # nobody else may open it, and so nobody hold it
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise Unusable(f"another qscannerd is starting on {path}") from error
    finally:
        os.close(fd)


def _prove_free(path: str) -> None:
    """Raise Unusable where somebody listens at the path, or something else has the name."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise Unusable(f"{path} is no socket: set [daemon] socket to a name that is free")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(path)
        except OSError as error:  # also EAGAIN: its backlog is full, but it is there
            if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
                return
            if error.errno is None:  # the path is too long
                raise
    raise Unusable(f"another qscannerd listens on {path}")


def _file(path: str) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino
