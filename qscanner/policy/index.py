"""Which rules may meet a message at all: so that a thousand rules cost little more than ten.

Theory. Each rule is filed under clues, of which a message must have one for the rule to meet it:
a finding, a kind of part, a pattern that hits, a sender. One condition of a rule is enough for
that, since all of them must hold. The clues of a message are looked up once for all rules,
patterns many at a time. Rules that give no clue are always asked.

Called by  policy.read makes it, decide asks it.
Ends       always; nothing here raises.
Careful    this only leaves out rules that cannot hold; who is left is asked in full. A new kind
           of condition needs nothing here: it gives no clue.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence

from qscanner.patterns import Pattern, Patterns
from qscanner.policy.addresses import Address, Addresses, domains_above
from qscanner.policy.bodies import Body
from qscanner.policy.conditions import Condition, Findings, Sender, Spam, Viruses
from qscanner.policy.evidence import Evidence
from qscanner.policy.headers import Field, HeaderField
from qscanner.policy.names import Names
from qscanner.policy.parts import Parts, PartTable
from qscanner.policy.rules import Scope, Sentence

Clue = tuple[Hashable, ...]

MIN_RULES = 30  # fewer are asked one by one: that is as fast
MAX_FILED = 100  # addresses of a set that are clues by themselves; a larger set is one clue
MAX_RECIPIENTS = 100  # that are looked up; of more, every rule about recipients is asked


class Index:
    """The rules of a policy by their clues. Rules are told by their places in the policy."""

    def __init__(self, sentences: Sequence[Sentence]) -> None:
        self._always: list[int] = []
        self._by_clue: dict[Clue, list[int]] = {}
        for number, sentence in enumerate(sentences):
            clues = _clues(sentence)
            if clues is None:
                self._always.append(number)
            for clue in clues or ():
                self._by_clue.setdefault(clue, []).append(number)
        grouped: dict[Clue, list[Pattern]] = {}
        for clue in self._by_clue:
            if isinstance(clue[-1], Pattern):
                grouped.setdefault(clue[:-1], []).append(clue[-1])
        self._patterns = {where: Patterns(patterns) for where, patterns in grouped.items()}
        self._has_links = any(clue[0] in {"links", "link"} for clue in self._by_clue)
        self._address_fields = {
            clue[0][:-1]
            for clue in self._by_clue
            if isinstance(clue[0], str) and clue[0].endswith(":")
        }
        self._lists = {clue: clue[-1] for clue in self._by_clue if isinstance(clue[-1], _Same)}

    def candidates(self, evidence: Evidence) -> list[int]:
        """Give the places of the rules that may meet the message, in their order."""
        found = set(self._always)
        for clue in self._of_message(evidence):
            found.update(self._by_clue.get(clue, ()))
        return sorted(found)

    def _of_message(self, evidence: Evidence) -> Iterator[Clue]:
        yield from (("finding", id_) for id_ in evidence.findings)
        if evidence.viruses:
            yield ("virus",)
        if evidence.score is not None:
            yield ("score",)
        kinds = {kind for part in evidence.facts.parts for kind in part.kinds}
        yield from (("kind", kind) for kind in kinds)
        yield from (("field", header.name.lower()) for header in evidence.facts.headers)
        yield from _of_address("from", evidence.sender)
        yield from self._of_recipients(evidence)
        yield from self._of_patterns(evidence)
        yield from (clue for clue, same in self._lists.items() if same.is_in(evidence))
        yield from self._of_fields(evidence)
        if self._has_links and evidence.links:
            yield ("links",)
            for domain in {link.domain for link in evidence.links}:
                yield from _of_address("link", Address("", domain))

    def _of_fields(self, evidence: Evidence) -> Iterator[Clue]:
        for field in self._address_fields:
            for header in evidence.headers(field):
                for mailbox in evidence.mailboxes(header):
                    yield from _of_address(f"{field}:", mailbox.address)

    def _of_recipients(self, evidence: Evidence) -> Iterator[Clue]:
        recipients = evidence.facts.envelope.recipients
        if len(recipients) > MAX_RECIPIENTS:
            yield from (clue for clue in self._by_clue if clue[0] == "to")
        else:
            for recipient in recipients:
                yield from _of_address("to", Address.of(recipient))

    def _of_patterns(self, evidence: Evidence) -> Iterator[Clue]:
        for where, patterns in self._patterns.items():
            if where[0] == "shown":
                hits = patterns.hits_in_octets(evidence.shown)
            elif where[0] == "html":
                hits = patterns.hits_in_octets(evidence.html)
            else:
                hits = patterns.hits(_texts(where, evidence))
            yield from ((*where, pattern) for pattern in hits)


def _texts(where: Clue, evidence: Evidence) -> Iterable[str]:
    """Give what the patterns under this clue are searched in."""
    if where[0] == "finding":
        return evidence.findings
    if where[0] == "name":
        return dict.fromkeys(name for part in evidence.facts.parts for name in part.names)
    headers = evidence.headers(str(where[1]))
    if where[0] == "called":
        return dict.fromkeys(box.name for each in headers for box in evidence.mailboxes(each))
    return dict.fromkeys(text for each in headers for text in (each.plain, each.decoded))


class _Same:
    """A large set of names or addresses, one clue however many rules ask for it."""

    def __init__(self, asked: Names | Addresses) -> None:
        self._asked = asked

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._asked is self._asked

    def __hash__(self) -> int:
        return id(self._asked)

    def is_in(self, evidence: Evidence) -> bool:
        """Say whether the sender, or the name of a part, is in the set."""
        if isinstance(self._asked, Addresses):
            return self._asked.has(evidence.sender, evidence.today)
        names = (name for part in evidence.facts.parts for name in part.names)
        return any(self._asked.has(name, evidence.today) for name in names)


def _clues(sentence: Sentence) -> set[Clue] | None:
    """Give the clues of which one must be there, those that fewest messages have; or None."""
    several = [_any(map(_of_scope, sentence.when)), *map(_of_condition, sentence.conditions)]
    return min((each for each in several if each is not None), key=_commonness, default=None)


def _commonness(clues: set[Clue]) -> int:
    """Give how many messages may be expected to have one of the clues: a rank, not a number."""
    return max((_COMMON.get(str(clue[0]), 0) for clue in clues), default=0)


# All else is rare. Nearly every message has a score, a From and some link.
_COMMON = {"kind": 1, "names": 1, "field": 2, "score": 2, "links": 2}


def _of_scope(scope: Scope) -> set[Clue] | None:
    for condition in scope.conditions:
        if isinstance(condition, Sender):
            filed = _filed("from", condition.addresses)
            return filed if filed is not None else {("sender", _Same(condition.addresses))}
    filed_to = (_filed("to", each) for each in scope.recipients)
    return next((each for each in filed_to if each is not None), None)


def _filed(what: str, asked: Addresses) -> set[Clue] | None:
    if len(asked.whole) + len(asked.domains) + len(asked.below) > MAX_FILED:
        return None
    return (
        {(what, "whole", each) for each in asked.whole}
        | {(what, "domain", each) for each in asked.domains}
        | {(what, "below", each) for each in asked.below}
    )


def _of_address(what: str, address: Address) -> Iterator[Clue]:
    yield (what, "whole", address.whole)
    if address.domain:
        yield (what, "domain", address.domain)
        yield from ((what, "below", each) for each in domains_above(address.domain))


def _of_condition(condition: Condition) -> set[Clue] | None:
    if isinstance(condition, Findings):
        return {_of_glob(glob) for glob in condition.globs}
    if isinstance(condition, Viruses):
        return {("virus",)}
    if isinstance(condition, Spam):
        return {("score",)}
    if isinstance(condition, HeaderField):
        return _any(_of_field(condition.field, table) for table in condition.tables)
    if isinstance(condition, Parts):
        return _of_parts(condition.table)
    return _of_body(condition) if isinstance(condition, Body) else None


def _any(several: Iterable[set[Clue] | None]) -> set[Clue] | None:
    """Give the clues of tables of which one must hold: each must give some."""
    found: set[Clue] = set()
    for each in several:
        if each is None:
            return None
        found |= each
    return found


def _of_glob(glob: Pattern) -> Clue:
    is_exact = not set(glob.source) & {"*", "?"}
    return ("finding", glob.source) if is_exact else ("finding", glob)


def _of_field(field: str, table: Field) -> set[Clue] | None:
    if table.is_missing:
        return None
    if table.regexes:
        return {("header", field, regex) for regex in table.regexes}
    if table.names:
        return {("called", field, name) for name in table.names}
    filed = (_filed(f"{field}:", each) for each in table.addresses)
    otherwise: set[Clue] = {("field", field)}
    return next((each for each in filed if each is not None), otherwise)


def _of_parts(table: PartTable) -> set[Clue] | None:
    if table.names:
        return {("name", name) for name in table.names}
    if table.kinds:
        return {("kind", kind) for kind in table.kinds}
    if table.name_lists:
        return {("names", _Same(names)) for names in table.name_lists}
    return _any(map(_of_parts, table.any_of)) if table.any_of else None


def _of_body(body: Body) -> set[Clue]:
    if body.texts:
        return {("shown", text) for text in body.texts}
    if body.htmls:
        return {("html", text) for text in body.htmls}
    filed = (_filed("link", each) for each in body.domains)
    otherwise: set[Clue] = {("links",)}
    return next((each for each in filed if each is not None), otherwise)
