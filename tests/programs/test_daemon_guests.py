"""Clients that no good program would be, against the real qscannerd: it serves the others on."""

import contextlib
import os
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qscanner.codec import frames
from qscanner.intake import memory_file, seal, write_all
from qscanner.outcomes import Ending
from tests.fakes import caller, mails, resident
from tests.fakes.guest import Guest, visit
from tests.fakes.resident import Resident, serving, until
from tests.fakes.site import Site, below_our_lines

# Not among [queue] trusted_users; where we are not root, we are strangers ourselves.
STRANGER = 12001 if os.getuid() == 0 else None


@pytest.fixture(scope="module")
def daemon(fake_queue: Path) -> Iterator[Resident]:
    """Give one running daemon for all of these tests: it has to stand all of them."""
    with tempfile.TemporaryDirectory(prefix="qscanner-test-") as name:
        os.chmod(name, 0o755)
        with serving(Site(Path(name), fake_queue)) as one:
            yield one
            assert "bug" not in one.log, one.log
            assert "event=worker-" not in one.log, one.log


@pytest.fixture(autouse=True)
def serves_on(daemon: Resident) -> Iterator[None]:
    """After each of these tests there are two workers, and they serve."""
    yield
    for _ in range(4):
        assert visit(daemon.path, mails.text()).ending is Ending.ACCEPTED, daemon.log
    until(lambda: len(daemon.workers()) == 2, "both workers are there")


def _held(pid: int) -> int:
    """Give how many descriptors a process holds."""
    return len(os.listdir(f"/proc/{pid}/fd"))


# ---- before "go"


def test_says_nothing(daemon: Resident) -> None:
    """Who says no hello is let go after a few seconds, and nobody waits for it."""
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(Guest(daemon.path)) for _ in range(50)]
        assert visit(daemon.path, mails.text()).ending is Ending.ACCEPTED
        begun = time.monotonic()
        for guest in silent:
            assert guest.packet() == b""
        assert time.monotonic() - begun < 7


RUBBISH = [
    pytest.param(b"rubbish", id="rubbish"),
    pytest.param(b"\0" * 300, id="nothing-but-NUL"),
    pytest.param(b"qscanner hello 2\0\0", id="another-version"),
    pytest.param(b"qscanner hello 1", id="cut"),
    pytest.param(b"qscanner hello 1\0" + b"9" * 10_000 + b"\0", id="long"),
    pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="http"),
    pytest.param(frames.ask(1, {}), id="question-first"),
    pytest.param(b"", id="empty"),
]


@pytest.mark.parametrize("packet", RUBBISH)
def test_says_rubbish(daemon: Resident, packet: bytes) -> None:
    """Who says something else than hello is let go at once."""
    with Guest(daemon.path) as guest:
        guest.say(packet)
        assert guest.packet() == b""


def test_talks_while_it_waits(daemon: Resident) -> None:
    """Who says hello twice before its turn is let go."""
    with contextlib.ExitStack() as stack:
        for _ in daemon.workers():
            stack.enter_context(Guest(daemon.path)).hello().go()
        with Guest(daemon.path) as guest:
            guest.hello().hello()
            assert guest.packet() == b""


def test_descriptors_with_the_hello(daemon: Resident) -> None:
    """Descriptors that nobody asked for are given back, and the visit goes on."""
    before = _held(daemon.pid)
    with Guest(daemon.path) as guest, open(os.devnull, "rb") as file:
        guest.say(frames.hello(b""), [file.fileno()] * 20)
        guest.go()
        assert guest.ask(mails.text()).answer().ending is Ending.ACCEPTED
    until(lambda: _held(daemon.pid) <= before, "they are given back")


# ---- it goes away


def _after_connecting(guest: Guest) -> None:
    pass


def _after_hello(guest: Guest) -> None:
    guest.hello()


def _after_go(guest: Guest) -> None:
    guest.hello().go()


def _after_asking(guest: Guest) -> None:
    guest.hello().go()
    guest.ask(mails.text())


def _half_closed(guest: Guest) -> None:
    guest.hello().go()
    guest.sock.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize(
    "step", [_after_connecting, _after_hello, _after_go, _after_asking, _half_closed]
)
def test_goes_away(daemon: Resident, step: Callable[[Guest], None]) -> None:
    """A client that closes at any point costs nothing but its own message."""
    for _ in range(5):
        with Guest(daemon.path) as guest:
            step(guest)
    assert visit(daemon.path, mails.text()).ending is Ending.ACCEPTED


