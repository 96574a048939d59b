"""What both queue programs do with a daemon: a good one, and every bad one we could think of.

The rule: 0 only for a message that was queued, or that the daemon says it holds or discards after
it was asked. Away (nobody there, or gone before its "go") is scanned by ourselves; trouble after
the question is "later".
"""

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from qscanner import client, intake, ledger, visit
from qscanner.codec import envelope as codec
from qscanner.codec import frames
from qscanner.outcomes import REPLIES
from tests.fakes import clients, daemon, mails
from tests.fakes.caller import TCPSERVER, Setting, envelope
from tests.fakes.daemon import MARK, Visit
from tests.fakes.replies import Flavour
from tests.fakes.site import Site, below_our_lines

RAW = envelope(b"a@example.org", b"b@example.com", b"odd")
SOURCES = [clients.SOURCE, *(clients.SOURCE.with_name(name) for name in ("ledger.h", "visit.h"))]


@pytest.fixture(params=["c", "python"])
def site(
    request: pytest.FixtureRequest, open_tmp: Path, fake_queue: Path, hurried: dict[str, Path]
) -> Site:
    """Give an installation that is called through each of the two programs."""
    return Site(open_tmp, fake_queue, hurried[request.param])


# ---- a good daemon


def test_accepted(site: Site, uids: tuple[int | None, ...]) -> None:
    """The daemon gets the octets as they came, and what it hands back is queued from its start."""
    with daemon.serving(daemon.accepts, site.folder, site.program) as fake:
        for uid in uids:
            result = site.call(mails.text(), RAW, setting=Setting(uid=uid))
            assert (result.code, result.text, result.leaks) == (0, b"", ()), result
            assert result.stderr == b""
            facts = site.queued()[-1].facts
            assert facts["pid"] == str(result.pid)
            assert facts["alarm"] == "0"
            assert int(facts["SigBlk"], 16) == 0
            assert not int(facts["SigIgn"], 16) & (1 << (signal.SIGXFSZ - 1))
            assert "env.QSCANNER_AWAY" not in facts
            assert {key for key in facts if key.startswith("fd.")} == {
                "fd.0", "fd.1", "fd.2", "fd.6"
            }  # fmt: skip
    assert [one.message for one in site.queued()] == [MARK + mails.text()] * len(uids)
    assert {one.envelope for one in site.queued()} == {RAW}
    assert [(one.message, one.envelope) for one in fake.taken] == [(mails.text(), RAW)] * len(uids)
    assert not site.left()


def test_the_c_client_restores_signals(
    open_tmp: Path, fake_queue: Path, hurried: dict[str, Path]
) -> None:
    """SIGPIPE is as the caller had it (ignored, under qmail-smtpd) behind the exec."""
    site = Site(open_tmp, fake_queue, hurried["c"])
    with daemon.serving(daemon.accepts, site.folder, site.program):
        assert site.call(mails.text()).code == 0
    assert int(site.queued()[0].facts["SigIgn"], 16) == 1 << (signal.SIGPIPE - 1)


def test_a_large_message(site: Site, uids: tuple[int | None, ...]) -> None:
    """Above 1 MiB the daemon gets an unlinked file of the spool folder."""
    message = mails.text((b"x" * 76 + b"\n") * 40_000)
    with daemon.serving(daemon.accepts, site.folder, site.program):
        assert site.call(message, setting=Setting(uid=uids[-1])).code == 0
    assert site.queued()[0].message == MARK + message
    assert not site.left()


def test_a_file_size_limit(site: Site) -> None:
    """ulimit -f is an error of a write (53, EFBIG), and never a signal."""
    limits = {resource.RLIMIT_FSIZE: (4 << 10, resource.RLIM_INFINITY)}
    with daemon.serving(daemon.accepts, site.folder, site.program) as fake:
        result = site.call(mails.text(b"x" * 70_000), setting=Setting(limits=limits))
    assert result.code == 53, result
    assert not fake.visits


