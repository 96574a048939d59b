"""policy.headers: which fields each table means."""

import pytest

from qscanner.model import Header
from qscanner.patterns import compile
from qscanner.policy.addresses import FOREVER, addresses
from qscanner.policy.evidence import Evidence
from qscanner.policy.headers import Field, HeaderField
from tests.fakes.facts import TODAY, evidence, facts

EVIL = addresses([("@evil.example", FOREVER)])
JANE = (compile("(?i)jane"),)


@pytest.mark.parametrize(
    ("field", "values", "want"),
    [
        (Field(regexes=(compile("a"), compile("b"))), ("xbx",), True),
        (Field(regexes=(compile("a"),)), ("x",), False),
        (Field(regexes=(compile("a"),)), (), False),
        (Field(over=3), ("abcd",), True),
        (Field(over=3), ("abc",), False),
        (Field(over=3), ("\u00e9\u00e9",), True),
        (Field(over=3), ("\ud800\ud800",), False),
        (Field(is_missing=True), (), True),
        (Field(is_missing=True), ("",), False),
        (Field(count_over=1), ("a", "b"), True),
        (Field(count_over=1), ("a",), False),
        (Field(regexes=(compile("a"),), count_over=1), ("a", "b"), False),
        (Field(regexes=(compile("a"),), count_over=1), ("a", "b", "a"), True),
        (Field(regexes=(compile("a"),), over=3), ("a", "bbbb"), False),
        (Field(regexes=(compile("a"),), over=3), ("abbbb",), True),
        (Field(addresses=(EVIL,)), ("x <y@evil.example>",), True),
        (Field(addresses=(EVIL,)), ("evil.example",), False),
        (Field(names=JANE), ("Jane <y@evil.example>",), True),
        (Field(names=JANE), ("y@jane.example",), False),
        (Field(names=(compile("^x$"), *JANE)), ("Jane <y@evil.example>",), True),
        (Field(names=JANE, addresses=(EVIL,)), ("Jane <a@b>, x <y@evil.example>",), False),
        (Field(names=JANE, addresses=(EVIL,)), ("x <a@b>, Jane <y@evil.example>",), True),
        (Field(regexes=(compile("z"),), addresses=(EVIL,)), ("x@evil.example",), False),
    ],
)
def test_tables(field: Field, values: tuple[str, ...], want: bool) -> None:
    """All keys hold on the same field, and those about people on the same address."""
    seen = evidence(headers=tuple(("From", value) for value in values))
    assert field.holds(seen.headers("from"), seen) is want


def test_both_readings() -> None:
    """Before and after decoding: a rule may be about either."""
    said = facts()
    header = Header(name="Subject", plain="=?utf-8?q?lottery?=", decoded="lottery")
    seen = Evidence(said, TODAY)
    for pattern in ("^lottery$", "utf-8"):
        assert Field(regexes=(compile(pattern),)).holds((header,), seen)


def test_one_of_the_tables() -> None:
    """Tables are OR, and names of fields have no case."""
    tables = (Field(regexes=(compile("a"),)), Field(regexes=(compile("b"),)))
    condition = HeaderField(name="header.Subject", field="subject", tables=tables)
    assert condition.holds(evidence(headers=(("SUBJECT", "b"),)))
    assert not condition.holds(evidence(headers=(("SUBJECT", "c"), ("X", "a"))))


@pytest.mark.parametrize(
    ("tables", "values", "want"),
    [
        ((Field(names=JANE),), ("x <a@b>", "Jane <a@b>"), 'from is "Jane <a@b>"'),
        ((Field(names=JANE),), ("x <a@b>",), "there is 1 of from"),
        ((Field(is_missing=True),), (), "there is no from"),
        ((Field(is_missing=True),), ("a", "b"), "there are 2 of from"),
        ((Field(is_missing=True), Field(over=1)), ("a", "bb"), 'from is "bb"'),
    ],
)
def test_because(tables: tuple[Field, ...], values: tuple[str, ...], want: str) -> None:
    """The field that is meant, or how many there are."""
    condition = HeaderField(name="header.From", field="from", tables=tables)
    assert condition.because(evidence(headers=tuple(("From", v) for v in values))) == want