def test_goes_away_with_an_answer(daemon: Resident) -> None:
    """Who does not take its answer is noted: an accepted message was not queued."""
    daemon.lines.clear()
    with Guest(daemon.path) as guest:
        guest.hello().go()
        guest.ask(mails.text(b"x" * 2_000_000))
    daemon.wait_for("event=client-gone digest=[0-9a-f]{64} uid=[0-9]+ ending=accepted why=")


# ---- odd questions


def _pipe() -> int:
    reading, writing = os.pipe()
    os.close(writing)
    return reading


def _folder() -> int:
    return os.open("/tmp", os.O_RDONLY)


def _socket() -> int:
    one, other = socket.socketpair()
    other.close()
    return one.detach()


def _device() -> int:
    return os.open("/dev/zero", os.O_RDONLY)


def _only_to_write() -> int:
    with tempfile.NamedTemporaryFile() as file:
        return os.open(file.name, os.O_WRONLY)


def _only_a_path() -> int:
    with tempfile.NamedTemporaryFile() as file:
        return os.open(file.name, os.O_PATH)


ODD = [_pipe, _folder, _socket, _device, _only_to_write, _only_a_path]


@pytest.mark.parametrize("make", ODD)
@pytest.mark.parametrize("place", ["message", "envelope"])
def test_odd_descriptors(daemon: Resident, make: Callable[[], int], place: str) -> None:
    """What is no file that can be read is never touched: later."""
    fd = make()
    try:
        with Guest(daemon.path) as guest:
            guest.hello().go()
            files = (fd, caller.envelope()) if place == "message" else (mails.text(), fd)
            assert guest.ask(*files).answer().ending is Ending.DEFERRED
    finally:
        os.close(fd)


def _nothing(guest: Guest) -> None:
    guest.say(frames.ask(1, {}))


def _one_file(guest: Guest) -> None:
    with tempfile.TemporaryFile() as file:
        guest.say(frames.ask(1, {}), [file.fileno()])


def _hundred_files(guest: Guest) -> None:
    with tempfile.TemporaryFile() as file:
        guest.say(frames.ask(1, {}), [file.fileno()] * 100)


def _rubbish(guest: Guest) -> None:
    with tempfile.TemporaryFile() as file:
        guest.say(b"rubbish", [file.fileno()] * 2)


def _hello_again(guest: Guest) -> None:
    guest.hello()


def _too_long(guest: Guest) -> None:
    with tempfile.TemporaryFile() as file:
        guest.say(frames.ask(1, {}) + b"A=" + b"x" * 70_000 + b"\0", [file.fileno()] * 2)


@pytest.mark.parametrize(
    "question", [_nothing, _one_file, _hundred_files, _rubbish, _hello_again, _too_long]
)
def test_odd_questions(daemon: Resident, question: Callable[[Guest], None]) -> None:
    """What is not exactly a question with two files: later, and no descriptor stays with us."""
    before = {pid: _held(pid) for pid in daemon.workers()}
    with Guest(daemon.path) as guest:
        guest.hello().go()
        question(guest)
        assert guest.answer().ending is Ending.DEFERRED
    until(
        lambda: all(_held(pid) <= count for pid, count in before.items()),
        "all descriptors are given back",
    )


def test_a_question_of_64_kib(daemon: Resident) -> None:
    """As large as a question may be, and as many variables as go into it."""
    environment = {b"TCPREMOTEIP": b"192.0.2.7"} | {b"V%d" % n: b"x" * 40 for n in range(1300)}
    packet = frames.ask(1, environment)
    environment[b"LAST"] = b"x" * (frames.MAX_QUESTION_OCTETS - len(packet) - 6)
    assert len(frames.ask(1, environment)) == frames.MAX_QUESTION_OCTETS
    with Guest(daemon.path) as guest:
        guest.hello().go()
        heard = guest.ask(mails.text(), environment=environment).answer()
        assert heard.ending is Ending.ACCEPTED


