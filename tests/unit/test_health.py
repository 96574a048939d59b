"""Which servers are dead: an order that is shared between processes, and never a refusal."""

import os
import struct

import pytest

from qscanner.codec.servers import Server, parse
from qscanner.health import LONGEST_S, Health

A, B, C = (parse(f"tcp:127.0.0.1:{port}") for port in (1, 2, 3))


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Give a clock of our own."""
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    """Give the memory of three servers."""
    return Health((A, B, C), clock=clock)


def order(health: Health) -> tuple[Server, ...]:
    return health.in_order((A, B, C))


def test_all_live(health: Health) -> None:
    """Nothing is known: the admin's order stands."""
    assert order(health) == (A, B, C)
    assert health.up() == {A.text: True, B.text: True, C.text: True}


def test_a_dead_one_is_asked_last(health: Health, clock: Clock) -> None:
    """It stays in the list, and is in its place again when it answers."""
    health.failed(A)
    assert order(health) == (B, C, A)
    assert health.up()[A.text] is False
    health.worked(A)
    assert order(health) == (A, B, C)
    assert health.up()[A.text] is True


def test_all_dead(health: Health) -> None:
    """Then all are tried, as if none were."""
    for server in (A, B, C):
        health.failed(server)
    assert order(health) == (A, B, C)


def test_it_is_left_alone_for_longer_and_longer(health: Health, clock: Clock) -> None:
    """1, 2, 4, 8, 16, 30, 30 seconds."""
    pauses = []
    for _ in range(8):
        health.failed(A)
        begun = clock.now
        while order(health)[0] is not A:
            clock.now += 0.25
        pauses.append(clock.now - begun)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_one_tries_it_again_not_all(health: Health, clock: Clock) -> None:
    """When its time is over, the first who asks finds out how it is; the others go on without."""
    health.failed(A)
    clock.now += 1.0
    assert order(health) == (A, B, C)
    assert order(health) == (B, C, A)
    clock.now += 1.0
    assert order(health) == (A, B, C)


def test_it_is_shared_by_forks(health: Health) -> None:
    """What one worker finds, the others and the dispatcher know at once."""
    pid = os.fork()
    if pid == 0:
        health.failed(B)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert order(health) == (A, C, B)
    assert health.up()[B.text] is False


@pytest.mark.parametrize(
    ("until", "failures"),
    [
        pytest.param(float("inf"), 3.0, id="for-ever"),
        pytest.param(1000.0 + LONGEST_S + 1, 1.0, id="too-long"),
        pytest.param(float("nan"), float("nan"), id="no-numbers"),
        pytest.param(0.0, -5.0, id="negative"),
        pytest.param(0.0, 1e300, id="huge"),
    ],
)
def test_rubbish_in_the_memory(health: Health, until: float, failures: float) -> None:
    """Whatever a worker that went mad has written: every server is asked, and in time first."""
    struct.pack_into("dd", health._shared, 0, until, failures)
    assert set(order(health)) == {A, B, C}
    health.failed(A)
    health.worked(A)
    assert order(health) == (A, B, C)


def test_who_is_not_known() -> None:
    """A server that nobody told of is always alive, and nothing is remembered of it."""
    health = Health(())
    health.failed(A)
    assert health.in_order((A,)) == (A,)
    assert health.up() == {}
