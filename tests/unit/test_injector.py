"""injector: what becomes of each letter, whatever the queue program and the disk say."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qscanner import injector, outbox
from qscanner.alarm import Alarm
from qscanner.injector import Office, Rates
from qscanner.log import Log
from qscanner.outbox import Kind
from qscanner.policy.rules import Policy
from qscanner.settings import Digest, Notices, Quarantine, Queue, Settings
from tests.fakes import facts, queue
from tests.fakes.post import digest, letter

NOW = 1_700_000_100.0


class Witness(Log):
    """A log that remembers."""

    def __init__(self) -> None:
        super().__init__("stderr")
        self.events: list[Mapping[str, Any]] = []

    def write(self, event: Mapping[str, Any]) -> None:
        """Remember instead of writing."""
        self.events.append(event)

    @property
    def names(self) -> list[str]:
        """Give the events' names."""
        return [str(each["event"]) for each in self.events]


class Post:
    """An office with an outbox and the strict queue program."""

    def __init__(self, folder: Path, program: Path, **notices: Any) -> None:
        self.queue_dir = folder / "queue"
        self.queue_dir.mkdir(exist_ok=True)
        self.log = Witness()
        self.settings = Settings(
            queue=Queue(program=str(program)),
            quarantine=Quarantine(dir=str(folder)),
            notices=Notices(admin="root@here.example", **notices),
            digest=Digest(to=("@here.example",), admin=True),
        )
        self.office = self.opened()

    def opened(self) -> Office:
        return Office(
            settings=self.settings,
            log=self.log,
            host="mx.here.example",
            environment={"FAKE_QUEUE_DIR": str(self.queue_dir)},
        )

    @property
    def folder(self) -> str:
        return outbox.folder(self.settings.quarantine.dir)

    def put(self, **said: Any) -> None:
        outbox.put(self.folder, letter(**said))

    def turn(self, now: float = NOW, **exit: str) -> None:
        self.office.environment = {"FAKE_QUEUE_DIR": str(self.queue_dir), **exit}
        self.office.turn(now)

    def sent(self) -> list[bytes]:
        return [each.envelope for each in queue.queued(self.queue_dir)]


@pytest.fixture
def post(tmp_path: Path, fake_queue: Path) -> Post:
    return Post(tmp_path, fake_queue)


def test_sent_once(post: Post) -> None:
    """From nobody, noted, removed; the same letter is not sent again."""
    post.turn()  # no outbox yet
    post.put()
    post.turn()
    assert post.sent() == [b"F\0Tbob@here.example\0\0"]
    assert post.log.names == ["notice-sent"]
    assert outbox.waiting(post.folder) == []
    post.put()
    post.turn()
    assert len(post.sent()) == 1


def test_sent_only_to_whom_was_not_told(post: Post) -> None:
    """A retry that is held for one more tells that one."""
    outbox.make(post.folder)
    outbox.remember(post.folder, letter(), [b"a@x"])
    post.put(to=(b"a@x", b"b@x"))
    post.turn()
    assert post.sent() == [b"F\0Tb@x\0\0"]


def test_killed_after_the_note(post: Post) -> None:
    """A letter that is still there, though all were told, is only removed."""
    post.put()
    outbox.remember(post.folder, letter(), letter().to)
    post.turn()
    assert post.sent() == []
    assert outbox.waiting(post.folder) == []


@pytest.mark.parametrize("exit", ["53", "71", "91", "62"])
def test_later(post: Post, exit: str) -> None:
    """It waits, ever longer; that is logged once, until one was sent."""
    post.put()
    for now in (0.0, 1.0, 9.0, 11.0, 30.0, 32.0):
        post.turn(NOW + now, FAKE_QUEUE_EXIT=exit)
    assert len(queue.started(post.queue_dir)) == 3  # at 0, 10 and 20 s later
    assert post.log.names == ["notices-wait"]
    assert len(outbox.waiting(post.folder)) == 1
    post.turn(NOW + 3600.0)
    post.put(about="x")
    post.turn(NOW + 3600.0, FAKE_QUEUE_EXIT=exit)
    assert post.log.names == ["notices-wait", "notice-sent", "notices-wait"]


