"""store.lists_file: what scans read of who is allowed and blocked."""

from pathlib import Path

from qscanner.store import lists_file
from qscanner.store.lists import NAME, Lists
from qscanner.store.words import Entry

ENTRY = Entry(
    id="1",
    is_allowed=True,
    sender="ann@x",
    recipient="",
    until=None,
    why='be"cause\u202e',
    by="bob here",
    at=1.0,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Whole, also over what stood there; nothing else is left in the folder."""
    lists_file.write(str(tmp_path), [ENTRY])
    lists = Lists.of_folder(str(tmp_path))
    assert lists.find(b"ann@x", b"joe@y") == ENTRY
    lists_file.write(str(tmp_path), [])
    assert lists.find(b"ann@x", b"joe@y") is None
    assert [each.name for each in tmp_path.iterdir()] == [NAME]
