"""The history with the real daemon and the real clients: what was sent is found by its names."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import mails
from tests.fakes.caller import Setting
from tests.fakes.operator import qscanner
from tests.fakes.resident import serving
from tests.fakes.site import Site

SPAM = b"Subject: win\nMessage-ID: <held@example.org>\n\nbuy now\n"
RULES = """
[[rule]]
id = "subject"
why = "We do not win"
header = { Subject = "win" }
action = "quarantine"
"""


@pytest.fixture
def site(open_tmp: Path, fake_queue: Path) -> Site:
    """Give an installation that holds a certain subject."""
    made = Site(open_tmp, fake_queue)
    made.policy(RULES)
    made.settings(books="")
    return made


def told(site: Site, *words: str) -> list[dict[str, Any]]:
    """Give what `qscanner log --json` says."""
    done = qscanner(site, "log", "--json", *words)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.output.splitlines()]


def test_what_was_sent_is_found(site: Site) -> None:
    """By the id in the X-Qscanner line, by Message-ID and by qp; and it is in the numbers."""
    with serving(site, books="") as daemon:
        result = daemon.call(mails.text())
        assert result.code == 0, result
        held = daemon.call(SPAM)
        assert held.code == 0, held
        daemon.wait_for("event=message", times=2)
    assert not [line for line in daemon.lines if "history-not-written" in line]
    (queued,) = site.queued()
    scan = queued.message.partition(b" id=")[2].split()[0].decode()
    for name in (scan, "<1@example.org>", str(result.pid)):
        (one,) = told(site, name)
        assert (one["id"], one["pid"], one["message_id"]) == (scan, result.pid, "1@example.org")
        assert (one["verdict"], one["ending"], one["host"]) == (
            "accept",
            "accepted",
            "mx.example.com",
        )
    (one,) = told(site, "held@example.org")
    assert (one["held"]["state"], one["rules"]) == ("held", ["subject"])
    assert [each["id"] for each in told(site)] == [one["id"], scan]
    done = qscanner(site, "stats", "--json")
    assert json.loads(done.output)["messages"] == 2
    assert sorted(os.listdir(site.quarantine)) == sorted(
        ["index.sqlite", "journal", f"{one['digest']}.eml", f"{one['digest']}.json"]
        + [name for name in os.listdir(site.quarantine) if name.startswith("index.sqlite-")]
    )


@pytest.mark.parametrize("kind", ["c", "python"])
def test_without_a_daemon(kind: str, hurried: dict[str, Path], site: Site) -> None:
    """The client that scans by itself writes down the same, where it may."""
    site.ours = hurried[kind]
    result = site.call(mails.text())
    assert result.code == 0, result
    (one,) = told(site, str(result.pid))
    assert one["message_id"] == "1@example.org"


def test_a_client_that_may_not_write(
    hurried: dict[str, Path], site: Site, uids: tuple[int | None, ...]
) -> None:
    """Its mail goes its way, nothing is said, and the history has it not."""
    site.quarantine.chmod(0o755 if uids[0] is not None else 0o555)
    site.ours = hurried["python"]
    result = site.call(mails.text(), setting=Setting(uid=uids[0]))
    assert result.code == 0, result
    assert b"history" not in result.stderr
    assert os.listdir(site.quarantine) == []
    assert qscanner(site, "log", str(result.pid)).exit_code == 1


def test_many_at_the_same_time(site: Site) -> None:
    """Each message is in it once, whichever worker had it, while others take it in."""
    with serving(site, books="") as daemon, ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(daemon.call, mails.text()) for _ in range(20)]
        while not all(each.done() for each in waiting):
            told(site)
        results = [each.result() for each in waiting]
    assert {result.code for result in results} == {0}
    assert sorted(each["pid"] for each in told(site)) == sorted(each.pid for each in results)
