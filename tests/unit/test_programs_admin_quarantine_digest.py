"""programs.admin_quarantine_digest: what is shown is what is sent, and what is missing is said."""

import json
import time
from pathlib import Path

import pytest

from qscanner import outbox
from qscanner.settings import Quarantine
from tests.fakes.carrier import hold
from tests.fakes.desk import Desk

AGO = time.time() - 600.0
ASKED = """
[notices]
admin = "root@example.org"
[digest]
to = ["@example.com"]
admin = true
"""


class Counter(Desk):
    """A desk with digests asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ask(ASKED)

    def ask(self, tables: str) -> None:
        """Write other tables for digests."""
        self.settings()
        with self.file.open("a") as file:
            file.write(tables)

    @property
    def quarantine(self) -> Quarantine:
        return Quarantine(dir=str(self.folder / "quarantine"))

    @property
    def letters(self) -> list[outbox.Letter]:
        """Give what waits in the outbox."""
        folder = outbox.folder(self.quarantine.dir)
        return [outbox.read(folder, name) for name in outbox.waiting(folder)]


@pytest.fixture
def desk(tmp_path: Path) -> Counter:
    """Give an installation with two messages, of ten minutes ago."""
    made = Counter(tmp_path)
    for number in range(2):
        hold(f"offer {number}", AGO + number).keep(made.quarantine)
    return made


def test_who_would_be_told(desk: Counter) -> None:
    """A line for each, how many, and when; nothing is sent, and nothing is told by looking."""
    for _ in range(2):
        done = desk.run("quarantine", "digest")
        assert done.exit_code == 0, done.output
        lines = done.output.splitlines()
        assert lines[0] == "root@example.org (admin)  2 messages"
        assert lines[1] == "joe@example.com           2 messages"
        assert lines[2].startswith("2 letters; the next digests are due 20")
    assert desk.letters == []


def test_json(desk: Counter) -> None:
    """One object a line."""
    done = desk.run("quarantine", "digest", "--json")
    admin, joe = (json.loads(line) for line in done.output.splitlines())
    assert (admin["address"], admin["admin"], admin["messages"]) == ("root@example.org", True, 2)
    assert (joe["address"], joe["admin"], joe["messages"]) == ("joe@example.com", False, 2)
    assert joe["due"] == admin["due"] > "2026"
    assert set(joe) == {"address", "admin", "messages", "due"}


def test_what_joe_would_get(desk: Counter) -> None:
    """The letter as it is sent, its text or its HTML; escaped, since strangers wrote in it."""
    hold("win\x1b[31m<b>\u202e", AGO - 5).keep(desk.quarantine)
    done = desk.run("quarantine", "digest", "--to", "JOE@example.com")
    assert done.exit_code == 0
    assert done.output.startswith("Subject: Held mail at mx.example.com: 3 new\n\n")
    assert done.output.index("Subject: offer 1") < done.output.index("Subject: offer 0")
    assert "win\\x1b[31m<b>\\u202e" in done.output
    html = desk.run("quarantine", "digest", "--to", "joe@example.com", "--html").output
    assert html.startswith("<!DOCTYPE html>")
    assert "win\\x1b[31m&lt;b&gt;\\u202e" in html
    admin = desk.run("quarantine", "digest", "--admin").output
    assert "To:      joe@example.com, sue@example.net" in admin


TOO_FRESH = "  what was held within the last minute is not counted yet\n"


def test_sending(desk: Counter) -> None:
    """Asked first, for there are two; then in the outbox, and told by no other."""
    refused = desk.run("quarantine", "digest", "--send", given=b"n\n")
    assert refused.exit_code == 1
    assert "send 2 letters?" in refused.output
    assert desk.letters == []
    done = desk.run("quarantine", "digest", "--send", given=b"y\n")
    assert done.exit_code == 0
    assert "2 letters in the outbox" in done.output
    assert {each.to for each in desk.letters} == {(b"joe@example.com",), (b"root@example.org",)}
    assert {len(each.rows) for each in desk.letters} == {2}
    done = desk.run("quarantine", "digest", "--send")
    assert (done.exit_code, done.output) == (0, f"nothing is new\n{TOO_FRESH}")
    assert desk.run("quarantine", "digest").output.startswith("nothing is new; the next")
    assert desk.run("quarantine", "digest", "--json").output == ""
    done = desk.run("quarantine", "digest", "--to", "joe@example.com")
    assert (done.exit_code, done.output) == (
        0,
        f"nothing is new for joe@example.com\n{TOO_FRESH}",
    )


def test_sending_for_scripts(desk: Counter) -> None:
    """--yes does not ask; one object says how many."""
    done = desk.run("quarantine", "digest", "--send", "--yes", "--json")
    assert json.loads(done.output) == {"letters": 2}
    assert len(desk.letters) == 2


def test_one_letter_is_not_asked_for(desk: Counter) -> None:
    """As everywhere: only what is more than one."""
    desk.ask('[digest]\nto = ["joe@example.com"]\n')
    done = desk.run("quarantine", "digest", "--send")
    assert (done.exit_code, done.output[:8]) == (0, "1 letter")


def test_the_last_minute(desk: Counter) -> None:
    """It is neither shown nor sent: that is for the next digest, which then sees all of it."""
    hold("now", time.time()).keep(desk.quarantine)
    assert "2 messages" in desk.run("quarantine", "digest").output
    desk.run("quarantine", "digest", "--send", "--yes")
    assert {len(each.rows) for each in desk.letters} == {2}


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ("", 'write to = ["@example.org"] below [digest]'),
        ("[digest]\nadmin = true\n", "[notices] admin is empty"),
    ],
    ids=["nothing", "no-admin"],
)
@pytest.mark.parametrize("how", [(), ("--send",), ("--admin",)])
def test_nobody_asks(desk: Counter, how: tuple[str, ...], tables: str, said: str) -> None:
    """It says which setting to write."""
    desk.ask(tables)
    done = desk.run("quarantine", "digest", *how)
    assert done.exit_code == 2
    assert said in done.output


def test_never(desk: Counter) -> None:
    """Without times, none are due."""
    desk.ask('[digest]\nto = ["@example.com"]\nat = []\n')
    assert "never: [digest] at is empty" in desk.run("quarantine", "digest").output
    assert '"due": null' in desk.run("quarantine", "digest", "--json").output


@pytest.mark.parametrize("how", [("--to", "sue@example.net"), ("--admin",)])
def test_who_gets_none(desk: Counter, how: tuple[str, ...]) -> None:
    """Not by [digest]: that is said, not an empty letter."""
    desk.ask('[digest]\nto = ["@example.com"]\n')
    done = desk.run("quarantine", "digest", *how)
    assert done.exit_code == 2
    assert "gets no digest: [digest] says who does" in done.output


@pytest.mark.parametrize(
    "how",
    [("--html",), ("--html", "--send"), ("--to", "a@b", "--send"), ("--to", "a@b", "--admin")],
)
def test_what_does_not_go_together(desk: Counter, how: tuple[str, ...]) -> None:
    """It is refused before anything is done."""
    done = desk.run("quarantine", "digest", *how)
    assert done.exit_code == 2
    assert "one of --to, --admin, --send" in done.output
    assert desk.letters == []


def test_html_is_not_for_a_terminal(desk: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads it there."""
    monkeypatch.setattr(
        "qscanner.programs.admin_quarantine_digest.sys", type("S", (), {"stdout": Terminal()})
    )
    done = desk.run("quarantine", "digest", "--admin", "--html")
    assert done.exit_code == 2
    assert "for a file or a pipe" in done.output


class Terminal:
    """A standard output that is one."""

    @staticmethod
    def isatty() -> bool:
        """Say so."""
        return True
