"""Whether clamd looks at all of a large message: its "OK" alone does not say so.

Called by  scan, in the place of clamav.look, which it asks.
Ends       as clamav.look does; CLEAN only where clamd was proven to see so far.
Careful    above MaxFileSize or MaxScanSize a clamd answers OK unless AlertExceedsMax is on. What
           that OK means is found out by asking: the test string behind as many octets of text.
"""

from collections.abc import Sequence
from dataclasses import replace

from qscanner.checks import clamav
from qscanner.checks.clamav_probe import eicar_mail
from qscanner.codec.servers import Server
from qscanner.deadline import Deadline
from qscanner.model import CheckResult, Finding, Outcome
from qscanner.spool import Message

TRUSTED_OCTETS = 2 << 20  # nobody sets the limits of clamd lower than this
BLIND = "unscannable.clamav-limit"


def look(message: Message, servers: Sequence[Server], *, within_s: float) -> CheckResult:
    """Ask clamd, and where it finds a large message clean, prove that it looked at all of it.

    Takes at most `within_s` seconds. Raises CheckFailed and OutOfTime as clamav.look does, also
    where the proof could not be had in time: then nothing is known.
    """
    deadline = Deadline(within_s)
    result = clamav.look(message, servers, within_s=within_s)
    if result.outcome is not Outcome.CLEAN or message.size <= TRUSTED_OCTETS:
        return result
    if _sees(message.size, servers, within_s=deadline.remaining_s()):
        return result
    detail = f"clamd does not look at all of {message.size} octets: see qscanner check"
    return replace(
        result,
        outcome=Outcome.UNSCANNABLE,
        detail=detail,
        findings=(*result.findings, Finding(id=BLIND, detail=detail)),
    )


def _sees(octets: int, servers: Sequence[Server], *, within_s: float) -> bool:
    """Say whether the OK to a message of that size means something.

    It does where the test string is found behind as much text, and where the limit is reported:
    then this message, which was OK, did not hit it.
    """
    probe = Message.of_octets(eicar_mail(octets))
    try:
        heard = clamav.look(probe, servers, within_s=within_s)
    finally:
        probe.close()
    return heard.outcome in (Outcome.FOUND, Outcome.UNSCANNABLE)
