"""policy.questions: TOML in, questions out. What is refused, and how, is in tests/bad_policies."""

from pathlib import Path
from typing import Any

import pytest

from qscanner.model import Direction, Header, Part, Where
from qscanner.policy.decide import matches
from tests.fakes.facts import TODAY, facts, infected, part, policy, scored

TO = b"bob@example.org"


def case(condition: str, hit: dict[str, Any], miss: dict[str, Any]) -> tuple[Any, ...]:
    return pytest.param(condition, hit, miss, id=condition)


@pytest.mark.parametrize(
    ("condition", "hit", "miss"),
    [
        case('when.from = "@sender.example"', {}, {"sender": b""}),
        case('when.from = ["", "a@b"]', {"sender": b""}, {}),
        case('when.from_in = "people"', {"sender": b"jane@shop.example"}, {}),
        case('when.from_in = ["people", "more"]', {"sender": b"x@more.example"}, {}),
        case('when.direction = "in"', {}, {"direction": Direction.OUT}),
        case('when.direction = ["out", "local"]', {"direction": Direction.LOCAL}, {}),
        case('when.ip = "192.0.2.0/24"', {}, {"ip": "198.51.100.1"}),
        case('when.ip_in = "nets"', {"ip": "203.0.113.9"}, {}),
        case("when.relay = true", {"is_relay": True}, {}),
        case("when.relay = false", {}, {"is_relay": True}),
        case("when.env.X = ['a', 'b']", {"environment": {"X": "b"}}, {}),
        case('when.size_over = "1 kB"', {"octets": 1001}, {}),
        case('when.size_under = "1 kB"', {"octets": 999}, {}),
        case('when = [{relay = true}, {from = ""}]', {"sender": b""}, {}),
        case('when.to = "@example.org"', {}, {"to": (b"bob@other.example",)}),
        case('when.to_in = "people"', {"to": (b"jane@shop.example",)}, {}),
        case("header.Subject = '^a'", {"headers": (("subject", "ab"),)}, {}),
        case("header.X = ['^a', '^b']", {"headers": (("X", "b"),)}, {"headers": (("X", "c"),)}),
        case("header.X.regex = 'a'", {"headers": (("X", "a"),)}, {}),
        case(
            "header = {X = 'a', Y = 'b'}",
            {"headers": (("X", "a"), ("Y", "b"))},
            {"headers": (("X", "a"),)},
        ),
        case('header.From.address = "a@b"', {"headers": (("From", "<a@b>"),)}, {}),
        case(
            'header.From.address_in = "people"',
            {"headers": (("From", "<jane@shop.example>"),)},
            {},
        ),
        case('header.From.domain = "b"', {"headers": (("From", "<a@b>"),)}, {}),
        case('header.From.domain_in = "domains"', {"headers": (("From", "a@x.b.example"),)}, {}),
        case(
            "header.From.name = 'J'",
            {"headers": (("From", "J <a@b>"),)},
            {"headers": (("From", "x <J@b>"),)},
        ),
        case("header.X.over = 2", {"headers": (("X", "abc"),)}, {"headers": (("X", "ab"),)}),
        case('header.X.over = "2 B"', {"headers": (("X", "abc"),)}, {"headers": (("X", "ab"),)}),
        case(
            "header.X.count_over = 1",
            {"headers": (("X", ""), ("X", ""))},
            {"headers": (("X", ""),)},
        ),
        case("header.Date.missing = true", {}, {"headers": (("Date", "now"),)}),
        case("header.X = [{regex = 'a'}, {regex = 'b'}]", {"headers": (("X", "b"),)}, {}),
        case("part.name = ['a$', 'b$']", {"parts": (part("b"),)}, {"parts": (part("c"),)}),
        case('part.name_in = "endings"', {"parts": (part("a.exe"),)}, {"parts": (part("exe"),)}),
        case('part.kind = ["pe", "lnk"]', {"parts": (part(kinds=("pe",)),)}, {"parts": (part(),)}),
        case('part.type = "image/*"', {"parts": (part(declared="image/x"),)}, {}),
        case('part.type = "*"', {"parts": (part(),)}, {}),
        case('part.size_over = "1 kB"', {"parts": (part(octets=1001),)}, {"parts": (part(),)}),
        case('part.size_under = "1 B"', {"parts": (part(),)}, {"parts": (part(octets=1),)}),
        case('part.where = "archive"', {"parts": (part(where=Where.ARCHIVE),)}, {}),
        case("part.encrypted = true", {"parts": (part(is_encrypted=True),)}, {"parts": (part(),)}),
        case("part.unreadable = true", {"parts": (part(is_unreadable=True),)}, {}),
        case("part.count_over = 1", {"parts": (part(), part())}, {"parts": (part(),)}),
        case("part.any = [{name = 'a'}, {kind = 'pe'}]", {"parts": (part(kinds=("pe",)),)}, {}),
        case('finding = "mime.*"', {"found": ("mime.x",)}, {}),
        case('finding = ["a.b", "*"]', {"found": ("x.y",)}, {}),
        case('virus = ["Eicar*", "b"]', {"virus": infected("EICAR-x")}, {"virus": infected("x")}),
        case('virus = "*"', {"virus": infected()}, {}),
        case("spam.at_least = 5", {"spam": scored(5)}, {"spam": scored(4)}),
        case("spam.below = 5", {"spam": scored(4)}, {"spam": scored(5)}),
        case("spam.over_required = 0", {"spam": scored(5)}, {"spam": scored(4)}),
        case('spam.rule = "A*"', {"spam": scored(5, 5, "AB")}, {"spam": scored(5)}),
    ],
)
def test_each_key(
    tmp_path: Path, condition: str, hit: dict[str, Any], miss: dict[str, Any]
) -> None:
    """A message that is meant, and one that is not."""
    text = f'[[rule]]\nid = "a"\naction = "quarantine"\n{condition}\n'
    found = policy(
        tmp_path,
        text,
        people="jane@shop.example\nold@shop.example until 2020-01-01",
        more="@more.example",
        nets="203.0.113.0/24",
        domains=".b.example",
        endings=".exe",
    )
    for said, want in ((hit, True), (miss, False)):
        given = facts(**said)
        recipient = given.envelope.recipients[0]
        assert matches(found.rules[0], given, recipient, today=TODAY) is want


