"""checks.clamav against a clamd that answers rightly, wrongly, slowly or not at all."""

import contextlib
import inspect
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pyclamd
import pytest

from qscanner.checks import clamav
from qscanner.checks.clamav_known import Known
from qscanner.codec.clamd import Said
from qscanner.codec.servers import Server
from qscanner.deadline import Deadline
from qscanner.health import Health
from qscanner.model import CheckResult, Outcome
from qscanner.outcomes import CheckFailed
from qscanner.spool import Message
from tests.fakes import clamd as fake
from tests.fakes.server import TRANSPORTS, Script, nobody, serving, until_gone

WITHIN_S = 0.8
SLACK_S = 1.5
CLEAN, FOUND, UNSCANNABLE = Outcome.CLEAN, Outcome.FOUND, Outcome.UNSCANNABLE
OK = b"stream: OK\0"


@pytest.fixture
def message() -> Iterator[Message]:
    """A message of several chunks, and not a whole number of them."""
    made = Message.of_octets(b"Subject: hello\n\n" + b"line\n" * 60_000)
    yield made
    made.close()


def look(message: Message, *servers: Server, within_s: float = WITHIN_S) -> CheckResult:
    """Ask, and prove that the deadline holds."""
    began = time.monotonic()
    try:
        return clamav.look(message, servers, within_s=within_s)
    finally:
        assert time.monotonic() - began < within_s + SLACK_S


def begun_and_heard(message: Message, server: Server) -> CheckResult:
    """Ask as the scan does: begin, do something else, hear the answer."""
    known = Known()
    begun = clamav.begin(message, [server], within_s=WITHIN_S, known=known)
    return clamav.ask(message, [server], within_s=WITHIN_S, known=known, begun=begun)[0]


