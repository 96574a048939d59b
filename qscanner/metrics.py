"""What the daemon counts, and the small HTTP server that tells it: /metrics and /healthz.

Called by  programs.daemon; the dispatcher tells it of messages and events.
Ends       raises Unusable where the address cannot be listened on; nothing else.
Careful    it is served by the dispatcher's own loop, so it must never wait: one request a
           connection, and who reads slowly is written to when there is room. Nothing of a message
           is told but counts. The facts come from a process that has read a stranger's mail: no
           number of theirs can break a counter, and labels are of closed or bounded sets.
"""

import contextlib
import selectors
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from qscanner import emergency, outbox
from qscanner.codec.orders import Facts
from qscanner.health import Health
from qscanner.model import Action, Outcome
from qscanner.outcomes import Ending, Unusable
from qscanner.settings import Settings

if TYPE_CHECKING:
    import prometheus_client

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 240)
_MAX_RULES = 200  # labels; further rules count as "other"
_MAX_REQUEST_OCTETS = 4096
_MAX_VISITORS = 16
_MAX_NUMBER = 1e15
_SECONDS_A_MINUTE = 60
_VERDICTS = frozenset(action.value for action in Action)
_OUTCOMES = frozenset(outcome.value for outcome in Outcome)
_ENDINGS = frozenset(ending.name.lower().replace("_", "-") for ending in Ending)


class Loop(Protocol):
    """What metrics need of the dispatcher."""

    selector: selectors.BaseSelector
    settings: Settings
    health: Health

    def gauges(self) -> dict[str, float]:
        """Give the numbers of the moment: workers busy and idle, clients waiting."""


@dataclass(kw_only=True)
class _Counters:
    """The metrics themselves; see docs/metrics.md for their meaning."""

    registry: "prometheus_client.CollectorRegistry"
    messages: "prometheus_client.Counter"
    rules: "prometheus_client.Counter"
    outcomes: "prometheus_client.Counter"
    octets: "prometheus_client.Counter"
    events: "prometheus_client.Counter"
    check_s: "prometheus_client.Histogram"
    scan_s: "prometheus_client.Histogram"
    wait_s: "prometheus_client.Histogram"
    dead_minutes: "prometheus_client.Gauge"
    now: "prometheus_client.Gauge"
    server_up: "prometheus_client.Gauge"
    emergency_s: "prometheus_client.Gauge"
    letters: "prometheus_client.Gauge"
    letters_oldest_s: "prometheus_client.Gauge"
    seen: set[str] = field(default_factory=set)


class Metrics:
    """Counts, and serves the counts at `address` ("127.0.0.1:9810"); "" counts nothing."""

    def __init__(self, address: str) -> None:
        self._counters = _counters() if address else None
        self._sock = _listening(address) if address else None
        self._loop: Loop | None = None
        self._visitors: dict[socket.socket, bytearray] = {}
        self._dead_since = 0.0

    def open(self, loop: Loop) -> None:
        """Begin to serve in the loop of the dispatcher."""
        self._loop = loop
        if self._sock is not None:
            loop.selector.register(self._sock, selectors.EVENT_READ, self._let_in)

    def message(self, facts: Facts, *, waited_s: float) -> None:
        """Count one message that was answered by a worker."""
        self._note_the_dead(facts)
        if (counters := self._counters) is None:
            return
        verdict, ending = _one_of(_VERDICTS, facts, "verdict"), _one_of(_ENDINGS, facts, "ending")
        counters.messages.labels(verdict, ending).inc()
        counters.wait_s.observe(waited_s)
        counters.octets.inc(_number(facts, "octets"))
        if "scan_s" in facts:
            counters.scan_s.observe(_number(facts, "scan_s"))
        for rule in filter(None, str(facts.get("rules", "")).split(",")):
            counters.rules.labels(self._label(rule)).inc()
        for check in ("virus", "spam"):
            if check in facts:
                counters.outcomes.labels(check, _one_of(_OUTCOMES, facts, check)).inc()
                counters.check_s.labels(check).observe(_number(facts, f"{check}_s"))

    def event(self, name: str) -> None:
        """Count one event, like "overload" or "crash": docs/metrics.md has all."""
        if self._counters is not None:
            self._counters.events.labels(name).inc()

    def dead_s(self) -> float:
        """Give for how many seconds no virus check has answered; 0 where one does."""
        return time.monotonic() - self._dead_since if self._dead_since else 0.0

    def _label(self, rule: str) -> str:
        seen = self._counters.seen if self._counters else set()
        if rule not in seen and len(seen) >= _MAX_RULES:
            return "other"
        seen.add(rule)
        return rule

    def _note_the_dead(self, facts: Facts) -> None:
        """Remember since when mail is put off because the virus check does not answer."""
        if facts.get("virus") == "unavailable":
            self._dead_since = self._dead_since or time.monotonic()
        elif "virus" in facts:
            self._dead_since = 0.0

    # ---- serving

    def _let_in(self, sock: socket.socket) -> None:
        assert self._loop is not None
        with contextlib.suppress(OSError):
            visitor, _ = sock.accept()
            if len(self._visitors) >= _MAX_VISITORS:
                self._part_with(next(iter(self._visitors)))  # who has been here longest
            visitor.setblocking(False)
            self._visitors[visitor] = bytearray()
            self._loop.selector.register(visitor, selectors.EVENT_READ, self._hear)

    def _hear(self, visitor: socket.socket) -> None:
        assert self._loop is not None
        request = self._visitors.get(visitor)
        if request is None:  # parted with, in this turn of the loop
            return
        try:
            octets = visitor.recv(_MAX_REQUEST_OCTETS)
        except OSError:
            octets = b""
        request += octets
        if b"\r\n\r\n" in request or b"\n\n" in request:
            self._visitors[visitor] = bytearray(self._answer(bytes(request)))
            self._loop.selector.modify(visitor, selectors.EVENT_WRITE, self._tell)
            self._tell(visitor)
        elif not octets or len(request) >= _MAX_REQUEST_OCTETS:
            self._part_with(visitor)

    def _tell(self, visitor: socket.socket) -> None:
        """Write as much of the answer as there is room for."""
        rest = self._visitors.get(visitor)
        if rest is None:
            return
        try:
            del rest[: visitor.send(rest)]
        except BlockingIOError:
            return
        except OSError:
            rest.clear()
        if not rest:
            self._part_with(visitor)

    def _part_with(self, visitor: socket.socket) -> None:
        assert self._loop is not None
        del self._visitors[visitor]
        self._loop.selector.unregister(visitor)
        visitor.close()

    def _answer(self, request: bytes) -> bytes:
        """Give the HTTP response (RFC 9112) to a request."""
        words = request.split(b"\r\n", 1)[0].split(b"\n", 1)[0].split(b" ")
        if words[:1] not in ([b"GET"], [b"HEAD"]) or len(words) < 2:  # noqa: PLR2004
            return _response("405 Method Not Allowed", b"GET only\n")
        path = words[1].partition(b"?")[0]
        answer = _response("404 Not Found", b"/metrics and /healthz are here\n")
        if path == b"/metrics":
            answer = _response("200 OK", self._page())
        elif path == b"/healthz":
            answer = self._health()
        return answer if words[0] == b"GET" else answer[: answer.index(b"\r\n\r\n") + 4]

    def _page(self) -> bytes:
        import prometheus_client

        assert self._counters is not None
        assert self._loop is not None
        for name, value in self._loop.gauges().items():
            self._counters.now.labels(name).set(value)
        self._counters.dead_minutes.set(self.dead_s() / _SECONDS_A_MINUTE)
        self._counters.server_up.clear()  # a reload may have taken one away
        for server, is_up in self._loop.health.up().items():
            self._counters.server_up.labels(server).set(is_up)
        beside = self._loop.settings.daemon.socket
        self._counters.emergency_s.set(emergency.left_s(beside, now=emergency.now()))
        folder = outbox.folder(self._loop.settings.quarantine.dir)
        letters = outbox.state(folder, now=emergency.now())
        self._counters.letters.labels("waiting").set(letters.waiting)
        self._counters.letters.labels("failed").set(letters.failed)
        self._counters.letters_oldest_s.set(letters.oldest_s)
        return prometheus_client.generate_latest(self._counters.registry)

    def _health(self) -> bytes:
        assert self._loop is not None
        gauges = self._loop.gauges()
        if not gauges["workers_busy"] + gauges["workers_idle"]:
            return _response("503 Service Unavailable", b"no worker is running\n")
        if self._dead_since:
            return _response("503 Service Unavailable", b"the virus check does not answer\n")
        return _response("200 OK", b"ok\n")