def test_the_question(site: Site) -> None:
    """It is what codec.frames expects: claimed address, pid, environment."""
    with daemon.serving(daemon.accepts, site.folder, site.program) as fake:
        result = site.call(mails.text(), setting=Setting(env={**TCPSERVER, "EMPTY": ""}))
    hello, taken = b"\0".join(fake.visits[0].hello), fake.taken[0]
    question = frames.question(b"\0".join([*taken.fields, b""]))
    assert frames.claimed_ip(hello) == b"192.0.2.7"
    assert question.pid == result.pid
    told = {key.decode(): value.decode() for key, value in question.environment.items()}
    assert told.items() >= {**TCPSERVER, "EMPTY": "", **site.environment()}.items()


def test_an_environment_that_is_too_large(site: Site) -> None:
    """What the client is judged by is told, whatever else fills the packet."""
    large = {f"A{number}": "x" * 9000 for number in range(9)}
    small = {f"B{number:04}": "x" * 20 for number in range(3000)}
    asked = {name.decode(): "yes" for name in visit.TOLD_FIRST}
    with daemon.serving(daemon.accepts, site.folder, site.program) as fake:
        result = site.call(mails.text(), setting=Setting(env={**large, **small, **asked}))
    assert result.code == 0, result
    fields = [field.decode() for field in fake.taken[0].fields]
    assert set(fields) >= {f"{name}=yes" for name in asked}
    assert 0 < sum(field[:1] in "AB" and "=xxx" in field for field in fields) < len(large | small)


@pytest.mark.parametrize("ending", ["HELD", "DISCARDED"])
def test_the_daemon_took_care_of_it(site: Site, ending: str) -> None:
    """0 without a queued message, but only as the answer to a question."""

    def script(visit: Visit) -> None:
        visit.go()
        visit.take()
        visit.answer(ending.encode(), b"0")

    with daemon.serving(script, site.folder, site.program):
        assert site.call(mails.text()).code == 0
    assert not site.queued()


TEXTS = [
    pytest.param(Flavour.NOTQMAIL, None, b"auto", 82, True, id="fd-6"),
    pytest.param(Flavour.CURTI, None, b"auto", 82, True, id="fd-4"),
    pytest.param(Flavour.CURTI, None, b"4:82", 82, True, id="fd-4-set"),
    pytest.param(Flavour.INDIMAIL, 9, b"auto", 88, True, id="error-fd"),
    pytest.param(Flavour.INDIMAIL, None, b"2:88", 88, True, id="fd-2"),
    pytest.param(Flavour.STOCK, None, b"auto", 0, False, id="no-channel"),
    pytest.param(Flavour.STOCK, None, b"6:82", 0, False, id="set-but-closed"),
    pytest.param(Flavour.NOTQMAIL, None, b"none", 0, False, id="none"),
    pytest.param(Flavour.NOTQMAIL, None, b"6:0", 0, False, id="code-0"),
    pytest.param(Flavour.NOTQMAIL, None, b"6:256", 0, False, id="code-256"),
    pytest.param(Flavour.NOTQMAIL, None, b"", 0, False, id="rubbish"),
    pytest.param(Flavour.NOTQMAIL, None, b"0:82", 0, False, id="fd-0"),
    pytest.param(Flavour.NOTQMAIL, None, b"-1:82", 0, False, id="fd-minus-1"),
]


@pytest.mark.parametrize(("flavour", "error_fd", "channel", "code", "is_told"), TEXTS)
@pytest.mark.parametrize(
    ("ending", "letter", "bare"), [("REJECTED", "D", 31), ("DEFERRED", "Z", 71)]
)
def test_texts(
    site: Site, flavour: Flavour, error_fd: int | None, channel: bytes, code: int, is_told: bool,
    ending: str, letter: str, bare: int,
) -> None:  # fmt: skip
    """A text goes where the setting and the proven pipes allow; the code says whether it did."""
    text = f"{letter}not today (#5.7.1)".encode()

    def script(visit: Visit) -> None:
        visit.go()
        visit.take()
        visit.answer(ending.encode(), b"%d" % bare, text=text, channel=channel)

    setting = Setting(flavour=flavour, error_fd=error_fd)
    with daemon.serving(script, site.folder, site.program):
        result = site.call(mails.text(), setting=setting)
    assert result.code == (code or bare), result
    assert result.text == (text if is_told else b""), result
    assert not site.queued()


