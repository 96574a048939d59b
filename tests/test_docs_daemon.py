"""docs/metrics.md, docs/daemon.md and the events of docs/log.md say what the code does."""

import ast
import re
from pathlib import Path

import click
import pytest
from prometheus_client.metrics import MetricWrapperBase

from qscanner import metrics
from qscanner.programs.admin import command
from qscanner.settings import Settings
from qscanner.worker import CRASHES

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
ROW = re.compile(r"\| `qscanner_(\w+)` \| (\w+) \| (.*?) ?\| (.*) \|")


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def documented() -> dict[str, tuple[str, list[str]]]:
    rows = (ROW.fullmatch(line) for line in page("metrics.md").splitlines())
    return {row[1]: (row[2], re.findall(r"`(\w+)`", row[3])) for row in rows if row}


def test_every_metric_and_label() -> None:
    """Names, types and labels, and no others."""
    counters = metrics._counters()
    found = {
        metric._name.removeprefix("qscanner_"): (metric._type, list(metric._labelnames))
        for metric in vars(counters).values()
        if isinstance(metric, MetricWrapperBase)
    }
    assert documented() == found


def _words(function: str) -> set[str]:
    """Give the literal words that the code calls a method of this name with."""
    calls = (
        node
        for file in (ROOT / "qscanner").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == function
    )
    return {
        each.value
        for call in calls
        for argument in call.args
        for each in ast.walk(argument)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }


def test_every_event_of_the_metrics() -> None:
    """Each event that is counted is explained in the row of qscanner_events."""
    row = next(line for line in page("metrics.md").splitlines() if "`qscanner_events`" in line)
    explained = set(re.findall(r"`([a-z-]+)`", row)) - {"event"}
    assert explained == _words("event")


def test_every_event_of_the_log() -> None:
    """docs/log.md names each event that anything of ours writes."""
    written = {
        value.value
        for file in (ROOT / "qscanner").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "event"
        if isinstance(value, ast.Constant) and isinstance(value.value, str)
    }
    text = page("log.md")
    named = set(re.findall(r"^## event=([a-z-]+)", text, re.MULTILINE))
    named |= set(re.findall(r"^\| `event=([a-z-]+)`", text, re.MULTILINE))
    assert named == written


def test_the_commands_are_there() -> None:
    """Every `qscanner ...` of the page is a command."""
    found = re.findall(r"(?:^|`|\()qscanner ([a-z][a-z -]*)", page("daemon.md"), re.MULTILINE)
    assert len(found) > 6
    for line in found:
        one: click.Command | None = command
        for name in line.split():
            if not isinstance(one, click.Group):
                break  # what follows is prose
            one = one.get_command(click.Context(one), name)
        assert one is not None, line


@pytest.mark.parametrize(
    "word",
    [
        CRASHES,
        Settings().queue.spool,
        Settings().quarantine.dir,
        str(Path(Settings().daemon.socket).parent),
        "default.emergency-accept-unscanned",
    ],
)
def test_names_are_as_in_the_code(word: str) -> None:
    """Folders and ids that an admin will look for."""
    assert word in page("daemon.md")
