"""Notices, alarms and the archive with the real qscannerd and the strict queue program."""

import contextlib
import email
import email.policy
import os
import signal
import time
from collections.abc import Iterator
from email.message import EmailMessage, Message
from pathlib import Path

import pytest
from click.testing import CliRunner

from qscanner import outbox
from qscanner.outcomes import Ending
from qscanner.programs.admin import command
from qscanner.settings import Quarantine
from tests.fakes import caller, clamd, mails, queue, resident, server
from tests.fakes.carrier import hold as held
from tests.fakes.guest import visit
from tests.fakes.post import letter
from tests.fakes.queue import Queued
from tests.fakes.resident import Resident, serving, until
from tests.fakes.site import Site

RULE = """
[[rule]]
id = "locked"
why = "Nobody can look into it"
part = { encrypted = true }
action = "quarantine"
notify = ["recipients", "admin"]

[[rule]]
id = "infected"
virus = "*"
action = "reject"
notify = "admin"
"""
TABLES = """
[notices]
admin = "root@here.example"
{more}
"""
RAW = caller.envelope(b"ann@sender.example", b"bob@here.example", b"eve@here.example")


@pytest.fixture
def site(open_tmp: Path, fake_queue: Path) -> Site:
    """Give an installation whose rules tell people."""
    made = Site(open_tmp, fake_queue)
    made.policy(RULE)
    return made


def environment(site: Site) -> dict[str, str]:
    """Give the daemon's environment, which the injector hands to the queue program."""
    return {"FAKE_QUEUE_DIR": str(site.queue_dir)}


@contextlib.contextmanager
def running(
    site: Site, more: str = "", *, virus: str = 'engines = ["yara"]', **told: str
) -> Iterator[Resident]:
    """Run a daemon that trusts whoever calls, with `more` lines of [notices].

    `told` are variables for the queue program.
    """
    with serving(
        site,
        environment={**environment(site), **told},
        queue=f'trusted_users = ["{os.getuid()}"]',
        spam=TABLES.format(more=more),
        virus=virus,
    ) as one:
        yield one


@pytest.fixture
def daemon(site: Site) -> Iterator[Resident]:
    """Give a daemon that sends notices."""
    with running(site) as one:
        yield one


def hold(daemon: Resident, message: bytes = b"") -> None:
    heard = visit(daemon.path, message or mails.locked(), RAW)
    assert heard.ending is Ending.HELD, daemon.log


def queued(site: Site, count: int) -> list[Queued]:
    """Wait until so many are queued, and give them."""
    until(lambda: len(site.queued()) >= count, f"{count} letters are queued")
    return site.queued()


def injectors(daemon: Resident) -> list[int]:
    """Give the process ids of injectors that run."""
    return [
        pid
        for pid in resident.children(daemon.pid)
        if Path(f"/proc/{pid}/comm").read_text().strip() == "q-injector"
    ]


def test_recipients_and_the_admin_are_told(daemon: Resident) -> None:
    """One letter to both recipients, one to the admin; from nobody, without NO_NEW_PRIVS, once."""
    hold(daemon)
    hold(daemon)  # the sender tries again
    letters = queued(daemon.site, 2)
    by_envelope = {each.envelope: email.message_from_bytes(each.message) for each in letters}
    to_recipients = by_envelope[b"F\0Tbob@here.example\0Teve@here.example\0\0"]
    to_admin = by_envelope[b"F\0Troot@here.example\0\0"]
    assert to_recipients["To"] == "undisclosed-recipients:;"
    assert "ann@sender.example" in text_of(to_recipients)
    assert "bob@here.example, eve@here.example" in text_of(to_admin)
    for each in letters:
        assert each.facts["NoNewPrivs"] == "0"
        assert each.facts["SigIgn"].endswith("0000")
        assert each.facts["rlimit.AS"].startswith("-1 ")  # not a worker's
        assert b"Auto-Submitted: auto-generated" in each.message
    daemon.wait_for("event=notice-sent", times=2)
    until(lambda: not outbox.waiting(folder(daemon.site)), "the outbox is empty")
    assert len(daemon.site.queued()) == 2


def text_of(letter: Message) -> str:
    octets = letter.get_payload(decode=True)
    assert isinstance(octets, bytes)
    return octets.decode()


def folder(site: Site) -> str:
    return outbox.folder(str(site.quarantine))