def test_a_long_text_is_cut(site: Site) -> None:
    """qmail reads 255 octets, no more."""

    def script(visit: Visit) -> None:
        visit.go()
        visit.take()
        visit.answer(b"REJECTED", b"31", text=b"D" + b"x" * 600)

    with daemon.serving(script, site.folder, site.program):
        result = site.call(mails.text())
    assert (result.code, result.text) == (82, b"D" + b"x" * 254)


# ---- a daemon that is away, or as good as


def says_instead_of_go(packet: bytes) -> daemon.Script:
    """Say this packet to the hello, and wait."""

    def script(visit: Visit) -> None:
        visit.hear_hello()
        visit.raw(packet)
        visit.wait()

    return script


AWAY: dict[str, daemon.Script] = {
    "closes at once": lambda visit: None,
    "closes after hello": Visit.hear_hello,
    "old version": says_instead_of_go(b"qscanner go 0\0" + b"30\0"),
    "new version": says_instead_of_go(b"qscanner go 2\0" + b"30\0"),
    "rubbish": says_instead_of_go(bytes(range(256))),
    "nothing but NULs": says_instead_of_go(bytes(64)),
    "go without a number": says_instead_of_go(b"qscanner go 1\0"),
    "go with a bad number": says_instead_of_go(b"qscanner go 1\0-1\0"),
    "go with an endless number": says_instead_of_go(b"qscanner go 1\0999999\0"),
    "go with more": says_instead_of_go(b"qscanner go 1\0" + b"30\0\0"),
    "torn": says_instead_of_go(b"qscanner go 1\0" + b"30"),
    "larger than a packet": says_instead_of_go(b"qscanner go 1\0" + b"x" * 70_000 + b"\0"),
}


@pytest.mark.parametrize("name", AWAY)
def test_away_is_scanned_by_ourselves(site: Site, name: str, uids: tuple[int | None, ...]) -> None:
    """Clean is queued below our own lines, as without a daemon; nothing was handed over."""
    with daemon.serving(AWAY[name], site.folder, site.program) as fake:
        result = site.call(mails.text(), RAW, setting=Setting(uid=uids[-1]))
    assert result.code == 0, result
    assert below_our_lines(site.queued()[0].message) == mails.text()
    assert site.queued()[0].envelope == RAW
    assert "env.QSCANNER_AWAY" not in site.queued()[0].facts
    assert len(fake.visits) == 1, "it was asked again"
    assert not fake.taken


