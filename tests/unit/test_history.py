"""The history as it is written: what stands in a line, and that nothing waits or fails for it."""

import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from qscanner import history
from qscanner.history import NAME, append, line, note
from qscanner.log import Log
from qscanner.model import Action, CheckResult, Decision, Direction, Outcome, Score, Verdict
from qscanner.outcomes import Ending
from qscanner.report import Report, event
from qscanner.settings import History, Quarantine, Settings
from tests.fakes import child
from tests.fakes.facts import AWAY, CLEAN, facts, infected

VERDICT = Verdict(
    action=Action.ACCEPT,
    decisions=(
        Decision(action=Action.ACCEPT),
        Decision(action=Action.QUARANTINE, rules=("r",)),
        Decision(action=Action.ACCEPT),
    ),
    rules=("r",),
    why="because",
)
TO = (b"a@x", "b\u00fc@x".encode(), b"\xff@x")


class Witness(Log):
    """A log that remembers its events."""

    def __init__(self) -> None:
        super().__init__("stderr")
        self.events: list[Mapping[str, Any]] = []

    def write(self, event: Mapping[str, str | bytes | int | float]) -> None:
        """Remember instead of writing."""
        self.events.append(event)


def report(verdict: Verdict = VERDICT, **more: Any) -> Report:
    """Give a report about a message to three people."""
    told = facts(**{"to": TO, **more})
    return Report(id="19a-1", digest="d" * 64, facts=told, verdict=verdict, lines=(), ms=31.4)


def told(one: Report, *, trouble: str = "") -> dict[str, Any]:
    """Give what is written down of a report."""
    logged = event(one, pid=42, ending=Ending.ACCEPTED, trouble=trouble)
    octets = line(one, logged, host="mx", at=1000.12345)
    assert octets.startswith(b"\n{")
    assert octets.endswith(b"}\n")
    assert octets.count(b"\n") == 2
    assert octets.isascii()
    assert len(octets) <= history.MAX_LINE_OCTETS
    found: dict[str, Any] = json.loads(octets)
    return found


def noted(folder: Path, log: Log, *, keep: float = 1.0) -> None:
    """Write down what became of a message."""
    settings = Settings(quarantine=Quarantine(dir=str(folder)), history=History(keep=keep))
    one = report()
    logged = event(one, pid=42, ending=Ending.ACCEPTED)
    note(one, logged, host="mx", settings=settings, log=log)


def written(folder: Path) -> list[dict[str, Any]]:
    """Give the lines that are there."""
    lines = (folder / NAME).read_bytes().splitlines()
    return [json.loads(each) for each in lines if each]


def test_the_facts() -> None:
    """Who, when, what became of it for each recipient, and why; strangers' octets as text."""
    spam = CheckResult(outcome=Outcome.CLEAN, score=Score(score=2.1, threshold=5.0))
    headers = (("Message-Id", "<1@x>"), ("Subject", "secret"))
    one = report(headers=headers, found=("a.b", "c.d", "a.b"), spam=spam, auth_user="ann")
    assert told(one) == {
        "id": "19a-1",
        "digest": "d" * 64,
        "message_id": "<1@x>",
        "pid": 42,
        "verdict": "accept",
        "ending": "accepted",
        "rules": ["r"],
        "why": "because",
        "findings": ["a.b", "c.d"],
        "sender": "jane@sender.example",
        "direction": "in",
        "ip": "192.0.2.1",
        "auth_user": "ann",
        "octets": 1000,
        "virus": "clean",
        "spam": "2.1/5.0",
        "ms": 31,
        "checks": {"virus": "clean", "spam": "clean"},
        "names": [],
        "score": 2.1,
        "host": "mx",
        "at": 1000.123,
        "recipients": 3,
        "how": [["accept", []], ["quarantine", ["r"]]],
        "to": [["a@x", 0], ["b\u00fc@x", 1], ["\u00ff@x", 0]],
    }


