"""The clerk of the real qscannerd: it keeps the books, and is nothing that mail waits for."""

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qscanner import config
from tests.fakes import mails, resident
from tests.fakes.holds import Hold, several
from tests.fakes.resident import Resident, serving, until
from tests.fakes.site import Site

RULE = """
[[rule]]
id = "lottery"
header = { X-Prize = "lottery" }
action = "quarantine"
"""
LOTTERY = mails.text(headers=b"X-Prize: lottery\n")


@pytest.fixture
def site(open_tmp: Path, fake_queue: Path) -> Site:
    """Give an installation with one rule that holds."""
    made = Site(open_tmp, fake_queue)
    made.policy(RULE)
    return made


@pytest.fixture
def daemon(site: Site) -> Iterator[Resident]:
    """Give a daemon with a clerk that expires every second."""
    with serving(site, books='expire_every = "1 s"\n[quarantine.keep]\npolicy = "1 d"') as one:
        until(lambda: clerk(one), "there is a clerk")
        yield one


def clerk(daemon: Resident) -> int:
    """Give the process id of the clerk, 0 where there is none."""
    found = [pid for pid in resident.children(daemon.pid) if resident.comm(pid) == "q-clerk"]
    return found[0] if found else 0


def indexed(site: Site) -> int:
    """Give how many messages the index knows, by a look that changes nothing."""
    path = site.quarantine / "index.sqlite"
    if not path.exists():
        return 0
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
    try:
        (count,) = connection.execute("SELECT count(*) FROM message").fetchone()
    except sqlite3.OperationalError:  # it is being made
        return 0
    finally:
        connection.close()
    return int(count)


def test_the_index_follows(site: Site, daemon: Resident) -> None:
    """What is held is in the index soon, though nobody lists anything."""
    assert daemon.call(LOTTERY).code == 0
    assert len(site.held()) == 1
    until(lambda: indexed(site) == 1, "the index knows it")


def test_expiry(site: Site, daemon: Resident) -> None:
    """Without cron: what is too old goes, after years also its name, and the log says so."""
    quarantine = config.load(str(site.file)).quarantine
    (old,) = several(1)
    old = replace(old, kept_at="2020-01-01T00:00:00Z", more={"class": "policy"})
    old.keep(quarantine)
    daemon.wait_for("event=expired expired=1 removed=1 forgotten=1")
    assert not (site.quarantine / f"{old.digest}.eml").exists()


def test_killed(site: Site, daemon: Resident) -> None:
    """Another one takes over, and mail has not noticed."""
    first = clerk(daemon)
    os.kill(first, signal.SIGKILL)
    assert daemon.call(LOTTERY).code == 0
    daemon.wait_for('event=clerk-died pid=[0-9]+ how="signal 9"')
    until(lambda: clerk(daemon) not in (0, first), "there is another")
    until(lambda: indexed(site) == 1, "the index knows it")


def test_a_damaged_index(site: Site, daemon: Resident) -> None:
    """It is told once, and mail is held all the same: the files are the truth."""
    daemon.call(LOTTERY)
    until(lambda: indexed(site) == 1, "there is an index")
    pid = clerk(daemon)
    os.kill(pid, signal.SIGSTOP)
    until(lambda: resident.is_stopped(pid), "it stands still")
    for name in ("index.sqlite", "index.sqlite-wal", "index.sqlite-shm"):
        (site.quarantine / name).unlink(missing_ok=True)
    (site.quarantine / "index.sqlite").write_bytes(b"damaged " * 1000)
    os.kill(pid, signal.SIGKILL)
    daemon.wait_for("event=clerk-waits")
    assert daemon.call(LOTTERY + b"another\n").code == 0
    assert len(site.held()) == 2


def test_it_leaves_with_the_daemon(daemon: Resident) -> None:
    """No process is left behind."""
    pid = clerk(daemon)
    daemon.signal(signal.SIGTERM)
    assert daemon.ended() == 0
    until(lambda: not resident.is_alive(pid), "the clerk has ended")


def test_a_digest_goes_out(site: Site) -> None:
    """From the quarantine to the recipient's mailbox, by the clock: clerk, outbox, injector."""
    at = time.strftime("%H:%M", time.localtime(time.time() - 180))
    books = f'[digest]\nto = ["@here.example"]\nat = ["{at}"]'
    kept_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 600))
    with serving(site, books=books, environment={"FAKE_QUEUE_DIR": str(site.queue_dir)}) as one:
        quarantine = config.load(str(site.file)).quarantine
        hold = Hold(to=(b"bob@here.example", b"eve@there.example"), kept_at=kept_at)
        hold.keep(quarantine)
        one.wait_for("event=digests-written letters=1")
        one.wait_for("event=notice-sent kind=digest")
    (letter,) = site.queued()
    assert letter.envelope == b"F\0Tbob@here.example\0\0"
    for word in (b"text/plain", b"text/html", hold.digest[:12].encode(), b"auto-generated"):
        assert word in letter.message
    assert b"eve@there.example" not in letter.message
