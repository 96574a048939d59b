"""The emergency switch with the real daemon and the real queue program, and no clamd anywhere."""

import json
from pathlib import Path

import pytest

from tests.fakes import mails, resident
from tests.fakes.operator import call, metrics, qscanner
from tests.fakes.site import Site

DEAD = 'engines = ["clamav", "yara"]\n[virus.clamav]\nservers = ["unix:/nonexistent/clamd"]\n'
RULE = "default.emergency-accept-unscanned"


@pytest.fixture
def site(open_tmp: Path, fake_queue: Path) -> Site:
    """An installation whose clamd is dead; YARA is there, and finds what it finds."""
    open_tmp.chmod(0o755)  # the switch lies beside the socket, where not everybody may write
    site = Site(open_tmp, fake_queue)
    resident.configure(site, virus=DEAD)
    return site


def switch_on(site: Site, duration: str = "30m") -> None:
    done = qscanner(
        site, "emergency", "accept-unscanned", "--for", duration, "--why", "clamd is broken"
    )
    assert done.exit_code == 0, done.output


def test_while_it_is_in_force(site: Site) -> None:
    """Mail that waited passes; header, log, metrics and check say so; then it waits again."""
    port = resident.free_port()
    with resident.serving(site, daemon=f'metrics = "127.0.0.1:{port}"', virus=DEAD) as daemon:
        assert call(daemon, mails.text()).code == 82
        assert "qscanner_emergency_seconds 0.0" in metrics(port)
        switch_on(site)
        assert call(daemon, mails.text()).code == 0
        (queued,) = site.queued()
        line = next(
            each for each in queued.message.split(b"\n") if each.startswith(b"X-Qscanner: ")
        )
        assert f"rules={RULE}".encode() in line
        assert b"virus=unavailable" in line
        logged = daemon.wait_for(f"event=message.*rules={RULE}")
        assert 'emergency="until ' in logged
        assert "clamd is broken" in logged
        left_s = float(metrics(port).split("\nqscanner_emergency_seconds ")[1].split()[0])
        assert 1700 < left_s <= 1800
        said = qscanner(site, "emergency")
        assert (said.exit_code, "clamd is broken" in said.output) == (1, True)
        items = json.loads(qscanner(site, "check", "--json").output)["items"]
        (item,) = (each for each in items if each["area"] == "emergency")
        assert item["level"] == "warning"
        assert "until " in item["text"]
        assert "root" in item["text"] or "by " in item["text"]
        assert "clamd is broken" in item["text"]
        assert qscanner(site, "emergency", "off").output == "switched off\n"
        assert call(daemon, mails.text()).code == 82
        assert "emergency=" not in daemon.wait_for("event=message", times=3)


@pytest.mark.parametrize(
    ("octets", "code", "held"),
    [
        pytest.param(mails.infected(), 82, 0, id="found-stays-refused"),
        pytest.param(mails.locked(), 0, 1, id="unscannable-stays-held"),
    ],
)
def test_nothing_else_passes(site: Site, octets: bytes, code: int, held: int) -> None:
    """What one engine found is refused, and what can never be scanned is held, as always."""
    switch_on(site)
    with resident.serving(site, virus=DEAD) as daemon:
        result = call(daemon, octets)
    assert result.code == code, result
    assert (result.text[:1] == b"D") == (code == 82)
    assert len(site.held()) == held
    assert site.queued() == []


def test_it_ends_by_itself(site: Site) -> None:
    """When the time is over nobody has to do anything."""
    with resident.serving(site, virus=DEAD) as daemon:
        switch_on(site, "1500 ms")
        assert call(daemon, mails.text()).code == 0
        resident.until(lambda: call(daemon, mails.text()).code == 82, "it is over")
    assert qscanner(site, "emergency").exit_code == 0


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut"),
        pytest.param(b'{"since":0.0,"until":9e99,"who":"x","why":"y"}', id="for-ever"),
    ],
)
def test_a_broken_file_is_not_in_force(site: Site, octets: bytes) -> None:
    """Mail waits, the log says why the switch did not count, and so does check."""
    (site.folder / "emergency.json").write_bytes(octets)
    with resident.serving(site, virus=DEAD) as daemon:
        assert call(daemon, mails.text()).code == 82
        daemon.wait_for('event=message.*emergency="not in force: ')
        assert qscanner(site, "emergency").exit_code == 2
        items = json.loads(qscanner(site, "check", "--json").output)["items"]
    assert [each["level"] for each in items if each["area"] == "emergency"] == ["warning"]


def test_without_the_daemon(site: Site) -> None:
    """The queue program that scans by itself heeds it as well."""
    assert site.call(mails.text()).code == 82
    switch_on(site)
    result = site.call(mails.text())
    assert result.code == 0, result
    assert RULE.encode() in site.queued()[0].message