def test_one_that_waits_does_not_stop_others(post: Post) -> None:
    """One try for each turn while the queue takes nothing; then all."""
    for about in ("a", "b", "c"):
        post.put(about=about)
    post.turn(FAKE_QUEUE_EXIT="53")
    assert len(queue.started(post.queue_dir)) == 1
    post.turn(NOW + 1)
    assert len(post.sent()) == 2
    post.turn(NOW + 11)
    assert len(post.sent()) == 3


def test_never(post: Post) -> None:
    """What the queue program says for good, and what is too late, is put aside."""
    post.put()
    post.turn(FAKE_QUEUE_EXIT="31")
    post.put(about="x", at=NOW - 8 * 86400)
    post.turn(FAKE_QUEUE_EXIT="53")
    assert post.log.names == ["notice-failed", "notice-failed"]
    assert outbox.state(post.folder, now=NOW).failed == 2
    assert outbox.waiting(post.folder) == []


def test_what_is_no_letter(post: Post) -> None:
    """It is put aside, and the others go."""
    post.put()
    Path(post.folder, "x.json").write_text("{}")
    post.turn()
    assert sorted(post.log.names) == ["notice-failed", "notice-sent"]


def test_no_queue_program(tmp_path: Path) -> None:
    """It is trouble, not the end."""
    post = Post(tmp_path, tmp_path / "none")
    post.put()
    post.turn()
    assert post.log.names == ["notices-wait"]
    assert "does not exist" in str(post.log.events[0]["why"])


