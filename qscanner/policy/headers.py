"""The questions a rule may ask of header fields: `header = { NAME = … }`.

Called by  policy.questions makes them, decide asks them.
Ends       holds() says yes or no; it raises nothing.
Careful    all keys of one table must hold on the same field, and address, domain and name on the
           same address of it. A field is read before and after RFC 2047 decoding: either may hit.
"""

from dataclasses import dataclass

from qscanner.codec.text import without_surrogates
from qscanner.model import Header
from qscanner.patterns import Pattern
from qscanner.policy.addresses import Addresses
from qscanner.policy.conditions import quoted
from qscanner.policy.evidence import Evidence
from qscanner.policy.mailboxes import Mailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One table of a header condition: what must hold on one field."""

    regexes: tuple[Pattern, ...] = ()
    addresses: tuple[Addresses, ...] = ()  # all must have it: address, address_in, domain, …
    names: tuple[Pattern, ...] = ()
    over: int | None = None  # octets of the value
    count_over: int = 0
    is_missing: bool = False

    def holds(self, headers: tuple[Header, ...], evidence: Evidence) -> bool:
        """Say whether the fields of one name are meant."""
        if self.is_missing:
            return not headers
        return sum(self.is_meant(header, evidence) for header in headers) > self.count_over

    def is_meant(self, header: Header, evidence: Evidence) -> bool:
        """Say whether all keys but `count_over` and `missing` hold on this field."""
        if self.over is not None and _octets(header.plain) <= self.over:
            return False
        texts = {header.plain, header.decoded}
        if self.regexes and not any(regex.search(t) for regex in self.regexes for t in texts):
            return False
        if not self.addresses and not self.names:
            return True
        return any(self._is_whom(mailbox, evidence) for mailbox in evidence.mailboxes(header))

    def _is_whom(self, mailbox: Mailbox, evidence: Evidence) -> bool:
        return all(each.has(mailbox.address, evidence.today) for each in self.addresses) and (
            not self.names or any(name.search(mailbox.name) for name in self.names)
        )


def _octets(value: str) -> int:
    return len(value) if value.isascii() else len(without_surrogates(value).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderField:
    """header.NAME: the fields of that name are as one of the tables says."""

    name: str
    field: str  # in lower case
    tables: tuple[Field, ...]

    def holds(self, evidence: Evidence) -> bool:
        """Say whether the message is meant."""
        headers = evidence.headers(self.field)
        return any(table.holds(headers, evidence) for table in self.tables)

    def because(self, evidence: Evidence) -> str:
        """Give the fact on which that rests: the field that is meant, or how many there are."""
        headers = evidence.headers(self.field)
        if not headers:
            return f"there is no {self.field}"
        for table in self.tables:
            for header in headers:
                if not table.is_missing and table.is_meant(header, evidence):
                    return f"{self.field} is {quoted(header.decoded)}"
        return f"there {'is' if len(headers) == 1 else 'are'} {len(headers)} of {self.field}"