def test_expired_entries_are_not_meant(tmp_path: Path) -> None:
    """The day is handed in."""
    text = '[[rule]]\nid = "a"\naction = "reject"\nwhen.from_in = "l"\n'
    found = policy(tmp_path, text, l="@sender.example until 2026-06-15")
    assert matches(found.rules[0], facts(), TO, today=TODAY)
    assert not matches(found.rules[0], facts(), TO, today=TODAY.replace(day=16))
    assert not matches(found.rules[0], facts(), TO, today=TODAY.replace(year=3000))


def test_conditions_have_names(tmp_path: Path) -> None:
    """As they stand in the file, for whoever explains a rule."""
    text = """
    [[rule]]
    id = "a"
    action = "reject"
    when = {from = "a@b", relay = true, env = {X = "y"}, size_over = "1 B"}
    header.Subject = "a"
    part.name = "a"
    finding = "a.b"
    virus = "*"
    spam.at_least = 1
    """
    rule = policy(tmp_path, text).rules[0]
    names = [each.name for each in (*rule.when[0].conditions, *rule.conditions)]
    assert names == [
        "when.from", "when.size", "when.relay", "when.env.X",
        "finding", "virus", "spam", "header.Subject", "part",
    ]  # fmt: skip


def test_hostile_values_do_not_raise(tmp_path: Path) -> None:
    """Whatever a part or a header is called."""
    text = "[[rule]]\nid = \"a\"\naction = \"reject\"\npart.name = 'x'\nheader.S.name = 'x'\n"
    found = policy(tmp_path, text)
    odd = Header(name="S", plain="\ud800\0", decoded="\udcff")
    given = facts(parts=(Part(path="", names=("\ud800\0\n",)),), headers=(("s", odd.plain),))
    assert not matches(found.rules[0], given, TO)
