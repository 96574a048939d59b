"""Questions to name servers about one message, all of them within one time and one number.

Called by  checks.auth_dkim, checks.auth_spf. The only home of dnspython.
Ends       with records; () where there are none, or where the name cannot be one. Raises
           CheckFailed where nobody could say: no good answer, no time or no questions left.
Careful    strangers choose the names, and the servers that answer for them: so the number of
           questions is bounded, not only their time.
"""

from collections.abc import Callable, Sequence
from typing import Any

from qscanner.codec import nameservers
from qscanner.deadline import Deadline
from qscanner.outcomes import CheckFailed, OutOfTime

MAX_QUESTIONS = 60  # about one message; SPF alone may need 10, and 10 addresses for some of these
MAX_RECORDS = 200  # of one answer
_PER_SERVER_S = 3.0
_EDNS_OCTETS = 1232

_VALUES: dict[str, Callable[[Any], Any]] = {
    "TXT": lambda record: tuple(record.strings),
    "A": lambda record: record.address,
    "AAAA": lambda record: record.address,
    "MX": lambda record: (record.preference, record.exchange.to_text(omit_final_dot=True)),
    "PTR": lambda record: record.target.to_text(omit_final_dot=True),
}


def load() -> bool:
    """Say whether dnspython is there, and load it."""
    try:
        import dns.resolver  # noqa: F401
    except ImportError:
        return False
    return True


class Names:
    """What may be asked about one message, in `within_s` seconds from now."""

    def __init__(self, servers: Sequence[str] = (), *, within_s: float) -> None:
        self.deadline = Deadline(within_s)
        self._servers = servers
        self._resolver: Any = None
        self._asked = 0

    def records(self, name: str, kind: str) -> tuple[Any, ...]:
        """Give the records of a kind. Raises CheckFailed.

        TXT are tuples of octets, MX are (preference, name), all others text.
        """
        import dns.exception
        import dns.resolver

        self._asked += 1
        if self._asked > MAX_QUESTIONS:
            raise CheckFailed(f"dns: more than {MAX_QUESTIONS} questions about one message")
        try:
            resolver = self._made()
            answer = resolver.resolve(
                name,
                kind,
                raise_on_no_answer=False,
                lifetime=self.deadline.remaining_s(),
                search=False,
            )
        except (dns.resolver.NXDOMAIN, dns.resolver.YXDOMAIN):
            return ()
        except (dns.exception.Timeout, OutOfTime) as late:
            raise CheckFailed(f"dns: no answer about {name} {kind} in time") from late
        except (dns.resolver.NoNameservers, dns.resolver.NoResolverConfiguration) as error:
            raise CheckFailed(f"dns: {name} {kind}: {error}") from error
        except (dns.exception.DNSException, UnicodeError):
            return ()  # this cannot be a name
        return tuple(_VALUES[kind](record) for record in list(answer.rrset or ())[:MAX_RECORDS])

    def _made(self) -> Any:
        import dns.nameserver
        import dns.resolver

        if self._resolver is None:
            resolver = dns.resolver.Resolver(configure=not self._servers)
            if self._servers:
                resolver.nameservers = [
                    dns.nameserver.Do53Nameserver(address, port)
                    for address, port in map(nameservers.parse, self._servers)
                ]
            resolver.timeout = _PER_SERVER_S
            resolver.use_edns(0, 0, _EDNS_OCTETS)
            self._resolver = resolver
        return self._resolver