ENVELOPES = [
    pytest.param(b"", Ending.CUT_SHORT, id="empty"),
    pytest.param(b"Fa@b\0Tc@d\0", Ending.CUT_SHORT, id="cut-short"),
    pytest.param(b"rubbish\0\0", Ending.BAD_ENVELOPE, id="rubbish"),
    pytest.param(b"F" + b"a" * 1003 + b"\0\0", Ending.ADDRESS_TOO_LONG, id="too-long"),
]


@pytest.mark.parametrize(("envelope", "ending"), ENVELOPES)
def test_odd_envelopes(daemon: Resident, envelope: bytes, ending: Ending) -> None:
    """A client should have seen to that; who did not hears what qmail-queue would say."""
    assert visit(daemon.path, mails.text(), envelope).ending is ending


# ---- files that are not what they seem


def _unsealed(octets: bytes) -> int:
    fd = memory_file()
    write_all(fd, octets)
    return fd


def _in_the_spool(daemon: Resident, octets: bytes) -> int:
    fd = os.open(daemon.site.spool, os.O_RDWR | os.O_TMPFILE, 0o600)
    write_all(fd, octets)
    return fd


@pytest.mark.parametrize("uid", [None, STRANGER])
@pytest.mark.parametrize("octets", [300, 3_000_000])
def test_a_file_that_is_not_sealed(daemon: Resident, uid: int | None, octets: int) -> None:
    """Large messages come as plain files: they are scanned and come back whole."""
    message = mails.text(b"x" * octets + b"\n")
    for fd in (_unsealed(message), _in_the_spool(daemon, message)):
        with Guest(daemon.path, uid=uid) as guest:
            guest.hello().go()
            heard = guest.ask(fd).answer()
            assert heard.ending is Ending.ACCEPTED
            assert below_our_lines(heard.message) == message
        os.close(fd)


def test_a_file_that_shrinks(daemon: Resident) -> None:
    """A stranger cuts its message short while we look at it: no worker dies of SIGBUS.

    Tried often, with everything between "not begun" and "done"; each is answered.
    """
    message = mails.text(b"x" * 2_000_000 + b"\n")
    for step in range(25):
        fd = _unsealed(message)
        with Guest(daemon.path, uid=STRANGER) as guest:
            guest.hello().go()
            guest.ask(fd)
            guest.has_news(within_s=step / 2000)
            os.truncate(fd, 100)
            assert guest.answer().ending in (Ending.ACCEPTED, Ending.DISK_FULL)
        os.close(fd)


def test_a_huge_hole(daemon: Resident) -> None:
    """A file without an end in sight is not copied: later."""
    fd = memory_file()
    os.truncate(fd, 1 << 40)
    seal(fd)
    hole = os.open(daemon.site.spool, os.O_RDWR | os.O_TMPFILE, 0o600)
    os.truncate(hole, 1 << 40)
    for each in (fd, hole):
        with Guest(daemon.path, uid=STRANGER) as guest:
            guest.hello().go()
            assert guest.ask(each).answer().ending is Ending.OUT_OF_MEMORY
        os.close(each)


def test_who_connects_is_what_counts(daemon: Resident) -> None:
    """A stranger's claims to be a relay client are not believed; the kernel's word is."""
    claims = {b"TCPREMOTEIP": b"192.0.2.9", b"RELAYCLIENT": b"", b"SMTPAUTHUSER": b"root"}
    believed = [(0, "auth=root")] if os.getuid() == 0 else []
    for uid, wanted in ((STRANGER, "direction=in client=- claimed=192.0.2.9"), *believed):
        daemon.lines.clear()
        with Guest(daemon.path, uid=uid) as guest:
            guest.hello().go()
            guest.ask(mails.text(), environment=claims).answer()
        assert wanted in daemon.wait_for(
            f"event=message .*uid={os.getuid() if uid is None else uid} "
        )


def test_a_worker_holds_one_client(daemon: Resident) -> None:
    """Nobody's connection is open in another's worker, where it would seem to be alive."""
    first, second = Guest(daemon.path).hello(), Guest(daemon.path).hello()
    first.go()
    second.go()
    until(
        lambda: [len(resident.sockets(pid)) for pid in daemon.workers()] == [2, 2],
        "each holds the dispatcher's and one client's",
    )
    first.close()
    second.close()


def test_credentials_are_whole() -> None:
    """SO_PEERCRED is read as the kernel writes it: pid, uid, gid."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        octets = one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        assert struct.unpack("iII", octets) == (os.getpid(), os.getuid(), os.getgid())
