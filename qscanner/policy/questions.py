"""The condition keys of a rule: TOML tables in, questions out.

Called by  policy.sentence.
Ends       always: mistakes are noted in the tables' problems.
Careful    this is the language that docs/policy.md describes; every key here stands there.
"""

from collections.abc import Callable, Iterable
from datetime import date

from qscanner.codec.problems import nearest
from qscanner.kinds import KINDS
from qscanner.model import Direction, Where
from qscanner.patterns import Pattern, compile_glob
from qscanner.patterns import compile as compile_regex
from qscanner.policy import addresses, conditions, names, networks
from qscanner.policy.addresses import FOREVER, Addresses
from qscanner.policy.conditions import Condition
from qscanner.policy.headers import Field, HeaderField
from qscanner.policy.parts import Parts, PartTable
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
        "relay",
        "env",
        "size_over",
        "size_under",
    ]
)
WHEN_NOT_YET = {
    "rdns": "has no check of reverse DNS names",
    "auth": "does not verify DKIM, SPF or ARC, nor names of users",
    "time": "has no condition on the time of day",
    "recipients_over": "does not count recipients",
    "tag": "has no tags, since no rule can give one yet",
}
HEADER_KEYS = frozenset(
    [
        "regex",
        "address",
        "address_in",
        "domain",
        "domain_in",
        "name",
        "over",
        "count_over",
        "missing",
    ]
)
ANY_KEYS = frozenset(
    [
        "name",
        "name_in",
        "kind",
        "type",
        "size_over",
        "size_under",
        "where",
        "encrypted",
        "unreadable",
    ]
)
PART_KEYS = ANY_KEYS | {"any", "count_over"}
SPAM_KEYS = frozenset(["at_least", "below", "over_required", "rule"])
_HEADER_NAME_CHARS = frozenset(map(chr, range(33, 127))) - {":"}
_FINDING_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.*?")


def scope(table: Table, shelf: Shelf, what: str) -> Scope:
    """Give one table of `when` or `unless`, which `what` says."""
    table.only(WHEN_KEYS, not_yet=WHEN_NOT_YET)
    found: list[Condition] = [
        conditions.Sender(name=f"{what}.{key}", addresses=each)
        for key, each in _addresses(table, shelf, "from", addresses.pattern)
    ]
    if directions := table.choices("direction", Direction):
        found.append(
            conditions.Directions(name=f"{what}.direction", directions=frozenset(directions))
        )
    found += [
        conditions.Ip(name=f"{what}.{key}", networks=each)
        for key, each in _sets(table, shelf, "ip", networks.network, networks.networks)
    ]
    if (relay := table.flag("relay")) is not None:
        found.append(conditions.Relay(name=f"{what}.relay", is_relay=relay))
    if (env := table.table("env")) is not None:
        found += [
            conditions.Env(
                name=f"{what}.env.{each}", variable=each, patterns=env.made(each, compile_regex)
            )
            for each in env.data
        ]
    over, under = _bounds(table)
    if over is not None or under is not None:
        found.append(conditions.Size(name=f"{what}.size", over=over, under=under))
    recipients = _addresses(table, shelf, "to", addresses.pattern)
    return Scope(conditions=tuple(found), recipients=tuple(each for _, each in recipients))


def header(table: Table, shelf: Shelf) -> tuple[HeaderField, ...]:
    """Give `header`: a question for each field that it names."""
    return tuple(
        HeaderField(
            name=f"header.{field}", field=field.lower(), tables=_fields(table, field, shelf)
        )
        for field in table.data
        if _is_header_name(table, field)
    )


def _is_header_name(table: Table, field: str) -> bool:
    if field and set(field) <= _HEADER_NAME_CHARS:
        return True
    table.wrong(f'"{field}" is no name of a header field', field, at="key")
    return False


def _fields(table: Table, field: str, shelf: Shelf) -> tuple[Field, ...]:
    """Give the tables of one field: a regex, a table, or a list of regexes or of tables."""
    value = table.data[field]
    if isinstance(value, dict) or (isinstance(value, list) and dict in map(type, value)):
        return tuple(_field(each, shelf) for each in table.tables(field))
    return (Field(regexes=table.made(field, compile_regex)),)


