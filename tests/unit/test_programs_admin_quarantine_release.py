"""programs.admin_quarantine_release: release, delete, resolve."""

from dataclasses import replace
from pathlib import Path

import pytest

from qscanner.store.store import Store
from qscanner.store.words import State, Who
from tests.fakes.holds import Hold, several
from tests.fakes.mails import EICAR
from tests.fakes.posting import Post

OCTETS = b"Received: x\nSubject: =?x?\r\n\n\0\xff.\nFrom \r\n\r\r\nno end of line"
HOLD = Hold(octets=OCTETS, sender=b"ann-@x-@[]", to=(b"Joe@example.com", b"s\xffe@example.net"))


@pytest.fixture
def post(tmp_path: Path, fake_queue: Path) -> Post:
    """Give an installation with a queue."""
    return Post(tmp_path, fake_queue)


def test_it_arrives_as_it_came(post: Post) -> None:
    """Message and envelope octet for octet, once; a second time is refused, and sends nothing."""
    (id_,) = post.kept(HOLD)
    code, told = post.run("release", id_)
    assert code == 0
    assert told == f"released {id_} to Joe@example.com, s\u00ffe@example.net\n"
    (one,) = post.queued
    assert one.message == OCTETS
    assert one.envelope == HOLD.raw
    assert {name for name in one.facts if name.startswith("env.")} <= {
        "env.PATH",
        "env.PWD",
        "env.FAKE_QUEUE_DIR",
    }
    assert post.states() == [["released", "released"]]
    code, told = post.run("release", id_)
    assert (code, told) == (1, f"{id_}: not released: it is released already\n")
    assert len(post.queued) == 1


def test_without_qmail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever tries all with qscanner-maildir can release: it hears which Maildir is meant."""
    program = tmp_path / "maildir"
    program.write_text(f'#!/bin/sh\necho "$QSCANNER_MAILDIR$QMAILQUEUE" > {tmp_path}/heard\n')
    program.chmod(0o755)
    monkeypatch.setenv("QSCANNER_MAILDIR", "/somewhere")
    monkeypatch.setenv("QMAILQUEUE", "/no/loop")
    post = Post(tmp_path, program)
    post.desk.settings(program=str(program))
    (id_,) = post.kept(HOLD)
    assert post.run("release", id_)[0] == 0
    assert (tmp_path / "heard").read_text() == "/somewhere\n"


def test_for_one_recipient(post: Post) -> None:
    """A release for one is none for the other, who can have it later, and only once each."""
    (id_,) = post.kept(HOLD)
    assert post.run("release", id_, "--recipient", "joe@EXAMPLE.com")[0] == 0
    assert post.queued[0].envelope == b"Fann-@x-@[]\0TJoe@example.com\0\0"
    assert post.states() == [["released", "held"]]
    assert post.run("release", id_, "--recipient", "joe@example.com")[0] == 1
    assert post.run("release", id_)[0] == 0
    assert post.queued[1].envelope == b"Fann-@x-@[]\0Ts\xffe@example.net\0\0"
    assert len(post.queued) == 2


def test_to_another_address(post: Post) -> None:
    """With the original sender; the audit says to whom and why."""
    (id_,) = post.kept(HOLD)
    code, told = post.run("release", id_, "--to", "admin@example.org", "--why", "to look")
    assert code == 0
    assert told == f"released {id_} to admin@example.org instead; to look\n"
    assert post.queued[0].envelope == b"Fann-@x-@[]\0Tadmin@example.org\0\0"
    assert "to admin@example.org instead; to look" in post.run("audit", id_)[1]
    assert post.run("release", id_, "--to", "")[0] == 2


def test_many(post: Post) -> None:
    """More than one is asked for; --yes answers; one that is gone keeps none of the others."""
    ids = post.kept(*several(3))
    code, told = post.run("release", *ids)
    assert code == 1
    assert "release 3 messages?" in told
    assert post.queued == []
    post.run("delete", ids[1])
    code, told = post.run("release", "--yes", *ids)
    assert code == 1
    assert f"{ids[1]}: not released: it is deleted already" in told
    assert [one.message for one in post.queued] == [
        b"Subject: 0\n\nbody\n",
        b"Subject: 2\n\nbody\n",
    ]


@pytest.mark.parametrize(
    ("how", "code", "said", "state"),
    [
        ({"FAKE_QUEUE_EXIT": "71"}, 3, "ended with 71", "held"),
        ({"FAKE_QUEUE_EXIT": "31"}, 1, "ended with 31", "held"),
        ({"FAKE_QUEUE_EXIT": "61"}, 3, "started without NO_NEW_PRIVS?", "held"),
        ({"FAKE_QUEUE_SIGNAL": "9"}, 3, "it may have gone out all the same", "releasing"),
    ],
    ids=["later", "never", "no privileges", "killed"],
)
def test_what_is_not_queued(
    how: dict[str, str], code: int, said: str, state: str, post: Post
) -> None:
    """It is told, and what is known not to have gone out is held as before."""
    (id_,) = post.kept(HOLD)
    post.behaves(**how)
    ended, told = post.run("release", id_)
    assert ended == code
    assert said in told
    assert "released 0" not in told
    assert post.states() == [[state, state]]
    assert post.queued == []


@pytest.mark.parametrize(
    ("class_", "words", "given", "is_warned", "goes"),
    [
        ("spam", (), None, True, False),
        ("spam", (), b"n\n", True, False),
        ("spam", (), b"y\n", True, True),
        ("spam", ("--yes",), None, True, True),
        ("virus", (), None, False, True),
    ],
    ids=["nobody says yes", "no", "yes", "--yes", "known when it came"],
)
def test_what_got_worse(
    class_: str,
    words: tuple[str, ...],
    given: bytes | None,
    is_warned: bool,
    goes: bool,
    post: Post,
) -> None:
    """What today's engines find, and did not then, is warned of, and waits for a yes."""
    (id_,) = post.kept(Hold(octets=b"Subject: x\n\n" + EICAR + b"\n", more={"class": class_}))
    code, told = post.run("release", id_, *words, given=given)
    assert ("warning: today's engines find Eicar_Test_String" in told) == is_warned
    assert code == (0 if goes else 1)
    assert len(post.queued) == goes
    assert post.states() == [["released" if goes else "held"] * 2]


