"""Entries that allow or block senders, and the file in which scans find them.

Called by  tests of store.lists, scan, and of the commands that scan.
"""

import json
from dataclasses import asdict
from pathlib import Path

from qscanner.store.words import Entry


def entry(sender: str, recipient: str = "", *, is_allowed: bool = True) -> Entry:
    """Give an entry of ann's, without an end; its id is "SENDER>RECIPIENT"."""
    return Entry(
        id=f"{sender}>{recipient}",
        is_allowed=is_allowed,
        sender=sender,
        recipient=recipient,
        until=None,
        why="",
        by="ann cli@host:1:2",
        at=0.0,
    )


def put(folder: Path, *entries: Entry) -> None:
    """Write the file of a quarantine as the store does."""
    text = json.dumps({"entries": [asdict(each) for each in entries]})
    (folder / "new").write_text(text)
    (folder / "new").rename(folder / "lists")
