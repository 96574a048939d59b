"""A scripted server: real sockets, a thread for each connection, and no judgement of its own.

Called by  tests/fakes/clamd.py and tests/fakes/spamd.py.
Careful    a script ends when the test does: it waits with stop.wait(), and for the peer with
           until_gone(), never for ever.
"""

import contextlib
import select
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

from qscanner.codec.servers import Server, parse

Script = Callable[[socket.socket, threading.Event], None]
LIMIT_S = 15.0
TRANSPORTS = ("unix", "tcp", "tcp6")


@contextlib.contextmanager
def serving(script: Script, transport: str = "unix", *, backlog: int = 128) -> Iterator[Server]:
    """Run the script for every connection, until the block ends; give where to connect."""
    stop = threading.Event()
    threads: list[threading.Thread] = []
    with contextlib.ExitStack() as stack:
        listener, server = _listening(transport, stack, backlog)

        def accept() -> None:
            while not stop.is_set():
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                peer.settimeout(LIMIT_S)
                threads.append(threading.Thread(target=_run, args=(script, peer, stop)))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(LIMIT_S)
            for thread in threads:
                thread.join(LIMIT_S)
            assert not any(thread.is_alive() for thread in threads), "a script does not end"


def _run(script: Script, peer: socket.socket, stop: threading.Event) -> None:
    with peer, contextlib.suppress(OSError):
        script(peer, stop)


def _listening(
    transport: str, stack: contextlib.ExitStack, backlog: int
) -> tuple[socket.socket, Server]:
    family = {"unix": socket.AF_UNIX, "tcp": socket.AF_INET, "tcp6": socket.AF_INET6}[transport]
    listener = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
    if transport == "unix":
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fake-"))
        listener.bind(f"{folder}/socket")
        text = f"unix:{folder}/socket"
    else:
        listener.bind(("127.0.0.1" if transport == "tcp" else "::1", 0))
        host = "127.0.0.1" if transport == "tcp" else "[::1]"
        text = f"tcp:{host}:{listener.getsockname()[1]}"
    listener.listen(backlog)
    return listener, parse(text)


def nobody(transport: str = "tcp") -> Server:
    """Give a server where nobody listens."""
    if transport == "unix":
        return parse("unix:/nonexistent/socket")
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return parse(f"tcp:127.0.0.1:{bound.getsockname()[1]}")


def reset(peer: socket.socket) -> None:
    """Close the connection with a reset (TCP), or as it is (unix)."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def drip(peer: socket.socket, octets: bytes, stop: threading.Event, *, every_s: float) -> None:
    """Send one octet, wait, send the next: slow enough to outlive a timeout for each call."""
    for octet in octets:
        peer.sendall(bytes([octet]))
        if stop.wait(every_s):
            return


def until_gone(peer: socket.socket, stop: threading.Event) -> None:
    """Say nothing and read nothing until the peer has said its last word, or the test ends."""
    poller = select.poll()
    poller.register(peer, select.POLLRDHUP)  # POLLHUP and POLLERR come anyway
    ends_at = time.monotonic() + LIMIT_S
    while not stop.is_set() and not poller.poll(20) and time.monotonic() < ends_at:
        pass
