"""programs.admin_emergency: `qscanner emergency`."""

import json
import time
from pathlib import Path

import pytest

from tests.fakes.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give an installation whose switch lies in its own folder."""
    tmp_path.chmod(0o755)
    desk = Desk(tmp_path)
    desk.settings(daemon=f'socket = "{tmp_path}/s"')
    return desk


def test_on_and_off(desk: Desk) -> None:
    """What is on is told with who, why and until when, and ends with 1: monitoring sees it."""
    assert desk.run("emergency").exit_code == 0
    done = desk.run("emergency", "accept-unscanned", "--for", "30m", "--why", "clamd is broken")
    assert (done.exit_code, "clamd is broken" in done.output) == (0, True)
    told = json.loads((desk.folder / "emergency.json").read_text())
    assert told["until"] - told["since"] == 1800
    assert abs(told["since"] - time.time()) < 60
    done = desk.run("emergency")
    assert done.exit_code == 1
    assert "clamd is broken" in done.output
    assert desk.run("emergency", "off").output == "switched off\n"
    assert desk.run("emergency", "off").output == "there was no emergency\n"
    assert desk.run("emergency").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--for", "25h", "--why", "x"), id="more-than-a-day"),
        pytest.param(("--for", "soon", "--why", "x"), id="no-time"),
        pytest.param(("--for", "30", "--why", "x"), id="no-unit"),
        pytest.param(("--for", "0s", "--why", "x"), id="nothing"),
        pytest.param(("--for", "30m"), id="no-why"),
        pytest.param(("--for", "30m", "--why", " "), id="empty-why"),
        pytest.param(("--why", "x"), id="no-for"),
    ],
)
def test_usage(desk: Desk, words: tuple[str, ...]) -> None:
    """Ends with 2, and nothing is switched."""
    assert desk.run("emergency", "accept-unscanned", *words).exit_code == 2
    assert not (desk.folder / "emergency.json").exists()


@pytest.mark.parametrize("duration", ["24h", "90 s", "30min", "30 m", "1 d", "500ms"])
def test_durations(desk: Desk, duration: str) -> None:
    """As in the settings, and m for minutes as people type it."""
    done = desk.run("emergency", "accept-unscanned", "--for", duration, "--why", "x")
    assert done.exit_code == 0, done.output


def test_no_folder(desk: Desk) -> None:
    """Without the daemon's folder there is nothing to switch, and the page is named."""
    desk.settings(daemon='socket = "/nonexistent/folder/s"')
    done = desk.run("emergency", "accept-unscanned", "--for", "30m", "--why", "x")
    assert done.exit_code == 2
    assert "no folder /nonexistent/folder" in done.output


def test_hostile_terminal(desk: Desk) -> None:
    """What somebody wrote as a reason cannot speak to the terminal of another admin."""
    desk.run("emergency", "accept-unscanned", "--for", "30m", "--why", "x\x1b]0;y\x07\u202e")
    done = desk.run("emergency")
    assert "\x1b" not in done.output
    assert "\u202e" not in done.output


def test_broken(desk: Desk) -> None:
    """A file that does not count is said to be so; it can be switched off."""
    (desk.folder / "emergency.json").write_text("{")
    done = desk.run("emergency")
    assert done.exit_code == 2
    assert "not in force" in done.output
    assert desk.run("emergency", "off").exit_code == 0
    assert desk.run("emergency").exit_code == 0
