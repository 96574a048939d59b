"""policy.conditions: which messages each question means."""

from dataclasses import replace
from typing import Any

import pytest

from qscanner.model import Direction, Finding
from qscanner.patterns import compile, compile_glob
from qscanner.policy.addresses import FOREVER, addresses
from qscanner.policy.conditions import (
    Condition,
    Directions,
    Env,
    Findings,
    Ip,
    Relay,
    Sender,
    Size,
    Spam,
    Viruses,
)
from qscanner.policy.evidence import Evidence
from qscanner.policy.networks import network, networks
from tests.fakes.facts import AWAY, TODAY, evidence, facts, infected, scored

JANE = Sender(name="when.from", addresses=addresses([("jane@sender.example", FOREVER)]))
SHOP = Sender(
    name="when.from", addresses=addresses([("@.shop.example", FOREVER), ("@x.example", FOREVER)])
)
NET = Ip(name="when.ip", networks=networks([(network("192.0.2.0/24"), FOREVER)]))
ENV = Env(name="when.env.X", variable="X", patterns=(compile("^a"), compile("^b")))
MIME = Findings(name="finding", globs=(compile_glob("mime.*"), compile_glob("a.b")))
EICAR = Viruses(name="virus", globs=(compile_glob("eicar*"), compile_glob("worm")))


@pytest.mark.parametrize(
    ("condition", "said", "want"),
    [
        (JANE, {}, True),
        (JANE, {"sender": b"x@sender.example"}, False),
        (Directions(name="d", directions=frozenset({Direction.IN})), {}, True),
        (Directions(name="d", directions=frozenset({Direction.OUT})), {}, False),
        (NET, {}, True),
        (NET, {"ip": "198.51.100.1"}, False),
        (NET, {"ip": ""}, False),
        (Relay(name="r", is_relay=True), {"is_relay": True}, True),
        (Relay(name="r", is_relay=True), {}, False),
        (Relay(name="r", is_relay=False), {}, True),
        (ENV, {"environment": {"X": "abc"}}, True),
        (ENV, {"environment": {"X": "bcd"}}, True),
        (ENV, {"environment": {"X": "cde"}}, False),
        (ENV, {"environment": {"Y": "abc"}}, False),
        (Size(name="s", over=1000), {"octets": 1000}, False),
        (Size(name="s", over=1000), {"octets": 1001}, True),
        (Size(name="s", under=1000), {"octets": 1000}, False),
        (Size(name="s", under=1000), {"octets": 999}, True),
        (Size(name="s", over=1, under=3), {"octets": 2}, True),
        (MIME, {"found": ("mime.x",)}, True),
        (MIME, {"found": ("x.y", "a.b")}, True),
        (MIME, {"found": ("mimeX",)}, False),
        (MIME, {}, False),
        (EICAR, {"virus": infected("Win.Other", "Eicar-Test")}, True),
        (EICAR, {"virus": infected("Other")}, False),
        (EICAR, {"virus": AWAY}, False),
        (EICAR, {}, False),
        (Spam(name="spam", at_least=5), {"spam": scored(5)}, True),
        (Spam(name="spam", at_least=5), {"spam": scored(4.9)}, False),
        (Spam(name="spam", at_least=5), {"spam": AWAY}, False),
        (Spam(name="spam", below=5), {"spam": scored(4.9)}, True),
        (Spam(name="spam", below=5), {"spam": scored(5)}, False),
        (Spam(name="spam", below=5), {}, False),
        (Spam(name="spam", over_required=2), {"spam": scored(9, 7)}, True),
        (Spam(name="spam", over_required=2), {"spam": scored(8.9, 7)}, False),
        (Spam(name="spam", at_least=5), {"spam": scored(float("nan"))}, False),
        (Spam(name="spam", rules=(compile_glob("BAYES_*"),)), {"spam": scored(1, 5, "A")}, False),
        (
            Spam(name="spam", rules=(compile_glob("BAYES_*"),)),
            {"spam": scored(1, 5, "A", "BAYES_99")},
            True,
        ),
    ],
)
def test_holds(condition: Condition, said: dict[str, Any], want: bool) -> None:
    """What is not known is "no"; bounds are as their names say."""
    assert condition.holds(evidence(**said)) is want


@pytest.mark.parametrize(
    ("condition", "said", "want"),
    [
        (JANE, {}, 'the sender is "jane@sender.example"'),
        (JANE, {"sender": b""}, "the sender is empty"),
        (
            SHOP,
            {"sender": b"a@b.shop.example"},
            'the sender is "a@b.shop.example", in "@.shop.example"',
        ),
        (SHOP, {"sender": b"a@x.example"}, 'the sender is "a@x.example", in "@x.example"'),
        (SHOP, {"sender": b"a@y.example"}, 'the sender is "a@y.example"'),
        (Directions(name="d", directions=frozenset({Direction.IN})), {}, "the direction is in"),
        (NET, {}, "the client is 192.0.2.1"),
        (NET, {"ip": ""}, "the client is without a known address"),
        (Relay(name="r", is_relay=True), {"is_relay": True}, "the client may relay"),
        (Relay(name="r", is_relay=True), {}, "the client may not relay"),
        (ENV, {"environment": {"X": "abc"}}, 'X is "abc"'),
        (ENV, {}, "X is not set"),
        (Size(name="s", over=1), {}, "the message has 1000 octets"),
        (MIME, {"found": ("x.y", "mime.x")}, "mime.x was found"),
        (MIME, {"found": ("x.y",)}, "found was x.y"),
        (MIME, {}, "found was nothing"),
        (EICAR, {"virus": infected("Eicar-Test", "b")}, 'the virus found is "Eicar-Test"'),
        (EICAR, {"virus": infected("Other")}, 'the virus found is "Other"'),
        (EICAR, {"virus": infected("")}, "the virus found is without a name"),
        (EICAR, {}, "no virus"),
        (Spam(name="spam", at_least=5), {"spam": scored(6, 5)}, "the score is 6 of 5"),
        (
            Spam(name="spam", rules=(compile_glob("BAYES_*"),)),
            {"spam": scored(1, 5, "A", "BAYES_99")},
            'the score is 1 of 5, "BAYES_99" hit',
        ),
        (Spam(name="spam", at_least=5), {}, "the message has no score"),
    ],
)
def test_because(condition: Condition, said: dict[str, Any], want: str) -> None:
    """The fact on which it rests, whether it holds or not."""
    assert condition.because(evidence(**said)) == want


def test_because_of_a_finding() -> None:
    """Says where it was, and cuts what is long."""
    found = Finding(id="mime.x", where="1.2/" + "a" * 200, detail="odd")
    given = Evidence(replace(facts(), findings=(found,)), TODAY)
    assert MIME.because(given) == f'mime.x was found in "1.2/{"a" * 76}…": "odd"'
