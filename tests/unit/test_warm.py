"""Warming up: afterwards a scan loads nothing more, and YARA's clock still runs in a fork."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qscanner import config, warm
from qscanner.bench import Bench
from qscanner.log import Log
from tests.fakes.site import ROOT, Site


@pytest.fixture
def site(open_tmp: Path, fake_queue: Path) -> Site:
    """Give an installation with the embedded engine."""
    return Site(open_tmp, fake_queue)


_FORKED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from qscanner import client, config, dispatcher, worker
from qscanner.bench import Bench
from qscanner.codec import envelope
from qscanner.deadline import Deadline
from qscanner.log import Log
from qscanner.report import Mail
from qscanner.scan import scan
from qscanner.spool import Message
from qscanner.warm import warm
from tests.fakes import mails
bench = Bench.of(config.load(sys.argv[2]))
octets = eval(sys.argv[3])
warm(bench, Log("stderr"), is_worker=False)
assert len(os.listdir("/proc/self/task")) == 1, "a thread does not survive a fork"
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
before = set(sys.modules)
decoder = envelope.Decoder()
decoder.feed(b"Fa@example.org\\0Tb@example.com\\0\\0")
mail = Mail(
    message=Message.of_octets(octets), envelope=decoder.finish(), client=client.of(0, {}, ())
)
report = scan(mail, bench, Deadline(2.5))
print(report.verdict.action.value, report.facts.virus.outcome.value)
print(sorted(set(sys.modules) - before))
sys.stdout.flush()
os._exit(0)
"""


def _forked(site: Site, message: str) -> list[str]:
    """Warm up, fork, scan in the fork; give the verdict, and what was imported for it."""
    command = [sys.executable, "-c", _FORKED, str(ROOT), str(site.file), message]
    done = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


MESSAGES = [
    pytest.param("mails.text()", "accept clean", id="text"),
    pytest.param("mails.infected()", "reject found", id="infected"),
    pytest.param("mails.locked()", "quarantine clean", id="locked-zip"),
    pytest.param("mails.attached('a.zip', mails.zipped(a__html=b'x'))", "accept clean", id="zip"),
]


@pytest.mark.parametrize(("message", "wanted"), MESSAGES)
def test_nothing_is_left_to_load(site: Site, message: str, wanted: str) -> None:
    """The first message of a fork imports no module."""
    assert _forked(site, message) == [wanted, "[]"]


def test_a_slow_rule_has_a_limit_in_the_fork(site: Site) -> None:
    """YARA's timeout works in a process that was forked after the warming up.

    Regression: the thread that watches the clock is started once, with the first timeout; had that
    been before the fork, a slow rule would keep a worker until it is killed.
    """
    rules = site.folder / "slow.yar"
    rules.write_text("rule slow { condition: for all i in (0..90000000000) : (i != -1) }")
    site.settings(virus=f'engines = ["yara"]\nyara.rules = ["{rules}"]')
    assert _forked(site, "mails.text()")[0].endswith(" unscannable")


def test_trouble_is_said(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    """What goes wrong is logged, and the daemon starts all the same."""
    bench = Bench.of(config.load(str(site.file)))
    warm.warm(bench, Log("stderr"), is_worker=True)  # opens libmagic
    before = len(os.listdir("/proc/self/fd"))
    warm.warm(bench, Log("stderr"), is_worker=True)
    assert capfd.readouterr().err == ""
    assert len(os.listdir("/proc/self/fd")) == before
    object.__setattr__(bench, "policy", None)
    warm.warm(bench, Log("stderr"), is_worker=False)
    assert "bug: AttributeError" in capfd.readouterr().err
