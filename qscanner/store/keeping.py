"""Keeping a message in the store: where the settings say, durable before anybody is answered.

Called by  handover, for what is held and for copies a rule asks for.
Ends       when it is durable and the journal has a line of it, or the database the message; raises
           DiskFull, Later, or Unusable where PostgreSQL is asked for and cannot be used.
Careful    nothing heavy: with files, the index is somebody else's work, and whether it is locked,
           broken or missing does not matter here.
"""

import os
import time
from collections.abc import Mapping
from typing import Any

from qscanner import quarantine
from qscanner.settings import Quarantine
from qscanner.spool import Message
from qscanner.store.journal import Journal
from qscanner.store.words import Arrived

_WITHIN_S = 20.0  # for another who keeps or removes the same message


def keep(settings: Quarantine, digest: str, message: Message, record: Mapping[str, Any]) -> bool:
    """Make message and record durable under the digest, and known to the index.

    Gives whether it is held now for somebody for whom it was not held before.
    """
    if settings.database:
        from qscanner.store.shared import keep as keep_shared  # SQLAlchemy: for those who want it

        return keep_shared(settings, digest, message, record)
    journal = Journal(settings.dir)
    try:
        with journal.locked(digest, within_s=_WITHIN_S):
            is_fresh = not os.path.exists(os.path.join(settings.dir, f"{digest}.json"))
            is_more = quarantine.keep(settings.dir, digest, message, record)
            # Each time: he who was killed after the files, and before this, was not answered.
            journal.append(Arrived(at=time.time(), digest=digest, is_fresh=is_fresh))
    finally:
        journal.close()
    return is_more
