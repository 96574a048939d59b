"""Holding under attack: 0 only where a whole copy is kept, and the record names all it is for."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes import mails
from tests.fakes.caller import Setting, envelope
from tests.fakes.site import Site

ONE, TWO = b"one@quiet.example", b"two@example.com"
TO_BOTH = envelope(b"a@example.org", ONE, TWO)
RULE = '[[rule]]\nid = "q"\nwhy = "a test"\n'
FOR_ONE = RULE + 'when = { to = ["@quiet.example"] }\naction = "quarantine"\n'
FOR_ALL = RULE + 'when = { direction = "in" }\naction = "quarantine"\n'
REFUSED = RULE + 'when = { direction = "in" }\naction = "reject"\nkeep = true\n'
DISCARDED = RULE + 'when = { direction = "in" }\naction = "discard"\nkeep = true\n'


@pytest.fixture
def site(open_tmp: Path, fake_queue: Path) -> Site:
    """Give an installation with the embedded engine and the shipped policies."""
    return Site(open_tmp, fake_queue)


def _held_for(site: Site) -> list[bytes]:
    return [
        to["address"].encode()
        for record in site.held()
        for to in record["envelope"]["recipients"]
        if to["action"] == "quarantine"
    ]


@pytest.mark.parametrize(
    ("first", "code"), [(FOR_ONE, 53), (REFUSED, 82), (DISCARDED, 0)], ids=["53", "82", "0"]
)
def test_a_try_is_held_for_more_than_the_one_before(site: Site, first: str, code: int) -> None:
    """The record of an earlier try of the same message names whom that one was held for.

    The first try ended with another answer for somebody (the queue was full, or the rules were
    others); now 0 is said for all, so all must be in the record: whoever releases goes by it.
    """
    site.policy(first)
    assert site.call(mails.text(), TO_BOTH, FAKE_QUEUE_EXIT="53").code == code
    assert len(site.held()) == 1
    site.policy(FOR_ALL)
    assert site.call(mails.text(), TO_BOTH).code == 0
    assert _held_for(site) == [ONE, TWO]
    assert site.held()[0]["action"] == "quarantine"
    assert not site.queued()


def test_held_for_one_and_then_for_another(site: Site) -> None:
    """Who was held for at an earlier try stays held for."""
    site.policy(FOR_ONE)
    assert site.call(mails.text(), TO_BOTH, FAKE_QUEUE_EXIT="53").code == 53
    site.policy(FOR_ONE.replace("quiet.example", "example.com"))
    assert site.call(mails.text(), TO_BOTH).code == 0
    assert _held_for(site) == [ONE, TWO]
    assert site.queued()[0].envelope == envelope(b"a@example.org", ONE)


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _other(file: Path) -> None:
    file.write_bytes(b'{"action": "quarantine"}')


def _link(file: Path) -> None:
    file.symlink_to("/dev/null")


@pytest.mark.parametrize("plant", [_empty, _other, _link, os.mkfifo])
def test_what_stands_under_the_name_is_no_copy(site: Site, plant: Callable[[Path], None]) -> None:
    """A file that only bears the digest, damaged or a neighbour's joke, is not answered for."""
    site.call(mails.locked())
    name = site.held()[0]["digest"]
    for ending in ("eml", "json"):
        file = site.quarantine / f"{name}.{ending}"
        file.unlink()
        plant(file)
    result = site.call(mails.locked())
    assert result.code == 0, result
    assert (site.quarantine / f"{name}.eml").read_bytes() == mails.locked()
    assert _held_for(site) == [b"b@example.com"]
    assert not site.left()


@pytest.mark.parametrize("umask", [0o777, 0o077, 0], ids=oct)
def test_the_callers_umask_is_not_ours(
    site: Site, umask: int, uids: tuple[int | None, ...]
) -> None:
    """A hold is for owner and group to read, and the next try finds it."""
    setting = Setting(umask=umask, uid=uids[0])
    assert [site.call(mails.locked(), setting=setting).code for _ in range(2)] == [0, 0]
    modes = {stat.S_IMODE(file.stat().st_mode) for file in site.quarantine.iterdir()}
    assert modes == {0o640}