ANSWERS: dict[str, tuple[Script, Outcome | None, str]] = {
    # what clamd(8) promises
    "ok": (fake.saying(OK), CLEAN, ""),
    "ok with newline": (fake.saying(b"stream: OK\n"), CLEAN, ""),
    "ok in two segments": (fake.saying_in_pieces(b"stream: ", b"OK\0"), CLEAN, ""),
    "found": (fake.saying(b"stream: Win.Test FOUND\0"), FOUND, "virus.clamav"),
    "found in two segments": (
        fake.saying_in_pieces(b"stream: Win.T", b"est FOUND", b"\0"),
        FOUND,
        "virus.clamav",
    ),
    "found, extended": (
        fake.saying(b"stream: Win.Test(44d88612fea8a8f36de82e1278abb02f:68) FOUND\0"),
        FOUND,
        "virus.clamav",
    ),
    "found, called OK": (fake.saying(b"stream: OK FOUND\0"), FOUND, "virus.clamav"),
    "hand-written detector": (
        fake.saying(b"stream: Heuristics.W32.Parite.B FOUND\0"),
        FOUND,
        "virus.clamav",
    ),
    "unknown heuristic": (
        fake.saying(b"stream: Heuristics.New.Thing FOUND\0"),
        FOUND,
        "virus.clamav",
    ),
    "form": (
        fake.saying(b"stream: Heuristics.OLE2.ContainsMacros.VBA FOUND\0"),
        CLEAN,
        "clamav.heuristic",
    ),
    "phishing": (
        fake.saying(b"stream: Heuristics.Phishing.Email.SpoofedDomain FOUND\0"),
        CLEAN,
        "clamav.heuristic",
    ),
    "limit": (
        fake.saying(b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0"),
        UNSCANNABLE,
        "unscannable.clamav-limit",
    ),
    "dictionary limit": (
        fake.saying(b"stream: Heuristics.XZ.DicSizeLimit FOUND\0"),
        UNSCANNABLE,
        "unscannable.clamav-limit",
    ),
    "encrypted": (
        fake.saying(b"stream: Heuristics.Encrypted.Zip FOUND\0"),
        UNSCANNABLE,
        "archive.encrypted",
    ),
    "too large": (
        fake.saying(b"INSTREAM size limit exceeded. ERROR\0"),
        UNSCANNABLE,
        "unscannable.clamav-too-large",
    ),
    "too large while sending": (
        fake.early(b"INSTREAM size limit exceeded. ERROR\0"),
        UNSCANNABLE,
        "unscannable.clamav-too-large",
    ),
    # what is no answer
    "error": (fake.saying(b"stream: Can't allocate memory ERROR\0"), None, "allocate memory"),
    "unknown command": (fake.saying(b"UNKNOWN COMMAND\0"), None, "UNKNOWN COMMAND"),
    "timed out": (fake.saying(b"COMMAND READ TIMED OUT\0"), None, "TIMED OUT"),
    "garbage": (fake.saying(b"\xff\xfe\x00\x01garbage\0"), None, "more than one answer"),
    "http": (fake.saying(b"HTTP/1.1 200 OK\r\n\r\n"), None, "answer"),
    "half a line": (fake.saying(b"stream: "), None, "half an answer"),
    "half a name": (fake.saying(b"stream: Eicar"), None, "half an answer"),
    "half an ok": (fake.saying(b"stream: O"), None, "half an answer"),
    "no end of line": (fake.saying(b"stream: OK"), None, "half an answer"),
    "empty line": (fake.saying(b"\0"), None, "unknown answer"),
    "lower case": (fake.saying(b"stream: ok\0"), None, "unknown answer"),
    "no prefix": (fake.saying(b"OK\0"), None, "unknown answer"),
    "other prefix": (fake.saying(b"fd: OK\0"), None, "unknown answer"),
    "ok and more": (fake.saying(b"stream: OK, I think\0"), None, "unknown answer"),
    "control characters": (fake.saying(b"stream: a\x1b[2Jb FOUND\0"), None, "unknown answer"),
    "two answers": (fake.saying(OK + b"stream: Eicar FOUND\0"), None, "more than one"),
    "two answers, later": (
        fake.saying_in_pieces(OK, b"stream: Eicar FOUND\0"),
        None,
        "more than one",
    ),
    "endless": (fake.saying(b"A" * 100_000), None, "more than 4096 octets"),
    "ok before the end": (fake.early(OK), None, "before it had everything"),
    "silence": (fake.silent, None, "no whole answer within"),
    "reads nothing": (fake.not_reading, None, "no whole answer within"),
    "stays after ok": (fake.staying(OK), None, "no whole answer within"),
    "slow drip": (fake.dripping(b"stream: " + b"A" * 200 + b" FOUND\0"), None, "within"),
    "close at once": (fake.closing, None, "answer"),
    "close after command": (fake.closing_after_command, None, "answer"),
    "close mid-message": (fake.closing_mid_message, None, "answer"),
    "close after message": (fake.closing_after_message, None, "without an answer"),
    "reset": (fake.resetting, None, "answer"),
}


@pytest.mark.parametrize("ask", [look, begun_and_heard], ids=["at-once", "begun"])
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer(
    name: str, transport: str, ask: Callable[[Message, Server], CheckResult], message: Message
) -> None:
    """An answer is clean, found or unscannable only if it is that to the letter; else it fails."""
    script, outcome, what = ANSWERS[name]
    with serving(script, transport) as server:
        if outcome is None:
            with pytest.raises(CheckFailed, match=what) as failure:
                ask(message, server)
            assert server.text in str(failure.value)
            return
        result = ask(message, server)
    assert result.outcome is outcome
    assert [finding.id for finding in result.findings] == ([what] if what else [])
    assert result.names == ((result.detail,) if outcome is FOUND else ())


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_octets_arrive(transport: str) -> None:
    """clamd gets exactly the message: empty, one chunk, several, and whole numbers of chunks."""
    for size in (0, 1, 65_535, 65_536, 65_537, 131_072, 3_000_000):
        octets = os.urandom(size)
        got: list[bytes] = []
        message = Message.of_octets(octets)

        def judge(seen: bytes, got: list[bytes] = got) -> bytes:
            got.append(seen)
            return OK

        with serving(fake.judging(judge), transport) as server:
            assert look(message, server, within_s=5).outcome is CLEAN
        message.close()
        assert got == [octets]


@pytest.mark.parametrize(
    "refusal",
    [
        b"UNKNOWN COMMAND\0",
        b"No file descriptor received. ERROR\0",
        b"fd[9]: Not a regular file ERROR\0",
        b"PROTOCOL ERROR: ancillary data sent without FILDES.\0",
        b"fd[9]: O",
        b"",
    ],
    ids=["unknown", "none received", "not regular", "protocol error", "half", "nothing"],
)
def test_descriptor_refused(refusal: bytes, message: Message) -> None:
    """Where clamd does not take the descriptor, the same clamd gets the octets."""
    for answer, outcome in ((OK, CLEAN), (b"stream: X FOUND\0", FOUND)):
        script = fake.refusing_descriptors(fake.always(answer), refusal)
        with serving(script, "unix") as server:
            assert look(message, server).outcome is outcome


@pytest.mark.parametrize("refusal", [b"UNKNOWN COMMAND\0", b"fd[9]: O", b""])
def test_descriptor_refused_after_it_was_begun(refusal: bytes, message: Message) -> None:
    """The octets are sent to the same clamd, and its word counts."""
    for answer, outcome in ((OK, CLEAN), (b"stream: X FOUND\0", FOUND)):
        script = fake.refusing_descriptors(fake.always(answer), refusal)
        with serving(script, "unix") as server:
            assert begun_and_heard(message, server).outcome is outcome


def test_begun_with_one_that_dies_the_next_answers(message: Message) -> None:
    """What was begun in vain costs nobody the answer of the next server."""
    known = Known()
    with (
        serving(fake.closing_after_message, "unix") as first,
        serving(fake.saying(b"stream: X FOUND\0"), "tcp") as second,
    ):
        both = [first, second]
        begun = clamav.begin(message, both, within_s=5, known=known)
        assert begun is not None
        result, who = clamav.ask(message, both, within_s=5, known=known, begun=begun)
    assert (result.names, who) == (("X",), second)


def test_nothing_is_begun_where_octets_must_be_sent(message: Message) -> None:
    """TCP would have to take the whole message before anything else is done."""
    with serving(fake.saying(OK), "tcp") as server:
        for there in ([], [server], [nobody("unix")]):
            assert clamav.begin(message, there, within_s=1, known=Known()) is None


def test_an_answer_that_waited_for_us_is_heard(message: Message) -> None:
    """Parsing may take longer than clamd: what it said in time is no silence."""
    known = Known()
    with serving(fake.saying(b"stream: X FOUND\0"), "unix") as server:
        begun = clamav.begin(message, [server], within_s=0.3, known=known)
        assert begun is not None
        threading.Event().wait(0.5)  # the parsing
        answered = clamav.ask(message, [server], within_s=1, known=known, begun=begun)[0]
    assert answered.names == ("X",)


def test_given_up_leaves_nothing_open(message: Message) -> None:
    """A scan that ends early closes what it began."""
    with serving(fake.silent, "unix") as server:
        before = len(os.listdir("/proc/self/fd"))
        begun = clamav.begin(message, [server], within_s=5, known=Known())
        assert begun is not None
        begun.give_up()
        begun.give_up()
        assert _ours(before) <= 0


def test_descriptor_that_cannot_be_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without /proc, or for another user's file, the octets are sent."""
    closed = os.memfd_create("closed")
    os.close(closed)
    message = Message(fd=closed, size=5, octets=b"hello")
    with serving(fake.judging(lambda seen: OK if seen == b"hello" else b""), "unix") as server:
        assert look(message, server).outcome is CLEAN


def test_offset_is_ours(message: Message) -> None:
    """clamd moves the offset of what it gets (the fake does as well), and ours stays."""
    os.lseek(message.fd, 7, os.SEEK_SET)
    with serving(fake.saying(OK), "unix") as server:
        assert look(message, server).outcome is CLEAN
    assert os.lseek(message.fd, 0, os.SEEK_CUR) == 7


FIRST_SERVERS: dict[str, Script] = {
    "closes": fake.closing,
    "garbage": fake.saying(b"what?\0"),
    "error": fake.saying(b"stream: no memory ERROR\0"),
    "silent": fake.silent,
    "reads nothing": fake.not_reading,
}


@pytest.mark.parametrize("name", FIRST_SERVERS)
def test_next_server(name: str, message: Message) -> None:
    """Whatever the first server does instead of answering, the second has its share of time."""
    with (
        serving(FIRST_SERVERS[name], "tcp") as first,
        serving(fake.saying(b"stream: X FOUND\0"), "unix") as second,
    ):
        assert look(message, first, second).names == ("X",)


def test_nobody_there(message: Message) -> None:
    """Servers that are away are passed over at once; all of them are named in the end."""
    away = [nobody("tcp"), nobody("unix")]
    with pytest.raises(CheckFailed) as failure:
        look(message, *away)
    assert all(server.text in str(failure.value) for server in away)
    with serving(fake.saying(OK), "tcp6") as server:
        began = time.monotonic()
        assert look(message, *away, server, within_s=10).outcome is CLEAN
        assert time.monotonic() - began < 2


def test_first_server_that_answers_decides(message: Message) -> None:
    """A definite answer is not asked for twice."""
    with (
        serving(fake.saying(b"INSTREAM size limit exceeded. ERROR\0"), "tcp") as first,
        serving(fake.saying(OK), "tcp") as second,
    ):
        assert look(message, first, second).outcome is UNSCANNABLE


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_full_backlog(transport: str, message: Message) -> None:
    """A server that takes no more connections costs its share of the time, not all of it."""
    with serving(fake.not_reading, transport, backlog=0) as stuck:
        with ThreadPoolExecutor(8) as pool:
            results = [pool.submit(look, message, stuck) for _ in range(8)]
        for result in results:
            with pytest.raises(CheckFailed):
                result.result()


@pytest.mark.parametrize("within_s", [0.0, -1.0])
def test_no_time_left(within_s: float, message: Message) -> None:
    """A used-up budget is no answer."""
    with serving(fake.saying(OK)) as server, pytest.raises(CheckFailed, match="used up"):
        look(message, server, within_s=within_s)


def test_no_server_set(message: Message) -> None:
    """Nobody to ask is no answer."""
    with pytest.raises(CheckFailed, match="no server is set"):
        look(message)


def test_name_that_does_not_resolve(message: Message) -> None:
    """A host name without an address is a server that is away."""
    server = Server(kind="tcp", host="nobody.invalid", port=3310, text="tcp:nobody.invalid:3310")
    with pytest.raises(CheckFailed, match=r"nobody\.invalid"):
        look(message, server)


def test_larger_than_what_is_known_to_be_seen(message: Message) -> None:
    """Above max_octets nobody is asked, and it is not clean."""
    with serving(fake.saying(OK)) as server:
        limit = message.size
        seen = clamav.look(message, [server], within_s=1, max_octets=limit)
        unseen = clamav.look(message, [server], within_s=1, max_octets=limit - 1)
    assert seen.outcome is CLEAN
    assert unseen.outcome is UNSCANNABLE
    assert unseen.findings[0].id == "unscannable.clamav-too-large"


def versioned(version: bytes | None) -> Script:
    """Answer OK to a scan and this to VERSION; None: nothing, for ever."""
    judged = fake.saying(OK)

    def script(peer: socket.socket, stop: threading.Event) -> None:
        if peer.recv(8, socket.MSG_PEEK) != b"zVERSION":
            judged(peer, stop)
        elif version is None:
            until_gone(peer, stop)
        else:
            fake.command(peer)
            peer.sendall(version)

    return script


@pytest.mark.parametrize(
    ("version", "scanner"),
    [
        (b"ClamAV 1.4.6/27402/Sun Nov 22 09:30:10 2026\0", "clamav/1.4.6/27402"),
        (b"ClamAV 1.4.6\0", "clamav/1.4.6"),
        (b"COMMAND UNAVAILABLE\0", "clamav"),
        (b"ClamAV 1.4.6\r\nX-Forged: yes\0", "clamav"),
        (b"ClamAV", "clamav"),
        (b"", "clamav"),
        (None, "clamav"),
    ],
    ids=["full", "no database", "switched off", "hostile", "half", "nothing", "silence"],
)
def test_version_never_matters(version: bytes | None, scanner: str, message: Message) -> None:
    """VERSION names the scanner, and trouble with it changes no verdict."""
    with serving(versioned(version)) as server:
        result = look(message, server)
    assert (result.outcome, result.scanners) == (CLEAN, (scanner,))
    assert result.ms > 0


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nothing_stays_open(transport: str, message: Message) -> None:
    """No descriptor of ours is left, however a scan ends."""
    for script in (
        fake.staying(OK),
        fake.closing,
        fake.silent,
        fake.saying(b"what?\0"),
        fake.early(OK),
    ):
        with serving(script, transport) as server:
            client = clamav.client(server, within_s=0.2)
            for _ in range(3):
                before = len(os.listdir("/proc/self/fd"))
                with contextlib.suppress(CheckFailed):
                    clamav.scan(message, server, Deadline(0.2))
                with contextlib.suppress(CheckFailed):
                    client.version()
                assert _ours(before) <= 0


def _ours(before: int) -> int:
    """Give how many descriptors more are open than before, once the fake has closed its own."""
    ends_at = time.monotonic() + 5
    while (more := len(os.listdir("/proc/self/fd")) - before) > 0:
        if time.monotonic() > ends_at:
            break
        threading.Event().wait(0.01)
    return more


def test_no_connection_in_the_constructor() -> None:
    """A client can be made while clamd restarts."""
    for transport in ("tcp", "unix"):
        clamav.client(nobody(transport), within_s=1)


def test_pyclamd_methods_are_all_ours_or_refused() -> None:
    """Every method of pyclamd is replaced, or known to be safe on top of what is replaced."""
    safe = {"EICAR"}
    wrapped = {"version", "ping"}
    theirs = {
        name
        for name, _ in inspect.getmembers(pyclamd.ClamdUnixSocket, inspect.isfunction)
        if name != "__init__"
    }
    for kind in (clamav.UnixClamd, clamav.NetworkClamd):
        ours = {name for name in theirs if name in vars(clamav._Strict)}
        assert theirs - ours == safe
        assert wrapped <= ours
        client = kind(nobody(), within_s=1)
        for name in ("scan_file", "multiscan_file", "contscan_file", "allmatchscan"):
            with pytest.raises(TypeError, match="only streams"):
                getattr(client, name)("/etc/passwd\nSHUTDOWN")
        for name in ("stats", "reload", "shutdown"):
            with pytest.raises(TypeError):
                getattr(client, name)()


def test_pyclamd_exceptions_are_all_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every exception class of pyclamd becomes CheckFailed; a new one fails this test."""
    theirs = {
        value
        for value in vars(pyclamd.pyclamd).values()
        if inspect.isclass(value) and issubclass(value, BaseException)
    }
    assert theirs == {pyclamd.ConnectionError, pyclamd.BufferTooLongError}
    client = clamav.client(nobody(), within_s=1)
    for kind in (*theirs, ConnectionResetError, TimeoutError):

        def fail(kind: type[Exception] = kind) -> None:
            raise kind("trouble")

        monkeypatch.setattr(client, "_init_socket", fail)
        for ask in (client.version, client.ping, lambda: client.scan_stream(b"x")):
            with pytest.raises(CheckFailed, match="trouble"):
                ask()


def test_ping() -> None:
    """PONG is a pong, and nothing else is."""
    with serving(fake.judging(lambda _: OK)) as server:
        assert clamav.client(server, within_s=1).ping()
    with (
        serving(fake.saying_in_pieces(b"PANG\0")) as server,
        pytest.raises(CheckFailed),
    ):
        clamav.client(server, within_s=0.3).ping()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_threads_do_not_mix_answers(transport: str) -> None:
    """60 threads, half of them with a virus, share one client object: nobody hears another's."""

    def judge(seen: bytes) -> bytes:
        return b"stream: Test FOUND\0" if b"virus" in seen else OK

    with serving(fake.judging(judge), transport) as server:
        client = clamav.client(server, within_s=10)

        def ask(number: int) -> str:
            is_bad = number % 2 == 0
            octets = (b"virus" if is_bad else b"clean") * 30_000
            right = client.scan_stream(octets).said is (Said.FOUND if is_bad else Said.CLEAN)
            return "right" if right else "wrong"

        with ThreadPoolExecutor(60) as pool:
            assert Counter(pool.map(ask, range(180))) == {"right": 180}


def test_a_dead_server_is_asked_last(message: Message) -> None:
    """What one message finds out spares the next one the attempt; an answer takes that back."""
    dead = nobody()
    with serving(fake.saying(OK)) as server:
        known = Known(Health((dead, server)))
        for _ in range(2):
            result = clamav.look(message, (dead, server), within_s=WITHIN_S, known=known)
            assert result.outcome is CLEAN
            assert known.health.up() == {dead.text: False, server.text: True}
            assert known.health.in_order((dead, server)) == (server, dead)
        known.health.failed(server)
        clamav.look(message, (server,), within_s=WITHIN_S, known=known)
        assert known.health.up()[server.text] is True


def test_a_mute_server_is_dead_too(message: Message) -> None:
    """One that takes connections and says nothing costs its share of the time only once."""
    with serving(fake.silent) as mute, serving(fake.saying(OK)) as server:
        known = Known(Health((mute, server)))
        clamav.look(message, (mute, server), within_s=WITHIN_S, known=known)
        began = time.monotonic()
        clamav.look(message, (mute, server), within_s=WITHIN_S, known=known)
        assert time.monotonic() - began < WITHIN_S / 2


def test_out_of_time_is_not_the_servers_fault(message: Message) -> None:
    """A server that was never asked is not called dead."""
    with serving(fake.saying(OK)) as server:
        known = Known(Health((server,)))
        with pytest.raises(CheckFailed):
            clamav.look(message, (server,), within_s=-1.0, known=known)
        assert known.health.up() == {server.text: True}


def test_version_is_asked_once(message: Message) -> None:
    """The second message of a worker costs one connection, not two."""
    asked: list[bytes] = []

    def script(peer: socket.socket, stop: threading.Event) -> None:
        asked.append(peer.recv(8, socket.MSG_PEEK))
        fake.judging(fake.always(OK))(peer, stop)

    with serving(script) as server:
        known = Known()
        scanners = {
            clamav.look(message, (server,), within_s=5, known=known).scanners for _ in "ab"
        }
        assert [each[:8] for each in asked] == [b"zFILDES\0", b"zVERSION", b"zFILDES\0"]
        assert scanners == {("clamav/1.4.6/27402",)}
        clamav.look(message, (server,), within_s=5)
        assert asked[-1][:8] == b"zVERSION", "without a memory it is asked each time"
