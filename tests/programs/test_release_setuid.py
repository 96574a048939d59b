"""Releases and letters through a queue program that is set-uid, as qmail-queue is.

Who releases is no user of qmail's; the queue belongs to another one, and nobody else may write it.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qscanner import outbox
from qscanner.settings import Quarantine
from tests.fakes import queue, resident
from tests.fakes.holds import Hold
from tests.fakes.operator import qscanner
from tests.fakes.post import letter
from tests.fakes.queue import Queued
from tests.fakes.site import Site

OCTETS = b"Received: x\r\nSubject: =?x?\r\n\n\0\xff.\nFrom \r\n\r\r\nno end of line"
HOLD = Hold(octets=OCTETS, sender=b"ann-@x-@[]", to=(b"Joe@example.com", b"s\xffe@example.net"))
NOTICES = '\n[notices]\nadmin = "root@here.example"\n'
LIMIT_S = 60.0


class Office:
    """An installation: daemon and admin are one unprivileged user, the queue is another's."""

    def __init__(self, folder: Path, program: Path, uid: int, queue_uid: int) -> None:
        assert not os.statvfs(folder).f_flag & os.ST_NOSUID, f"{folder} is mounted nosuid"
        self.uid, self.queue_uid = uid, queue_uid
        self._program = program
        queue_program, self._queue = queue.build_set_uid(folder, queue_uid)
        self.site = Site(folder, queue_program)
        resident.configure(self.site, spam=NOTICES)
        self.site.quarantine.chmod(0o700)

    def owned(self) -> None:
        """Give all of the quarantine to its user."""
        for folder, _, names in os.walk(self.site.quarantine):
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                os.chown(path, self.uid, self.uid)

    def run(self, *words: str, is_new: bool = True) -> tuple[int, str]:
        """Run the installed `qscanner` as that user; `is_new` False: with NO_NEW_PRIVS."""
        before = () if is_new else ("setpriv", "--no-new-privs")
        done = subprocess.run(
            [*before, str(self._program), "--config", str(self.site.file), *words],
            cwd="/",
            env={"PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            user=self.uid,
            group=self.uid,
            extra_groups=[],
            timeout=LIMIT_S,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def become(self, *more: str) -> str:
        """Give what a shell does so that the daemon is of that user."""
        who = f"--reuid={self.uid} --regid={self.uid} --clear-groups"
        return f'set -- setpriv {who} {" ".join(more)} "$@"'

    def states(self) -> list[str]:
        """Give the states of the recipients of the one message that is held."""
        found: list[str] = json.loads(self.run("quarantine", "list", "--json")[1])["states"]
        return found

    @property
    def queued(self) -> list[Queued]:
        """Give what was queued."""
        return queue.queued(self._queue)

    @property
    def started(self) -> list[dict[str, str]]:
        """Give every start of the queue program that could write its folder."""
        return queue.started(self._queue)


@pytest.fixture
def office(
    open_tmp: Path, uids: tuple[int | None, ...], command: Callable[[str], Path]
) -> Office | None:
    """Give the installation; None where we are not root: only root makes other users' programs."""
    uid, queue_uid, *_ = (*uids, None)
    if uid is None or queue_uid is None:
        return None
    made = Office(open_tmp, command("qscanner"), uid, queue_uid)
    HOLD.keep(Quarantine(dir=str(made.site.quarantine)))
    made.owned()
    return made


def test_a_release(office: Office | None) -> None:
    """It arrives as it came, with its sender and recipients, in a queue that is another user's."""
    if office is None:
        return
    code, told = office.run("quarantine", "release", HOLD.digest[:12])
    assert (code, told[:9]) == (0, "released "), told
    (one,) = office.queued
    assert one.message == OCTETS
    assert one.envelope == HOLD.raw
    assert one.facts["uid"] == str(office.uid)
    assert one.facts["euid"] == str(office.queue_uid)
    assert office.states() == ["released", "released"]


def test_a_release_under_no_new_privs(office: Office | None) -> None:
    """It ends with 3 and says why; nothing was queued, the message is held, and can still go."""
    if office is None:
        return
    code, told = office.run("quarantine", "release", HOLD.digest[:12], is_new=False)
    assert code == 3, told
    assert "it lacks its privileges" in told
    assert "NO_NEW_PRIVS" in told
    assert (office.queued, office.started) == ([], [])
    assert office.states() == ["held", "held"]
    assert "not queued: " in office.run("quarantine", "audit")[1]
    assert office.run("quarantine", "release", HOLD.digest[:12])[0] == 0
    assert [one.message for one in office.queued] == [OCTETS]


def test_check_says_it(office: Office | None) -> None:
    """Before anybody tries: where NO_NEW_PRIVS is set, the queue program is of no use."""
    if office is None:
        return
    said = {is_new: office.run("check", is_new=is_new)[1] for is_new in (True, False)}
    assert "accepted mail goes to" in said[True]
    assert "NO_NEW_PRIVS" not in said[True]
    assert "error   queue" in said[False]
    assert "NO_NEW_PRIVS is set" in said[False]


def test_letters_of_the_daemon(office: Office | None) -> None:
    """The daemon's injector keeps its privileges, and so a letter arrives."""
    if office is None:
        return
    outbox.put(outbox.folder(str(office.site.quarantine)), letter(at=time.time()))
    office.owned()
    with resident.serving(office.site, before=office.become(), spam=NOTICES) as daemon:
        daemon.wait_for("event=notice-sent kind=held")
        assert "NO_NEW_PRIVS" not in qscanner(office.site, "check").output
    (one,) = office.queued
    assert one.envelope == b"F\0Tbob@here.example\0\0"
    assert one.facts["uid"] == str(office.uid)
    assert one.facts["euid"] == str(office.queue_uid)


def test_letters_of_a_daemon_under_no_new_privs(office: Office | None) -> None:
    """They wait, and log and check say what is wrong with the unit."""
    if office is None:
        return
    outbox.put(outbox.folder(str(office.site.quarantine)), letter(at=time.time()))
    office.owned()
    before = office.become("--no-new-privs")
    with resident.serving(office.site, before=before, spam=NOTICES) as daemon:
        assert "NO_NEW_PRIVS" in daemon.wait_for("event=notices-wait")
        said = qscanner(office.site, "check").output
    assert "warning daemon      qscannerd runs under NO_NEW_PRIVS" in said
    assert office.queued == []
    assert len(outbox.waiting(outbox.folder(str(office.site.quarantine)))) == 1
