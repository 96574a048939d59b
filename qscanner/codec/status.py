"""How the daemon is: one packet that asks, one that tells, over the socket of the clients.

    anybody  status  how are you?
    daemon   state   version, pid, workers, who waits, and which policy is in force; as JSON

Called by  dispatcher, and the commands that ask it (`qscanner check`, `qscanner policy load`).
Ends       decode() raises StatusError for anything that is not exactly a state.
Careful    any local user may ask: nothing of a message is in it. Who asks hears it from whoever
           listens there: it is data, and a pid in it is no proof.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

MAX_OCTETS = 8192
ASK = b"qscanner status 1\0"
_STATE = b"qscanner state 1\0"


class StatusError(Exception):
    """These octets are not a state that we understand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is in force: `mark` is of fingerprint.of(), `at` in seconds since 1970.

    `tries` counts all loads since the start, `is_latest` says whether the last one succeeded.
    """

    mark: str
    at: float
    rules: int
    tries: int = 1
    is_latest: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The daemon at a moment. `since` is when it started, in seconds since 1970."""

    version: str
    pid: int
    since: float
    busy: int
    idle: int
    waiting: int
    load: Load


def encode(state: State) -> bytes:
    """Give the packet that tells a state."""
    return _STATE + json.dumps(asdict(state)).encode("ascii")


def decode(packet: bytes) -> State:
    """Give the state of a packet. Raises StatusError."""
    if not packet.startswith(_STATE) or len(packet) > MAX_OCTETS:
        raise StatusError("not a state of this version")
    try:
        told = json.loads(packet.removeprefix(_STATE))
    except (ValueError, RecursionError) as error:
        raise StatusError("a state that is no JSON") from error
    given = _fitting(State, told)
    return State(**{**given, "load": Load(**_fitting(Load, given["load"]))})


def _fitting(kind: type[State] | type[Load], told: Any) -> dict[str, Any]:
    """Give the values of exactly the fields of a dataclass. Raises StatusError."""
    types = {field.name: field.type for field in fields(kind)}
    if not isinstance(told, dict) or set(told) != set(types):
        raise StatusError("a state with other fields: is the daemon of another version?")
    if any(type(told[name]) is not (dict if of is Load else of) for name, of in types.items()):
        raise StatusError("a state with a field of another kind")
    return told
