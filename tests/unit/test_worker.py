"""A worker, forked as the daemon forks it: one client after another, and confined."""

import contextlib
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qscanner import config, descriptors, worker
from qscanner.bench import Bench
from qscanner.codec import frames, orders
from qscanner.intake import memory_file, write_all
from qscanner.log import Log
from qscanner.outcomes import Ending
from tests.fakes import caller, mails
from tests.fakes.guest import Guest, Heard
from tests.fakes.resident import is_alive, until
from tests.fakes.site import Site, below_our_lines

STRANGER = 12001
MEMORY_GIB = 16


class Visitor(Guest):
    """A client that was let in and handed over already."""

    def __init__(self) -> None:
        self.ip = b"192.0.2.7"
        self.sock, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.theirs.setblocking(False)  # as the dispatcher leaves it


class Hired:
    """A forked worker, and our end of its socket."""

    def __init__(
        self, bench: Bench, *, messages: int, before: Callable[[], None], parent: int
    ) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(15)
        self.pid = os.fork()
        if not self.pid:
            try:
                _close_all_but(theirs.fileno())
                before()
                worker.work(theirs, bench, Log("stderr"), parent=parent, messages=messages)
            finally:
                os._exit(99)
        theirs.close()

    def take(self, *, uid: int = 0, not_to_scan: tuple[str, ...] = ()) -> Visitor:
        """Hand a client over."""
        visitor = Visitor()
        order = orders.take(uid, not_to_scan)
        descriptors.say(self.control, order, (visitor.theirs.fileno(),))
        visitor.theirs.close()
        return visitor

    def heard(self) -> tuple[str, str | orders.Facts]:
        """Give the next word of the worker."""
        return orders.heard(self.control.recv(orders.MAX_OCTETS))

    def facts(self) -> orders.Facts:
        """Give the facts of one message, after what was said before."""
        word, told = self.heard()
        if word == "busy":
            word, told = self.heard()
        assert word == "done"
        assert isinstance(told, dict)
        return told

    def end(self) -> int:
        """Go away, and give how the worker ended."""
        self.control.close()
        until(lambda: not is_alive(self.pid), "the worker has ended")
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _close_all_but(keep: int) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != keep:
            with contextlib.suppress(OSError):
                os.close(int(name))


Hire = Callable[..., Hired]


@pytest.fixture
def site(open_tmp: Path, fake_queue: Path) -> Site:
    """Give an installation with the embedded engine, and room for what the tests have loaded."""
    made = Site(open_tmp, fake_queue)
    made.settings(limits=f'memory = "{MEMORY_GIB} GiB"')
    return made


@pytest.fixture
def hire(site: Site) -> Iterator[Hire]:
    """Give a function that forks a worker."""
    hired: list[Hired] = []

    def fork(
        *,
        messages: int = 100,
        bench: Bench | None = None,
        before: Callable[[], None] = lambda: None,
        parent: int = 0,
    ) -> Hired:
        chosen = bench or Bench.of(config.load(str(site.file)))
        hired.append(Hired(chosen, messages=messages, before=before, parent=parent or os.getpid()))
        return hired[-1]

    yield fork
    for one in hired:
        one.control.close()
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(one.pid, signal.SIGKILL)
            os.waitpid(one.pid, 0)


def _visit(one: Hired, message: bytes | int, *, uid: int = 0) -> Heard:
    with one.take(uid=uid) as visitor:
        return visitor.ask(message).answer()


def test_one_after_another(hire: Hire, site: Site) -> None:
    """Each is answered, and the dispatcher hears what was begun, and the facts."""
    one = hire()
    for message, ending in (
        (mails.text(), Ending.ACCEPTED),
        (mails.infected(), Ending.REJECTED),
        (mails.locked(), Ending.HELD),
        (mails.text(b"y" * 2_000_000 + b"\n"), Ending.ACCEPTED),
    ):
        heard = _visit(one, message)
        assert heard.ending is ending
        if ending is Ending.ACCEPTED:
            assert below_our_lines(heard.message) == message
        word, digest = one.heard()
        assert word == "busy"
        facts = one.facts()
        assert facts["ending"] == ending.name.lower()
        assert facts["octets"] == len(message)
        assert facts["virus"] in ("clean", "found")
        assert len(str(digest)) == 64
    assert [record["rules"] for record in site.held()] == [["encrypted-archive"]]
    assert one.end() == 0


