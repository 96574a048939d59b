"""One message through all that reads strangers' octets, within bounds: what must hold for any.

Called by  tests/test_regressions.py, scripts/fuzz.
Ends       with a Report; raises Wrong where something does not hold, and whatever a scan raises.
Careful    no virus engine: this is about the readers, the archive walker, and the rules.
"""

import functools
import os
import time
from pathlib import Path

from qscanner import client
from qscanner.bench import Bench
from qscanner.codec import envelope
from qscanner.deadline import Deadline
from qscanner.report import Mail, Report
from qscanner.scan import scan
from qscanner.settings import MIB, Limits, Policy, Queue, Settings, Virus
from qscanner.spool import Message

ROOT = Path(__file__).resolve().parent.parent.parent
MOST_S = 2.0  # of CPU
_LIMITS = Limits(decoded=50 * MIB)


class Wrong(Exception):
    """Something that must hold for every message does not."""


@functools.cache
def _bench() -> Bench:
    return Bench.of(
        Settings(
            queue=Queue(program="/bin/true", host="mx.example.com"),
            limits=_LIMITS,
            virus=Virus(engines=()),
            policy=Policy(dir=str(ROOT / "policies")),
        )
    )


def read(octets: bytes) -> Report:
    """Scan these octets; say in a Wrong what does not hold."""
    decoder = envelope.Decoder()
    decoder.feed(b"Fa@example.org\0Tb@example.com\0\0")
    caller = client.of(os.getuid(), {b"TCPREMOTEIP": b"192.0.2.7"}, (str(os.getuid()),))
    message = Message.of_octets(octets)
    begun = time.process_time()
    try:
        mail = Mail(message=message, envelope=decoder.finish(), client=caller)
        report = scan(mail, _bench(), Deadline(60))
    finally:
        spent = time.process_time() - begun
    message.close()
    if spent > MOST_S:
        raise Wrong(f"slow: {MOST_S} s of CPU are not enough")
    _hold(report)
    return report


def _hold(report: Report) -> None:
    facts = report.facts
    if not facts.parts:
        raise Wrong("no part at all")
    for finding in facts.findings:
        if finding.id in {"mime.parser-error", "magic.error"}:
            raise Wrong(f"{finding.id}: {finding.detail}")
    told = [text for part in facts.parts for text in (part.path, *part.names, part.declared)]
    told += [text for finding in facts.findings for text in (finding.where, finding.detail)]
    for text in told:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Wrong("text that is not encodable") from error
