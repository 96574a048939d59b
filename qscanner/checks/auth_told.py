"""What the own mail server has found out already: its notes above the top Received field.

qmail-smtpd writes its Received field on top of what the client sent, and patches for SPF and DKIM
write their results above that. So what stands there is ours; below it, everything is a stranger's.

Called by  checks.auth.
Ends       with what is proven, and what needs no answer any more; raises nothing.
Careful    nothing is believed of a caller who is not trusted or brings no mail from the network:
           who else writes a Received field is not known. Nor where the sender's address holds
           what could close a comment or begin a result: it stands in these fields.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from qscanner.checks.auth_spf import domain_of
from qscanner.codec import authresults, block
from qscanner.codec.authresults import Result
from qscanner.model import Client, Proven
from qscanner.spool import Octets

_TOP_OCTETS = 1 << 16
_HARMLESS = re.compile(rb"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~@-]*")
_FINAL = frozenset(["pass", "fail", "softfail", "neutral", "none", "policy", "permerror"])
_METHODS = frozenset(["dkim", "spf", "arc"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is proven, and which of dkim, spf and arc the mail server has answered."""

    proven: Proven = field(default_factory=Proven)
    answered: frozenset[str] = frozenset()


def told(octets: Octets, client: Client, sender: bytes, *, authserv_id: str) -> Told:
    """Give what the own mail server noted of this message.

    `authserv_id` is the name in its Authentication-Results, "" for none that is believed.
    """
    if not client.is_trusted or not client.ip or not _HARMLESS.fullmatch(sender):
        return Told()
    results = list(_results(bytes(octets[:_TOP_OCTETS]), authserv_id.lower()))
    domain = domain_of(sender)
    spf = [each for each in results if each.method == "spf" and _is_of(each, client, domain)]
    dkim = [each for each in results if each.method == "dkim"]
    arc = [each for each in results if each.method == "arc"]
    return Told(
        proven=Proven(
            dkim_domains=frozenset(
                name for each in dkim if each.result == "pass" for name in _signers(each)
            ),
            spf_domain=domain if any(each.result == "pass" for each in spf) else "",
            is_arc=any(each.result == "pass" for each in arc),
        ),
        answered=frozenset(each.method for each in (*spf, *dkim, *arc)),
    )


def _results(top: bytes, authserv_id: str) -> Iterator[Result]:
    """Give all results in the fields above the top Received field; none where there is none."""
    above: list[Result] = []
    for noted in block.fields(top, "Received", "Received-SPF", "Authentication-Results"):
        value = top[noted.value_at : noted.end]
        match noted.name.lower():
            case "received":
                yield from above
                return
            case "received-spf":
                above += [each for each in (authresults.received_spf(value),) if each]
            case _:
                id_, results = authresults.authentication_results(value)
                above += results if authserv_id and id_ == authserv_id else ()
        above = [each for each in above if each.method in _METHODS and each.result in _FINAL]


def _is_of(result: Result, client: Client, domain: str) -> bool:
    """Say whether an SPF result is about this sender and client, as far as it says."""
    about = result.values("smtp.mailfrom", "smtp.mail", "envelope-from")
    ips = result.values("client-ip", "smtp.remote-ip")
    identities = result.values("identity")
    return (
        bool(domain)
        and all(_domain(each) == domain for each in about)
        and all(each == client.ip for each in ips)
        and all(each.lower() in {"mailfrom", "mfrom"} for each in identities)
        and (bool(about) or not result.values("smtp.helo"))
    )


def _signers(result: Result) -> Iterator[str]:
    """Give the domain of a good signature: header.d, else what header.i names."""
    for value in result.values("header.d") or result.values("header.i"):
        if domain := _domain(value):
            yield domain


def _domain(value: str) -> str:
    text = value.strip("<>").rpartition("@")[2]
    return domain_of(b"@" + text.encode("latin-1", "replace"))
