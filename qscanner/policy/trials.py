"""Tests beside the rules as values: a message, what else is known of it, and what should follow.

Called by  policy.rules holds them, policy.trial_tables reads them; rehearsal runs them.
Careful    an `eml` is a path inside the policies folder; it was there when the rules were read,
           and is only opened when the test is run.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

from qscanner.model import Action, Direction, Proven, Score

SENDER = b"stranger@sender.example"
RECIPIENT = b"postmaster@localhost"
_NOBODY = Proven()


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosed:
    """An attachment, or a member of a zip archive. `filler` is how many NULs follow the octets."""

    name: str = ""
    type: str = "application/octet-stream"
    octets: bytes = field(default=b"", repr=False)
    filler: int = 0
    is_zip: bool = False
    members: tuple["Enclosed", ...] = ()  # of the archive that it is then
    is_encrypted: bool = False  # of an archive: its members have a password


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """A message and whoever brings it: a file, or made up; and facts that are said directly.

    `headers` stand in the place of those that a made-up message has; () leaves one out. None of
    `text` and `html` is not the same as empty. `virus` is its name, "" for none.
    """

    eml: str = ""
    sender: bytes = SENDER
    recipients: tuple[bytes, ...] = (RECIPIENT,)
    ip: str = ""
    auth: str = ""
    is_relay: bool = False
    direction: Direction | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    at: datetime.time = datetime.time(12)
    headers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    text: str | None = None
    html: str | None = None
    attached: tuple[Enclosed, ...] = ()
    findings: tuple[str, ...] = ()
    virus: str = ""
    spam: Score | None = None
    proven: Proven = _NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What should follow. `action` None: whatever; `rule` "": the rule that has the test.

    `part` is the path or a name of the part that the rule meets, `reply` what the reply has in it.
    """

    action: Action | None = None
    rule: str = ""
    is_hit: bool = True
    part: str = ""
    reply: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One [[rule.test]]; `number` (from 0) is its place below the rule."""

    number: int
    specimen: Specimen
    expected: Expected
