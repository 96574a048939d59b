"""The clients of the daemon that are not served yet: let in, heard, kept waiting, sent away.

Called by  dispatcher, which takes them out one by one; the selector's loop calls the rest.
Ends       raises nothing; whoever is sent away hears "later", or finds the connection closed
           before it was asked for anything.
Careful    any local user may come, as often as it likes and say what it likes: nobody takes the
           place of all others, and who says no hello in time goes.
"""

import contextlib
import math
import selectors
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from qscanner import reply
from qscanner.codec import frames, orders, status
from qscanner.fairness import Waiting
from qscanner.log import Log
from qscanner.outcomes import Ending
from qscanner.settings import Settings

HELLO_WITHIN_S = 5.0
_FULL_LINE_EVERY_S = 60.0
_BUSY = "server busy, try again later"
_UCRED = struct.Struct("iII")  # pid, uid, gid: unix(7)


@dataclass(eq=False, kw_only=True)
class Visitor:
    """A client: its connection, what the kernel says of it, and what it claims."""

    sock: socket.socket
    uid: int
    since: float
    address: bytes = b""
    has_said_hello: bool = False
    is_handed_on: bool = False  # its first worker died before it began


class Tally(Protocol):
    """Who counts: metrics, or nobody."""

    def message(self, facts: orders.Facts, *, waited_s: float) -> None:
        """Count one message that was answered by a worker."""

    def event(self, name: str) -> None:
        """Count one event: overload, crash, hang, reload, reload-failed, spool-full."""


@dataclass(kw_only=True)
class Lobby:
    """Who has come. At most `room` clients, those that are being served among them."""

    settings: Settings
    listening: socket.socket
    selector: selectors.BaseSelector
    tally: Tally
    log: Log
    room: int
    state: Callable[[], status.State]
    waiting: Waiting[Visitor] = field(default_factory=Waiting)
    strangers: set[Visitor] = field(default_factory=set)  # have not said hello yet
    _present: Counter[int] = field(default_factory=Counter)  # clients, by their uid
    _is_open: bool = False
    _is_closed_for_good: bool = False
    _said_full_at: float = -math.inf

    def __len__(self) -> int:
        return len(self.waiting) + len(self.strangers)

    def open(self) -> None:
        """Begin to listen."""
        self.listening.setblocking(False)
        self._is_open = True
        self.selector.register(self.listening, selectors.EVENT_READ, self._let_in)

    def close(self) -> None:
        """Let nobody in any more; those who are connected already have come."""
        if self._is_open:
            self._let_in(self.listening)
        self._is_closed_for_good = True
        self._shut()
        self.listening.close()

    def look(self, now: float) -> None:
        """Send away who waits too long; to be called a few times a second."""
        if not self._is_open and not self._is_closed_for_good:
            self.open()
        for visitor in [each for each in self.strangers if now - each.since > HELLO_WITHIN_S]:
            self.forget(visitor)
        self._put_off_all(now - self.settings.daemon.wait, _BUSY)

    def clear(self, words: str) -> None:
        """Tell all who wait "later"."""
        self._put_off_all(math.inf, words)

    def empty(self, words: str) -> None:
        """Tell all who wait "later", and part with those who said nothing yet, too."""
        for visitor in self.waiting.older_than(math.inf, since=lambda each: each.since):
            self.put_off(visitor, words)
        for visitor in list(self.strangers):
            self.forget(visitor)

    def take(self, may: Callable[[int], bool] = lambda _uid: True) -> Visitor | None:
        """Give whose turn it is, with whom the loop has nothing to do any more.

        `may` says of a uid whether it can have a turn now.
        """
        visitor = self.waiting.take(may)
        if visitor is not None:
            self.selector.unregister(visitor.sock)
        return visitor

    def put_off(self, visitor: Visitor, words: str, *, ending: Ending = Ending.DEFERRED) -> None:
        """Say "later" to a client, with a reason, and part with it."""
        answer = frames.Answer(
            ending=ending,
            text=reply.line(ending, words),
            error_text=self.settings.queue.error_text,
        )
        with contextlib.suppress(OSError):  # it has gone, and did not hear a yes
            visitor.sock.send(frames.encode(answer))
            visitor.sock.recv(frames.MAX_QUESTION_OCTETS)  # else it hears "reset" before that
        self.forget(visitor)

    def forget(self, visitor: Visitor) -> None:
        """Part with a client, wherever it stands."""
        self.strangers.discard(visitor)
        self.waiting.drop(visitor, uid=visitor.uid, address=visitor.address)
        self._present[visitor.uid] -= 1
        if not self._present[visitor.uid]:
            del self._present[visitor.uid]
        if visitor.sock.fileno() in self.selector.get_map():
            self.selector.unregister(visitor.sock)
        visitor.sock.close()

    def _let_in(self, _: socket.socket) -> None:
        while self._present.total() < self.room:
            try:
                sock, _address = self.listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                self._be_full(str(error.strerror))
                return
            self._receive(sock)
        self._be_full("as many clients as descriptors allow")

    def _be_full(self, why: str) -> None:
        """Let nobody in until the next look(): who waits outside is told so by the kernel."""
        self._shut()
        if (now := time.monotonic()) - self._said_full_at >= _FULL_LINE_EVERY_S:
            self._said_full_at = now
            self.log.write({"event": "full", "clients": self._present.total(), "why": why})

    def _shut(self) -> None:
        if self._is_open:
            self._is_open = False
            self.selector.unregister(self.listening)

    def _receive(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        uid = _UCRED.unpack(credentials)[1]
        if self._present[uid] >= max(1, self.room * 3 // 4):
            sock.close()
            return
        visitor = Visitor(sock=sock, uid=uid, since=time.monotonic())
        self._present[uid] += 1
        self.strangers.add(visitor)
        self.selector.register(sock, selectors.EVENT_READ, lambda _, v=visitor: self._hear(v))

    def _hear(self, visitor: Visitor) -> None:
        """Hear a hello, or that somebody asks how we are, or that a client has gone."""
        try:
            packet = visitor.sock.recv(frames.MAX_HELLO_OCTETS)
            if packet == status.ASK:
                visitor.sock.send(status.encode(self.state()))
            address = frames.claimed_ip(packet)
        except BlockingIOError:
            return
        except (OSError, frames.FrameError):
            self.forget(visitor)
            return
        if visitor.has_said_hello:
            self.forget(visitor)
            return
        self.strangers.remove(visitor)
        visitor.has_said_hello, visitor.address = True, address
        self.waiting.put(visitor, uid=visitor.uid, address=address)

    def _put_off_all(self, since: float, words: str) -> None:
        for visitor in self.waiting.older_than(since, since=lambda each: each.since):
            self.tally.event("overload")
            self.put_off(visitor, words)
