"""SPF: may this address send for the domain of the envelope sender (RFC 7208)?

Called by  checks.auth. The only home of pyspf.
Ends       with the domain for which it passes, "" where it does not. Raises CheckFailed where
           nobody could say.
Careful    pyspf asks the resolver of the whole process, and knows no deadline over several
           questions: its one method that asks is ours here. It reads the first @ of an address as
           the one that counts, qmail the last.
"""

import re
import warnings
from typing import Any

from qscanner.checks.auth_dns import Names
from qscanner.outcomes import CheckFailed

MAX_RECORD_OCTETS = 4096  # a longer record is as none
_DOMAIN = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_-]{1,63}\.)+[a-z0-9-]{1,63}")
_LOCAL = re.compile(rb"[!-?A-~]{0,255}")  # no @: pyspf would cut there


def load() -> bool:
    """Say whether pyspf is there, and load it."""
    try:
        _library()
    except ImportError:
        return False
    return True


def _library() -> Any:
    with warnings.catch_warnings():
        # Python 3.12 and later tell whoever loads it first of an escape in a text of pyspf's.
        warnings.simplefilter("ignore")
        import spf
    return spf


def domain_of(sender: bytes) -> str:
    """Give the domain of an address in lower case; "" for what is no name of a domain."""
    text = sender.rpartition(b"@")[2].decode("latin-1").lower().rstrip(".")
    return text if b"@" in sender and _DOMAIN.fullmatch(text) else ""


def passes(sender: bytes, ip: str, names: Names) -> str:
    """Give the sender's domain if SPF passes for it and the client's address, else "".

    The null sender has no domain. Raises CheckFailed.
    """
    domain = domain_of(sender)
    local = sender.rpartition(b"@")[0]
    if not domain or not ip or not _LOCAL.fullmatch(local):
        return ""
    spf = _library()
    query = _query_class(spf, spf.query)(
        names, ip, f"{local.decode('ascii') or 'postmaster'}@{domain}"
    )
    try:
        result, _, why = query.check()
    except CheckFailed:
        raise
    except Exception as error:
        raise CheckFailed(f"spf: {domain}: pyspf fails: {error!r}") from error
    if result == "temperror":
        raise CheckFailed(f"spf: {domain}: {why}")
    return domain if result == "pass" else ""


def _query_class(spf: Any, base: Any) -> Any:
    class Query(base):  # type: ignore[misc]
        """A question that is asked by our resolver."""

        def __init__(self, names: Names, ip: str, sender: str) -> None:
            self._names = names
            self._known: dict[tuple[str, str], tuple[Any, ...]] = {}
            super().__init__(ip, sender, "unknown")

        def dns(
            self,
            name: Any,
            qtype: str,
            cnames: Any = None,  # noqa: ARG002 - of the method whose place this takes
            ignore_void: bool = False,
        ) -> list[Any]:
            """Give the records, as spf.query.dns does; aliases were followed already."""
            key = (str(name).lower().rstrip("."), qtype)
            if key not in self._known:
                self._known[key] = self._records(*key)
            found = list(self._known[key])
            if not found and not ignore_void:
                self.void_lookups += 1
                if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                    raise spf.PermError(f"more than {spf.MAX_VOID_LOOKUPS} names without records")
            return found

        def _records(self, name: str, qtype: str) -> tuple[Any, ...]:
            found = self._names.records(name, qtype) if name and qtype != "SPF" else ()
            if qtype != "TXT":
                return found
            return tuple(each for each in found if sum(map(len, each)) <= MAX_RECORD_OCTETS)

    return Query
