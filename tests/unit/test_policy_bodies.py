"""policy.bodies: what texts say, and where their links lead."""

from dataclasses import replace

import pytest

from qscanner.model import Markup, Text
from qscanner.patterns import compile
from qscanner.policy.addresses import FOREVER, addresses, domain_pattern
from qscanner.policy.bodies import Body
from qscanner.policy.evidence import Evidence
from tests.fakes.facts import TODAY, facts


def domains(*patterns: str) -> tuple[object, ...]:
    return (addresses([(domain_pattern(each), FOREVER) for each in patterns]),)


def body(**keys: object) -> Body:
    return Body(name="body", **keys)  # type: ignore[arg-type]


PLAIN = Text(path="1", markup=Markup.PLAIN, text="Hello <b>Jane</b>, http://a.example/")
PAGE = Text(
    path="2",
    markup=Markup.HTML,
    text='<p>Y<i>ou w</i>on!</p><a href="http://x.evil.example/">http://bank.example/</a>',
)


@pytest.mark.parametrize(
    ("asked", "want", "why"),
    [
        (body(texts=(compile("You won"),)), True, "a text has You won"),
        (body(texts=(compile("<b>Jane"),)), True, "a text has"),
        (body(texts=(compile("<i>"),)), False, "none of 2 texts"),
        (body(texts=(compile("zzz"), compile("Hello"))), True, "a text has Hello"),
        (body(htmls=(compile("<i>"),)), True, "HTML has <i>"),
        (body(htmls=(compile("<b>"),)), False, "with 3 links"),
        (body(domains=domains(".evil.example")), True, 'leads to "x.evil.example", shown as'),
        (body(domains=domains("evil.example")), False, "none of 2 texts"),
        (body(domains=domains("a.example")), True, 'leads to "a.example"'),
        (body(is_mismatch=True), True, 'leads to "x.evil.example"'),
        (body(is_mismatch=True, domains=domains("a.example")), False, "none of"),
        (body(is_mismatch=False, domains=domains("a.example")), True, "a.example"),
        (body(texts=(compile("zzz"),), is_mismatch=True), False, "a link leads to"),
    ],
)
def test_holds(asked: Body, want: bool, why: str) -> None:
    """All keys must hold, those about links on the same link."""
    given = Evidence(replace(facts(), texts=(PLAIN, PAGE)), TODAY)
    assert asked.holds(given) is want
    assert why in asked.because(given)


def test_without_texts() -> None:
    """Nothing holds."""
    given = Evidence(facts(), TODAY)
    assert not body(texts=(compile("."),)).holds(given)
    assert not body(is_mismatch=False).holds(given)


def test_a_long_text_is_searched_to_its_middle() -> None:
    """Unlike a header: whoever hides a word must not find a place for it."""
    text = replace(PLAIN, text="a" * 300_000 + " hidden " + "a" * 300_000)
    assert body(texts=(compile("hidden"),)).holds(Evidence(replace(facts(), texts=(text,)), TODAY))