def test_never_into_ourselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is qscanner-queue would scan our own letters."""
    ours = tmp_path / "qscanner-queue"
    ours.write_text("#!/bin/sh\n")
    ours.chmod(0o755)
    monkeypatch.setattr("sys.argv", [str(tmp_path / "qscannerd")])
    post = Post(tmp_path, ours)
    post.put()
    post.turn()
    assert "a loop" in str(post.log.events[0]["why"])


def test_rates(tmp_path: Path, fake_queue: Path) -> None:
    """More than is allowed in an hour is dropped, counted, and told to the admin."""
    post = Post(tmp_path, fake_queue, per_address=2, per_hour=4)
    for number in range(4):
        post.put(about=f"m{number}")
    post.turn()
    assert len(post.sent()) == 2
    post.put(about="many", to=(b"a@x", b"b@x", b"c@x"))
    post.turn()
    assert post.sent()[-1] == b"F\0Ta@x\0Tb@x\0\0"
    assert [each["dropped"] for each in post.log.events if each["event"] == "notice-dropped"] == [
        1,
        2,
        3,
    ]
    post.put(about="m0", kind=Kind.ADMIN, to=(b"root@here.example",))
    post.turn(NOW + 3601)
    assert b"more than [notices] allows: 3\n" in queue.queued(post.queue_dir)[-1].message
    post.put(about="m1", kind=Kind.ADMIN, to=(b"root@here.example",))
    post.turn(NOW + 3601)
    assert b"more than [notices] allows: 0\n" in queue.queued(post.queue_dir)[-1].message


def test_rates_survive_a_restart(tmp_path: Path, fake_queue: Path) -> None:
    """Who was told within the hour is read from the notes."""
    post = Post(tmp_path, fake_queue, per_address=1)
    post.put()
    now = os.stat(post.folder).st_mtime
    post.turn(now)
    os.close(post.office._lock)
    post.office = post.opened()
    post.put(about="x")
    post.turn(now + 1)
    assert post.log.names == ["notice-sent", "notice-dropped"]


def test_digests_have_no_limit_for_all(tmp_path: Path, fake_queue: Path) -> None:
    """Everybody gets a digest at seven, and notices are not fewer for it, nor after a restart."""
    post = Post(tmp_path, fake_queue, per_address=2, per_hour=3)
    for number in range(5):
        outbox.put(post.folder, digest(to=(b"r%d@here.example" % number,)))
    now = os.stat(post.folder).st_mtime
    post.turn(now)
    assert len(post.sent()) == 5
    os.close(post.office._lock)
    post.office = post.opened()
    for number in range(4):
        post.put(about=f"m{number}", to=(b"r%d@here.example" % number,))
    post.turn(now + 1)
    assert len(post.sent()) == 8
    assert post.log.names == ["notice-sent"] * 8 + ["notice-dropped"]
    assert post.log.events[0] == {
        "event": "notice-sent",
        "kind": "digest",
        "about": "digest-1700000000",
        "to": 1,
    }


def test_digests_to_one_address(tmp_path: Path, fake_queue: Path) -> None:
    """No more than per_address in an hour, however many somebody writes; notices do not count."""
    post = Post(tmp_path, fake_queue, per_address=2)
    for number in range(2):
        post.put(about=f"m{number}")
    for number in range(4):
        outbox.put(post.folder, digest(about=f"digest-{number}"))
    post.turn()
    kinds = [each["kind"] for each in post.log.events if each["event"] == "notice-sent"]
    assert sorted(kinds) == ["digest", "digest", "held", "held"]
    assert post.log.names.count("notice-dropped") == 2


@pytest.mark.parametrize(
    ("to", "is_sent"),
    [
        (b"Bob@HERE.example", True),
        (b"root@here.example", True),
        (b"eve@elsewhere.example", False),
        (b"eve@here.example@elsewhere.example", False),
        (b"bob", False),
    ],
)
def test_digests_go_to_nobody_else(post: Post, to: bytes, is_sent: bool) -> None:
    """Whoever can write into the outbox has no words of his own sent to the world."""
    outbox.put(post.folder, digest(to=(b"bob@here.example", to)))
    post.turn()
    assert bool(post.sent()) is is_sent
    assert post.log.names == ["notice-sent" if is_sent else "notice-failed"]


def test_the_digest_of_the_admin(post: Post) -> None:
    """It goes where [digest] admin asks for it, whatever its domain."""
    to = {"to": (b"root@elsewhere.example",)}
    notices = replace(post.settings.notices, admin="Root@elsewhere.example")
    asked = replace(post.settings, notices=notices)
    post.office.settings = replace(asked, digest=Digest(to=("@here.example",)))
    outbox.put(post.folder, digest(**to))
    post.turn()
    assert post.log.names == ["notice-failed"]
    post.office.settings = asked
    outbox.put(post.folder, digest(about="digest-1-admin", **to))
    post.turn()
    assert post.sent() == [b"F\0Troot@elsewhere.example\0\0"]


@pytest.mark.parametrize(
    ("per_hour", "per_address", "allowed"),
    [
        (10, 1, (b"c",)), (10, 2, (b"b", b"c")), (10, 9, (b"a", b"b", b"c")),
        (4, 9, (b"a",)), (3, 9, ()), (None, 2, (b"b", b"c")),
    ],
)  # fmt: skip
def test_allowed(per_hour: int | None, per_address: int, allowed: tuple[bytes, ...]) -> None:
    """Each address, in any case, and all together."""
    told = [(1.0, b"c"), (3000.0, b"A"), (3000.0, b"a"), (3600.0, b"b")]
    rates = Rates(told, per_hour=per_hour, per_address=per_address)
    assert rates.allowed((b"a", b"b", b"c"), now=3700.0) == allowed


def test_alarms_have_no_rates(tmp_path: Path, fake_queue: Path) -> None:
    """One letter, however often it is time, and one when it is over."""
    post = Post(tmp_path, fake_queue, per_hour=1)
    outbox.make(post.folder)
    outbox.remember(post.folder, letter(), letter().to)
    post.office.alarm = Alarm(dead_from=int(NOW))
    for after in (800, 900, 901, 1000):
        post.turn(NOW + after)
    assert post.log.names == ["notice-sent"]
    post.office.alarm.dead_until = int(NOW) + 1200
    for after in (1200, 1300):
        post.turn(NOW + after)
    assert [each["kind"] for each in post.log.events] == ["alarm", "alarm-over"]
    text = queue.queued(post.queue_dir)[-1].message
    assert b"after 20 minutes" in text


def test_one_office_at_a_time(post: Post) -> None:
    """A second daemon, or the one before a reload, leaves the letters alone."""
    post.put()
    other = post.opened()
    post.turn(FAKE_QUEUE_EXIT="53")
    other.turn(NOW + 60)
    assert post.sent() == []
    os.close(post.office._lock)
    other.turn(NOW + 60)
    assert len(post.sent()) == 1


def test_it_stops_between_letters(post: Post) -> None:
    """The dispatcher is gone: what is not begun waits for the next one."""
    post.put()
    post.office.turn(NOW, is_over=lambda: True)
    assert post.sent() == []


def test_no_room_for_the_note(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent is not sent again, though nothing can be noted."""
    post.put()
    os.rmdir(f"{post.folder}/sent")
    Path(post.folder, "sent").write_text("in the way")
    post.office._lock = os.open(post.folder, os.O_RDONLY)
    post.turn()
    post.turn()
    assert len(post.sent()) == 1
    assert post.log.names == ["notice-sent", "notices-wait"]