def test_refused_mail_is_told_to_the_admin_alone(daemon: Resident) -> None:
    """A rule that refuses may have the admin told."""
    heard = visit(daemon.path, mails.infected(), RAW)
    assert heard.ending is Ending.REJECTED
    (one,) = queued(daemon.site, 1)
    assert one.envelope == b"F\0Troot@here.example\0\0"
    daemon.wait_for("event=notice-sent kind=admin")


def test_letters_wait_for_the_queue(site: Site) -> None:
    """A queue program that takes nothing: logged once, and the letter is there the next time."""
    with running(site, FAKE_QUEUE_EXIT="53") as one:
        hold(one)
        one.wait_for("event=notices-wait .*ended with 53")
        until(lambda: len(queue.started(site.queue_dir)) >= 2, "both were tried")
    assert len(outbox.waiting(folder(site))) == 2
    assert one.log.count("event=notices-wait") == 1
    with running(site) as one:
        one.wait_for("event=notice-sent", times=2)


def test_what_the_queue_refuses_for_good(site: Site) -> None:
    """31 is a word for ever: the letter is put aside for the admin, and logged."""
    with running(site, FAKE_QUEUE_EXIT="31") as one:
        hold(one)
        one.wait_for("event=notice-failed", times=2)
    assert outbox.state(folder(site), now=2e9).failed == 2
    assert outbox.waiting(folder(site)) == []


def test_without_a_daemon_letters_wait(site: Site) -> None:
    """Letters that lie there when the daemon starts are sent, though no rule asks for any."""
    site.policy('[[rule]]\nid = "a"\nvirus = "*"\naction = "reject"\n')
    outbox.put(folder(site), letter())
    assert outbox.state(folder(site), now=2e9).waiting == 1
    with serving(site, environment=environment(site)) as one:
        one.wait_for("event=notice-sent kind=held")
        (sent,) = queued(site, 1)
    assert sent.envelope == b"F\0Tbob@here.example\0\0"


def test_killed_injector_comes_back(daemon: Resident) -> None:
    """It is missed, logged and replaced; what waits is sent."""
    until(lambda: injectors(daemon), "it runs")
    (pid,) = injectors(daemon)
    os.kill(pid, signal.SIGKILL)
    daemon.wait_for("event=injector-died")
    hold(daemon)
    queued(daemon.site, 2)
    assert injectors(daemon) != [pid]


def test_killed_at_any_moment(site: Site) -> None:
    """SIGKILL again and again while letters are sent: none is lost, and twice means the same."""
    with running(site, "per_hour = 1000") as one:
        until(lambda: injectors(one), "it runs")
        for number in range(12):
            to = (b"r%d@here.example" % number,)
            outbox.put(folder(site), letter(about=f"m{number}", to=to))
        for _ in range(3):
            until(lambda: injectors(one), "it runs again")
            until(lambda: site.queued() or True, "a moment passes")
            for pid in injectors(one):
                os.kill(pid, signal.SIGKILL)
            one.wait_for("event=injector-died")
        until(lambda: not outbox.waiting(folder(site)), "all are sent")
        sent = [(each.envelope, each.message) for each in site.queued()]
        assert len({envelope for envelope, _ in sent}) == 12
        assert len(set(sent)) == 12  # the second is the first, octet for octet


def test_a_reload_brings_a_new_one(daemon: Resident) -> None:
    """SIGHUP: the injector ends without being missed, and the new one has the new settings."""
    until(lambda: injectors(daemon), "it runs")
    before = injectors(daemon)
    daemon.signal(signal.SIGHUP)
    daemon.wait_for("event=reloaded")
    until(lambda: injectors(daemon) and injectors(daemon) != before, "another one runs")
    hold(daemon)
    queued(daemon.site, 2)
    assert "injector-died" not in daemon.log


def test_it_ends_with_the_daemon(site: Site) -> None:
    """Killed or stopped: no injector is left."""
    with running(site) as one:
        until(lambda: injectors(one), "it runs")
        (pid,) = injectors(one)
        one.signal(signal.SIGKILL)
        one.ended()
        until(lambda: not resident.is_alive(pid), "it is gone")


