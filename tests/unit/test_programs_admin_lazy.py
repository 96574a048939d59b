"""programs.admin_lazy: what is not called is not loaded, and all that is named is there."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from qscanner.programs.admin import command


def _all(group: click.Group) -> list[click.Command]:
    context = click.Context(group)
    found = [group.get_command(context, name) for name in group.list_commands(context)]
    below = [one for each in found if isinstance(each, click.Group) for one in _all(each)]
    return [each for each in (*found, *below) if each is not None]


def test_all_that_is_named_is_there() -> None:
    """Under its own name."""
    assert len(_all(command)) > 20
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        assert found.name == name
    assert command.get_command(context, "nonsense") is None


@pytest.mark.parametrize("words", [(), ("quarantine",), ("policy",), ("emergency",)])
def test_the_help_says_whole_sentences(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each command, in 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    told = CliRunner().invoke(command, [*words, "--help"]).output.partition("Commands:")[2]
    lines = told.strip("\n").splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line.endswith("...")]


@pytest.mark.parametrize("heavy", ["sqlalchemy", "qscanner.importers", "rich.markdown", "alembic"])
def test_what_is_not_called_is_not_loaded(heavy: str) -> None:
    """The command alone loads neither database nor readers of old rules."""
    code = f"import sys, qscanner.programs.admin; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_list_waits_for_no_policy() -> None:
    """What lists held mail loads neither rules nor history."""
    code = (
        "import sys, qscanner.store.store, qscanner.programs.admin_quarantine_list\n"
        "sys.exit(any(each in sys.modules for each in ('re2', 'qscanner.history')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
