"""programs.admin_quarantine_store: ids, times, and asking first."""

import datetime
import io
import sys
import time
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from qscanner.programs.admin import command
from qscanner.programs.admin_quarantine_store import Bar, moment, short_at, tell
from qscanner.settings import Quarantine
from tests.fakes.desk import Desk
from tests.fakes.holds import Hold, several


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give an installation."""
    return Desk(tmp_path)


def kept(desk: Desk, *holds: Hold) -> None:
    """Hold messages."""
    for hold in holds:
        hold.keep(Quarantine(dir=str(desk.folder / "quarantine")))


def test_an_id_that_means_nothing(desk: Desk) -> None:
    """All such are told, in one run, safe to look at; nothing is done; ends with 2."""
    hold = Hold()
    kept(desk, hold)
    done = desk.run("quarantine", "delete", "--yes", hold.digest[:12], "zz\x1b[31m", "qq")
    assert done.exit_code == 2
    assert 'begins with "zz\\x1b[31m"' in done.output
    assert 'begins with "qq"' in done.output
    assert '"held"' in desk.run("quarantine", "list", "--json").output


def test_an_id_that_means_several(desk: Desk) -> None:
    """The candidates are told, each so that it can be told from the others; ends with 2."""
    holds = several(40)
    kept(desk, *holds)
    first = holds[0].digest[0]
    same = [hold.digest for hold in holds if hold.digest.startswith(first)]
    assert len(same) > 1
    done = desk.run("quarantine", "show", first)
    assert done.exit_code == 2
    assert f'several ids begin with "{first}"' in done.output
    assert all(digest[:12] in done.output for digest in same[:5])


def test_the_id_in_the_log(desk: Desk) -> None:
    """It is an id, too; and who names a message twice means it once."""
    hold = Hold()
    kept(desk, hold)
    done = desk.run("quarantine", "delete", f"log-{hold.digest[:6]}", hold.digest[:8])
    assert done.exit_code == 0
    assert done.output == f"deleted {hold.digest[:12]}\n"


@pytest.mark.parametrize(
    ("given", "want"),
    [(None, False), ("n\n", False), ("y\n", True)],
    ids=["no answer", "no", "yes"],
)
def test_more_than_one_is_asked_for(desk: Desk, given: str | None, want: bool) -> None:
    """The count is told; without a yes nothing is done, and the end is 1."""
    holds = several(3)
    kept(desk, *holds)
    ids = [hold.digest[:12] for hold in holds]
    octets = given.encode() if given else None
    done = desk.run("quarantine", "delete", *ids, given=octets)
    assert "delete 3 messages?" in done.output
    assert done.exit_code == (0 if want else 1)
    left = desk.run("quarantine", "list", "--json", "--state", "held").output
    assert len(left.splitlines()) == (0 if want else 3)


def test_a_recipient_that_is_nobodys(desk: Desk) -> None:
    """It is told before anything is done; ends with 2."""
    one, other = several(2)
    other = replace(other, to=(b"ann@example.net",))
    kept(desk, one, other)
    words = (one.digest[:12], other.digest[:12], "--yes", "--recipient", "joe@example.com")
    done = desk.run("quarantine", "delete", *words)
    assert done.exit_code == 2
    assert f"{other.digest[:12]}: it is not held for joe@example.com" in done.output
    assert '"deleted"' not in desk.run("quarantine", "list", "--json").output


@pytest.mark.parametrize(
    ("text", "ago"),
    [("2h", 7200), ("30m", 1800), ("30 min", 1800), ("3d", 259_200), ("1.5 h", 5400)],
)
def test_so_long_ago(text: str, ago: float) -> None:
    """A time span is one that ends now."""
    assert told(text) == pytest.approx(time.time() - ago, abs=20)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("2026-11-23T02:00:00Z", datetime.datetime(2026, 11, 23, 2, tzinfo=datetime.UTC)),
        ("2026-11-23 02:00+01:00", datetime.datetime(2026, 11, 23, 1, tzinfo=datetime.UTC)),
        ("2026-11-23", datetime.datetime(2026, 11, 23).astimezone()),
        ("2026-11-23 14:00", datetime.datetime(2026, 11, 23, 14).astimezone()),
    ],
)
def test_a_date(text: str, want: datetime.datetime) -> None:
    """A date is one of here, unless it says of where."""
    assert told(text) == want.timestamp()


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "5", "0001-01-01", "x\x1b[31m"])
def test_no_time(text: str) -> None:
    """What cannot be meant is refused."""
    with pytest.raises(click.BadParameter, match="is no time") as caught:
        told(text)
    assert "\x1b" not in str(caught.value)


def test_what_was_typed_is_told() -> None:
    """Not what was made of it."""
    with pytest.raises(click.BadParameter, match=r'^"99:00" is no time'):
        told("99:00")


def told(text: str) -> float | None:
    option = click.Option(["--since"])
    return moment(click.Context(click.Command("x")), option, text)


def test_the_year_is_told_where_it_is_another() -> None:
    """In as many columns."""
    assert short_at(0) in ("1970-01-01", "1969-12-31")
    assert len(short_at(time.time())) == 11


def test_completion(desk: Desk) -> None:
    """A shell is offered ids: the latest, or those that begin so; none where there is trouble."""
    holds = several(3)
    kept(desk, *holds)

    def offered(begin: str, config: str = str(desk.file)) -> set[str]:
        shell = ShellComplete(command, {}, "qscanner", "_QSCANNER_COMPLETE")
        words = ["--config", config, "quarantine", "show"]
        return {each.value for each in shell.get_completions(words, begin)}

    assert offered("") == {hold.digest[:12] for hold in holds}
    assert offered(holds[0].digest[:10]) == {holds[0].digest[:12]}
    assert offered("zz") == set()
    assert offered("", str(desk.folder / "none")) == set()


class Terminal(io.StringIO):
    """Where somebody looks."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize("is_terminal", [True, False], ids=["terminal", "pipe"])
def test_one_thing_is_one_line_in_a_pipe(
    is_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal it is folded beside its head, and not in the middle of a word."""
    out = Terminal() if is_terminal else io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setenv("COLUMNS", "50")
    tell("7ccd18d7", "allowed ann@example.org for joe@example.com until 2027-11-28  \x1b[2J")
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("7ccd18d7  allowed ann@example.org for")
    assert "\\x1b[2J" in lines[-1]
    assert len(lines) == (3 if is_terminal else 1)
    assert all(line.startswith(f"{'':10}") for line in lines[1:])


@pytest.mark.parametrize("is_seen", [True, False], ids=["terminal", "pipe"])
def test_progress(is_seen: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is drawn for somebody who waits, and leaves standard output alone."""
    seen = Terminal() if is_seen else io.StringIO()
    monkeypatch.setattr("sys.stderr", seen)
    out = sys.stdout
    with Bar("expiring") as bar:
        bar(1, 3)
        assert sys.stdout is out
        bar(3, 3)
    assert ("expiring" in seen.getvalue()) == is_seen
