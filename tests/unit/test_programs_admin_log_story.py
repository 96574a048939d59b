"""programs.admin_log_story: one message, from the history and from the quarantine."""

from pathlib import Path

import click
import pytest
from rich.cells import cell_len

from qscanner.history import append
from qscanner.programs.admin_log_story import as_json, known_to, story_lines, word
from qscanner.programs.admin_screen import Screen
from qscanner.settings import Quarantine
from qscanner.store.store import Store
from qscanner.store.words import State, Who
from tests.fakes.annals import NOW, fact
from tests.fakes.holds import Hold, several

HOSTILE = "\x1b[31m\u202e" + "\u6f22" * 200


def told(folder: Path, what: str, *, width: int = 80) -> str:
    """Give the story of one message as text."""
    with Store.open(Quarantine(dir=str(folder))) as store:
        store.history.take()
        (story,) = known_to(store, what)
        lines = [click.unstyle(each) for each in story_lines(story, Screen(width=width))]
    assert all(line.isprintable() for line in lines)
    return "\n".join(lines)


def test_an_accepted_message(tmp_path: Path) -> None:
    """From whom, for whom, what was said of it, and where to look on."""
    append(str(tmp_path), fact(findings=["mime.x"], auth_user="ann"))
    text = told(tmp_path, "19a-1")
    for wanted in (
        "accept",
        "from      <ann@example.org>",
        "to        joe@example.com  accept",
        "virus     clean",
        "spam      2.1/5.0",
        "found     mime.x",
        "size      100 B",
        "client    192.0.2.7  in  user ann",
        "scanned   in 31 ms on mx",
        "msg-id    <1@example.org>",
        "queued    qp 4242 in the log of qmail-send: grep 'qp 4242 '",
    ):
        assert wanted in text, wanted
    assert "tries" not in text
    assert "held" not in text


def test_a_refused_message(tmp_path: Path) -> None:
    """By which rule, and why; it is in no queue."""
    append(
        str(tmp_path),
        fact(verdict="reject", ending="rejected", rules=["programs"], why="no programs"),
    )
    text = told(tmp_path, "19a-1")
    assert "  reject by programs\n" in text
    assert "why       no programs" in text
    assert "to        joe@example.com  reject by programs" in text
    assert "qp" not in text


def test_many_recipients_and_none(tmp_path: Path) -> None:
    """Some are shown, the others counted."""
    append(str(tmp_path), fact(to=[f"user{n}@x" for n in range(60)], recipients=700))
    append(str(tmp_path), fact(id="19a-2", digest="cd" * 32, to=[], spam="-", virus="-"))
    text = told(tmp_path, "19a-1")
    assert text.count("  to   ") == 21
    assert "to        and 680 more" in text
    text = told(tmp_path, "19a-2")
    assert "to        nobody" in text
    assert "virus" not in text


def test_tries(tmp_path: Path) -> None:
    """All tries of the same message, in their order; the last one is told of."""
    for number, ending in enumerate(("deferred", "deferred", "accepted")):
        line = fact(id=f"19a-{number}", at=NOW + number * 600, ending=ending, why=f"w{number}")
        append(str(tmp_path), line)
    text = told(tmp_path, "ab" * 32)
    assert "tries     3 times, first 2026-11-2" in text
    assert text.index("19a-0  deferred  w0") < text.index("19a-1  deferred  w1")
    assert "id        19a-2" in text
    assert "id        19a-0" in told(tmp_path, "19a-0")


def test_a_held_message(tmp_path: Path) -> None:
    """Its state for each recipient, what was done since, and how to release it."""
    hold, settings = Hold(), Quarantine(dir=str(tmp_path))
    hold.keep(settings)
    append(str(tmp_path), fact(digest=hold.digest, verdict="quarantine", ending="held"))
    with Store.open(settings) as store:
        held = store.find(hold.digest)
        who = Who(name="ann", via="test")
        store.move(held, held.recipients[:1], State.DELETED, by=who, why="junk")
    text = told(tmp_path, "19a-1", width=120)
    assert "held      for joe@example.com: deleted since" in text
    assert "held      for sue@example.net: held since" in text
    assert f"release   qscanner quarantine release {held.id}" in text
    assert "held -> deleted  by ann (test)  junk" in text
    assert "known" not in text


def test_held_before_there_was_a_history(tmp_path: Path) -> None:
    """It is found all the same: by the beginning of its digest, and by the id of its scan."""
    one, other = several(2, rules=("spam",))
    for hold in (one, other):
        hold.keep(Quarantine(dir=str(tmp_path)))
    for what in (one.digest, one.digest[:8], f"log-{one.digest[:6]}"):
        text = told(tmp_path, what)
        assert "quarantine by spam" in text
        assert "known     from the quarantine alone" in text
        assert "to        joe@example.com  quarantine" in text
        assert "queued" not in text
    with Store.open(Quarantine(dir=str(tmp_path))) as store:
        assert known_to(store, one.digest[:7]) == [], "that might be a qp"
        assert known_to(store, "f" * 64) == []
        (story,) = known_to(store, one.digest)
        assert as_json(story.passed)["ending"] == ""
        assert story.more_as_json["tries"] == []


def test_several(tmp_path: Path) -> None:
    """A qp that came again, or a Message-ID that was sent twice: each message, newest first."""
    for number in range(2):
        line = fact(id=f"19a-{number}", digest=f"{number}" * 64, at=NOW + number)
        append(str(tmp_path), line)
    with Store.open(Quarantine(dir=str(tmp_path))) as store:
        store.history.take()
        for what in ("4242", "1@example.org"):
            found = [story.passed.scan_id for story in known_to(store, what)]
            assert found == ["19a-1", "19a-0"]


@pytest.mark.parametrize("width", [50, 80, 120])
def test_it_fits_and_is_safe(width: int, tmp_path: Path) -> None:
    """No line is wider than the screen, and nothing of strangers speaks to the terminal."""
    texts = ("message_id", "why", "sender", "ip", "auth_user", "virus", "spam", "host", "ending")
    odd = dict.fromkeys(texts, HOSTILE)
    append(str(tmp_path), fact(**odd, rules=[HOSTILE], findings=[HOSTILE], to=[HOSTILE] * 3))
    for line in told(tmp_path, "19a-1", width=width).splitlines()[1:]:
        assert cell_len(line) <= width, line


def test_an_odd_verdict(tmp_path: Path) -> None:
    """Of another version of ours has no colour."""
    append(str(tmp_path), fact(verdict="\x1bodd"))
    with Store.open(Quarantine(dir=str(tmp_path))) as store:
        store.history.take()
        (story,) = known_to(store, "19a-1")
    assert click.unstyle(word(story.passed, Screen())) == "\\x1bodd"
