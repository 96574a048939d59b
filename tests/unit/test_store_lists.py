"""Who is allowed: read again when it changed, most exact first. More is in fakes/vault.py."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from qscanner.model import Listed
from qscanner.store.lists import MAX_OCTETS, Damaged, Lists, Looked, Unreadable, _from
from qscanner.store.words import Entry
from tests.fakes import child
from tests.fakes.listing import entry


def test_read_when_it_changed() -> None:
    """As long as the version stays the same, nothing is read."""
    reads = list[int]()
    version = [1]

    def read() -> list[Entry]:
        reads.append(version[0])
        return [entry("a@x", "")]

    lists = Lists(lambda: version[0], read)
    for _ in range(3):
        assert lists.allowed(b"A@X", b"b@y")
    version[0] = 2
    assert lists.allowed(b"a@x", b"b@y")
    assert reads == [1, 2]


@pytest.mark.parametrize(
    ("pairs", "want"),
    [
        ([("@x", ""), ("a@x", "")], "a@x>"),
        ([("a@x", ""), ("@x", "b@y")], "@x>b@y"),
        ([("a@x", "@y"), ("@x", "b@y")], "@x>b@y"),
        ([("c@x", ""), ("@z", "")], None),
    ],
    ids=["address-before-domain", "recipient-before-all", "and-before-its-domain", "nobody"],
)
def test_the_most_exact(pairs: list[tuple[str, str]], want: str | None) -> None:
    """What says it most exactly counts."""
    lists = Lists(lambda: 1, lambda: [entry(*pair) for pair in pairs])
    found = lists.find(b"a@x", b"b@y")
    assert (found.id if found else None) == want


@pytest.mark.parametrize("address", [b"", b"\xff@\xff", b"a@b@c", b"@", b"no-domain"])
def test_odd_addresses(address: bytes) -> None:
    """Whatever strangers send is looked up."""
    assert Lists(lambda: 1, lambda: [entry("a@x", "")]).find(address, address) is None


def looked(*entries: Entry, now: float = 0.0) -> Lists:
    return Lists(lambda: 1, lambda: entries, clock=lambda: now)


def test_for_each_recipient() -> None:
    """In their order, with words for people; the same entry is the same value."""
    lists = looked(
        entry("@x", "b@y"), replace(entry("a@x", "@z", is_allowed=False), why="no", until=9)
    )
    found = lists.look(b"a@x", (b"b@y", b"c@y", b"c@Z", b"d@z"))
    ann, _, no, again = found.listed
    assert ann == Listed(id="@x>b@y", is_allowed=True, told="allowed @x for b@y, by ann")
    assert found.listed[1] is None
    assert no is again
    assert no
    assert not no.is_allowed
    assert no.told.startswith("blocked a@x for @z until 1970-01-01")
    assert no.told.endswith(", by ann: no")
    assert lists.look(b"a@x", ()) == lists.look(b"a@x", (b"c@y",)) == Looked()
    assert lists.look(b"a@w", (b"b@y",)) == Lists.nobody().look(b"a@x", (b"b@y",)) == Looked()


@pytest.mark.parametrize("who", ["", "ann", "ann q@h:1:2"])
def test_who_said_so(who: str) -> None:
    """A name, without host and process; nobody, where nobody is known."""
    (found,) = looked(replace(entry("a@x", ""), by=who)).look(b"a@x", (b"b@y",)).listed
    assert found
    assert found.told == "allowed a@x for all" + (", by ann" if who else "")


def test_its_time_is_looked_at_each_time() -> None:
    """Once it is over, the next one counts; a block that is over hides no allowance."""
    now = [5.0]
    entries = [
        replace(entry("a@x", "b@y", is_allowed=False), until=10.0),
        entry("a@x", "b@y"),
        replace(entry("@x", ""), until=5.0),
    ]
    lists = Lists(lambda: 1, lambda: entries, clock=lambda: now[0])
    assert lists.find(b"a@x", b"b@y") == entries[0]
    assert lists.find(b"c@x", b"b@y") is None
    now[0] = 10.0
    assert lists.find(b"a@x", b"b@y") == entries[1]


@pytest.mark.parametrize("sender", ["", "@", "@x", "@."])
def test_the_null_sender_is_nobody(sender: str) -> None:
    """Bounces are neither allowed nor blocked, whatever stands there."""
    assert looked(entry(sender, "")).find(b"", b"b@y") is None


@pytest.mark.parametrize("address", [b"A@x.", b"a@X..", b"a@x"])
def test_one_address_has_many_spellings(address: bytes) -> None:
    """As rules have it: case, and dots at the end, make no other address."""
    lists = looked(entry("a@x.", "a@X"))
    assert lists.find(address, address)


FOLDERS = [None, "file", "missing"]


@pytest.mark.parametrize("what", FOLDERS)
def test_a_file_that_is_missing(what: str | None, tmp_path: Path) -> None:
    """It lists nobody; so does one whose folder is none."""
    folder = tmp_path / what if what else tmp_path
    if what == "file":
        folder.write_text("")
    assert Lists.of_folder(str(folder)).look(b"a@x", (b"b@y",)) == Looked()


def written(*, octets: bytes | None = None, **said: object) -> bytes:
    one = {**asdict(entry("a@x", "")), **said}
    return json.dumps({"entries": [one]}).encode() if octets is None else octets


DAMAGED = {
    "empty": b"",
    "half": b'{"entries": [',
    "no-object": b"[]",
    "no-list": b'{"entries": 7}',
    "no-entry": b'{"entries": ["x"]}',
    "a-key-less": b'{"entries": [{}]}',
    "deep": b"[" * 100_000,
    "no-text": written(sender=None),
    "no-time": written(until="x"),
    "endless-time": written(until=10**400),
    "no-word": written(is_allowed=1),
    "not-utf-8": b'{"entries": ["\xff"]}',
    "large": b" " * (MAX_OCTETS + 1),
}


@pytest.mark.parametrize("octets", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file(octets: bytes, tmp_path: Path) -> None:
    """It allows nobody and says so, each time; once it is written anew it counts."""
    lists = Lists.of_folder(str(tmp_path))
    (tmp_path / "lists").write_bytes(octets)
    for _ in range(2):
        found = lists.look(b"a@x", (b"b@y",))
        assert (found.listed, f"{tmp_path}/lists is" in found.trouble) == ((), True)
    assert lists.find(b"a@x", b"b@y") is None
    (tmp_path / "new").write_bytes(written(more="of a later version"))
    (tmp_path / "new").rename(tmp_path / "lists")
    assert lists.allowed(b"a@x", b"b@y")
    assert not lists.look(b"a@x", (b"b@y",)).trouble


def test_a_damaged_file_is_read_once(tmp_path: Path) -> None:
    """As any other: until it changes, a look costs a stat."""
    reads = list[int]()

    def read() -> list[Entry]:
        reads.append(1)
        raise Damaged("it is")

    lists = Lists(lambda: 1, read)
    assert [lists.look(b"a@x", (b"b@y",)).trouble for _ in range(3)] == ["it is"] * 3
    assert len(reads) == 1


def test_what_cannot_be_read_now(tmp_path: Path) -> None:
    """Nothing that was read before counts, and the next message tries again."""
    (tmp_path / "lists").write_bytes(written())
    lists = Lists.of_folder(str(tmp_path))
    assert lists.find(b"a@x", b"b@y")
    (tmp_path / "lists").unlink()
    (tmp_path / "lists").mkdir()
    assert lists.look(b"a@x", (b"b@y",)) == Looked(trouble=f"{tmp_path}/lists is no file")
    assert lists.find(b"a@x", b"b@y") is None
    (tmp_path / "lists").rmdir()
    (tmp_path / "lists").symlink_to("lists")
    assert "cannot be read" in lists.look(b"a@x", (b"b@y",)).trouble
    (tmp_path / "lists").unlink()
    assert lists.look(b"a@x", (b"b@y",)) == Looked()


def test_it_may_go_between_stat_and_open(tmp_path: Path) -> None:
    """Gone is gone; what cannot be opened is not to be read."""
    path = tmp_path / "lists"
    assert _from(str(path)) == []
    path.mkdir()
    with pytest.raises(Unreadable, match="cannot be read"):
        _from(str(path))


LIGHT = """
import sys
before = set(sys.modules)
import qscanner.bench
heavy = {"sqlalchemy", "alembic", "sqlite3", "psycopg", "click", "rich", "email"}
print(sorted(heavy & set(sys.modules) - before))
"""


def test_importing_them_costs_nothing(tmp_path: Path) -> None:
    """Whoever scans loads no database for them."""
    assert child.said(child.run(LIGHT, tmp_path)).strip() == "[]"
