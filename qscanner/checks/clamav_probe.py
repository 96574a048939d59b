"""What a clamd sees and what it is blind to: harmless test messages, sent the way real ones go.

Called by  `qscanner check`, once for each server.
Ends       always with a Probe: what goes wrong is one of its problems.
Careful    by default clamd says OK to what is above its limits, so only asking tells them. The
           test string is put together at run time: scanners on developers' disks know it too.
"""

import base64
import math
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from qscanner.checks import clamav
from qscanner.codec.clamd import Said
from qscanner.codec.servers import Server
from qscanner.deadline import Deadline
from qscanner.model import CheckResult, Outcome
from qscanner.outcomes import CheckFailed, OutOfTime
from qscanner.spool import Message

PADDING_OCTETS = 30 << 20
OLD_DAYS = 3.0
_DAY_S = 86400
_MIB = 1 << 20
_NESTED = 120  # above the highest MaxRecursion clamd takes (100)
_LINE = b"This line is here to be looked at, and means nothing in particular at all\n"
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!$H+H*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What one clamd can do. None: it could not be found out.

    `version` is like "1.4.6/27402"; `padded` is what it says of EICAR behind `padded_octets`
    octets of harmless text: "found", "clean", "limit" or "failed". `problems` are what an admin
    should change, `notes` what is good to know.
    """

    server: str
    is_reachable: bool = False
    version: str = ""
    signatures_age_days: float | None = None
    finds_eicar: bool = False
    padded_octets: int = 0
    padded: str = ""
    alerts_exceeds_max: bool | None = None
    takes_descriptors: bool | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Inquiry:
    """The questions to one server, and what has come out so far."""

    server: Server
    deadline: Deadline
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def ask(self, octets: bytes) -> CheckResult:
        """Ask on the way that real messages go. Raises CheckFailed, OutOfTime."""
        message = Message.of_octets(octets)
        try:
            return clamav.look(message, (self.server,), within_s=self.deadline.remaining_s())
        finally:
            message.close()

    def outcome(self, octets: bytes) -> CheckResult | None:
        """Give the answer, or None and a problem where there is none."""
        try:
            return self.ask(octets)
        except (CheckFailed, OutOfTime) as failure:
            self.problems.append(f"no answer about a test message: {failure}")
            return None


def probe(
    server: Server,
    *,
    within_s: float,
    padding_octets: int = PADDING_OCTETS,
    clock: Callable[[], float] = time.time,
) -> Probe:
    """Find out what the clamd at `server` sees, in `within_s` seconds altogether.

    `clock` gives seconds since 1970, for the age of the signatures.
    """
    inquiry = _Inquiry(server=server, deadline=Deadline(within_s))
    try:
        clamav.client(server, within_s=inquiry.deadline.remaining_s()).ping()
    except (CheckFailed, OutOfTime) as failure:
        return Probe(server=server.text, problems=(f"cannot be reached: {failure}",))
    version, age_days = _version(inquiry, clock)
    takes_descriptors = _takes_descriptors(inquiry)
    finds_eicar = _finds_eicar(inquiry)
    padded = _padded(inquiry, padding_octets) if finds_eicar else ""
    alerts = _alerts_exceeds_max(inquiry)
    return Probe(
        server=server.text,
        is_reachable=True,
        version=version,
        signatures_age_days=age_days,
        finds_eicar=finds_eicar,
        padded_octets=padding_octets,
        padded=padded,
        alerts_exceeds_max=alerts,
        takes_descriptors=takes_descriptors,
        problems=tuple(inquiry.problems),
        notes=tuple(inquiry.notes),
    )


def eicar_mail(padding_octets: int) -> bytes:
    """Give a message with EICAR attached behind a text of at least `padding_octets` octets.

    Attached: official signatures know EICAR by the hash of its 68 octets alone, and at the start
    of a file.
    """
    return b"\n".join(
        [
            b"From: probe@localhost\nTo: probe@localhost\nSubject: a probe of clamd's limits",
            b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="probe"\n\n--probe',
            b"Content-Type: text/plain\n",
            _LINE * math.ceil(padding_octets / len(_LINE)),
            b'--probe\nContent-Type: application/octet-stream; name="eicar.com"',
            b'Content-Disposition: attachment; filename="eicar.com"',
            b"Content-Transfer-Encoding: base64\n",
            base64.encodebytes(EICAR),
            b"--probe--\n",
        ]
    )


def _version(inquiry: _Inquiry, clock: Callable[[], float]) -> tuple[str, float | None]:
    try:
        client = clamav.client(inquiry.server, within_s=inquiry.deadline.remaining_s())
        found = client.version()
    except (CheckFailed, OutOfTime):
        inquiry.notes.append("does not tell its version (EnableVersionCommand no)")
        return "", None
    version = "/".join(part for part in (found.engine, found.database) if part)
    age_days = _age_days(found.date, clock)
    if age_days is None:
        inquiry.notes.append("has no daily database, so the age of its signatures is unknown")
    elif age_days > OLD_DAYS:
        inquiry.problems.append(f"signatures are {age_days:.0f} days old: is freshclam running?")
    return version, age_days


def _age_days(date: str, clock: Callable[[], float]) -> float | None:
    """Give the days since `Sun Nov 22 09:30:10 2026`, in whatever zone clamd runs."""
    try:
        built = datetime.strptime(date, "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    except ValueError:
        return None
    return max(0.0, clock() - built.timestamp()) / _DAY_S


def _takes_descriptors(inquiry: _Inquiry) -> bool | None:
    if inquiry.server.kind != "unix":
        return None
    message = Message.of_octets(EICAR)
    try:
        client = clamav.client(inquiry.server, within_s=inquiry.deadline.remaining_s())
        if client.scan_descriptor(message.fd).said is Said.FOUND:
            return True
        reason = "it does not find EICAR that way"
    except (CheckFailed, OutOfTime) as failure:
        reason = str(failure)
    finally:
        message.close()
    inquiry.notes.append(f"takes no descriptors, so messages are sent as a stream: {reason}")
    return False


def _finds_eicar(inquiry: _Inquiry) -> bool:
    bare = inquiry.outcome(EICAR)
    mailed = inquiry.outcome(eicar_mail(0))
    clean = inquiry.outcome(_LINE)
    if bare is None or mailed is None or clean is None:
        return False
    if bare.outcome is not Outcome.FOUND:
        inquiry.problems.append("does not find EICAR: has it a database at all?")
    elif mailed.outcome is not Outcome.FOUND:
        inquiry.problems.append("does not find EICAR attached to a mail: set ScanMail yes")
    if clean.outcome is not Outcome.CLEAN:
        inquiry.problems.append(f"does not call a harmless line clean, but: {clean.detail}")
    return bare.outcome is Outcome.FOUND and mailed.outcome is Outcome.FOUND


def _padded(inquiry: _Inquiry, padding_octets: int) -> str:
    octets = eicar_mail(padding_octets)
    need = math.ceil(len(octets) / _MIB)
    settings = (
        f"raise MaxFileSize and StreamMaxLength to {need}M or more, MaxScanSize to {4 * need}M"
    )
    found = inquiry.outcome(octets)
    if found is None:
        return "failed"
    match found.outcome:
        case Outcome.FOUND:
            return "found"
        case Outcome.UNSCANNABLE:
            inquiry.problems.append(
                f"does not look at a mail of {need} MiB ({found.detail}): {settings}"
            )
            return "limit"
        case Outcome.CLEAN | Outcome.UNAVAILABLE:
            inquiry.problems.append(
                f"says OK to EICAR in a mail of {need} MiB: {settings}, set AlertExceedsMax yes"
            )
            return "clean"


def _alerts_exceeds_max(inquiry: _Inquiry) -> bool | None:
    """Ask about harmless zips in zips, deeper than any MaxRecursion: small, and over a limit."""
    found = inquiry.outcome(_nested(_LINE))
    if found is None:
        return None
    if found.outcome is Outcome.CLEAN:
        inquiry.problems.append(
            "says OK to what is above its limits: set AlertExceedsMax yes (and ScanArchive yes)"
        )
        return False
    return True if found.outcome is Outcome.UNSCANNABLE else None


def _nested(octets: bytes) -> bytes:
    for _ in range(_NESTED):
        octets = _stored(b"inner.zip", octets)
    return octets


def _stored(name: bytes, octets: bytes) -> bytes:
    """Give a zip with one member, not compressed (APPNOTE.TXT 4.3.7, 4.3.12, 4.3.16)."""
    version, no, date = 20, 0, 0x21  # 2.0; no flags, method, time, extra ...; 1980-01-01
    about = (version, no, no, no, date, zlib.crc32(octets), len(octets), len(octets), len(name))
    member = struct.pack("<4s5H3L2H", b"PK\3\4", *about, no) + name + octets
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", version, *about, no, no, no, no, no, no) + name
    end = struct.pack("<4s4H2LH", b"PK\5\6", no, no, 1, 1, len(entry), len(member), no)
    return member + entry + end