def _field(table: Table, shelf: Shelf) -> Field:
    table.only(HEADER_KEYS)
    is_missing = table.flag("missing")
    if is_missing is False or (is_missing and len(table.data) > 1):
        table.wrong('"missing = true" stands alone in its table, or not at all', "missing")
    whom = [
        *_addresses(table, shelf, "address", addresses.pattern),
        *_addresses(table, shelf, "domain", addresses.domain_pattern),
    ]
    return Field(
        regexes=table.made("regex", compile_regex),
        addresses=tuple(each for _, each in whom),
        names=table.made("name", compile_regex),
        over=_octets(table, "over"),
        count_over=table.whole("count_over") or 0,
        is_missing=bool(is_missing),
    )


def part(table: Table, shelf: Shelf) -> Parts:
    """Give `part`: a question about parts."""
    table.only(PART_KEYS)
    any_of = []
    for each in table.tables("any"):
        each.only(ANY_KEYS)
        any_of.append(_part_table(each, shelf))
    return Parts(
        name="part",
        table=_part_table(table, shelf, tuple(any_of)),
        count_over=table.whole("count_over") or 0,
    )


def _part_table(table: Table, shelf: Shelf, any_of: tuple[PartTable, ...] = ()) -> PartTable:
    over, under = _bounds(table)
    return PartTable(
        names=table.made("name", compile_regex),
        name_lists=tuple(
            each for _, each in _listed(table, shelf, "name", names.pattern, names.names)
        ),
        kinds=frozenset(table.made("kind", _kind)),
        types=table.made("type", _type),
        over=over,
        under=under,
        wheres=frozenset(table.choices("where", Where)),
        is_encrypted=table.flag("encrypted"),
        is_unreadable=table.flag("unreadable"),
        any_of=any_of,
    )


def findings(table: Table) -> conditions.Findings:
    """Give `finding` of a rule."""
    return conditions.Findings(name="finding", globs=table.made("finding", _finding))


def viruses(table: Table) -> conditions.Viruses:
    """Give `virus` of a rule."""
    return conditions.Viruses(name="virus", globs=table.made("virus", _glob))


def spam(table: Table) -> conditions.Spam:
    """Give `spam`: a question about the score."""
    table.only(SPAM_KEYS)
    at_least, below = table.number("at_least"), table.number("below")
    if at_least is not None and below is not None and at_least >= below:
        table.wrong('no score is "at_least" this and "below" that', "below")
    return conditions.Spam(
        name="spam",
        at_least=at_least,
        below=below,
        over_required=table.number("over_required"),
        rules=table.made("rule", _glob),
    )


def _bounds(table: Table) -> tuple[int | None, int | None]:
    over, under = table.size("size_over"), table.size("size_under")
    if over is not None and under is not None and over + 1 >= under:
        table.wrong('no size is over "size_over" and under "size_under"', "size_under")
    return over, under


def _octets(table: Table, key: str) -> int | None:
    """Give octets as a size with its unit or, since header lines are short, as a number."""
    value = table.data.get(key)
    return table.whole(key) if type(value) is int else table.size(key)


def _addresses(
    table: Table, shelf: Shelf, key: str, make: Callable[[str], str]
) -> list[tuple[str, Addresses]]:
    return _sets(table, shelf, key, make, addresses.addresses)


def _sets(
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
    return found + _listed(table, shelf, key, make, build)


def _listed(
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


def _glob(text: str) -> Pattern:
    if not text:
        raise ValueError('"" matches nothing; "*" is anything')
    return compile_glob(text)


def _type(text: str) -> Pattern:
    if "/" not in text and text != "*":
        raise ValueError(f'"{text}" is no media type: write "{text}/*"')
    return compile_glob(text)


def _finding(text: str) -> Pattern:
    if not set(text) <= _FINDING_CHARS:
        raise ValueError(
            f'"{text}" is no id of a finding: they are like "mime.duplicate-boundary"'
        )
    if "." not in text and "*" not in text:
        raise ValueError(f'"{text}" is no id of a finding: for all of a kind write "{text}.*"')
    return _glob(text)


def _kind(text: str) -> str:
    if text not in KINDS:
        near = nearest(text, sorted(KINDS))
        guess = (
            f'did you mean "{near}"?' if near else 'they are words like "pe" and "office-macro"'
        )
        raise ValueError(f'unknown kind "{text}": {guess} (docs/findings.md lists all)')
    return text
