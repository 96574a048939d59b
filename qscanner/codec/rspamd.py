"""rspamd's scanner over HTTP: the question POST /checkv2 and its answer in JSON.

Called by  checks.rspamd, codec.rspamd_tell, and the fake rspamd of the tests. No reads, no
           clock, no log.
Ends       with a Reply, or raises BadReply for whatever the protocol does not promise
           (https://rspamd.com/doc/developers/protocol.html).
Careful    the score decides about mail: NaN and Infinity are numbers to the json module. A field
           of ours holds what a stranger wrote, so it is escaped before it is one.
"""

import io
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from qscanner.codec.text import printable

MAX_REPLY_OCTETS = 1 << 20
OK = 200
_FIELD_OCTETS = 1000
_RULE = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_MAX_SCORE = 1e7
_SPAM = {"reject", "add header", "rewrite subject"}
_LATER = {"soft reject", "greylist"}
_NOT_SPAM = {"no action", "accept", "discard", "quarantine"}  # the last two: of its own composing


class BadReply(ValueError):
    """These octets are no whole, sensible answer of rspamd's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What rspamd thinks of a message: its action, score, and the symbols that hit.

    `required` is the score from which it rejects; `threshold` that from which it calls a message
    spam, 0 where it does not say (releases differ).
    """

    action: str
    score: float
    required: float
    threshold: float = 0.0
    rules: tuple[str, ...] = ()

    @property
    def is_spam(self) -> bool:
        """Whether its action is one for spam."""
        return self.action in _SPAM

    @property
    def is_later(self) -> bool:
        """Whether it would put the message off."""
        return self.action in _LATER


def question(octets: int, fields: Iterable[tuple[str, str | bytes]]) -> bytes:
    """Give the head of the question about a message of that many octets; the message follows.

    `fields` are like ("From", sender); empty ones are left out, control characters are escaped.
    """
    lines = ["POST /checkv2 HTTP/1.1", "Host: localhost", "Connection: close"]
    lines += [
        f"{name}: {printable(value, max_octets=_FIELD_OCTETS)}" for name, value in fields if value
    ]
    lines.append(f"Content-Length: {octets}")
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("ascii")


def parse(octets: bytes) -> Reply:
    """Give what an answer says, all octets up to the end of the connection. Raises BadReply."""
    said = _said(_body(octets))
    action, score, required = said.get("action"), said.get("score"), said.get("required_score")
    if not isinstance(action, str) or action not in _SPAM | _LATER | _NOT_SPAM:
        raise BadReply(f"no action that is known: {printable(str(action), max_octets=80)}")
    return Reply(
        action=action,
        score=_number(score, "score"),
        required=_number(required, "required_score"),
        threshold=_threshold(said.get("thresholds")),
        rules=_rules(said.get("symbols")),
    )


class _Heard:
    """Octets in the place of a socket, as http.client wants one."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def makefile(self, _mode: str) -> io.BytesIO:
        """Give the octets as a file."""
        return io.BytesIO(self._octets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer in HTTP: its code, the words beside it, and the body."""

    status: int
    reason: str
    body: bytes


def response(octets: bytes) -> Response:
    """Give the answer that all octets up to the end of the connection are. Raises BadReply."""
    import http.client  # 17 ms that only who asks rspamd should pay

    heard: Any = _Heard(octets)
    response = http.client.HTTPResponse(heard)
    try:
        response.begin()
        body = response.read(MAX_REPLY_OCTETS)
        is_whole = not response.length
    except (http.client.HTTPException, ValueError, OSError) as error:
        raise BadReply(f"not HTTP, or not whole: {type(error).__name__}") from error
    if not is_whole:
        raise BadReply("the body is shorter than its Content-Length")
    return Response(status=response.status, reason=response.reason, body=body)


def _body(octets: bytes) -> bytes:
    said = response(octets)
    if said.status != OK:
        raise BadReply(f"HTTP {said.status} {printable(said.reason, max_octets=80)}")
    return said.body


def _said(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadReply("a body that is no JSON") from error
    if not isinstance(said, dict):
        raise BadReply("a body that is no JSON object")
    return said


def _number(value: object, what: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or abs(value) > _MAX_SCORE:  # type: ignore[arg-type]
        raise BadReply(f"no {what}")
    return float(value)  # type: ignore[arg-type]


def _threshold(value: object) -> float:
    """Give from which score it marks messages, 0 where it does not tell."""
    told = value if isinstance(value, dict) else {}
    for action in ("add header", "rewrite subject"):
        score = told.get(action)
        if isinstance(score, int | float) and math.isfinite(score) and 0 < score < _MAX_SCORE:
            return float(score)
    return 0.0


def _rules(symbols: object) -> tuple[str, ...]:
    if symbols is None:
        return ()
    if not isinstance(symbols, dict):
        raise BadReply("symbols that are no object")
    return tuple(name for name in symbols if _RULE.fullmatch(name))
