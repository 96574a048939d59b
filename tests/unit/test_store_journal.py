"""The journal: lines that survive, readers that stop in time, locks that end with their holder."""

import os
import threading
from pathlib import Path

import pytest

from qscanner.outcomes import DiskFull, Later
from qscanner.store import journal
from qscanner.store.journal import Journal
from qscanner.store.words import Arrived, Entry, Event, Gone, Listed, Moved, State, Unlisted
from tests.fakes import child

ENTRY = Entry(
    id="1", is_allowed=True, sender="@x", recipient="", until=None, why="\u202e", by="b", at=1.5
)
EVENTS: list[Event] = [
    Arrived(at=1.0, digest="ab", is_fresh=True),
    Moved(
        at=2.0,
        digest="ab",
        places=(0, 3),
        addresses=("a\n@x", "\u00fc@y"),
        before=(State.HELD, State.HELD),
        after=State.RELEASING,
        by="ann",
        via="v",
        why='"',
    ),
    Gone(at=3.0, digests=("ab", "cd")),
    Listed(entry=ENTRY),
    Unlisted(at=4.0, id="1", by="ann", via="v"),
]


def read(one: Journal, start: int = 0) -> list[Event | None]:
    return [event for event, _ in one.events(start)][:-1]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_a_line(event: Event) -> None:
    """What is written is read, in one line of ASCII."""
    octets = journal.line(event)
    assert b"\n" not in octets
    assert octets.isascii()
    assert journal.event(octets) == event


@pytest.mark.parametrize(
    "octets",
    [b"{", b"[]", b"{}", b'{"event":"x"}', b'{"event":"arrived"}', b'{"begun":3}', b"\xff", b"1"],
)
def test_what_is_no_line(octets: bytes) -> None:
    """Damage is no event, and no exception."""
    assert journal.event(octets) is None


def test_from_where_it_was(tmp_path: Path) -> None:
    """A reader goes on behind what it has read, and never into half a line."""
    one = Journal(str(tmp_path))
    one.append(*EVENTS[:2])
    *_, (_, at) = one.events(0)
    assert at == one.size
    one.append(*EVENTS[2:])
    assert read(one, at) == EVENTS[2:]
    with open(tmp_path / "journal", "ab") as file:
        file.write(b'\n{"event":"arrived","at":1.0,"dig')
    *_, (_, end) = one.events(at)
    assert end < one.size
    one.append(EVENTS[0])
    assert read(one, end) == [None, EVENTS[0]], "half a line spoils no other"
    one.close()


def test_many_writers(tmp_path: Path) -> None:
    """Lines of several who append at once are all there, and whole."""

    def work(number: int) -> None:
        one = Journal(str(tmp_path))
        for at in range(50):
            one.append(Arrived(at=float(at), digest=str(number), is_fresh=False))
        one.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(15)
    one = Journal(str(tmp_path))
    found = read(one)
    one.close()
    assert len(found) == 200
    assert None not in found


def test_a_lock_is_of_one_message(tmp_path: Path) -> None:
    """Another waits for the same message, not for others, and no longer than it is told."""
    first, second = Journal(str(tmp_path)), Journal(str(tmp_path))
    assert first.lock("ab")
    with second.locked("cd", within_s=0.1):
        pass
    with pytest.raises(Later, match="being worked on"), second.locked("ab", within_s=0.02):
        pass
    first.close()
    with second.locked("ab", within_s=0.1):
        pass
    second.close()


def test_rewritten(tmp_path: Path) -> None:
    """Events are left out for good; who has the old file open goes on with the new one."""
    one, other = Journal(str(tmp_path)), Journal(str(tmp_path))
    one.append(*EVENTS)
    assert one.number == 0
    one.rewrite(lambda event: not isinstance(event, Moved), within_s=1.0)
    assert one.number > 0
    with other.locked("ab", within_s=1.0):
        other.append(EVENTS[0])
    assert other.number == one.number
    found = [each for each in read(one) if each is not None]
    assert found == [EVENTS[0], *EVENTS[2:], EVENTS[0]]
    with other.locked("ab", within_s=1.0), pytest.raises(Later, match="too busy"):
        one.rewrite(lambda _: True, within_s=0.02)
    one.close()
    other.close()


@pytest.mark.parametrize("kind", ["no-folder", "a-link", "a-folder"])
def test_no_journal(kind: str, tmp_path: Path) -> None:
    """What cannot be opened, or is none, is "later"."""
    folder = tmp_path / "q"
    if kind != "no-folder":
        folder.mkdir()
    if kind == "a-link":
        (folder / "journal").symlink_to(tmp_path / "elsewhere")
    if kind == "a-folder":
        (folder / "journal").mkdir()
    with pytest.raises(Later):
        Journal(str(folder))


FULL = """
import resource, sys
from qscanner.outcomes import QScannerError
from qscanner.store.journal import Journal
from qscanner.store.words import Arrived
one = Journal(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try: one.append(Arrived(at=1.0, digest="ab", is_fresh=True))
except QScannerError as error: print(error.ending.name)
"""


def test_no_room(tmp_path: Path) -> None:
    """A line that finds no room is no line, and said so."""
    assert child.said(child.run(FULL, tmp_path)).strip() == DiskFull.ending.name
    one = Journal(str(tmp_path))
    one.append(EVENTS[0])
    assert read(one) == [None, EVENTS[0]]
    one.close()


def test_whose_it_is(tmp_path: Path) -> None:
    """It is closed to others, and belongs to whom the folder belongs."""
    if os.getuid() == 0:
        os.chown(tmp_path, 12001, 12001)
    Journal(str(tmp_path)).close()
    found = os.stat(tmp_path / "journal")
    assert found.st_mode & 0o137 == 0
    assert found.st_uid == os.stat(tmp_path).st_uid