def test_alarm(site: Site) -> None:
    """Mail that is put off for a dead scanner brings one alarm, and its end another letter."""
    path = site.folder / "clamd"
    dead = f'engines = ["clamav"]\nclamav.servers = ["unix:{path}"]'
    with running(site, 'alarm_after = "1 s"', virus=dead) as one:
        for _ in range(2):
            assert visit(one.path, mails.text(), RAW).ending is Ending.DEFERRED
        (alarm,) = queued(site, 1)
        assert b"Subject: ALARM" in alarm.message
        assert b"as [virus] on_failure says: defer" in alarm.message
        assert alarm.envelope == b"F\0Troot@here.example\0\0"
        one.wait_for("event=notice-sent kind=alarm")
        with server.serving(clamd.judging(clamd.always(b"stream: OK\0"))) as alive:
            path.symlink_to(alive.text.removeprefix("unix:"))
            assert visit(one.path, mails.text(), RAW).ending is Ending.ACCEPTED
            one.wait_for("event=notice-sent kind=alarm-over")
        assert b"Subject: Over" in queued(site, 2)[-1].message
    assert len(site.queued()) == 2


def test_a_digest(site: Site) -> None:
    """What is held is told with text and HTML, by the injector, to each and to the admin."""
    subject = "You won <b>\u202e http://evil.example"
    hostile = held(subject, time.time() - 600, to=(b"bob@here.example",), sender=b"<i>@x.example")
    hostile.keep(Quarantine(dir=str(site.quarantine)))
    asked = '[digest]\nto = ["@here.example"]\nadmin = true'
    with running(site, asked) as one:
        words = ["--config", str(site.file), "quarantine", "digest", "--send", "--yes"]
        done = CliRunner().invoke(command, words)
        assert (done.exit_code, done.output[:9]) == (0, "2 letters"), done.output
        letters = {each.envelope: each for each in queued(site, 2)}
        one.wait_for("event=notice-sent kind=digest", times=2)
    assert set(letters) == {b"F\0Tbob@here.example\0\0", b"F\0Troot@here.example\0\0"}
    for each in letters.values():
        assert each.facts["NoNewPrivs"] == "0"
        message = email.message_from_bytes(each.message, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        assert message.defects == []
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["Subject"].endswith(": 1 new")
        text, html = (part.get_content() for part in message.iter_parts())
        assert "You won <b>\\u202e http:/[/]evil.example" in text
        assert "You won &lt;b&gt;\\u202e http:/[/]evil" in html
        assert hostile.digest[:12] in text
        assert hostile.digest[:12] in html
    assert outbox.waiting(folder(site)) == []


def maildir(site: Site, name: str) -> Path:
    made = site.folder / name
    for each in ("", "tmp", "new", "cur"):
        (made / each).mkdir()
    return made


def test_archive(site: Site) -> None:
    """What passes and what is held goes to the Maildir, octet for octet; what is refused, not."""
    all_mail, some = maildir(site, "all"), maildir(site, "some")
    site.policy(
        f'{RULE}\n[[rule]]\nid = "copy"\nwhen.to = "bob@here.example"\naction = "accept"\n'
        f'copy_to = "maildir:{some}"\n'
    )
    archive = f'[archive]\nmaildir = "{all_mail}"\naddress = "archive@here.example"\n'
    with serving(site, spam=archive) as one:
        accepted = visit(one.path, mails.text(), RAW)
        assert accepted.ending is Ending.ACCEPTED
        assert accepted.envelope == RAW[:-1] + b"Tarchive@here.example\0\0"
        for place in (all_mail, some):
            (copy,) = (place / "new").iterdir()
            octets = copy.read_bytes()
            top, ours, below = octets.partition(b"X-Qscanner: ")
            assert ours
            assert top == (
                b"Return-Path: <ann@sender.example>\n"
                b"Delivered-To: bob@here.example\nDelivered-To: eve@here.example\n"
            )
            assert below.partition(b"\n")[2] == mails.text()
        assert visit(one.path, mails.infected(), RAW).ending is Ending.REJECTED
        assert visit(one.path, mails.locked(), RAW).ending is Ending.HELD
        assert len(list((all_mail / "new").iterdir())) == 2
        assert len(list((some / "new").iterdir())) == 1


def test_no_archive_no_yes(site: Site) -> None:
    """A Maildir that is not there puts mail off: it is never accepted without its copy."""
    with serving(site, spam=f'[archive]\nmaildir = "{site.folder}/nowhere"\n') as one:
        heard = visit(one.path, mails.text(), RAW)
        assert heard.ending is not Ending.ACCEPTED
        assert heard.message == b""


def test_bounces_are_not_answered(daemon: Resident) -> None:
    """Held like anything else, and nobody is told."""
    raw = caller.envelope(b"", b"bob@here.example")
    assert visit(daemon.path, mails.locked(), raw).ending is Ending.HELD
    hold(daemon)
    assert len(queued(daemon.site, 2)) == 2  # of the second message
    daemon.wait_for("event=notice-sent", times=2)
    assert len(daemon.site.queued()) == 2