def test_no_engine_can_look(post: Post) -> None:
    """Engines that do not answer are a warning, and rules with mistakes are one, too."""
    post.desk.settings(
        program=str(post.desk.folder / "wrapper"),
        virus='engines = ["clamav"]\n[virus.clamav]\nservers = ["unix:/nonexistent/clamd"]',
    )
    (id_,) = post.kept(HOLD)
    code, told = post.run("release", id_)
    assert code == 1, told
    assert "warning: no engine could look at it today" in told
    post.desk.policy("nonsense")
    code, told = post.run("release", id_)
    assert code == 1
    assert "warning: it was not scanned again" in told
    assert post.run("release", id_, "--yes")[0] == 0
    assert len(post.queued) == 1


def test_nobody_may(post: Post) -> None:
    """A rule's word stands, whatever is said here."""
    (id_,) = post.kept(replace(HOLD, more={"release": "nobody"}))
    code, told = post.run("release", id_, "--yes")
    assert code == 1
    assert 'release = "nobody"' in told
    assert post.queued == []


def test_octets_that_are_gone(post: Post) -> None:
    """A message that is damaged is told, and not claimed."""
    (id_,) = post.kept(HOLD)
    (post.desk.folder / "quarantine" / f"{HOLD.digest}.eml").unlink()
    code, told = post.run("release", id_)
    assert code == 1
    assert "not released: " in told
    assert post.states() == [["held", "held"]]


def test_delete(post: Post) -> None:
    """For one recipient, then for all: then it is gone, and cannot be deleted again."""
    (id_,) = post.kept(HOLD)
    code, told = post.run("delete", id_, "--recipient", "joe@example.com")
    assert (code, told) == (0, f"deleted {id_}; still held for s\u00ffe@example.net\n")
    assert post.run("delete", id_) == (0, f"deleted {id_}\n")
    assert not list((post.desk.folder / "quarantine").glob("*.eml*"))
    told = f"not deleted: {id_}: it is deleted, not held\n"
    assert post.run("delete", id_) == (1, told)