def _number(facts: Facts, key: str) -> float:
    value = facts.get(key, 0.0)
    if not isinstance(value, int | float) or not 0 <= value <= _MAX_NUMBER:  # nor a NaN
        return 0.0
    return float(value)


def _one_of(known: frozenset[str], facts: Facts, key: str) -> str:
    value = facts.get(key, "none")
    return value if value in known else "none"


def _response(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


def _listening(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.create_server((host.strip("[]"), int(port)), family=family)
    except OSError as error:
        raise Unusable(f"[daemon] metrics: cannot listen on {address}: {error}") from error
    sock.setblocking(False)
    return sock


def _counters() -> _Counters:
    import prometheus_client as prometheus

    prometheus.disable_created_metrics()  # type: ignore[no-untyped-call] # a third of all lines
    registry = prometheus.CollectorRegistry()

    def counter(name: str, text: str, *labels: str) -> prometheus.Counter:
        return prometheus.Counter(f"qscanner_{name}", text, labels, registry=registry)

    def histogram(name: str, text: str, *labels: str) -> prometheus.Histogram:
        return prometheus.Histogram(
            f"qscanner_{name}", text, labels, buckets=_BUCKETS, registry=registry
        )

    def gauge(name: str, text: str, *labels: str) -> prometheus.Gauge:
        return prometheus.Gauge(f"qscanner_{name}", text, labels, registry=registry)

    return _Counters(
        registry=registry,
        messages=counter("messages", "Messages answered", "verdict", "ending"),
        rules=counter("rule_hits", "Messages that a rule decided", "rule"),
        outcomes=counter("checks", "How checks ended", "check", "outcome"),
        octets=counter("octets", "Octets of all messages"),
        events=counter("events", "Overloads, crashes, hangs, reloads, full spools", "event"),
        check_s=histogram("check_seconds", "Time of one check", "check"),
        scan_s=histogram("scan_seconds", "Time of one scan"),
        wait_s=histogram("wait_seconds", "Time a client waited for a worker"),
        dead_minutes=gauge(
            "scanner_dead_minutes", "Minutes since mail was first put off for a dead scanner"
        ),
        now=gauge("now", "Workers busy and idle, clients waiting, octets spooled", "what"),
        server_up=gauge("server_up", "Whether a server answered when last asked", "server"),
        emergency_s=gauge("emergency_seconds", "For how long unscanned mail is still accepted"),
        letters=gauge("letters", "Letters of ours that wait, and that have failed", "what"),
        letters_oldest_s=gauge("letters_oldest_seconds", "How long the oldest letter waits"),
    )
