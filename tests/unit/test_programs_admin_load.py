"""programs.admin_load where there is no daemon; with a real one: programs/test_check_daemon.py."""

from pathlib import Path

import pytest

from tests.fakes.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give an installation without a daemon."""
    desk = Desk(tmp_path)
    desk.settings(daemon=f'socket = "{tmp_path}/s"')
    return desk


def test_nobody_to_ask(desk: Desk) -> None:
    """Ends with 3, and names the socket."""
    done = desk.run("policy", "load")
    assert done.exit_code == 3
    assert f"qscannerd is not running ({desk.folder}/s)" in done.output


def test_settings_with_mistakes(desk: Desk) -> None:
    """Are told at once, and nobody is asked."""
    desk.settings(limits="tim = 1")
    done = desk.run("policy", "load")
    assert done.exit_code == 2
    assert "tim" in done.output
