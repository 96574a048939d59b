"""Who stands behind a message: what DKIM, SPF and ARC prove, where a rule asks for it.

What the own mail server found out already is taken from its notes; the rest is verified here.

Called by  scan, in a thread beside the other checks; bench makes the Verifier.
Ends       with a CheckResult that has `proven`; nothing is proven where nobody could say, and the
           finding auth.unavailable says why.
Careful    a signature that is no good is no worse than none (RFC 6376 6.1): it proves nothing, and
           is told as auth.dkim-bad for rules that want to know.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from qscanner.checks import auth_dkim, auth_dns, auth_spf, auth_told
from qscanner.checks.auth_dkim import Signatures, Signed
from qscanner.checks.auth_dns import Names
from qscanner.model import CheckResult, Client, Envelope, Finding, Outcome, Proven
from qscanner.outcomes import CheckFailed, OutOfTime
from qscanner.settings import Auth
from qscanner.spool import Message

UNAVAILABLE = "auth.unavailable"
DKIM_BAD = "auth.dkim-bad"
NOT_VERIFIED = "auth.not-verified"
METHODS = ("spf", "dkim", "arc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """What verifies here: `methods` are those of METHODS whose libraries are installed."""

    chosen: Auth
    methods: frozenset[str]

    @classmethod
    def of(cls, chosen: Auth) -> "Verifier":
        """Load what is installed."""
        found: set[str] = set()
        if auth_dns.load():
            found |= {"spf"} if auth_spf.load() else set()
            found |= {"dkim", "arc"} if auth_dkim.load() else set()
        return cls(chosen=chosen, methods=frozenset(found))

    def look(
        self,
        message: Message,
        envelope: Envelope,
        client: Client,
        wanted: frozenset[str],
        *,
        within_s: float,
    ) -> CheckResult:
        """Find out what of `wanted` (dkim, spf, arc) is proven, in `within_s` seconds."""
        begun = time.monotonic()
        told = auth_told.told(
            message.octets, client, envelope.sender, authserv_id=self.chosen.authserv_id
        )
        looking = _Looking(message, Names(self.chosen.servers, within_s=within_s), told.proven)
        for method in METHODS:
            if method in wanted & self.methods - told.answered:
                looking.look(method, envelope.sender, client, self.chosen)
        return CheckResult(
            outcome=Outcome.CLEAN,
            proven=looking.proven,
            findings=tuple(looking.findings),
            ms=(time.monotonic() - begun) * 1000,
        )


class _Looking:
    """One message; `proven` and `findings` grow."""

    def __init__(self, message: Message, names: Names, proven: Proven) -> None:
        self.proven = proven
        self.findings: list[Finding] = []
        self._message = message
        self._names = names
        self._signatures: Signatures | None = None

    def look(self, method: str, sender: bytes, client: Client, chosen: Auth) -> None:
        """Add what one of METHODS proves."""
        try:
            if method == "spf":
                domain = auth_spf.passes(sender, client.ip, self._names)
                self.proven = replace(self.proven, spf_domain=domain)
            elif self._message.size > chosen.max:
                self._add(NOT_VERIFIED, f"{self._message.size} octets, [auth] max is {chosen.max}")
            else:
                self._take(method)
        except (CheckFailed, OutOfTime) as error:
            self._add(UNAVAILABLE, f"{method}: {error}")

    def _take(self, method: str) -> None:
        if self._signatures is None:
            self._signatures = Signatures(self._message.octets, self._names)
        if method == "dkim":
            signed = self._signatures.dkim()
            self.proven = replace(self.proven, dkim_domains=signed.domains)
        else:
            signed = self._signatures.arc()
            self.proven = replace(self.proven, is_arc=signed.is_arc)
        for id_, detail in _told_of(signed):
            self._add(id_, detail)

    def _add(self, id_: str, detail: str) -> None:
        finding = Finding(id=id_, detail=detail)
        if finding not in self.findings:
            self.findings.append(finding)


def _told_of(signed: Signed) -> Iterator[tuple[str, str]]:
    yield from ((DKIM_BAD, why) for why in signed.bad)
    if signed.skipped:
        yield NOT_VERIFIED, signed.skipped