def test_what_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue program finds the daemon's environment, without what would lead back to us."""
    monkeypatch.setenv("QMAILQUEUE", "/us")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/x")
    monkeypatch.setenv("QSCANNER_MAILDIR", "/m")
    given = injector.environment()
    assert given["QSCANNER_MAILDIR"] == "/m"
    assert not {"QMAILQUEUE", "NOTIFY_SOCKET"} & given.keys()


def test_when_it_is_needed(tmp_path: Path) -> None:
    """With an admin, a rule that tells anybody, or letters from before."""
    settings = Settings(quarantine=Quarantine(dir=str(tmp_path)))
    assert not injector.is_needed(settings, Policy(folder=""))
    with_admin = Settings(notices=Notices(admin="a@b"))
    assert injector.is_needed(with_admin, Policy(folder=""))
    for asked in (Digest(to=("@here.example",)), Digest(admin=True)):
        with_digests = replace(settings, digest=asked)
        assert injector.is_needed(with_digests, Policy(folder="")) is bool(asked.to)
    rule = '[[rule]]\nid = "a"\nvirus = "*"\naction = "discard"\nnotify = "recipients"\n'
    assert injector.is_needed(settings, facts.policy(tmp_path, rule))
    (tmp_path / "outbox").mkdir()
    assert injector.is_needed(settings, Policy(folder=""))


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


@pytest.mark.parametrize(
    ("step", "is_after", "times"),
    [
        ("queued", False, 1),
        ("queued", True, 2),
        ("noted", False, 2),
        ("noted", True, 1),
        ("removed", False, 1),
        ("removed", True, 1),
    ],
    ids=["before-queue", "after-queue", "before-note", "after-note", "before-end", "after-end"],
)
def test_killed_at_every_step(
    post: Post, monkeypatch: pytest.MonkeyPatch, step: str, is_after: bool, times: int
) -> None:
    """Sent once; twice only between the queue program's 0 and the note, as the same message."""
    place: Any = injector if step == "queued" else outbox
    name = {"queued": "inject", "noted": "remember", "removed": "remove"}[step]
    real = getattr(place, name)

    def killed(*given: Any, **more: Any) -> None:
        if is_after:
            real(*given, **more)
        raise Killed

    post.put()
    with monkeypatch.context() as patched:
        patched.setattr(place, name, killed)
        with pytest.raises(Killed):
            post.turn()
    os.close(post.office._lock)
    post.office = post.opened()
    post.turn()
    post.turn()
    sent = [(each.envelope, each.message) for each in queue.queued(post.queue_dir)]
    assert len(sent) == times
    assert len(set(sent)) == 1
    assert outbox.waiting(post.folder) == []


def test_a_clock_that_is_set_back(post: Post) -> None:
    """What waits, or was sent, at times that are yet to come holds nobody up."""
    post.put()
    post.turn(NOW + 86400, FAKE_QUEUE_EXIT="71")
    post.turn(NOW)
    assert len(post.sent()) == 1
    rates = Rates([(NOW + 86400, b"a@b")], per_hour=None, per_address=1)
    assert rates.allowed((b"a@b",), now=NOW) == (b"a@b",)
    rates.note((b"a@b",), now=NOW)
    assert rates.allowed((b"a@b",), now=NOW) == ()


@pytest.mark.parametrize("at", ["NaN", "Infinity", "1e300", "1e15", "-1"])
def test_a_letter_of_no_time(post: Post, at: str) -> None:
    """It is put aside like others that are none; the injector goes on with the next."""
    post.put()
    (name,) = outbox.waiting(post.folder)
    path = Path(post.folder, name)
    said = f'"at": {letter().at}'
    assert said in path.read_text()
    path.write_text(path.read_text().replace(said, f'"at": {at}'))
    post.turn()
    assert post.log.names == ["notice-failed"]
    assert post.sent() == []