@pytest.mark.parametrize("kind", ["nothing", "file", "folder", "stream", "forbidden", "long"])
def test_no_daemon_there(site: Site, kind: str, uids: tuple[int | None, ...]) -> None:
    """Whatever is in its place: we scan by ourselves, and infected mail is refused."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        path = str(site.socket)
        if kind == "file":
            site.socket.touch()
        elif kind == "folder":
            site.socket.mkdir()
        elif kind in ("stream", "forbidden"):
            stream.bind(path)
            stream.listen()
            site.socket.chmod(0o666 if kind == "stream" else 0)
        elif kind == "long":
            path += "x" * 108
        result = site.call(mails.infected(), setting=Setting(uid=uids[-1]), QSCANNER_SOCKET=path)
    assert result.code == 82, result
    assert result.text[:1] == b"D"


def test_away_and_defer(site: Site) -> None:
    """[queue] daemon_away = "defer" holds for both."""
    site.settings(queue='daemon_away = "defer"')
    result = site.call(mails.text())
    assert result.code == 71, result
    assert not site.queued()


def test_the_fallback_is_missing(
    open_tmp: Path, fake_queue: Path, hurried: dict[str, Path]
) -> None:
    """Without the Python program beside it the C program says 55, and names what is missing."""
    alone = open_tmp / "qscanner-queue"
    alone.write_bytes(hurried["c"].read_bytes())
    alone.chmod(0o755)
    result = Site(open_tmp, fake_queue, alone).call(mails.text())
    assert result.code == 55, result
    assert b"qscanner-queue-python: No such file" in result.stderr


def test_saying_away_only_skips_the_daemon(site: Site) -> None:
    """A caller that sets our variable itself gains nothing: the mark must hold our own pid."""
    with daemon.serving(daemon.accepts, site.folder, site.program):
        result = site.call(mails.text(), QSCANNER_AWAY="1:1")
    assert result.code == 0, result
    assert site.queued()[0].message.startswith(MARK)


# ---- a daemon that is there, and does it wrong


def answers(*words: bytes | Callable[[], int], **more: bytes) -> daemon.Script:
    """Take the question and answer: ending, code; callables give descriptors to go with it."""

    def script(visit: Visit) -> None:
        visit.go()
        visit.take()
        fds = [word() for word in words if callable(word)]
        ending, code = (word for word in words if not callable(word))
        visit.answer(ending, code, fds=fds, **more)  # type: ignore[arg-type]
        for fd in fds:
            os.close(fd)
        visit.wait()

    return script


def raw(packet: bytes) -> daemon.Script:
    """Take the question and say this packet."""

    def script(visit: Visit) -> None:
        visit.go()
        visit.take()
        visit.raw(packet)
        visit.wait()

    return script


def early(ending: bytes, code: bytes) -> daemon.Script:
    """Answer before there was a question, with files all the same."""

    def script(visit: Visit) -> None:
        visit.hear_hello()
        fds = [daemon.memory_file(MARK), daemon.memory_file(RAW)]
        visit.answer(ending, code, fds=fds)
        visit.wait()

    return script


def goes_and_closes(visit: Visit) -> None:
    """Say go and hang up."""
    visit.go()


def takes_and_dies(visit: Visit) -> None:
    """Take the question and hang up."""
    visit.go()
    visit.take()


def files_beside_go(visit: Visit) -> None:
    """Hand files over too early, and accept without any."""
    visit.hear_hello()
    fds = [daemon.memory_file(MARK), daemon.memory_file(RAW)]
    visit.say(b"qscanner go 1", b"30", fds=fds)
    visit.take()
    visit.answer(b"ACCEPTED", b"0")
    visit.wait()


def file() -> int:
    return daemon.memory_file(MARK)


def folder() -> int:
    return os.open("/", os.O_RDONLY)


def pipe() -> int:
    read, write = os.pipe()
    os.close(write)
    return read


def device() -> int:
    return os.open("/dev/null", os.O_RDONLY)


_BEGIN = b"qscanner answer 1\0"
WRONG: dict[str, tuple[daemon.Script, int]] = {
    "accepts before it was asked": (early(b"ACCEPTED", b"0"), 71),
    "holds before it was asked": (early(b"HELD", b"0"), 71),
    "discards before it was asked": (early(b"DISCARDED", b"0"), 71),
    "defers at once": (early(b"DEFERRED", b"71"), 71),
    "out of memory at once": (early(b"OUT_OF_MEMORY", b"51"), 51),
    "closes after go": (goes_and_closes, 71),
    "dies with the question": (takes_and_dies, 71),
    "files beside go": (files_beside_go, 71),
    "accepts without files": (answers(b"ACCEPTED", b"0"), 71),
    "accepts with one file": (answers(b"ACCEPTED", b"0", file), 71),
    "accepts with three files": (answers(b"ACCEPTED", b"0", file, file, file), 71),
    "accepts with a folder": (answers(b"ACCEPTED", b"0", folder, file), 71),
    "accepts with a pipe": (answers(b"ACCEPTED", b"0", file, pipe), 71),
    "accepts with a device": (answers(b"ACCEPTED", b"0", device, file), 71),
    "accepts with another code": (answers(b"ACCEPTED", b"71", file, file), 71),
    "holds with another code": (answers(b"HELD", b"31"), 71),
    "defers with 0": (answers(b"DEFERRED", b"0"), 71),
    "defers with 256": (answers(b"DEFERRED", b"256"), 71),
    "defers with the wrong letter": (answers(b"DEFERRED", b"71", text=b"Dno"), 71),
    "rejects with no letter": (answers(b"REJECTED", b"31", text=b"no"), 31),
    "unknown ending": (answers(b"FINE", b"0"), 71),
    "no ending": (answers(b"", b"0"), 71),
    "ending in small letters": (answers(b"held", b"0"), 71),
    "says it is a bug": (answers(b"BUG", b"81"), 81),
    "rubbish": (raw(bytes(range(256))), 71),
    "old version": (raw(b"qscanner answer 0\0HELD\0000\0\0auto\0\0"), 71),
    "torn": (raw(_BEGIN + b"HELD\0000\0\0auto\0"), 71),
    "no last NUL": (raw(_BEGIN + b"HELD\0000\0\0auto\0x"), 71),
    "a field too many": (raw(_BEGIN + b"HELD\0000\0\0auto\0\0\0"), 71),
    "go again": (raw(b"qscanner go 1\0" + b"30\0"), 71),
    "larger than a packet": (raw(_BEGIN + b"HELD\0000\0\0auto\0" + b"x" * 70_000 + b"\0"), 71),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(site: Site, name: str, uids: tuple[int | None, ...]) -> None:
    """Trouble with a daemon that is there is "later": not 0, not queued, no second scan."""
    script, code = WRONG[name]
    with daemon.serving(script, site.folder, site.program) as fake:
        result = site.call(mails.text(), setting=Setting(flavour=Flavour.STOCK, uid=uids[-1]))
    assert result.code == code, result
    assert not site.queued()
    assert not site.held()
    assert len(fake.visits) == 1


@pytest.mark.parametrize("name", ["defers with the wrong letter", "rejects with no letter"])
def test_a_text_with_the_wrong_letter_is_not_said(site: Site, name: str) -> None:
    """D on a deferral would turn "later" into a refusal."""
    with daemon.serving(WRONG[name][0], site.folder, site.program):
        result = site.call(mails.text())
    assert (result.code, result.text) == (WRONG[name][1], b"")


@pytest.mark.parametrize("kind", ["missing", "not-executable", "folder", ""])
def test_unusable_queue_program(site: Site, kind: str) -> None:
    """A queue program that cannot be exec'd is 55, and the admin reads which."""
    program = site.folder / kind
    if kind == "not-executable":
        program.touch(0o644)
    elif kind == "folder":
        program.mkdir()

    def script(visit: Visit) -> None:
        visit.go()
        visit.take()
        visit.accept(program=str(program) if kind else "")

    with daemon.serving(script, site.folder, site.program):
        result = site.call(mails.text())
    assert result.code == 55, result
    assert kind.encode() in result.stderr
    assert result.stderr.count(b"\n") == 1


