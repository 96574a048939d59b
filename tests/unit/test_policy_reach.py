"""policy.reach: which recipients a rule means, in groups."""

import time

import pytest

from qscanner.model import Action
from qscanner.policy.addresses import FOREVER, Addresses, addresses
from qscanner.policy.conditions import Relay
from qscanner.policy.reach import Reach, groups, hits_of, reach_of
from qscanner.policy.rules import Rule, Scope
from tests.fakes.facts import TODAY, evidence

ORG = addresses([("@example.org", FOREVER)])
BOB = addresses([("bob@example.org", FOREVER)])
YES, NO = Relay(name="r", is_relay=False), Relay(name="r", is_relay=True)


def rule(
    when: tuple[Scope, ...] = (Scope(),), unless: tuple[Scope, ...] = (), **keys: object
) -> Rule:
    conditions = keys.get("conditions", ())
    assert isinstance(conditions, tuple)
    return Rule(
        id="a",
        action=Action.REJECT,
        file="",
        number=0,
        when=when,
        unless=unless,
        conditions=conditions,
    )


@pytest.mark.parametrize(
    ("given", "want"),
    [
        (rule(), ((), ("bob", "ann", "none"))),
        (rule(conditions=(YES, NO)), None),
        (rule((Scope(conditions=(NO,)),)), None),
        (rule((Scope(conditions=(NO,)), Scope(conditions=(YES,)))), ((), ("bob", "ann", "none"))),
        (rule((Scope(recipients=(BOB,)),)), ((BOB,), ("bob",))),
        (rule((Scope(recipients=(ORG, BOB)),)), ((ORG, BOB), ("bob",))),
        (rule((Scope(recipients=(BOB,)), Scope(recipients=(ORG,)))), ((BOB, ORG), ("bob", "ann"))),
        (rule((Scope(recipients=(BOB,)), Scope())), ((), ("bob", "ann", "none"))),
        (rule(unless=(Scope(conditions=(YES,)),)), None),
        (rule(unless=(Scope(conditions=(NO,)),)), ((), ("bob", "ann", "none"))),
        (rule(unless=(Scope(recipients=(BOB,)),)), ((BOB,), ("ann", "none"))),
        (rule(unless=(Scope(conditions=(NO,), recipients=(BOB,)),)), ((), ("bob", "ann", "none"))),
    ],
    ids=[
        "everybody",
        "a condition fails",
        "when fails",
        "one when holds",
        "to",
        "to and to_in",
        "to or to",
        "to or everybody",
        "unless holds",
        "unless fails",
        "unless to",
        "unless to fails",
    ],
)
def test_reach(given: Rule, want: tuple[tuple[Addresses, ...], tuple[str, ...]] | None) -> None:
    """What the message leaves to ask of recipients, and whom that means."""
    reach = reach_of(given, evidence())
    if want is None:
        assert reach is None
        return
    assert reach is not None
    assert tuple(reach.sets) == want[0]
    who = {"bob": b"bob@example.org", "ann": b"ann@example.org", "none": None}
    met = [name for name, to in who.items() if reach.includes(hits_of(to, reach.sets, TODAY))]
    assert tuple(met) == want[1]


def test_groups() -> None:
    """Recipients in the same sets are one group; the order within is kept."""
    to = [b"ann@example.org", b"bob@example.org", b"x@y", b"Bob@Example.org", b"cid@example.org"]
    assert groups(to, [ORG, BOB, ORG], TODAY) == {
        frozenset({ORG}): [0, 4],
        frozenset({ORG, BOB}): [1, 3],
        frozenset(): [2],
    }


@pytest.mark.parametrize("sets", [[], [BOB]], ids=["no sets", "sets"])
def test_nobody_is_one_group(sets: list[Addresses]) -> None:
    """A message without recipients is decided once."""
    assert groups([], sets, TODAY) == {frozenset(): []}


def test_expired_addresses_are_nobody() -> None:
    """Also where a lookup is inlined."""
    old = addresses([("bob@example.org", TODAY.replace(year=2000))])
    assert groups([b"bob@example.org"], [old], TODAY) == {frozenset(): [0]}


def test_fifty_thousand_recipients_and_a_hundred_sets() -> None:
    """A message to many is no way to keep us busy."""
    sets = [
        addresses([(f"user{n}@example.org", FOREVER), (f"@d{n}.org", FOREVER)]) for n in range(100)
    ]
    to = [b"user%d@host%d.example.org" % (n, n) for n in range(50_000)]
    begun = time.process_time()
    assert groups(to, sets, TODAY) == {frozenset(): list(range(50_000))}
    assert time.process_time() - begun < 8


def test_a_reach_is_or_of_and() -> None:
    """Each inner tuple is AND, the outer ones are OR."""
    reach = Reach(((ORG, BOB),), ())
    assert not reach.includes(frozenset({ORG}))
    assert reach.includes(frozenset({ORG, BOB}))
