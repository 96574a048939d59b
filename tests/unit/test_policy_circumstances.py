"""policy.circumstances: who brings a message, when, and for how many."""

import datetime
from typing import Any

import pytest

from qscanner.policy.addresses import FOREVER, addresses, domain_pattern
from qscanner.policy.circumstances import Auth, Rdns, RecipientCount, Span, TimeOfDay, span
from qscanner.policy.conditions import Condition
from qscanner.policy.evidence import Evidence
from tests.fakes.facts import TODAY, evidence, facts


def rdns(*domains: str) -> Rdns:
    patterns = [(domain_pattern(each) if each else "", FOREVER) for each in domains]
    return Rdns(name="when.rdns", domains=addresses(patterns))


ANYBODY = Auth(name="when.auth", is_anybody=True, users=frozenset({"user"}))
JANE = Auth(name="when.auth", is_anybody=False, users=frozenset({"jane@example.org"}))
SIGNED = Auth(
    name="when.auth", is_anybody=False, users=frozenset(), methods=frozenset({"dkim", "spf"})
)
FROM = (("From", "a@b.example"), ("From", "Jane <b@C.example>, nobody"))
FEW = RecipientCount(name="when.recipients_over", over=1)


@pytest.mark.parametrize(
    ("condition", "said", "want", "why"),
    [
        (rdns("mx.example"), {"host": "MX.example."}, True, 'called "mx.example"'),
        (rdns("example"), {"host": "mx.example"}, False, 'called "mx.example"'),
        (rdns(".example"), {"host": "a.b.example"}, True, 'called "a.b.example"'),
        (rdns(".example"), {"host": "example"}, True, "example"),
        (rdns(".example"), {"host": ""}, False, "no known name"),
        (rdns(""), {"host": ""}, True, "no known name"),
        (rdns(""), {"host": "unknown"}, True, "no known name"),
        (rdns(""), {"host": "mx.example"}, False, "mx.example"),
        (rdns(""), {"host": "", "ip": ""}, False, "no known name"),
        (rdns(".example"), {"host": "mx.example", "ip": ""}, False, "no known name"),
        (rdns(".example"), {"host": "x@y.example"}, True, "y.example"),
        (ANYBODY, {"auth_user": "bob"}, True, 'user is "bob"'),
        (ANYBODY, {}, False, "nobody is authenticated"),
        (JANE, {"auth_user": "Jane@Example.org"}, True, "Jane@Example.org"),
        (JANE, {"auth_user": "bob"}, False, 'user is "bob"'),
        (JANE, {}, False, "nobody is authenticated"),
        (SIGNED, {"auth_user": "dkim"}, False, "DKIM proves no domain; SPF proves no domain"),
        (SIGNED, {}, False, 'counts is "sender.example"'),
        (SIGNED, {"sender": b"", "headers": FROM}, False, 'counts is "b.example, c.example"'),
        (SIGNED, {"sender": b""}, False, 'counts is "none"'),
        (FEW, {"to": (b"a@b", b"c@d")}, True, "2 recipients"),
        (FEW, {"to": (b"a@b",)}, False, "1 recipients"),
        (FEW, {"to": ()}, False, "0 recipients"),
    ],
)
def test_holds(condition: Condition, said: dict[str, Any], want: bool, why: str) -> None:
    """What is not known does not hold, and the fact is told either way."""
    given = evidence(**said)
    assert condition.holds(given) is want
    assert why in condition.because(given)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("22:00-06:00", ["22:00", "23:59", "00:00", "05:59"], ["06:00", "12:00", "21:59"]),
        ("08:30-17:00", ["08:30", "16:59"], ["08:29", "17:00", "00:00"]),
        ("00:00-24:00", ["00:00", "23:59"], []),
        ("23:00-24:00", ["23:00", "23:59"], ["00:00", "22:59"]),
        ("22:00-00:00", ["22:00", "23:59"], ["00:00", "21:59"]),
    ],
)
def test_time(text: str, inside: list[str], outside: list[str]) -> None:
    """Over midnight too; the last minute is not included. The clock is handed in."""
    condition = TimeOfDay(name="when.time", spans=(Span(1, 2), span(text)))
    for at, want in [(each, True) for each in inside] + [(each, False) for each in outside]:
        given = Evidence(facts(), TODAY, datetime.time.fromisoformat(at))
        assert condition.holds(given) is want, at
        assert condition.because(given) == f"it is {at}"


@pytest.mark.parametrize(
    "text",
    ["", "22-6", "22:00", "22:00 - 06:00", "24:00-06:00", "22:60-23:00", "22:00-24:01",
     "25:00-26:00", "06:00-06:00", "1:00-2:00", "\u0661\u0662:00-13:00"],
)  # fmt: skip
def test_no_time(text: str) -> None:
    """What is refused, with what would be right."""
    with pytest.raises(ValueError, match=r"\d\d:\d\d"):
        span(text)
