"""The condition keys of a rule but `when` and `unless`: TOML tables in, questions out.

Called by  policy.sentence.
Ends       always: mistakes are noted in the tables' problems.
Careful    this is the language that docs/policy.md describes; every key here stands there.
"""

from qscanner.codec.problems import nearest
from qscanner.kinds import KINDS
from qscanner.model import Where
from qscanner.patterns import Pattern, compile_for_texts, compile_glob
from qscanner.patterns import compile as compile_regex
from qscanner.policy import addresses, conditions, names
from qscanner.policy.bodies import Body
from qscanner.policy.headers import Field, HeaderField
from qscanner.policy.marks import MAX_SCORE, Total
from qscanner.policy.parts import Parts, PartTable
from qscanner.policy.scopes import address_sets, bounds, listed
from qscanner.policy.shelf import Shelf
from qscanner.policy.tables import Table

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
BODY_KEYS = frozenset(["text", "html", "link_domain", "link_domain_in", "link_mismatch"])
TOTAL_KEYS = frozenset(["at_least"])
SPAM_KEYS = frozenset(["at_least", "below", "over_required", "rule"])
_HEADER_NAME_CHARS = frozenset(map(chr, range(33, 127))) - {":"}
_FINDING_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.*?")


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
        *address_sets(table, shelf, "address", addresses.pattern),
        *address_sets(table, shelf, "domain", addresses.domain_pattern),
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
    over, under = bounds(table)
    return PartTable(
        names=table.made("name", compile_regex),
        name_lists=tuple(
            each for _, each in listed(table, shelf, "name", names.pattern, names.names)
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


def body(table: Table, shelf: Shelf) -> Body:
    """Give `body`: a question about texts and links."""
    table.only(BODY_KEYS)
    domains = address_sets(table, shelf, "link_domain", addresses.domain_pattern)
    return Body(
        name="body",
        texts=table.made("text", compile_for_texts),
        htmls=table.made("html", compile_for_texts),
        domains=tuple(each for _, each in domains),
        is_mismatch=table.flag("link_mismatch"),
    )


def total(table: Table) -> Total | None:
    """Give `total`: a question about the scores of detecting rules."""
    table.only(TOTAL_KEYS)
    at_least = table.number("at_least")
    if at_least is None:
        return None
    if abs(at_least) > MAX_SCORE:
        table.wrong(f'"at_least" is beyond {MAX_SCORE:,.0f}', "at_least")
    elif at_least <= 0:
        table.wrong('"at_least" must be above 0: every message has a total of 0', "at_least")
    return Total(name="total", at_least=at_least)


def _octets(table: Table, key: str) -> int | None:
    """Give octets as a size with its unit or, since header lines are short, as a number."""
    value = table.data.get(key)
    return table.whole(key) if type(value) is int else table.size(key)


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
