"""The keys of `when` and `unless`: TOML tables in, scopes out; and how a key becomes a set.

Called by  policy.sentence (scope), policy.questions (the sets and bounds).
Ends       always: mistakes are noted in the tables' problems.
Careful    this is the language that docs/policy.md describes; every key here stands there.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date

from qscanner.model import Direction
from qscanner.patterns import compile as compile_regex
from qscanner.policy import addresses, circumstances, conditions, networks
from qscanner.policy.addresses import FOREVER, Addresses
from qscanner.policy.conditions import Condition
from qscanner.policy.marks import Mark, Tagged
from qscanner.policy.rules import Scope
from qscanner.policy.shelf import S, Shelf, T
from qscanner.policy.tables import Table

WHEN_KEYS = frozenset(
    [
        "from",
        "from_in",
        "to",
        "to_in",
        "direction",
        "ip",
        "ip_in",
        "rdns",
        "auth",
        "relay",
        "env",
        "size_over",
        "size_under",
        "recipients_over",
        "time",
        "tag",
    ]
)
ANYBODY = "user"
METHODS = frozenset(["dkim", "spf", "arc"])
MAX_TAG_CHARS = 64
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def scope(table: Table, shelf: Shelf, what: str) -> Scope:
    """Give one table of `when` or `unless`, which `what` says."""
    table.only(WHEN_KEYS)
    found = [*_of_envelope(table, shelf, what), *_of_client(table, shelf, what)]
    if spans := table.made("time", circumstances.span):
        found.append(circumstances.TimeOfDay(name=f"{what}.time", spans=spans))
    recipients = address_sets(table, shelf, "to", addresses.pattern)
    return Scope(
        conditions=tuple(found),
        recipients=tuple(each for _, each in recipients),
        marks=_tagged(table, what),
    )


def _of_envelope(table: Table, shelf: Shelf, what: str) -> list[Condition]:
    found: list[Condition] = [
        conditions.Sender(name=f"{what}.{key}", addresses=each)
        for key, each in address_sets(table, shelf, "from", addresses.pattern)
    ]
    over, under = bounds(table)
    if over is not None or under is not None:
        found.append(conditions.Size(name=f"{what}.size", over=over, under=under))
    if (count := table.whole("recipients_over")) is not None:
        name = f"{what}.recipients_over"
        found.append(circumstances.RecipientCount(name=name, over=count))
    return found


def _of_client(table: Table, shelf: Shelf, what: str) -> list[Condition]:
    found: list[Condition] = []
    if directions := table.choices("direction", Direction):
        found.append(
            conditions.Directions(name=f"{what}.direction", directions=frozenset(directions))
        )
    found += [
        conditions.Ip(name=f"{what}.{key}", networks=each)
        for key, each in sets(table, shelf, "ip", networks.network, networks.networks)
    ]
    if (relay := table.flag("relay")) is not None:
        found.append(conditions.Relay(name=f"{what}.relay", is_relay=relay))
    found += [
        circumstances.Rdns(name=f"{what}.rdns", domains=each)
        for _, each in sets(table, shelf, "rdns", _rdns, addresses.addresses)
    ]
    if users := frozenset(table.made("auth", _user)):
        found.append(
            circumstances.Auth(
                name=f"{what}.auth",
                is_anybody=ANYBODY in users,
                users=users - METHODS,
                methods=users & METHODS,
            )
        )
    if (env := table.table("env")) is not None:
        found += [
            conditions.Env(
                name=f"{what}.env.{each}", variable=each, patterns=env.made(each, compile_regex)
            )
            for each in env.data
        ]
    return found


def _tagged(table: Table, what: str) -> tuple[Mark, ...]:
    tags = frozenset(table.made("tag", tag))
    return (Tagged(name=f"{what}.tag", tags=tags),) if tags else ()


def tag(text: str) -> str:
    """Give the name of a tag. Raises ValueError with what would be right."""
    if len(text) > MAX_TAG_CHARS or not _TAG.fullmatch(text):
        raise ValueError(
            f'"{text}" is no tag: letters, digits, dots and dashes, at most {MAX_TAG_CHARS}'
        )
    return text


def _rdns(text: str) -> str:
    return addresses.domain_pattern(text) if text else ""


def _user(text: str) -> str:
    if not text:
        raise ValueError(
            f'"" is no name of a user; "{ANYBODY}" is anybody who logged in, '
            f"{', '.join(sorted(METHODS))} are what the mail itself proves"
        )
    return text.lower()


def bounds(table: Table) -> tuple[int | None, int | None]:
    """Give size_over and size_under."""
    over, under = table.size("size_over"), table.size("size_under")
    if over is not None and under is not None and over + 1 >= under:
        table.wrong('no size is over "size_over" and under "size_under"', "size_under")
    return over, under


def address_sets(
    table: Table, shelf: Shelf, key: str, make: Callable[[str], str]
) -> list[tuple[str, Addresses]]:
    """Give the sets of addresses or domains of `key` and `key_in`, as sets() does."""
    return sets(table, shelf, key, make, addresses.addresses)


def sets(
    table: Table,
    shelf: Shelf,
    key: str,
    make: Callable[[str], T],
    build: Callable[[Iterable[tuple[T, date]]], S],
) -> list[tuple[str, S]]:
    """Give the set of the values of `key`, and that of `key_in`, each where it is there."""
    found: list[tuple[str, S]] = []
    if key in table:
        found.append((key, build((each, FOREVER) for each in table.made(key, make))))
    return found + listed(table, shelf, key, make, build)


def listed(
    table: Table,
    shelf: Shelf,
    key: str,
    make: Callable[[str], T],
    build: Callable[[Iterable[tuple[T, date]]], S],
) -> list[tuple[str, S]]:
    """Give the set of the entries of all lists of `key_in`, where it is there."""
    key_in = f"{key}_in"
    if key_in not in table:
        return []
    lists = table.made(key_in, lambda name: shelf.entries(name, make))
    return [(key_in, shelf.together(lists, build))]
