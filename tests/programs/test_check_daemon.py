"""`qscanner check` and `qscanner policy load` with the real daemon."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import mails, resident
from tests.fakes.operator import call, metrics, qscanner
from tests.fakes.site import Site

RULE = """
[[rule]]
id = "{id}"
why = "x"
header = {{ subject = "no-such-subject" }}
action = "reject"
"""
MISTAKE = '[[rule]]\nid = "wrong"\nwhy = "x"\nvirus = "*"\naction = "rejekt"\n'


@pytest.fixture
def site(open_tmp: Path, fake_queue: Path) -> Site:
    """An installation with a daemon's socket in it, and one rule."""
    open_tmp.chmod(0o755)
    site = Site(open_tmp, fake_queue)
    resident.configure(site)
    site.policy(RULE.format(id="one"))
    return site


def daemon_items(site: Site) -> list[dict[str, Any]]:
    told = json.loads(qscanner(site, "check", "--json").output)["items"]
    return [item for item in told if item["area"] == "daemon"]


def test_it_is_up(site: Site) -> None:
    """Version, pid, workers, and that what is in force is what is on disk; then it is gone."""
    with resident.serving(site) as daemon:
        running, loaded = daemon_items(site)
        assert running["level"] == loaded["level"] == "ok"
        assert f"pid {daemon.pid}," in running["text"]
        assert "0 workers busy, 2 idle, 0 waiting" in running["text"]
        assert "1 rule" in loaded["text"]
        assert call(daemon, mails.text()).code == 0, "who asks takes no worker away"
    (gone,) = daemon_items(site)
    assert gone["level"] == "warning"


def test_a_change_is_seen_and_loaded(site: Site) -> None:
    """What was edited is a warning until it is loaded; load waits until it is in force."""
    with resident.serving(site):
        site.policy(RULE.format(id="one") + RULE.format(id="two"))
        _, loaded = daemon_items(site)
        assert loaded["level"] == "warning"
        assert loaded["todo"][0].startswith("policy changed on disk; not loaded yet: send SIGHUP")
        done = qscanner(site, "policy", "load")
        assert (done.exit_code, done.output[:18]) == (0, "in force: 2 rules,")
        _, loaded = daemon_items(site)
        assert loaded["level"] == "ok"
        assert "2 rules" in loaded["text"]
        again = qscanner(site, "policy", "load")
        assert again.output == done.output, "nothing has changed, and it was loaded all the same"


def test_a_mistake_is_told_and_changes_nothing(site: Site) -> None:
    """The old rules stay; load shows the mistakes at their places and ends with 2."""
    with resident.serving(site) as daemon:
        site.policy(MISTAKE)
        done = qscanner(site, "policy", "load")
        assert done.exit_code == 2
        assert 'did you mean "reject"?' in done.output
        assert "^~~~" in done.output
        assert "nothing was changed" in done.output
        daemon.wait_for("event=reload-failed")
        _, loaded = daemon_items(site)
        assert loaded["level"] == "warning"
        assert "the last reload failed" in loaded["todo"][0]
        assert call(daemon, mails.text()).code == 0
        site.policy(RULE.format(id="one"))
        assert qscanner(site, "policy", "load").exit_code == 0
        assert [item["level"] for item in daemon_items(site)] == ["ok", "ok"]


def test_a_test_that_fails_keeps_the_old_rules(site: Site) -> None:
    """Where the settings say so; log and load show which test it is, and what came instead."""
    failing = RULE.format(id="two") + '[[rule.test]]\nexpect.action = "reject"\n'
    with resident.serving(site) as daemon:
        text = site.file.read_text()
        site.file.write_text(text.replace("[policy]", "[policy]\ntest_before_reload = true"))
        site.policy(failing)
        done = qscanner(site, "policy", "load")
        assert done.exit_code == 2
        assert 'rule "two": test 1 fails: expected reject, got accept' in done.output
        assert "nothing was changed" in done.output
        daemon.wait_for("event=reload-failed")
        assert 'rule "two": test 1 fails: expected reject, got accept' in daemon.log
        subject = 'header.Subject = "no-such-subject"'
        site.policy(failing.replace("[[rule.test]]", f"[[rule.test]]\n{subject}"))
        assert qscanner(site, "policy", "load").exit_code == 0


def test_only_who_may(site: Site, uids: tuple[int | None, ...]) -> None:
    """A stranger may ask how it is, and cannot have it load anything."""
    uid = uids[0]
    if uid is None:
        return  # whoever runs this test is the one who may
    with resident.serving(site) as daemon:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            done = qscanner(site, "policy", "load")
            os.write(write, f"{done.exit_code} {done.output}".encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(write)
        with os.fdopen(read) as said:
            text = said.read()
        assert text.startswith("3 no permission to signal qscannerd"), text
        assert "reloaded" not in daemon.log


def test_servers_in_the_metrics(site: Site) -> None:
    """A scanner that is away is seen as such by whoever watches, until the settings forget it."""
    port = resident.free_port()
    virus = 'engines = ["clamav"]\n[virus.clamav]\nservers = ["unix:/nonexistent/clamd"]\n'
    address = f'metrics = "127.0.0.1:{port}"'
    with resident.serving(site, daemon=address, virus=virus) as daemon:
        assert 'qscanner_server_up{server="unix:/nonexistent/clamd"} 1.0' in metrics(port)
        assert call(daemon, mails.text()).code == 82
        assert 'qscanner_server_up{server="unix:/nonexistent/clamd"} 0.0' in metrics(port)
        resident.configure(site, daemon=address)
        assert qscanner(site, "policy", "load").exit_code == 0
        assert "qscanner_server_up{" not in metrics(port)
