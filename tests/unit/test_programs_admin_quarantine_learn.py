"""programs.admin_quarantine_learn: held messages are told to the scorer, and the audit says so."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from qscanner.settings import Quarantine
from tests.fakes import rspamd, spamd
from tests.fakes.desk import Desk
from tests.fakes.holds import Hold, several
from tests.fakes.server import Script, nobody, serving
from tests.fakes.spamd import School

OCTETS = b"Received: x\r\nSubject: =?x?\r\n\n\0\xff.\nFrom \r\n\r\r\nno end of line"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An installation."""
    return Desk(tmp_path)


@pytest.fixture
def school(desk: Desk) -> Iterator[School]:
    """A spamd that learns, and is the scorer."""
    made = School()
    with serving(made) as server:
        scored_by(desk, "spamd", server.text)
        yield made


def scored_by(desk: Desk, scorer: str, server: str, more: str = "") -> None:
    """Write the settings."""
    key = "controllers" if scorer == "rspamd" else "servers"
    text = f'scorer = "{scorer}"\n[spam.{scorer}]\n{key} = ["{server}"]\n{more}'
    desk.settings(spam=text)


def kept(desk: Desk, *holds: Hold) -> list[str]:
    """Hold messages and give their ids."""
    for hold in holds:
        hold.keep(Quarantine(dir=str(desk.folder / "quarantine")))
    return [hold.digest[:12] for hold in holds]


def run(desk: Desk, *words: str, given: bytes | None = None) -> tuple[int, str]:
    """Run `qscanner quarantine`; give how it ended, and what it said."""
    done = desk.run("quarantine", *words, given=given)
    return done.exit_code, done.output


def dids(desk: Desk) -> list[tuple[str, str, str]]:
    """Give what the audit says that is no change of a state: id, what, why."""
    lines = map(json.loads, run(desk, "audit", "--json")[1].splitlines())
    return [(each["id"], each["did"], each["why"]) for each in lines if each["did"]]


def test_it_is_learned_as_it_came(desk: Desk, school: School) -> None:
    """Octet for octet, once; the audit says it; the message stays held."""
    (id_,) = kept(desk, Hold(octets=OCTETS))
    assert run(desk, "learn", "spam", id_, "--why", "I looked") == (0, f"learned {id_} as spam\n")
    assert school.known == {(b"", OCTETS): b"spam"}
    assert run(desk, "learn", "spam", id_) == (0, f"{id_} was known as spam already\n")
    assert run(desk, "learn", "ham", id_) == (0, f"learned {id_} as ham\n")
    assert school.known == {(b"", OCTETS): b"ham"}
    assert dids(desk) == [(id_, "learned as spam", "I looked"), (id_, "learned as ham", "")]
    assert json.loads(run(desk, "list", "--json")[1])["state"] == "held"
    assert "learned as spam" in run(desk, "audit", id_)[1]


@pytest.mark.parametrize(
    ("to", "user"),
    [
        ((b"Joe@example.com",), b"joe@example.com"),
        ((b"joe@example.com", b"sue@example.com"), b""),
        ((), b""),
    ],
    ids=["one", "two", "none"],
)
def test_for_whom_it_is_held(to: tuple[bytes, ...], user: bytes, desk: Desk) -> None:
    """With `user = "recipient"` the only one's database is meant."""
    school = School()
    with serving(school) as server:
        scored_by(desk, "spamd", server.text, 'user = "recipient"')
        (id_,) = kept(desk, Hold(to=to))
        assert run(desk, "learn", "spam", id_)[0] == 0
    assert [order[0] for order in school.orders] == [user]


def test_many(desk: Desk, school: School) -> None:
    """More than one is asked for; --yes answers; one without octets keeps none of the others."""
    ids = kept(desk, *several(3))
    code, told = run(desk, "learn", "ham", *ids)
    assert code == 1
    assert "learn as ham: 3 messages?" in told
    assert school.orders == []
    (gone,) = (desk.folder / "quarantine").glob(f"{ids[1]}*.eml")
    gone.unlink()
    code, told = run(desk, "learn", "--yes", "ham", *ids)
    assert code == 1
    assert f"learned {ids[0]} as ham\nnot learned: " in told
    assert told.endswith(f"learned {ids[2]} as ham\n")
    assert [each[2] for each in school.orders] == [
        b"Subject: 0\n\nbody\n",
        b"Subject: 2\n\nbody\n",
    ]
    assert [each[0] for each in dids(desk)] == [ids[0], ids[2]]


