"""The file of who is allowed and blocked, written: what `lists` reads for each message.

Called by  local and shared.
Ends       when it is durable; raises DiskFull or Later.
Careful    a scan believes it: it belongs to the owner of the folder, whom nobody else may imitate.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict

from qscanner.intake import write_all
from qscanner.quarantine import given_to_owner
from qscanner.spool import write_durably
from qscanner.store.lists import NAME
from qscanner.store.words import Entry


def write(folder: str, entries: Iterable[Entry]) -> None:
    """Put these entries in the place of those that stand there."""
    octets = json.dumps({"entries": [asdict(each) for each in entries]}).encode("ascii")

    def fill(fd: int) -> None:
        given_to_owner(fd, folder)
        write_all(fd, octets)

    write_durably(folder, NAME, fill)
