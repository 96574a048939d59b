"""zip_members: locks that words of the message open, and those they do not. See test_archives."""

import zlib

import pytest

from qscanner import zip_members
from qscanner.budget import Budget, Member
from qscanner.model import Finding
from qscanner.settings import Limits
from tests.fakes.packed import EICAR, written

BOTH = ["archive.encrypted", "archive.opened-with-word"]


def opened(content: bytes, *words: str, tries: int = 1000) -> tuple[list[Member], list[Finding]]:
    budget = Budget.of(Limits())
    budget.words, budget.tries = lambda: words, tries
    found = list(zip_members.members(content, budget, is_hidden=False))
    return (
        [each for each in found if isinstance(each, Member)],
        [each for each in found if isinstance(each, Finding)],
    )


def locked(encryption: str = "zipcrypt", *files: tuple[str, bytes]) -> bytes:
    files = files or (("a.com", EICAR),)
    return written("zip", *files, options=f"zip:encryption={encryption}", password="sesame")


@pytest.mark.parametrize("encryption", ["zipcrypt", "aes128", "aes256"])
def test_opened(encryption: str) -> None:
    """With the word the octets are there; encrypted it stays, and the word is not told."""
    (member,), findings = opened(locked(encryption), "many", "words", "sesame", "more")
    assert (member.names, member.content) == (("a.com",), EICAR)
    assert member.is_encrypted
    assert member.is_hidden
    assert [finding.id for finding in findings] == BOTH
    assert "sesame" not in str(findings)


@pytest.mark.parametrize(
    ("words", "tries"),
    [
        pytest.param((), 1000, id="no words"),
        pytest.param(("wrong", "as well"), 1000, id="wrong words"),
        pytest.param(("wrong", "sesame"), 1, id="too many tries"),
    ],
)
def test_not_opened(words: tuple[str, ...], tries: int) -> None:
    """The name is there, the octets are not."""
    (member,), findings = opened(locked(), *words, tries=tries)
    assert (member.names, member.content, member.is_encrypted) == (("a.com",), b"", True)
    assert [finding.id for finding in findings] == ["archive.encrypted"]


def test_a_word_that_fits_by_chance() -> None:
    """One octet of the lock is compared: the checksum decides."""
    members, _ = opened(locked(), *(f"w{number}" for number in range(190)), "sesame")
    assert members[0].content == EICAR


def test_several_members() -> None:
    """The word that opened one is tried first for the next."""
    files = [(f"{number}.txt", b"%d" % number * 50) for number in range(20)]
    members, _ = opened(locked("aes256", *files), *(f"w{n}" for n in range(40)), "sesame")
    assert [(member.names[0], member.content) for member in members] == files


def test_odd_methods_are_hidden() -> None:
    """What clamd cannot decode is looked at by itself."""
    plain = written("zip", ("a", b"text" * 50))
    assert [member.is_hidden for member in opened(plain)[0]] == [False]
    assert zlib.crc32(b"text" * 50) == zlib.crc32(opened(plain)[0][0].content)
