"""`qscanner check` against real clamds and a real spamd."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import mails
from tests.fakes.desk import Desk
from tests.real.servers import Running

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give an installation."""
    return Desk(tmp_path)


def clamav(*servers: str) -> str:
    """Give the settings of clamds at these places."""
    return f'engines = ["clamav"]\n[virus.clamav]\nservers = {json.dumps(servers)}'


def check(desk: Desk) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """Give the exit code of the check, and its items by area."""
    done = desk.run("check", "--json")
    found: dict[str, list[dict[str, Any]]] = {}
    for item in json.loads(done.stdout)["items"]:
        found.setdefault(item["area"], []).append(item)
    return done.exit_code, found


@pytest.mark.parametrize("way", ["unix", "tcp"])
def test_a_clamd_that_sees(desk: Desk, clamd: Running, way: str) -> None:
    """EICAR is found, also behind 30 MB, and nothing is to be done."""
    desk.settings(virus=clamav(getattr(clamd, way).text))
    code, found = check(desk)
    assert code == 0, found
    assert "finds EICAR, also behind 30 MiB" in found["clamav"][0]["text"]
    assert "reject (infected" in found["scan"][0]["text"]


def test_a_clamd_that_is_blind(desk: Desk, blind_clamd: Running) -> None:
    """A clamd that says OK to what is above its limits is an error that names the limits."""
    desk.settings(virus=clamav(blind_clamd.unix.text))
    code, found = check(desk)
    assert code == 2
    item = found["clamav"][0]
    assert "BLIND behind 30 MiB" in item["text"]
    todo = " ".join(item["todo"])
    for limit in ("MaxFileSize", "MaxScanSize", "StreamMaxLength", "AlertExceedsMax"):
        assert limit in todo


def test_one_of_several(desk: Desk, clamd: Running) -> None:
    """Each server of the list is asked: a dead second one is down, though mail is scanned."""
    desk.settings(virus=clamav(clamd.tcp.text, "tcp:127.0.0.1:1"))
    code, found = check(desk)
    assert code == 3
    assert [item["level"] for item in found["clamav"]] == ["ok", "down"]


def test_a_spamd(desk: Desk, spamd: Running) -> None:
    """GTUBE gets a score above the threshold, on every way to the server."""
    servers = json.dumps([spamd.unix.text, spamd.tcp.text])
    desk.settings(spam=f'scorer = "spamd"\n[spam.spamd]\nservers = {servers}')
    code, found = check(desk)
    assert code == 0, found
    assert [item["level"] for item in found["spam"]] == ["ok", "ok"]
    assert all("GTUBE scores 1" in item["text"] for item in found["spam"])


@pytest.mark.parametrize(
    ("mail", "action"),
    [(mails.text, "accept"), (mails.infected, "reject"), (mails.locked, "quarantine")],
    ids=["clean", "infected", "encrypted"],
)
def test_scan_with_everything_real(
    desk: Desk, clamd: Running, spamd: Running, mail: Callable[[], bytes], action: str
) -> None:
    """`qscanner scan` asks both servers and decides by the shipped rules."""
    desk.settings(
        virus=clamav(clamd.unix.text),
        spam=f'scorer = "spamd"\n[spam.spamd]\nservers = ["{spamd.tcp.text}"]',
    )
    done = desk.run("scan", "--json", desk.mail(mail()))
    told = json.loads(done.stdout)
    assert told["action"] == action
    assert {"virus", "spam"} == set(told["checks"])
    assert isinstance(told["checks"]["spam"]["score"], float)
