"""Allowed and blocked senders, with the real qscanner-queue and qscannerd: from one message on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from qscanner.policy.listed import REPLY
from qscanner.settings import Quarantine
from qscanner.store.store import Store
from qscanner.store.words import Filter, Held, State, Who
from tests.fakes import caller, mails
from tests.fakes.caller import Result
from tests.fakes.resident import Resident, serving
from tests.fakes.site import Site, below_our_lines

ANN, BOB, EVE = b"ann@sender.example", b"bob@here.example", b"eve@here.example"
RULES = """
[[rule]]
id = "lottery"
why = "Somebody always wins"
header = { X-Kind = "lottery" }
action = "quarantine"

[[rule]]
id = "infected"
virus = "*"
action = "reject"
"""
LOTTERY = mails.text(headers=b"X-Kind: lottery\n")
ME = Who(name="me", via="test@here:1:1")


@pytest.fixture
def site(open_tmp: Path, fake_queue: Path) -> Site:
    """Give an installation that holds lotteries."""
    made = Site(open_tmp, fake_queue)
    made.policy(RULES)
    return made


@pytest.fixture
def daemon(site: Site) -> Iterator[Resident]:
    """Give a daemon of one worker, which has seen mail before anybody is listed."""
    with serving(site, daemon="workers = 1") as one:
        yield one


def sent(daemon: Resident, message: bytes = LOTTERY, *to: bytes, sender: bytes = ANN) -> Result:
    """Hand a message of ann's to the real queue program, which asks the daemon."""
    site = daemon.site
    return site.call(
        message,
        caller.envelope(sender, *(to or (BOB,))),
        QSCANNER_SOCKET=str(daemon.path),
        QSCANNER_SPOOL=str(site.spool),
    )


def opened_store(site: Site) -> Store:
    return Store.open(Quarantine(dir=str(site.quarantine)))


def held(site: Site) -> list[Held]:
    with opened_store(site) as store:
        return list(store.search(Filter(state=State.HELD)))


def listed(site: Site, *, is_allowed: bool, sender: str = ANN.decode(), to: str = "") -> str:
    """Do what a review does; give the id."""
    with opened_store(site) as store:
        return store.write_entry(
            is_allowed=is_allowed, sender=sender, recipient=to, until=None, why="asked", by=ME
        ).id


def test_what_was_held_passes_from_now_on(daemon: Resident) -> None:
    """The next message of one who is allowed is queued, octet for octet, and the log says why."""
    site = daemon.site
    assert sent(daemon).code == 0
    assert len(held(site)) == 1
    id_ = listed(site, is_allowed=True)
    result = sent(daemon)
    assert (result.code, result.reply[:6]) == (0, "250 ok")
    (one,) = site.queued()
    assert below_our_lines(one.message) == LOTTERY
    assert b"rules=default.allowed" in one.message
    line = daemon.wait_for("verdict=accept rules=default.allowed")
    assert f" listed={id_} " in line
    assert f"allowed ann@sender.example for all, by me: asked (entry {id_}), over lottery" in line
    with opened_store(site) as store:
        store.remove_entry(id_, by=ME)
    assert sent(daemon, LOTTERY, EVE).code == 0
    assert len(site.queued()) == 1
    assert len(held(site)) == 2


def test_a_block_refuses(daemon: Resident) -> None:
    """While the sender is there, with words."""
    assert sent(daemon, mails.text()).code == 0
    listed(daemon.site, is_allowed=False, sender="@sender.example", to=BOB.decode())
    result = sent(daemon, mails.text())
    assert result.code == 82
    assert result.text == b"D%s (#5.7.1)" % REPLY.encode()
    assert sent(daemon, mails.text(), EVE).code == 0
    assert len(daemon.site.queued()) == 2
    assert sent(daemon, mails.text(), sender=b"").code == 0, "a bounce is of no domain"


def test_a_virus_is_refused_whoever_sends_it(daemon: Resident) -> None:
    """An entry says nothing about it."""
    listed(daemon.site, is_allowed=True)
    result = sent(daemon, mails.infected())
    assert result.code == 82
    assert b"virus" not in result.text
    assert result.text.startswith(b"D")
    daemon.wait_for("verdict=reject rules=infected")
    assert daemon.site.queued() == []


def test_one_allows_and_the_other_does_not(daemon: Resident) -> None:
    """One gets it, the other's is held."""
    site = daemon.site
    listed(site, is_allowed=True, to=BOB.decode())
    assert sent(daemon, LOTTERY, BOB, EVE).code == 0
    (one,) = site.queued()
    assert one.envelope == b"F%s\0T%s\0\0" % (ANN, BOB)
    (hold,) = held(site)
    assert [each.address for each in hold.of(State.HELD)] == [EVE.decode()]


def test_blocked_for_one_of_two_is_held(daemon: Resident) -> None:
    """One answer for both: so it is held for who does not want it, as policy, not as spam."""
    site = daemon.site
    listed(site, is_allowed=False, to=BOB.decode())
    assert sent(daemon, mails.text(), BOB, EVE).code == 0
    (one,) = site.queued()
    assert one.envelope == b"F%s\0T%s\0\0" % (ANN, EVE)
    (hold,) = held(site)
    assert (hold.class_.value, hold.rules) == ("policy", ("default.blocked",))
    assert [each.address for each in hold.of(State.HELD)] == [BOB.decode()]


def test_without_a_daemon_too(site: Site) -> None:
    """Who scans by itself reads the same file."""
    listed(site, is_allowed=False)
    result = site.call(mails.text(), caller.envelope(ANN, BOB))
    assert (result.code, REPLY.encode() in result.text) == (82, True)


def test_damaged_lists_put_nothing_off(daemon: Resident) -> None:
    """Nobody is allowed, nothing is deferred, and each line of the log says that it is so."""
    listed(daemon.site, is_allowed=True)
    assert sent(daemon).code == 0
    assert len(daemon.site.queued()) == 1
    (daemon.site.quarantine / "lists").write_bytes(b"{")
    assert sent(daemon).code == 0
    assert len(daemon.site.queued()) == 1
    assert "findings=lists.unreadable" in daemon.wait_for("verdict=quarantine rules=lottery")
