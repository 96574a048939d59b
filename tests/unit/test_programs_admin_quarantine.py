"""programs.admin_quarantine: the group and what it holds together."""

from pathlib import Path

import pytest

from qscanner.settings import Quarantine
from tests.fakes.desk import Desk
from tests.fakes.holds import Hold


@pytest.mark.parametrize(
    "words",
    [("list",), ("audit",), ("verify",), ("rebuild",), ("expire",), ("show", "ab")],
    ids=lambda words: words[0],
)
def test_settings_that_cannot_be_used(words: tuple[str, ...], tmp_path: Path) -> None:
    """Every subcommand tells of them, and ends with 2."""
    desk = Desk(tmp_path)
    desk.file.write_text("[nonsense]\n")
    done = desk.run("quarantine", *words)
    assert done.exit_code == 2
    assert "nonsense" in done.output


def test_from_the_first_hold_to_the_end(tmp_path: Path) -> None:
    """One message goes through the whole of it."""
    desk = Desk(tmp_path)
    hold = Hold()
    hold.keep(Quarantine(dir=str(tmp_path / "quarantine")))
    id_ = hold.digest[:12]
    ends = [
        desk.run("quarantine", *words).exit_code
        for words in (
            ("list",),
            ("show", id_),
            ("release", id_, "--recipient", "joe@example.com"),
            ("delete", id_, "--why", "spam"),
            ("verify",),
            ("rebuild",),
            ("expire",),
        )
    ]
    assert ends == [0] * 7
    told = desk.run("quarantine", "audit", id_).output
    assert "joe@example.com  releasing -> released" in told
    assert "sue@example.net  held -> deleted" in told