def test_what_a_filter_finds(desk: Desk, school: School) -> None:
    """All of it, oldest first, after a yes; where nothing is found, it is told."""
    ids = kept(desk, *several(2), Hold(rules=("other",)))
    code, told = run(desk, "learn", "ham", "--rule", "spam", given=b"y\n")
    assert code == 0
    assert "learn as ham: 2 messages?" in told
    assert told.endswith(f"learned {ids[0]} as ham\nlearned {ids[1]} as ham\n")
    assert run(desk, "learn", "ham", "--rule", "none") == (0, "nothing is held that is so\n")


def test_too_large(desk: Desk) -> None:
    """What is never scored is not learned; the next one is."""
    school = School()
    with serving(school) as server:
        scored_by(desk, "spamd", server.text, 'max = "1 kB"')
        large, small = kept(desk, Hold(octets=b"x" * 1001), Hold())
        code, told = run(desk, "learn", "spam", "--yes", large, small)
    assert code == 1
    assert told == (
        f"{large}: not learned: larger than the 1000 octets that the scorer takes\n"
        f"learned {small} as spam\n"
    )


@pytest.mark.parametrize(
    ("scorer", "script", "said"),
    [
        ("spamd", spamd.saying(spamd.NOT_ALLOWED), "start it with --allow-tell"),
        ("spamd", School(is_learning=False), "is Bayes on"),
        ("spamd", spamd.saying(b"\x1b[2J\r\n\r\n"), r"\x1b[2J"),
        ("rspamd", rspamd.Controller(b"sesame"), "wants a password"),
    ],
    ids=["not allowed", "no Bayes", "garbage", "no password"],
)
def test_a_scorer_that_does_not_learn(scorer: str, script: Script, said: str, desk: Desk) -> None:
    """It is told once, with what to do; the others are not tried, and the audit says nothing."""
    ids = kept(desk, *several(3))
    with serving(script) as server:
        scored_by(desk, scorer, server.text)
        code, told = run(desk, "learn", "spam", "--yes", *ids)
    assert code == 3
    assert told.startswith(f"{ids[0]}: {server.text}: ")
    assert said in told
    assert told.endswith("\n2 messages not tried\n")
    assert dids(desk) == []


def test_a_scorer_that_is_away(desk: Desk) -> None:
    """That is something that is down."""
    (id_,) = kept(desk, Hold())
    scored_by(desk, "spamd", nobody().text)
    code, told = run(desk, "learn", "spam", id_)
    assert code == 3
    assert "refused" in told
    assert "not tried" not in told


def test_settings(desk: Desk) -> None:
    """Nobody who could learn, or no password where one is named: what to set is said, once."""
    ids = kept(desk, *several(2))
    code, told = run(desk, "learn", "spam", "--yes", *ids)
    assert code == 2
    assert told.startswith("no scorer is set that could learn: ")
    assert told.endswith("\n1 message not tried\n")
    scored_by(desk, "rspamd", nobody().text, 'password_file = "secret"')
    (desk.folder / "secret").write_text("\n")
    code, told = run(desk, "learn", "spam", ids[0])
    assert (code, told) == (2, "spam.rspamd.password_file: its first line is no password\n")


def test_a_program(desk: Desk) -> None:
    """It gets the message on stdin."""
    (id_,) = kept(desk, Hold(octets=OCTETS))
    desk.settings(spam=f'[spam.learn]\nham = ["/usr/bin/tee", "{desk.folder}/got"]')
    assert run(desk, "learn", "ham", id_) == (0, f"learned {id_} as ham\n")
    assert (desk.folder / "got").read_bytes() == OCTETS


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("junk", "0000"), "'junk' is not one of"),
        (("spam",), "which ones?"),
        (("spam", "0000"), "0000"),
        (("spam", "0000", "--rule", "a"), "not both"),
    ],
    ids=["kind", "no id", "unknown", "ids and a filter"],
)
def test_asked_wrongly(words: tuple[str, ...], said: str, desk: Desk, school: School) -> None:
    """Nobody is told anything."""
    code, told = run(desk, "learn", *words)
    assert code == 2
    assert said in told
    assert school.orders == []
