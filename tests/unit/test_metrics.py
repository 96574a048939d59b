"""Counting, and telling the counts over HTTP in the dispatcher's loop."""

import contextlib
import os
import selectors
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qscanner import outbox
from qscanner.codec.orders import Facts
from qscanner.codec.servers import parse
from qscanner.health import Health
from qscanner.metrics import Metrics
from qscanner.outcomes import Unusable
from qscanner.settings import Quarantine, Settings
from tests.fakes.post import letter
from tests.fakes.resident import free_port


class Loop:
    """A loop as the dispatcher has it, turned by hand."""

    def __init__(self) -> None:
        self.selector: selectors.BaseSelector = selectors.DefaultSelector()
        self.settings = Settings()
        self.server = parse("unix:/nowhere")
        self.health = Health([self.server])
        self.workers = 2

    def gauges(self) -> dict[str, float]:
        """Give made-up numbers."""
        return {"workers_busy": 0, "workers_idle": self.workers, "clients_waiting": 7}

    def turn(self, *, within_s: float = 0.05) -> int:
        """Do what there is to do; say how much that was."""
        ready = self.selector.select(within_s)
        for key, _ in ready:
            key.data(key.fileobj)
        return len(ready)


@pytest.fixture
def loop() -> Iterator[Loop]:
    """Give a loop."""
    one = Loop()
    yield one
    for key in list(one.selector.get_map().values()):
        assert isinstance(key.fileobj, socket.socket)
        key.fileobj.close()
    one.selector.close()


@pytest.fixture
def port() -> int:
    """Give a free port."""
    return free_port()


@pytest.fixture
def metrics(loop: Loop, port: int) -> Metrics:
    """Give metrics that are served in the loop."""
    one = Metrics(f"127.0.0.1:{port}")
    one.open(loop)
    return one


