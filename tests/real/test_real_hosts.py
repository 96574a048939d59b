"""Two hosts, each with its real daemon and clients, that share one quarantine in PostgreSQL."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import caller, mails
from tests.fakes.operator import qscanner
from tests.fakes.resident import Resident, serving, until
from tests.fakes.site import Site
from tests.real.postgres import Postgres

pytestmark = pytest.mark.real

RULE = """
[[rule]]
id = "lottery"
header = { X-Prize = "lottery" }
action = "quarantine"
"""
LOTTERY = mails.text(headers=b"X-Prize: lottery\n")
ENVELOPE = caller.envelope(b"ann@sender.example", b"bob@here.example")


@pytest.fixture
def hosts(
    postgres: Postgres, open_tmp: Path, fake_queue: Path
) -> Iterator[tuple[Resident, Resident]]:
    """Give two daemons with a folder each and one database."""
    database = postgres.made(f"t{os.urandom(6).hex()}")
    books = f'database = "{database}"'
    sites = []
    for name in ("here", "there"):
        (open_tmp / name).mkdir()
        sites.append(Site(open_tmp / name, fake_queue))
        sites[-1].policy(RULE)
        sites[-1].settings(books=books)
    with serving(sites[0], books=books) as one, serving(sites[1], books=books) as other:
        yield one, other


def told(host: Resident, *words: str) -> list[dict[str, Any]]:
    """Give what a command prints on this host as JSON."""
    done = qscanner(host.site, *words, "--json")
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.output.splitlines()]


def sent(host: Resident, message: bytes) -> caller.Result:
    """Hand a message to this host."""
    return host.site.call(
        message,
        ENVELOPE,
        QSCANNER_SOCKET=str(host.path),
        QSCANNER_SPOOL=str(host.site.spool),
    )


def test_held_here_released_there(
    hosts: tuple[Resident, Resident], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one holds the other lists and releases, octet for octet, and only once."""
    here, there = hosts
    assert sent(here, LOTTERY).code == 0
    (held,) = told(there, "quarantine", "list")
    monkeypatch.setenv("FAKE_QUEUE_DIR", str(there.site.queue_dir))
    wrapper = there.site.folder / "queue-program"
    folder = there.site.queue_dir
    wrapper.write_text(f"#!/bin/sh\nFAKE_QUEUE_DIR={folder} exec {there.site.program}\n")
    wrapper.chmod(0o755)
    text = there.site.file.read_text()
    there.site.file.write_text(text.replace(str(there.site.program), str(wrapper), 1))
    assert qscanner(there.site, "quarantine", "release", held["id"]).exit_code == 0
    (queued,) = there.site.queued()
    assert (queued.message, queued.envelope) == (LOTTERY, ENVELOPE)
    again = qscanner(here.site, "quarantine", "release", held["id"])
    assert again.exit_code == 1
    assert "released already" in again.output
    assert here.site.queued() == []
    assert here.site.held() == [], "nothing lies in the folders"


def test_blocked_here_refused_there(hosts: tuple[Resident, Resident]) -> None:
    """The clerk of each host has the lists from the database within seconds."""
    here, there = hosts
    assert sent(there, mails.text()).code == 0
    done = qscanner(here.site, "quarantine", "block", "ann@sender.example")
    assert done.exit_code == 0, done.output
    assert sent(here, mails.text(b"another\n")).code == 82
    lists = there.site.quarantine / "lists"
    until(lambda: lists.exists() and b"ann@sender" in lists.read_bytes(), "the other knows it")
    assert sent(there, mails.text(b"a third\n")).code == 82


def test_one_history(hosts: tuple[Resident, Resident]) -> None:
    """Messages of both are found from either, each with its host's numbers."""
    here, there = hosts
    results = [sent(here, mails.text()), sent(there, mails.text(b"another\n"))]

    def is_known() -> bool:
        return {each["pid"] for each in told(here, "log")} == {each.pid for each in results}

    until(is_known, "both are in the history")
    (numbers,) = told(there, "stats")
    assert numbers["messages"] == 2