def test_a_loop(site: Site) -> None:
    """A daemon whose queue program is ourselves: found out at the second start, 55."""
    with daemon.serving(daemon.accepts, site.folder, site.ours):
        result = site.call(mails.text())
    assert result.code == 55, result


# ---- time


def is_silent(visit: Visit) -> None:
    """Say go 1, take the question, and nothing more."""
    visit.go(b"1")
    visit.take()
    visit.wait()


def accepts_late(visit: Visit) -> None:
    """Accept after the time that it named."""
    visit.go(b"0")
    visit.take()
    visit.stop.wait(clients.GRACE_S + 0.5)
    visit.accept()


LATE: dict[str, tuple[daemon.Script, int, float]] = {
    "says nothing": (Visit.wait, 71, clients.WAIT_S),
    "says go and nothing": (is_silent, 52, 1 + clients.GRACE_S),
    "accepts late": (accepts_late, 52, clients.GRACE_S),
}


@pytest.mark.parametrize("name", LATE)
def test_late(site: Site, name: str) -> None:
    """Every wait ends: 71 for a word at all, 52 for an answer."""
    script, code, after_s = LATE[name]
    with daemon.serving(script, site.folder, site.program):
        result = site.call(mails.text())
    assert result.code == code, result
    assert after_s - 0.2 < result.seconds < after_s + 3
    assert not site.queued()


@pytest.mark.parametrize("backlog", [0, 8], ids=["full", "with-room"])
def test_nobody_accepts(site: Site, backlog: int) -> None:
    """A daemon that hangs is not away: later, and connect() does not wait for ever."""
    with (
        daemon.listening(site.folder, backlog=backlog),
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other,
    ):
        other.connect(str(site.socket))
        result = site.call(mails.text())
    assert result.code == 71, result
    assert clients.WAIT_S - 0.2 < result.seconds < clients.WAIT_S + 3
    assert not site.queued()


def test_aborted_sessions_never_reach_the_daemon(site: Site) -> None:
    """No envelope, no visit."""
    with daemon.serving(daemon.accepts, site.folder, site.program) as fake:
        assert site.call(mails.text(), b"").code == 54
        assert site.call(mails.text(), b"Fa@example.org\0Tb@example.com").code == 54
    assert not fake.visits


