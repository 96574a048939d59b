"""Who is allowed: read again when it changed, most exact first. More is in fakes/vault.py."""

from pathlib import Path

import pytest

from qscanner.store.lists import Lists
from qscanner.store.words import Entry


def entry(sender: str, recipient: str, *, is_allowed: bool = True) -> Entry:
    return Entry(
        id=f"{sender}>{recipient}",
        is_allowed=is_allowed,
        sender=sender,
        recipient=recipient,
        until=None,
        why="",
        by="",
        at=0.0,
    )


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


@pytest.mark.parametrize("octets", [None, b"", b"{", b'{"entries": [{}]}'])
def test_a_file_that_is_none(octets: bytes | None, tmp_path: Path) -> None:
    """It lists nobody."""
    if octets is not None:
        (tmp_path / "lists").write_bytes(octets)
    assert Lists.of_folder(str(tmp_path)).find(b"a@x", b"b@y") is None
