"""One conversation with a server over a socket, under one deadline.

Called by  checks.clamav and checks.spam: a new one for every question, never shared.
Ends       closed by whoever opened it (a context manager), on every path; raises NotReached,
           BrokenOff or Silent, which are CheckFailed and name the server.
Careful    settimeout() is a time for each call: a server that drips an octet a second would never
           run into it. Here every wait is for what remains of the one deadline. A server that
           speaks or goes before it has heard everything is noticed while sending.
"""

import array
import contextlib
import os
import queue
import select
import socket
import struct
import threading
from types import TracebackType
from typing import Any

from qscanner.codec.servers import Server
from qscanner.deadline import Deadline
from qscanner.outcomes import CheckFailed, OutOfTime

CONNECT_WITHIN_S = 5.0  # who has not taken a connection by then is away
_PIECE_OCTETS = 1 << 16
_Address = tuple[socket.AddressFamily, Any]


class NotReached(CheckFailed):
    """Nobody took the connection."""


class BrokenOff(CheckFailed):
    """The server closed or reset the connection without a word, or said more than it may."""


class Silent(CheckFailed):
    """The server said nothing, or not all of it, in the time it had."""


class Conversation:
    """A connected socket to `server` and the deadline that all waiting on it obeys."""

    def __init__(self, server: Server, *, within_s: float) -> None:
        """Connect. Raises NotReached; takes CONNECT_WITHIN_S of the `within_s` seconds at most."""
        self.server = server
        self._within_s = within_s
        self._deadline = Deadline(within_s)
        self.was_reset = False  # the server went without having read all it was sent
        self._socket = _connected(server, within_s=min(within_s, CONNECT_WITHIN_S))

    def __enter__(self) -> "Conversation":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; a second time does nothing."""
        self._socket.close()

    def send(self, octets: bytes) -> bool:
        """Send all octets. False: the server spoke or went first, and receive() may tell why.

        Raises Silent where it does not take them in time.
        """
        rest = memoryview(octets)
        while rest:
            ready = self._wait(select.POLLIN | select.POLLOUT)
            if ready & ~select.POLLOUT:  # it speaks, or it has gone
                return False
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                continue
            except OSError:
                return False
        return True

    def send_descriptor(self, fd: int) -> bool:
        """Send a descriptor with one octet, as FILDES of clamd(8) wants it. False as send()."""
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))
        if self._wait(select.POLLIN | select.POLLOUT) & ~select.POLLOUT:
            return False
        try:
            return self._socket.sendmsg([b"\0"], [rights]) == 1
        except OSError:  # also ETOOMANYREFS: too many descriptors of this user are on their way
            return False

    def finish_sending(self) -> None:
        """Tell the server that nothing more comes."""
        with contextlib.suppress(OSError):  # it has gone; receive() will see
            self._socket.shutdown(socket.SHUT_WR)

    def receive(self, *, max_octets: int) -> bytes:
        """Give all the server says until it closes.

        Raises Silent where that takes too long, BrokenOff where it says nothing or more than
        `max_octets`. Octets before a reset are given, and `was_reset` is set: a refusal may come
        that way, praise may not.
        """
        said = bytearray()
        while len(said) <= max_octets:
            self._wait(select.POLLIN)
            try:
                piece = self._socket.recv(_PIECE_OCTETS)
            except BlockingIOError:
                continue
            except OSError as error:
                self.was_reset = True
                if said:
                    return bytes(said)
                raise BrokenOff(f"{self.server.text}: {_words(error)}, no answer") from error
            if not piece:
                break
            said += piece
        if not said:
            raise BrokenOff(f"{self.server.text}: closed the connection without an answer")
        if len(said) > max_octets:
            raise BrokenOff(f"{self.server.text}: the answer has more than {max_octets} octets")
        return bytes(said)

    def _wait(self, events: int) -> int:
        poller = select.poll()
        poller.register(self._socket, events)
        try:
            ready = poller.poll(self._deadline.remaining_s() * 1000)
        except OutOfTime:
            ready = poller.poll(0)  # what has come by then is heard, however late we listen
        if not ready:
            raise Silent(f"{self.server.text}: no whole answer within {self._within_s:.1f} s")
        return ready[0][1]


def _connected(server: Server, *, within_s: float) -> socket.socket:
    """Connect to the first address of the server that answers; the socket does not block."""
    deadline = Deadline(within_s)
    reason = f"{server.text}: has no address"
    try:
        addresses = _addresses(server, within_s=within_s)
        for place, address in enumerate(addresses):
            share_s = deadline.remaining_s() / (len(addresses) - place)
            try:
                return _try(address, within_s=share_s)
            except (OSError, ValueError) as error:
                reason = f"{server.text}: {_words(error)}"
    except OutOfTime:
        reason = f"{server.text}: not connected within {within_s:.1f} s"
    raise NotReached(reason)


def _try(address: _Address, *, within_s: float) -> socket.socket:
    family, place = address
    peer = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_UNIX:
            _wait_for_backlog(peer, within_s=within_s)
        else:
            peer.settimeout(within_s)
        peer.connect(place)
        peer.setblocking(False)
    except BlockingIOError as error:  # EAGAIN: the time of _wait_for_backlog is over
        peer.close()
        raise TimeoutError(f"not connected within {within_s:.1f} s") from error
    except BaseException:
        peer.close()
        raise
    return peer


def _wait_for_backlog(peer: socket.socket, *, within_s: float) -> None:
    """Let connect() wait while the backlog of a unix socket is full, but not for ever.

    Not blocking it would end with EAGAIN at once, and there is nothing to poll for; blocking, the
    kernel waits as long as SO_SNDTIMEO says (unix(7), socket(7)).
    """
    whole_s, part_s = divmod(max(0.001, within_s), 1)
    limit = struct.pack("@ll", int(whole_s), int(part_s * 1e6))
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)


def _addresses(server: Server, *, within_s: float) -> list[_Address]:
    """Give where to connect to. Raises OutOfTime where the name service is too slow."""
    if server.kind == "unix":
        return [(socket.AF_UNIX, server.path)]
    try:
        return _resolved(server, socket.AI_NUMERICHOST)
    except OSError:
        return _resolved_in_time(server, within_s=within_s)


def _resolved(server: Server, flags: int) -> list[_Address]:
    found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM, flags=flags)
    return [(entry[0], entry[4]) for entry in found]


def _resolved_in_time(server: Server, *, within_s: float) -> list[_Address]:
    """Resolve in a thread of its own: getaddrinfo(3) knows no deadline but resolv.conf's."""
    answers: queue.SimpleQueue[list[_Address]] = queue.SimpleQueue()

    def resolve() -> None:
        try:
            answers.put(_resolved(server, 0))
        except (OSError, UnicodeError):
            answers.put([])

    threading.Thread(target=resolve, daemon=True).start()
    try:
        return answers.get(timeout=within_s)
    except queue.Empty as error:
        raise OutOfTime(f"{server.host}: not resolved in time") from error


def _words(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number).lower() if number else str(error)
