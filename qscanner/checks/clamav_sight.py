"""Whether clamd looks at all of a large message: its "OK" alone does not say so.

Called by  scan, in the place of clamav.look, which it asks.
Ends       as clamav.look does; CLEAN only where clamd was proven to see so far.
Careful    above MaxFileSize or MaxScanSize a clamd answers OK unless AlertExceedsMax is on. What
           that OK means is found out by asking: the test string behind as many octets of text.
"""

from collections.abc import Sequence
from dataclasses import replace

from qscanner.checks import clamav
from qscanner.checks.clamav_known import Known
from qscanner.checks.clamav_probe import eicar_mail
from qscanner.codec.servers import Server
from qscanner.deadline import Deadline
from qscanner.model import CheckResult, Finding, Outcome
from qscanner.spool import Message

TRUSTED_OCTETS = 2 << 20  # nobody sets the limits of clamd lower than this
BLIND = "unscannable.clamav-limit"


def look(
    message: Message,
    servers: Sequence[Server],
    *,
    within_s: float,
    known: Known | None = None,
    begun: clamav.Begun | None = None,
) -> CheckResult:
    """Ask clamd, and where it finds a large message clean, prove that it looked at all of it.

    Takes at most `within_s` seconds. `known` is what this process remembers, also of such proofs;
    `begun` what clamav.begin() gave.
    Raises CheckFailed and OutOfTime as clamav.look does, also where the proof could not be had in
    time: then nothing is known.
    """
    deadline, known = Deadline(within_s), known or Known()
    result, server = clamav.ask(message, servers, within_s=within_s, known=known, begun=begun)
    if result.outcome is not Outcome.CLEAN or message.size <= TRUSTED_OCTETS:
        return result
    if _sees(message.size, server, deadline, known):
        return result
    detail = f"clamd does not look at all of {message.size} octets: see qscanner check"
    return replace(
        result,
        outcome=Outcome.UNSCANNABLE,
        detail=detail,
        findings=(*result.findings, Finding(id=BLIND, detail=detail)),
    )


def _sees(octets: int, server: Server, deadline: Deadline, known: Known) -> bool:
    """Say whether this server's OK to a message of that size means something.

    It does where the test string is found behind as much text, and where the limit is reported:
    then this message, which was OK, did not hit it. Only the server itself can prove that.
    """
    remembered = known.sees(server, octets)
    if remembered is not None:
        return remembered
    probe = Message.of_octets(eicar_mail(octets))
    try:
        within_s = deadline.remaining_s()
        heard, _ = clamav.ask(probe, (server,), within_s=within_s, known=known)
    finally:
        probe.close()
    if heard.outcome is Outcome.UNSCANNABLE and not any(f.id == BLIND for f in heard.findings):
        return True  # too large for a stream: that says nothing about other sizes
    sees = heard.outcome is not Outcome.CLEAN
    known.note_sight(server, octets, sees=sees)
    return sees