def test_checks() -> None:
    """Names of what was found, outcomes, trouble; what nobody was asked is not there."""
    assert told(report(virus=infected("Eicar", "Other")))["names"] == ["Eicar", "Other"]
    away = told(report(virus=AWAY))
    assert (away["checks"], away["names"]) == ({"virus": "unavailable"}, [])
    assert away["virus"] == "unavailable: connection refused"
    none = told(report(virus=None))
    assert (none["checks"], none["virus"], none["spam"]) == ({}, "-", "-")
    odd = CheckResult(outcome=Outcome.CLEAN, score=Score(score=float("inf"), threshold=5.0))
    assert told(report(spam=odd))["score"] is None
    assert told(report(), trouble="no room")["why"] == "no room"


def test_the_claimed_address() -> None:
    """What a caller claims is better than nothing, as in the record of a held message."""
    assert told(report(ip="", claimed_ip="192.0.2.9", direction=Direction.LOCAL))["ip"] == (
        "192.0.2.9"
    )


@pytest.mark.parametrize("octet", [b"x", b"\0", b"\xf0\x9f\x98\x80", b'"', b"\n"])
def test_a_line_is_bounded(octet: bytes) -> None:
    """Whatever strangers send: long texts are cut, recipients beyond the bound are a number."""
    many = tuple(octet * 300 + b"%d@x" % number for number in range(5000))
    word = octet.decode() * 3000
    names = infected(*[word] * 99)
    verdict = Verdict(
        action=Action.REJECT,
        decisions=tuple(Decision(action=Action.REJECT, rules=(f"{n}",)) for n in range(5000)),
        rules=tuple(word[:100] + str(number) for number in range(99)),
        why=word,
    )
    found = told(
        report(
            verdict,
            to=many,
            sender=octet * 9000,
            headers=(("Message-ID", word),),
            virus=names,
            auth_user=word,
        )
    )
    assert found["recipients"] == 5000
    assert len(found["to"]) <= history.MAX_RECIPIENTS
    assert len(found["sender"]) <= 500


def test_five_hundred_recipients() -> None:
    """Of ordinary ones so many are there, each with its decision."""
    to = tuple(b"user%d@example.com" % number for number in range(700))
    verdict = Verdict(action=Action.ACCEPT, decisions=(Decision(action=Action.ACCEPT),) * 700)
    found = told(report(verdict, to=to))
    assert (len(found["to"]), found["recipients"]) == (500, 700)
    assert found["to"][499] == ["user499@example.com", 0]


def test_it_is_written(tmp_path: Path) -> None:
    """Line by line, into a file that nobody else may read; nothing is said."""
    log = Witness()
    for _ in range(3):
        noted(tmp_path, log)
    assert len(written(tmp_path)) == 3
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == [NAME]
    assert log.events == []


def test_nothing_is_kept(tmp_path: Path) -> None:
    """Where the settings say so."""
    noted(tmp_path, Witness(), keep=0.0)
    assert os.listdir(tmp_path) == []


def test_the_owner(open_tmp: Path, uids: tuple[int | None, ...]) -> None:
    """What root makes belongs to the owner of the folder, who must go on with it."""
    if uids[0] is not None:
        os.chown(open_tmp, uids[0], uids[0])
    os.chmod(open_tmp, 0o700)
    append(str(open_tmp), b"\n{}\n")
    assert (open_tmp / NAME).stat().st_uid == open_tmp.stat().st_uid


