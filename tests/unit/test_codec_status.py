"""codec.status: exactly a state, or refused."""

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qscanner.codec.frames import MAX_HELLO_OCTETS, FrameError, claimed_ip
from qscanner.codec.status import ASK, MAX_OCTETS, Load, State, StatusError, decode, encode

STATE = State(
    version="1.2",
    pid=7,
    since=1.5,
    busy=1,
    idle=2,
    waiting=3,
    load=Load(mark="abc", at=2.5, rules=4, tries=5, is_latest=False),
)
TOLD = asdict(STATE)


def packet(**other: object) -> bytes:
    return b"qscanner state 1\0" + json.dumps({**TOLD, **other}).encode()


def test_there_and_back() -> None:
    """What is written is read again, and fits."""
    assert decode(encode(STATE)) == STATE
    assert len(encode(STATE)) < MAX_OCTETS


def test_the_question_is_no_hello() -> None:
    """A daemon that does not know it takes it for rubbish, and not for a client."""
    assert len(ASK) < MAX_HELLO_OCTETS
    with pytest.raises(FrameError):
        claimed_ip(ASK)


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"qscanner state 2\0{}", id="another-version"),
        pytest.param(b"qscanner state 1\0", id="no-json"),
        pytest.param(b"qscanner state 1\0[]", id="no-object"),
        pytest.param(b"qscanner state 1\0" + b"[" * 8000, id="deep"),
        pytest.param(encode(STATE)[:-1], id="cut"),
        pytest.param(encode(STATE) + b" " * MAX_OCTETS, id="too-long"),
        pytest.param(b"qscanner state 1\0\xff", id="no-text"),
        pytest.param(packet(more=1), id="a-field-more"),
        pytest.param(packet(pid="7"), id="text-for-a-pid"),
        pytest.param(packet(pid=True), id="true-for-a-pid"),
        pytest.param(packet(load={}), id="empty-load"),
        pytest.param(packet(load=3), id="no-load"),
    ],
)
def test_what_is_no_state(octets: bytes) -> None:
    """Another version, rubbish, other fields."""
    with pytest.raises(StatusError):
        decode(octets)


@given(st.binary(max_size=300))
def test_any_octets(octets: bytes) -> None:
    """Nothing but a StatusError is ever raised."""
    for each in (octets, b"qscanner state 1\0" + octets):
        with pytest.raises(StatusError):
            decode(each)