def test_not_to_be_scanned(hire: Hire) -> None:
    """A message that took workers down is not looked at: the shipped policy holds it."""
    one = hire()
    _visit(one, mails.text())
    _, digest = one.heard()
    one.heard()
    with one.take(not_to_scan=(str(digest),)) as visitor:
        assert visitor.ask(mails.text()).answer().ending is Ending.HELD
    facts = one.facts()
    assert (facts["rules"], facts["virus"]) == ("unscannable", "unscannable")


def test_retires(hire: Hire) -> None:
    """After its last message it says so, and ends by itself."""
    one = hire(messages=2)
    _visit(one, mails.text())
    one.facts()
    _visit(one, mails.text())
    one.heard()
    assert one.heard()[0] == "last"
    assert one.control.recv(99) == b""
    assert one.end() == 0


def test_a_bug(hire: Hire, site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    """A bug of ours is "later" for that message; the process is not trusted any more."""
    bench = Bench.of(config.load(str(site.file)))
    one = hire(bench=replace(bench, policy=None))  # type: ignore[arg-type]
    assert _visit(one, mails.text()).ending is Ending.BUG
    one.heard()
    assert one.heard()[0] == "last"
    assert one.end() == 0
    assert "bug: AttributeError" in capfd.readouterr().err


def test_no_disk(hire: Hire, site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    """What cannot be kept is put off, and the worker serves on."""
    site.quarantine.rmdir()
    one = hire()
    assert _visit(one, mails.locked()).ending is Ending.DEFERRED
    assert one.facts()["ending"] == "deferred"
    assert _visit(one, mails.text()).ending is Ending.ACCEPTED
    assert "cannot keep" in capfd.readouterr().err


def test_goes_away(hire: Hire, capfd: pytest.CaptureFixture[str]) -> None:
    """A client that goes, before it asked or before it was answered, is noted; the next is served.

    `ending` is what it would have heard.
    """
    one = hire()
    with one.take(uid=7):
        pass
    assert one.facts()["ending"] == "cut-short"
    with one.take(uid=8) as visitor:
        visitor.ask(mails.text(b"y" * 2_000_000))
    assert one.facts()["ending"] == "accepted"
    assert _visit(one, mails.text()).ending is Ending.ACCEPTED
    said = capfd.readouterr().err
    assert 'event=client-gone digest=- uid=7 ending=cut-short why="Broken pipe"' in said
    assert "uid=8 ending=accepted why=" in said


def test_says_nothing(hire: Hire, site: Site) -> None:
    """Who was invited and does not ask is not waited for beyond the time of a message."""
    site.file.write_text(site.file.read_text().replace('time = "60 s"', 'time = "1 s"'))
    one = hire()
    begun = time.monotonic()
    with one.take() as visitor:
        assert visitor.answer().ending is Ending.DEADLINE
    assert time.monotonic() - begun < 5
    assert one.facts()["ending"] == "deadline"


QUESTIONS = [
    pytest.param(b"rubbish", 2, id="rubbish"),
    pytest.param(frames.ask(1, {}), 1, id="one-file"),
    pytest.param(frames.ask(1, {}), 3, id="three-files"),
    pytest.param(frames.hello(b""), 2, id="hello"),
]


@pytest.mark.parametrize(("packet", "count"), QUESTIONS)
def test_odd_questions(hire: Hire, packet: bytes, count: int) -> None:
    """Later, and no descriptor stays."""
    one = hire()
    _visit(one, mails.text())
    one.facts()
    before = sorted(os.listdir(f"/proc/{one.pid}/fd"))
    with one.take() as visitor, open("/dev/null", "rb") as file:
        visitor.say(packet, [file.fileno()] * count)
        assert visitor.answer().ending is Ending.DEFERRED
    one.facts()
    assert sorted(os.listdir(f"/proc/{one.pid}/fd")) == before


def test_the_channel_of_the_settings(hire: Hire, site: Site) -> None:
    """Also what is put off is said where the settings want it."""
    site.settings(queue='error_text = "4:82"', limits=f'memory = "{MEMORY_GIB} GiB"')
    one = hire()
    with one.take() as visitor:
        visitor.say(b"rubbish")
        assert visitor.answer().error_text == "4:82"


def test_confined(hire: Hire, site: Site) -> None:
    """No new privileges, bounded memory and processor time, nothing of the dispatcher's open."""
    one = hire()
    _visit(one, mails.text())
    one.facts()
    status = Path(f"/proc/{one.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    limits = Path(f"/proc/{one.pid}/limits").read_text()
    rows = {line[:25].strip(): line[25:].split()[0] for line in limits.splitlines()}
    assert rows["Max address space"] == str(MEMORY_GIB << 30)
    assert rows["Max core file size"] == "0"
    assert 60 < int(rows["Max cpu time"]) < 70
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        os.kill(one.pid, number)
    assert _visit(one, mails.text()).ending is Ending.ACCEPTED


def test_a_hard_limit_of_processor_time(hire: Hire) -> None:
    """Where a supervisor allows less than a message may take, that is the limit, and no bug."""
    one = hire(before=lambda: resource.setrlimit(resource.RLIMIT_CPU, (30, 30)))
    for _ in range(2):
        assert _visit(one, mails.text()).ending is Ending.ACCEPTED


def test_ends_with_its_parent(hire: Hire) -> None:
    """A worker whose parent died before it could ask to die with it ends all the same."""
    assert hire(parent=1).end() == -signal.SIGKILL


def test_a_strangers_file_is_copied(hire: Hire, site: Site) -> None:
    """What its owner could still cut short is not looked at in place, unless we believe the owner.

    The descriptors of the copies are given back.
    """
    one = hire()
    _visit(one, mails.text())
    one.facts()
    before = len(os.listdir(f"/proc/{one.pid}/fd"))
    message = mails.text(b"y" * 2_000_000 + b"\n")
    for _ in range(3):
        fd = memory_file()
        write_all(fd, message)
        heard = _visit(one, fd, uid=STRANGER)
        assert below_our_lines(heard.message) == message
        assert one.facts()["ending"] == "accepted"
        os.close(fd)
    assert len(os.listdir(f"/proc/{one.pid}/fd")) == before
    assert not site.left()


def test_envelopes(hire: Hire) -> None:
    """A bad envelope is what qmail-queue would call it; one that is far too large is not read."""
    one = hire()
    with one.take() as visitor:
        assert visitor.ask(mails.text(), b"X").answer().ending is Ending.BAD_ENVELOPE
    huge = memory_file()
    os.truncate(huge, 1 << 40)
    with one.take() as visitor:
        assert visitor.ask(mails.text(), huge).answer().ending is Ending.BAD_ENVELOPE
    os.close(huge)
    many = caller.envelope(b"a@example.org", *(b"%d@example.com" % n for n in range(50_000)))
    with one.take() as visitor:
        heard = visitor.ask(mails.text(), many).answer()
        assert heard.envelope == many


def test_a_question_stays_until_it_is_begun(hire: Hire, site: Site) -> None:
    """A worker that dies before it says what it begins leaves the question, whole, to another."""
    first, second = hire(before=_die_when_busy), hire()
    visitor = Visitor()
    with visitor:
        descriptors.say(first.control, orders.take(0, ()), (visitor.theirs.fileno(),))
        visitor.ask(mails.text())
        assert first.control.recv(99) == b""
        descriptors.say(second.control, orders.take(0, ()), (visitor.theirs.fileno(),))
        visitor.theirs.close()
        assert visitor.answer().ending is Ending.ACCEPTED
        assert visitor.packet() == b"", "nothing was left unread"


def _die_when_busy() -> None:
    vars(worker)["orders"] = Deadly()


class Deadly:
    """Stands for codec.orders in a worker that dies when it would say that it is busy."""

    taken = staticmethod(orders.taken)
    MAX_OCTETS = orders.MAX_OCTETS

    def busy(self, _digest: str) -> bytes:
        """Die."""
        os.kill(os.getpid(), signal.SIGKILL)
        return b""