@pytest.mark.parametrize("state", ["released", "held"])
def test_resolve(state: str, post: Post) -> None:
    """A person who has looked into the log says what became of a release that was cut off."""
    (id_,) = post.kept(HOLD)
    assert post.run("resolve", id_, "--as", state)[0] == 1, "nobody releases it"
    with Store.open(post.quarantine) as store:
        store.move(store.find(id_), None, State.RELEASING, by=Who(name="ann", via="x@gone:1:1"))
    assert post.run("release", id_)[0] == 1
    assert post.run("delete", id_)[0] == 1
    code, told = post.run("resolve", id_, "--as", state, "--why", "the log says so")
    assert (code, told) == (0, f"{id_} is {state}\n")
    assert post.states() == [[state, state]]
    assert "the log says so" in post.run("audit", id_)[1]
    assert post.queued == []


def test_a_release_at_work_is_not_resolved(post: Post) -> None:
    """As long as somebody is at it, nobody can say how it ended."""
    (id_,) = post.kept(HOLD)
    with Store.open(post.quarantine) as store:
        store.move(store.find(id_), None, State.RELEASING, by=Who.here("test"))
    code, told = post.run("resolve", id_, "--as", "held")
    assert code == 1
    assert "at work" in told


def test_what_a_filter_finds(post: Post) -> None:
    """All that is held and meant goes out, after a question; nobody else's copy does."""
    holds = several(3)
    holds[1] = replace(holds[1], rules=("big-zip",))
    holds[2] = replace(holds[2], rules=("big-zip",), sender=b"eve@x.example")
    post.kept(*holds)
    code, told = post.run("release", "--rule", "big-zip", given=b"n\n")
    assert (code, len(post.queued)) == (1, 0)
    assert "release 2 messages?" in told
    code, told = post.run("release", "--rule", "big-zip", "--recipient", "@example.net", "--yes")
    assert (code, len(post.queued)) == (0, 2)
    assert post.states() == [["held", "held"], ["held", "released"], ["held", "released"]]
    code, told = post.run("release", "--rule", "big-zip", "--from", "@x.example", "--yes")
    assert code == 0
    assert post.queued[-1].envelope == b"Feve@x.example\0Tjoe@example.com\0\0"
    assert post.run("release", "--rule", "nobodys") == (0, "nothing is held that is so\n")


def test_a_filter_releases_nothing_that_got_worse(post: Post) -> None:
    """Whoever says yes to many has looked at none: what scanners warn of waits to be named."""
    good, bad = several(2)
    bad = replace(bad, octets=b"Subject: x\n\n" + EICAR + b"\n")
    (_, id_) = post.kept(good, bad)
    code, told = post.run("release", "--rule", "spam", "--yes")
    assert code == 1
    assert f"qscanner quarantine release {id_}" in told
    assert [one.message for one in post.queued] == [good.octets]


def test_delete_what_a_filter_finds(post: Post) -> None:
    """Only the copies that are meant."""
    post.kept(*several(2))
    code, told = post.run("delete", "--to", "joe@example.com", "--yes")
    assert code == 0
    assert told.count("still held for sue@example.net") == 2
    assert post.run("delete", "--class", "virus")[1] == "nothing is held that is so\n"
    assert post.run("delete", "--since", "1d", "abc")[0] == 2


def test_a_damaged_record_is_not_claimed(post: Post) -> None:
    """It stays held: nothing of it can be sent, and nobody has to resolve anything."""
    (id_,) = post.kept(replace(HOLD, more={"subject": "x"}))
    record = post.desk.folder / "quarantine" / f"{HOLD.digest}.json"
    assert post.run("list")[0] == 0
    record.write_text(record.read_text().replace('"octets": "', '"octets": "!'))
    code, told = post.run("release", id_, "--yes")
    assert code == 1
    assert "not released" in told
    assert post.states() == [["held", "held"]]