def _ask(loop: Loop, port: int, request: bytes) -> bytes:
    """Ask, and turn the loop until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(request)
        client.setblocking(False)
        said = bytearray()
        for _ in range(200):
            loop.turn(within_s=0.01)
            with contextlib.suppress(BlockingIOError):
                if not (octets := client.recv(1 << 16)):
                    return bytes(said)
                said += octets
    raise AssertionError(f"not closed; said {said[:100]!r}")


def _page(loop: Loop, port: int) -> list[str]:
    page = _ask(loop, port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert page.startswith(b"HTTP/1.1 200 OK\r\n")
    head, _, body = page.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    return body.decode().splitlines()


FACTS: Facts = {
    "verdict": "reject",
    "ending": "rejected",
    "rules": "one,two",
    "octets": 100,
    "scan_s": 0.25,
    "virus": "found",
    "virus_s": 0.125,
    "spam": "unavailable",
    "spam_s": 3,
}


def test_counts(loop: Loop, metrics: Metrics, port: int) -> None:
    """One message counts in verdict, rules, checks, octets and times."""
    metrics.message(FACTS, waited_s=0.5)
    metrics.event("crash")
    lines = _page(loop, port)
    for line in (
        'qscanner_messages_total{ending="rejected",verdict="reject"} 1.0',
        'qscanner_rule_hits_total{rule="one"} 1.0',
        'qscanner_rule_hits_total{rule="two"} 1.0',
        'qscanner_checks_total{check="virus",outcome="found"} 1.0',
        'qscanner_checks_total{check="spam",outcome="unavailable"} 1.0',
        "qscanner_octets_total 100.0",
        "qscanner_scan_seconds_sum 0.25",
        "qscanner_wait_seconds_sum 0.5",
        'qscanner_check_seconds_sum{check="spam"} 3.0',
        'qscanner_events_total{event="crash"} 1.0',
        'qscanner_now{what="clients_waiting"} 7.0',
        'qscanner_server_up{server="unix:/nowhere"} 1.0',
    ):
        assert line in lines


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"ending": "x" * 1000, "verdict": "y", "virus": "z"},
        {"octets": -1.0, "scan_s": float("nan"), "virus": "clean", "virus_s": float("inf")},
        {"octets": 10**400, "scan_s": "long", "rules": 7},
        {"octets": True, "rules": ",,,"},
    ],
)
def test_facts_gone_mad(loop: Loop, metrics: Metrics, port: int, facts: Any) -> None:
    """Whatever a worker says breaks no counter, and makes no label of its own."""
    metrics.message(facts, waited_s=0.0)
    lines = _page(loop, port)
    assert not any("x" * 20 in line or '"y"' in line or '"z"' in line for line in lines)
    assert not any("inf" in line.lower() and "le=" not in line for line in lines[:]), lines
    metrics.message(FACTS, waited_s=0.0)
    assert 'qscanner_messages_total{ending="rejected",verdict="reject"} 1.0' in _page(loop, port)


def test_rules_are_bounded(loop: Loop, metrics: Metrics, port: int) -> None:
    """After many rules, the others count together."""
    for number in range(500):
        metrics.message({"ending": "held", "rules": f"rule-{number}"}, waited_s=0.0)
    lines = [line for line in _page(loop, port) if line.startswith("qscanner_rule_hits_total{")]
    assert len(lines) == 201
    assert 'qscanner_rule_hits_total{rule="other"} 300.0' in lines


def test_letters(loop: Loop, metrics: Metrics, port: int, tmp_path: Path) -> None:
    """How many wait and have failed, and for how long the oldest does."""
    loop.settings = Settings(quarantine=Quarantine(dir=str(tmp_path)))
    assert 'qscanner_letters{what="waiting"} 0.0' in _page(loop, port)
    folder = outbox.folder(str(tmp_path))
    for about in ("a", "b"):
        outbox.put(folder, letter(about=about))
    os.utime(f"{folder}/{letter(about='a').name}", (1, 1))
    outbox.fail(folder, letter(about="b").name)
    page = _page(loop, port)
    assert 'qscanner_letters{what="waiting"} 1.0' in page
    assert 'qscanner_letters{what="failed"} 1.0' in page
    oldest = next(line for line in page if line.startswith("qscanner_letters_oldest_seconds "))
    assert float(oldest.split()[1]) > 1e9


def test_since_when_none_answers(metrics: Metrics) -> None:
    """In seconds, for the alarm; 0 as soon as one answers."""
    assert metrics.dead_s() == 0
    metrics.message({"virus": "unavailable"}, waited_s=0)
    assert 0 < metrics.dead_s() < 60
    metrics.message({"virus": "clean"}, waited_s=0)
    assert metrics.dead_s() == 0


def test_a_dead_virus_check(loop: Loop, metrics: Metrics, port: int) -> None:
    """From the first message that it did not answer, until the next that it did."""
    health = b"GET /healthz HTTP/1.1\r\n\r\n"
    assert b" 200 OK" in _ask(loop, port, health)
    metrics.message({**FACTS, "virus": "unavailable"}, waited_s=0.0)
    assert b" 503 " in _ask(loop, port, health)
    metrics.message({"ending": "deferred"}, waited_s=0.0)  # no virus check at all
    assert b" 503 " in _ask(loop, port, health)
    metrics.message(FACTS, waited_s=0.0)
    assert b" 200 OK" in _ask(loop, port, health)
    loop.workers = 0
    assert b"no worker" in _ask(loop, port, health)


def test_head(loop: Loop, metrics: Metrics, port: int) -> None:
    """HEAD gets the same head, and no body (RFC 9110 9.3.2)."""
    answer = _ask(loop, port, b"HEAD /healthz HTTP/1.1\r\n\r\n")
    assert answer.endswith(b"Content-Length: 3\r\nConnection: close\r\n\r\n")


def test_octet_by_octet(loop: Loop, metrics: Metrics, port: int) -> None:
    """A request that dribbles is heard in the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        for octet in b"GET /healthz HTTP/1.1\r\n\r\n":
            client.send(bytes([octet]))
            loop.turn()
        loop.turn()
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_slow_readers_are_written_to_in_pieces(loop: Loop, metrics: Metrics, port: int) -> None:
    """Who does not read is not waited for; who reads later gets all of it."""
    for number in range(200):
        metrics.message({"ending": "held", "rules": f"{number}-{'x' * 2000}"}, waited_s=0.0)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.connect(("127.0.0.1", port))
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        for _ in range(5):
            loop.turn()
        assert _ask(loop, port, b"GET /healthz HTTP/1.1\r\n\r\n").endswith(b"ok\n")
        client.setblocking(False)
        said = bytearray()
        for _ in range(20000):
            loop.turn(within_s=0)
            with contextlib.suppress(BlockingIOError):
                if not (octets := client.recv(1 << 16)):
                    break
                said += octets
        head, _, body = bytes(said).partition(b"\r\n\r\n")
        assert len(body) > 400_000
        assert f"Content-Length: {len(body)}".encode() in head


def test_who_has_been_here_longest_goes(loop: Loop, metrics: Metrics, port: int) -> None:
    """Any number of silent connections do not keep a scraper out."""
    with contextlib.ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            loop.turn()
        assert len(loop.selector.get_map()) <= 17
        assert _page(loop, port)


def test_goes_away(loop: Loop, metrics: Metrics, port: int) -> None:
    """Who closes without a word, or in the middle of the answer, leaves nothing behind."""
    for request in (b"", b"GET /metr", b"GET /metrics HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(request)
        while loop.turn():
            pass
    assert len(loop.selector.get_map()) == 1


def test_switched_off(loop: Loop) -> None:
    """Without an address nothing is counted, and nothing is opened."""
    metrics = Metrics("")
    metrics.open(loop)
    metrics.message(FACTS, waited_s=0.0)
    metrics.event("crash")
    assert not loop.selector.get_map()


def test_the_address_is_taken(port: int) -> None:
    """The reason, and which setting."""
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(Unusable, match=r"\[daemon\] metrics: cannot listen on"),
    ):
        Metrics(f"127.0.0.1:{port}")
