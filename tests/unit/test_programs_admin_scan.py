"""programs.admin_scan: `qscanner scan` as people and programs call it."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import click
import pytest
from click.testing import Result

from qscanner import config
from qscanner.bench import Bench
from qscanner.model import Direction
from qscanner.programs import admin_scan
from qscanner.programs.admin_scan import client_of, envelope_of
from tests.fakes import mails
from tests.fakes.desk import Desk
from tests.fakes.listing import entry, put

FOR_OUTSIDE = """
schema = 1
[[rule]]
id = "incoming"
why = "x"
when = { direction = "in", to = "bob@example.com" }
action = "quarantine"
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give an installation with the embedded engine."""
    return Desk(tmp_path)


def objects(done: Result) -> list[dict[str, Any]]:
    """Give the JSON objects on stdout, which must be one a line."""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_clean_and_infected(desk: Desk) -> None:
    """0 when every file would be accepted, 1 when any would not; one object a line, in order."""
    clean, bad = desk.mail(mails.text(), "a.eml"), desk.mail(mails.infected(), "b.eml")
    done = desk.run("scan", "--json", clean)
    assert done.exit_code == 0
    done = desk.run("scan", "--json", clean, bad)
    assert done.exit_code == 1
    first, second = objects(done)
    assert (first["file"], first["action"], first["exit_code"]) == (clean, "accept", 0)
    assert first["reply"] is None
    assert (second["file"], second["action"], second["exit_code"]) == (bad, "reject", 31)
    assert second["reply"].endswith("(#5.7.1)")
    assert second["reply"][0] != "D"
    assert second["checks"]["virus"]["outcome"] == "found"
    assert "infected" in second["rules"]
    assert second["recipients"] == {"postmaster@localhost": "reject"}


def test_told_to_people(desk: Desk) -> None:
    """Verdict, rule, why, reply, checks, parts; and at the end how many."""
    done = desk.run("scan", desk.mail(mails.text()), desk.mail(mails.infected(), "b.eml"))
    for words in (
        "mail.eml: accept",
        "header    X-Qscanner: mx.example.com id=",
        "b.eml: reject by infected",
        "why       A virus engine recognised malware in it",
        "reply     554 Your message was refused because it contains a virus",
        "virus     found: Eicar_Test_String (yara-x/",
        "eicar.com.txt",
        "2 files: 1 accepted, 1 not accepted",
    ):
        assert words in done.output, words


def test_who_is_allowed_and_blocked(desk: Desk) -> None:
    """What an entry says stands with the reasons, and in the JSON."""
    put(desk.folder / "quarantine", entry("a@x", "b@y", is_allowed=False), entry("a@x", "@z"))
    words = ("--from", "a@x", "--to", "b@y", "--to", "c@z", "--to", "d@z", "--to", "e@w")
    mail = desk.mail(mails.text())
    done = desk.run("scan", mail, *words)
    assert "listed    b@y: blocked a@x for b@y, by ann (entry a@x>b@y)" in done.output
    assert "listed    c@z and 1 more: allowed a@x for @z, by ann (entry a@x>@z)" in done.output
    (told,) = objects(desk.run("scan", "--json", mail, *words))
    assert list(told["listed"]) == ["b@y", "c@z", "d@z"]
    assert told["recipients"]["b@y"] == "quarantine"
    assert told["rules"] == ["default.blocked"]


def test_tree(desk: Desk) -> None:
    """-v draws the tree of parts, and the verdict comes last; --json stays JSON."""
    mail = desk.mail(mails.infected())
    done = desk.run("scan", "-v", mail)
    assert done.exit_code == 1
    assert "`- 2  eicar.com.txt" in done.output
    assert "x virus.yara  Eicar_Test_String  (reject: infected)" in done.output
    assert done.output.index("eicar.com.txt") < done.output.index("reject by infected")
    assert len(objects(desk.run("scan", "-v", "--json", mail))) == 1


def test_standard_input(desk: Desk) -> None:
    """ "-" is a message on standard input."""
    done = desk.run("scan", "--json", "-", given=b"")
    assert done.exit_code == 0
    assert objects(done)[0]["file"] == "-"


def test_hostile_text_does_not_reach_the_terminal(desk: Desk) -> None:
    """Control and bidi characters in names are shown, not obeyed."""
    name = "=?utf-8?q?a=1B=5B31m=E2=80=AEfdp=2Eexe?="
    done = desk.run("scan", desk.mail(mails.attached(name, b"MZ\x90")))
    assert "\x1b" not in done.output
    assert "\u202e" not in done.output
    assert "\\u202e" in done.output


def test_a_file_that_cannot_be_read(desk: Desk) -> None:
    """It is told on stderr, the others are still scanned, and the command ends with 2."""
    bad = desk.mail(mails.infected())
    done = desk.run("scan", "--json", str(desk.folder / "none"), str(desk.folder), bad)
    assert done.exit_code == 2
    assert len(objects(done)) == 1
    assert "none: cannot be read: No such file or directory" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_a_scanner_that_is_away(desk: Desk) -> None:
    """Every message would be put off, and the exit code is that of "not accepted"."""
    desk.settings(
        virus='engines = ["clamav"]\n[virus.clamav]\nservers = ["unix:/nowhere"]\nwithin = "1 s"'
    )
    done = desk.run("scan", "--json", desk.mail(mails.text()), desk.mail(mails.text(), "b.eml"))
    assert done.exit_code == 1
    assert [each["action"] for each in objects(done)] == ["defer", "defer"]
    assert [each["exit_code"] for each in objects(done)] == [71, 71]


def _job(desk: Desk, *, time_s: float = 60.0, bench: Any = None) -> admin_scan.Job:
    settings = config.load(str(desk.file))
    settings = replace(settings, limits=replace(settings.limits, time=time_s))
    return admin_scan.Job(
        bench=bench or Bench.of(settings),
        envelope=envelope_of("", ("a@b",)),
        client=client_of(ip="", auth="", relay=False),
        is_json=True,
    )


class _NoMemory:
    """A bench that needs more memory than there is."""

    @property
    def settings(self) -> NoReturn:
        raise MemoryError


@pytest.mark.parametrize(
    ("time_s", "bench", "code"),
    [(-1.0, None, 52), (60.0, object(), 81), (60.0, _NoMemory(), 51)],
    ids=["no time", "a bug", "no memory"],
)
def test_a_scan_that_fails(
    desk: Desk, capsys: pytest.CaptureFixture[str], time_s: float, bench: Any, code: int
) -> None:
    """It is told for its file, as what the queue program would end with; the next is scanned."""
    files = (desk.mail(mails.text()), desk.mail(mails.text(), "b.eml"))
    assert admin_scan.scan_all(files, _job(desk, time_s=time_s, bench=bench)) == 1
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["file"] for each in told] == list(files)
    assert {(each["action"], each["exit_code"]) for each in told} == {("defer", code)}


def test_recipients_differ(desk: Desk) -> None:
    """Each recipient is told by name, and the message's action is the mildest."""
    desk.policy(FOR_OUTSIDE)
    mail = desk.mail(mails.text())
    done = desk.run("scan", "--json", "--to", "bob@example.com", "--to", "ann@example.com", mail)
    told = objects(done)[0]
    assert told["recipients"] == {"bob@example.com": "quarantine", "ann@example.com": "accept"}
    assert told["action"] == "accept"
    done = desk.run("scan", "--to", "bob@example.com", "--to", "ann@example.com", mail)
    assert "to        bob@example.com: quarantine" in done.output


