"""programs.admin_quarantine_show: `qscanner quarantine show`."""

import json
from pathlib import Path

import click
import pytest
from rich.cells import cell_len

from qscanner.programs import admin_quarantine_show
from qscanner.programs.admin_screen import Screen
from qscanner.settings import Quarantine
from tests.fakes.desk import Desk
from tests.fakes.holds import Hold

FINDING = {"id": "name.bidi", "where": "2", "detail": "x\u202egnp.exe"}
OCTETS = (
    b"""From: Ann <ann@example.org>
Subject: =?utf-8?B?4oCuZXZpbA==?= \x1b[31mred
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/html; charset=utf-8

<p>You <b>won</b> \x1b[2J</p><script>hide()</script><p>"""
    + b"many words " * 300
    + b"""</p>
--b
Content-Type: application/octet-stream; name="a\x9b31m.exe"

MZ
--b--
"""
)
HOLD = Hold(octets=OCTETS, rules=("programs",), more={"class": "banned", "findings": [FINDING]})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give an installation with a held message."""
    made = Desk(tmp_path)
    HOLD.keep(Quarantine(dir=str(tmp_path / "quarantine")))
    return made


def test_all_that_a_review_asks(desk: Desk) -> None:
    """Why, for whom, headers, parts, and the text without its tags and scripts."""
    done = desk.run("quarantine", "show", HOLD.digest[:12])
    assert done.exit_code == 0
    text = done.output
    assert text.startswith(HOLD.digest)
    for said in (
        "why       because",
        "rules     programs",
        ", banned, ",
        "from      <ann@example.org>",
        "to        joe@example.com  held since ",
        "found     name.bidi  2  x\\u202egnp.exe",
        "From:     Ann <ann@example.org>",
        "Subject:  \\u202eevil \\x1b[31mred",
        "a\\x9b31m.exe",
        "| You won \\x1b[2J",
    ):
        assert said in text
    assert "hide()" not in text
    assert text.splitlines()[-1] == "| ..."


def test_many_recipients(desk: Desk) -> None:
    """Some are told one by one, of the others how many there are, and how it stands."""
    hold = Hold(to=tuple(b"u%02d@example.com" % number for number in range(41)))
    hold.keep(Quarantine(dir=str(desk.folder / "quarantine")))
    id_ = hold.digest[:12]
    desk.run("quarantine", "delete", id_, "--recipient", "u40@example.com")
    text = desk.run("quarantine", "show", id_).output
    assert "  to        u19@example.com  held since " in text
    assert "u20@" not in text
    assert "  to        and 21 more: 20 held, 1 deleted (--json has all)\n" in text
    text = desk.run("log", id_).output
    assert "  held      and 21 more: 20 held, 1 deleted (--json has all)\n" in text


def test_how_much_of_the_text(desk: Desk) -> None:
    """As many lines as are asked for; none is none."""

    def lines(number: str) -> int:
        told = desk.run("quarantine", "show", HOLD.digest[:12], "--lines", number).output
        return sum(line.startswith("| ") for line in told.splitlines())

    assert [lines("0"), lines("1"), lines("5")] == [0, 2, 6]


@pytest.mark.parametrize("width", [50, 80, 120])
def test_it_fits_and_is_safe(desk: Desk, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is wider than the screen, and no octet of it speaks to the terminal."""
    monkeypatch.setattr(Screen, "here", lambda: Screen(width=width, is_unicode=True))
    lines = desk.run("quarantine", "show", HOLD.digest[:12]).output.splitlines()
    for line in lines[1:]:
        assert cell_len(click.unstyle(line)) <= width
        assert line.isprintable()


def test_raw(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The octets as they came, into a pipe; to a terminal never."""
    done = desk.run("quarantine", "show", "--raw", HOLD.digest[:12])
    assert (done.exit_code, done.stdout_bytes) == (0, OCTETS)

    class Terminal:
        """Where somebody looks."""

        def isatty(self) -> bool:
            """Say so."""
            return True

    monkeypatch.setattr("sys.stdout", Terminal())
    with pytest.raises(click.UsageError, match="terminal"):
        admin_quarantine_show.show.main(
            ["--raw", HOLD.digest[:12]], standalone_mode=False, prog_name="show"
        )


def test_json(desk: Desk) -> None:
    """One object."""
    done = desk.run("quarantine", "show", "--json", HOLD.digest[:12])
    assert done.exit_code == 0
    assert done.output.isascii()
    told = json.loads(done.output)
    assert told["digest"] == HOLD.digest
    assert told["findings"] == [FINDING]
    assert told["headers"][0] == {"name": "From", "value": "Ann <ann@example.org>"}
    assert [part["path"] for part in told["parts"]] == ["1", "2/a\x9b31m.exe"]
    assert told["text"].startswith("You won")


def test_octets_that_are_gone(desk: Desk) -> None:
    """What is known is shown all the same; ends with 1, as --raw does."""
    desk.run("quarantine", "delete", HOLD.digest[:12])
    done = desk.run("quarantine", "show", HOLD.digest[:12])
    assert done.exit_code == 1
    assert "joe@example.com  deleted since" in done.output
    assert desk.run("quarantine", "show", "--json", HOLD.digest[:12]).exit_code == 1
    done = desk.run("quarantine", "show", "--raw", HOLD.digest[:12])
    assert (done.exit_code, done.stdout) == (1, "")