def test_half_a_line_spoils_itself_only(tmp_path: Path) -> None:
    """The next line begins on a line of its own."""
    append(str(tmp_path), b'\n{"a":')
    append(str(tmp_path), b'\n{"b":1}\n')
    assert (tmp_path / NAME).read_bytes().splitlines() == [b"", b'{"a":', b'{"b":1}']


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """Give a folder whose file somebody reads at this moment."""
    append(str(tmp_path), b"\n{}\n")
    fd = os.open(tmp_path / NAME, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    yield tmp_path
    os.close(fd)


def test_who_reads_is_not_disturbed(locked: Path) -> None:
    """Behind a rename there is a new file; one that is locked in its place is given up."""
    log = Witness()
    noted(locked, log)
    (said,) = log.events
    assert said["event"] == "history-not-written"
    assert (locked / NAME).read_bytes() == b"\n{}\n"
    os.rename(locked / NAME, locked / "taken")
    noted(locked, log)
    assert len(written(locked)) == 1
    assert (locked / "taken").read_bytes() == b"\n{}\n"


def test_a_file_that_was_taken_away_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between open and lock the name went: it is not written behind the reader's back."""
    append(str(tmp_path), b"\n1\n")
    real, left = history._is_locked, [None]

    def then(fd: int) -> bool:
        if left:
            left.pop()
            os.rename(tmp_path / NAME, tmp_path / "taken")
        return real(fd)

    monkeypatch.setattr(history, "_is_locked", then)
    append(str(tmp_path), b"\n2\n")
    assert (tmp_path / "taken").read_bytes() == b"\n1\n"
    assert (tmp_path / NAME).read_bytes() == b"\n2\n"


def test_nobody_takes_it_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is too large does not grow, and the admin hears of it once an hour."""
    monkeypatch.setattr(history, "MAX_FILE_OCTETS", 100)
    log = Witness()
    noted(tmp_path, log)
    size = (tmp_path / NAME).stat().st_size
    for _ in range(3):
        noted(tmp_path, log)
    assert log.events == [], "it was written to a moment ago"
    os.utime(tmp_path / NAME, (1, 1))
    for _ in range(3):
        noted(tmp_path, log)
    (said,) = log.events
    assert said == {
        "event": "history-not-written",
        "id": "19a-1",
        "why": f"{size} octets wait, and nobody takes them in",
    }
    assert (tmp_path / NAME).stat().st_size == size


def test_who_may_not_write_is_silent(open_tmp: Path, uids: tuple[int | None, ...]) -> None:
    """A folder that is not there, or another user's, is no trouble."""
    log = Witness()
    noted(open_tmp / "none", log)
    noted(open_tmp / "none" / "deeper", log)
    (open_tmp / "file").touch()
    noted(open_tmp / "file", log)
    assert log.events == []
    os.chmod(open_tmp, 0o755)
    code = "import sys; from qscanner.history import append; append(sys.argv[1], b'x')"
    if uids[0] is not None:
        done = child.run(code, open_tmp, uid=uids[0])
        assert b"PermissionError" in done.stderr


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_what_is_no_file(kind: str, tmp_path: Path) -> None:
    """Is neither followed, nor waited for, nor written."""
    match kind:
        case "link":
            (tmp_path / NAME).symlink_to(tmp_path / "else")
        case "fifo":
            os.mkfifo(tmp_path / NAME)
        case _:
            (tmp_path / NAME).mkdir()
    log = Witness()
    noted(tmp_path, log)
    (said,) = log.events
    assert said["event"] == "history-not-written"
    assert not (tmp_path / "else").exists()


def test_a_full_disk(tmp_path: Path) -> None:
    """Half a line is trouble that is told; nothing is raised."""
    code = """
import resource, sys
from qscanner.history import append
append(sys.argv[1], b"\\n" + b"x" * 100)
resource.setrlimit(resource.RLIMIT_FSIZE, (150, 150))
for _ in range(2):
    try:
        append(sys.argv[1], b"\\n" + b"y" * 100)
    except OSError as error:
        print(error.errno)
"""
    assert child.said(child.run(code, tmp_path)).split() == ["28", "27"]
    log = Witness()
    noted(tmp_path, log)
    assert log.events == []


def test_an_odd_path_is_told() -> None:
    """Whatever the settings name."""
    log = Witness()
    noted(Path("/no\0where"), log)
    (said,) = log.events
    assert "null" in said["why"]


def test_clean_is_what_was_heard() -> None:
    """The outcome of the virus check is counted as it was."""
    assert told(report(virus=CLEAN))["checks"] == {"virus": "clean"}
