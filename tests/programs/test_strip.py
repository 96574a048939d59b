"""Parts taken out by the real qscanner-queue: what is queued, and the original that is held."""

import re
from pathlib import Path

import pytest

from tests.fakes import clients, mails
from tests.fakes.caller import envelope
from tests.fakes.site import Site, below_our_lines

RULE = """
[[rule]]
id = "programs"
why = "Programs are taken out"
when = { to = "@example.com" }
part = { kind = "pe" }
action = "accept"
strip = true
"""
PROGRAM = b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0" + b"\xb8" + bytes(200)
MESSAGE = mails.attached("setup.bin", PROGRAM)


@pytest.fixture(params=["c", "python"])
def site(request: pytest.FixtureRequest, open_tmp: Path, fake_queue: Path) -> Site:
    """Give an installation with one rule, called through both installed programs."""
    made = Site(open_tmp, fake_queue, clients.installed(request.param))
    made.policy(RULE)
    return made


def kept(site: Site) -> list[bytes]:
    """Give the messages in quarantine."""
    return [file.read_bytes() for file in site.quarantine.glob("*.eml")]


def test_stripped_and_held(site: Site) -> None:
    """The rest goes on octet for octet; the text names the file in which the original lies."""
    result = site.call(MESSAGE)
    assert (result.code, result.text) == (0, b""), result
    (queued,) = site.queued()
    got = below_our_lines(queued.message)
    before, after = MESSAGE.split(b"Content-Type: application/octet-stream;")[0], b"\n--b1--\n"
    assert got.startswith(before)
    assert got.endswith(after)
    text = got[len(before) : len(got) - len(after)]
    assert b"setup.bin" in text
    assert b"in the quarantine of mx.example.com as" in text
    (held,) = site.held()
    named = re.search(rb"\n\n    ([0-9a-f]{64})\n\n", text)
    assert named
    assert named[1].decode() == held["digest"]
    assert kept(site) == [MESSAGE]
    assert [each["rule"] for each in held["stripped"]] == ["programs"]
    assert b" verdict=accept " in result.stderr
    assert b" stripped=2/setup.bin " in result.stderr
    assert not site.left()


def test_a_retry_is_the_same(site: Site) -> None:
    """The sender who did not hear the answer tries again: one original, the same text."""
    for _ in range(2):
        assert site.call(MESSAGE).code == 0
    first, second = (below_our_lines(each.message) for each in site.queued())
    assert first == second
    assert len(site.held()) == 1


def test_without_a_quarantine_it_is_later(site: Site) -> None:
    """Nothing is taken out of a message that cannot be kept."""
    site.quarantine.rename(site.folder / "elsewhere")
    result = site.call(MESSAGE)
    assert result.text.startswith(b"Z"), result
    assert not site.queued()


def test_some_get_it_whole(site: Site) -> None:
    """One recipient whom no rule meets gets it as it came; for the other it is held."""
    result = site.call(MESSAGE, envelope(b"ann@example.org", b"a@example.com", b"b@other.example"))
    assert result.code == 0, result
    (queued,) = site.queued()
    assert below_our_lines(queued.message) == MESSAGE
    assert queued.envelope == b"Fann@example.org\0Tb@other.example\0\0"
    assert [each["action"] for each in site.held()[0]["envelope"]["recipients"]] == [
        "quarantine",
        "accept",
    ]


def test_an_infected_one_is_not_merely_stripped(site: Site) -> None:
    """A rule that strips says nothing about viruses."""
    site.policy(RULE.replace('kind = "pe"', "name = 'eicar'"))
    result = site.call(mails.infected())
    assert result.code == 0
    assert not site.queued()
    assert [each["action"] for each in site.held()] == ["quarantine"]


def test_a_large_one(site: Site) -> None:
    """30 MB of attachment, spooled on disk, with the rest on both sides of it."""
    site.settings(virus="engines = []")
    message = mails.attached("setup.bin", PROGRAM + bytes(22_000_000))
    assert site.call(message).code == 0
    (queued,) = site.queued()
    assert len(queued.message) < 2500
    assert kept(site) == [message]
