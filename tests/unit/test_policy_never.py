"""policy.never: what can never hold, and nothing that may."""

import pytest

from qscanner.model import Direction
from qscanner.policy.addresses import FOREVER, addresses
from qscanner.policy.circumstances import Auth, Rdns
from qscanner.policy.conditions import Condition, Directions, Ip, Relay
from qscanner.policy.networks import network, networks
from qscanner.policy.never import never_matches, never_together


@pytest.mark.parametrize(
    "pattern", [r"a^b", r"\.exe$.", r"(?i)x$y", r"a\Ab", r"[a]^", r"$a", r"a^"]
)
def test_never(pattern: str) -> None:
    """Something stands before the beginning, or behind the end."""
    assert "of the text" in never_matches(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["a", "^a$", "(?i)^a$", r"\$a", r"a\^b", "[$^]a", "[^^]a", "a?^b", "a*^b", "(a|^)b", "a|^b",
     "x*$", "$y?", "^^a$$", r"\b^a", "(?m)a$b", r"\Qa^b\E", "a{0}^b", "[]$]a", "(?:a^b|c)", ""],
)  # fmt: skip
def test_may_match(pattern: str) -> None:
    """Of this nothing is said: only what is certain is."""
    assert never_matches(pattern) == ""


def directions(*several: Direction) -> Condition:
    return Directions(name="when.direction", directions=frozenset(several))


RELAY, NO_RELAY = Relay(name="r", is_relay=True), Relay(name="r", is_relay=False)
USER = Auth(name="a", is_anybody=True, users=frozenset())
SIGNED = Auth(name="a", is_anybody=False, users=frozenset(), methods=frozenset({"dkim"}))
NET = Ip(name="ip", networks=networks([(network("192.0.2.0/24"), FOREVER)]))
RDNS = Rdns(name="rdns", domains=addresses([("@x", FOREVER)]))


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ((directions(Direction.IN), RELAY), "may not relay"),
        ((USER, directions(Direction.IN)), "did not log in"),
        ((SIGNED, directions(Direction.IN)), ""),
        ((directions(Direction.LOCAL), NET), "no client"),
        ((directions(Direction.LOCAL), RDNS), "no client"),
        ((directions(Direction.IN), NO_RELAY, NET), ""),
        ((directions(Direction.IN, Direction.OUT), RELAY), ""),
        ((directions(Direction.LOCAL), RELAY), ""),
        ((RELAY, USER), ""),
        ((), ""),
    ],
)
def test_together(conditions: tuple[Condition, ...], words: str) -> None:
    """Conditions of one scope that exclude each other."""
    got = never_together(conditions)
    assert words in got
    assert bool(got) is bool(words)