@pytest.mark.parametrize(
    ("options", "action"),
    [
        ([], "quarantine"),
        (["--ip", "192.0.2.1"], "quarantine"),
        (["--relay"], "accept"),
        (["--auth", "ann"], "accept"),
        (["--ip", "192.0.2.1", "--relay"], "accept"),
    ],
    ids=["nothing", "ip", "relay", "auth", "ip and relay"],
)
def test_direction(desk: Desk, options: list[str], action: str) -> None:
    """A message is from outside unless it is said to be from one of ours."""
    desk.policy(FOR_OUTSIDE)
    mail = desk.mail(mails.text())
    done = desk.run("scan", "--json", "--to", "bob@example.com", *options, mail)
    assert objects(done)[0]["action"] == action


def test_client_of() -> None:
    """The options make a client that is believed, and never this host's own qmail."""
    found = client_of(ip="192.0.2.1", auth="ann", relay=True)
    assert (found.ip, found.auth_user, found.is_relay) == ("192.0.2.1", "ann", True)
    assert found.is_trusted
    assert not found.is_host
    assert found.uid == os.getuid()
    assert client_of(ip="", auth="", relay=False).direction is Direction.IN


@pytest.mark.parametrize("ip", ["192.0.2", "host.example", "192.0.2.1/24"])
def test_no_address(ip: str) -> None:
    """What is no address is a usage error."""
    with pytest.raises(click.UsageError):
        client_of(ip=ip, auth="", relay=False)


def test_envelope_of() -> None:
    """The envelope is what qmail would write on fd 1."""
    assert envelope_of("a@b", ("c@d", "e")).raw == b"Fa@b\0Tc@d\0Te\0\0"


def test_an_address_that_qmail_could_not_have() -> None:
    """More than 1002 octets are a usage error."""
    with pytest.raises(click.UsageError):
        envelope_of("a" * 1003, ("b",))


def test_settings_with_mistakes(desk: Desk) -> None:
    """Settings or policies that cannot be used end with 2, and nothing is scanned."""
    desk.policy("nonsense")
    done = desk.run("scan", "--json", desk.mail(mails.text()))
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "99-more.toml:1:" in done.stderr