# ---- a caller that goes away

_SPAWN = """
import os, sys
program, message, envelope = sys.argv[1:]
pid = os.posix_spawn(program, [program], os.environ, file_actions=[
    (os.POSIX_SPAWN_OPEN, 0, message, os.O_RDONLY, 0),
    (os.POSIX_SPAWN_OPEN, 1, envelope, os.O_RDONLY, 0)])
sys.stdin.read()
"""


@pytest.mark.parametrize("is_there", [True, False], ids=["daemon", "no-daemon"])
def test_the_caller_is_gone(site: Site, is_there: bool) -> None:
    """Its next try would deliver a second copy: the message is not queued."""
    asked, gone = threading.Event(), threading.Event()

    def script(visit: Visit) -> None:
        visit.hear_hello()
        if is_there:
            visit.say(b"qscanner go 1", b"30")
            visit.take()
        asked.set()
        gone.wait(daemon.LIMIT_S)
        if is_there:
            visit.accept()

    files = [site.folder / "message", site.folder / "raw"]
    files[0].write_bytes(mails.text())
    files[1].write_bytes(RAW)
    with daemon.serving(script, site.folder, site.program):
        command = [sys.executable, "-c", _SPAWN, str(site.ours), *map(str, files)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=site.environment()
        ) as caller:
            assert caller.stdin
            assert caller.stderr
            assert asked.wait(daemon.LIMIT_S)
            caller.stdin.close()
            caller.wait(daemon.LIMIT_S)
            gone.set()
            said = caller.stderr.read()  # to its end: the queue program has ended then
    assert b"is gone" in said
    assert not site.queued()


# ---- constants


def _of_c(name: str) -> int:
    """Give a number of the program in C by its name."""
    text = "".join(source.read_text() for source in SOURCES)
    found = re.search(rf"\b{name}(?: = | )([0-9]+)(?: << ([0-9]+))?", text)
    assert found, name
    return int(found[1]) << int(found[2] or 0)


def test_endings_of_c() -> None:
    """The table of the program in C is outcomes.REPLIES."""
    rows = re.findall(r"ROW\((\w+), (\d+), (?:0|'(.)')\)", clients.SOURCE.read_text())
    table = {name: (int(code), letter) for name, code, letter in rows}
    ours = {end.name: (row.exit_without_text, row.letter) for end, row in REPLIES.items()}
    assert table == ours


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("MAX_ADDRESS_OCTETS", codec.MAX_ADDRESS_OCTETS),
        ("IN_MEMORY_OCTETS", intake.IN_MEMORY_OCTETS),
        ("MEMORY_ONLY_OCTETS", intake.MEMORY_ONLY_OCTETS),
        ("MAX_PACKET_OCTETS", frames.MAX_QUESTION_OCTETS),
        ("MAX_PACKET_OCTETS", visit.MAX_OCTETS),
        ("MAX_TEXT_OCTETS", 255),
        ("LIFETIME_S", 86400),
        ("WAIT_S", visit.WAIT_S),
        ("GRACE_S", visit.GRACE_S),
        ("UNIT_OCTETS", ledger.UNIT_OCTETS),
    ],
)
def test_numbers_of_c(name: str, ours: int) -> None:
    """Both programs have the same bounds."""
    assert _of_c(name) == ours


def test_paths_and_names_of_c() -> None:
    """Both programs look in the same places, and tell the same variables first."""
    text = "".join(source.read_text() for source in SOURCES)
    told = re.search(r"TOLD_FIRST\[\] = \{([^}]*)\}", text)
    assert told
    assert set(re.findall(r'"(\w+)"', told[1])) == {name.decode() for name in visit.TOLD_FIRST}
    assert f'SOCKET_PATH "{visit.SOCKET.decode()}"' in text
    assert 'SPOOL_PATH "/var/spool/qscanner/tmp"' in text
    assert f'"%s{ledger.BESIDE.decode()}"' in text


def test_all_that_the_client_is_judged_by_is_told_first() -> None:
    """A variable that client.py asks for, and we forget here, could fall out of the packet."""
    source = Path(client.__file__).read_text()
    asked = set(re.findall(r'"([A-Z_]{4,})"', source))
    assert asked <= {name.decode() for name in visit.TOLD_FIRST}
