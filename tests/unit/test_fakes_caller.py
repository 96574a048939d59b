"""The strict caller and the strict queue program: against each other, and small programs."""

import resource
import signal
import sys
from pathlib import Path

import pytest

from tests.fakes.caller import (
    TCPSERVER,
    Ends,
    Other,
    Overdue,
    Setting,
    Stage,
    call,
    envelope,
)
from tests.fakes.queue import queued, started
from tests.fakes.replies import Flavour, closing, smtp_reply

MESSAGE = b"Subject: x\n\nhello\n"


def _env(folder: Path, **more: str) -> dict[str, str]:
    return TCPSERVER | {"FAKE_QUEUE_DIR": str(folder)} | more


def _program(folder: Path, body: str) -> Path:
    """Write a queue program in Python that reads both pipes and then runs `body`."""
    file = folder / "program"
    file.write_text(
        f"#!{sys.executable} -IS\nimport os\n"
        f"r = lambda fd: iter(lambda: os.read(fd, 65536), b'')\n{body}"
    )
    file.chmod(0o755)
    return file


READ = "m = b''.join(r(0)); e = b''.join(r(1))\n"


def test_accepted(fake_queue: Path, open_tmp: Path, uids: tuple[int | None, ...]) -> None:
    """A message and its envelope come through octet for octet, as each unprivileged user."""
    message = bytes(range(256)) * 4000  # larger than a pipe
    raw = envelope(b"", b"b@example.com", b'\xff "x"@y', b"")
    for uid in uids:
        result = call(
            fake_queue, message, raw, setting=Setting(env=_env(open_tmp), cwd="/usr", uid=uid)
        )
        assert (result.code, result.reply[:7], result.leaks) == (0, "250 ok ", ())
    got = queued(open_tmp)
    assert [one.message for one in got] == [message] * len(uids)
    assert {one.envelope for one in got} == {raw}


def test_what_the_program_is_given(
    fake_queue: Path, open_tmp: Path, uids: tuple[int | None, ...]
) -> None:
    """Descriptors 0, 1, 2 and 6 and nothing else, SIGPIPE alone ignored, as under qmail-smtpd."""
    limits = {resource.RLIMIT_NOFILE: (64, 64)}
    setting = Setting(env=_env(open_tmp), cwd="/usr", uid=uids[0], limits=limits, umask=0o077)
    call(fake_queue, MESSAGE, setting=setting)
    (facts,) = started(open_tmp)
    assert sorted(key for key in facts if key.startswith("fd.")) == [
        "fd.0",
        "fd.1",
        "fd.2",
        "fd.6",
    ]
    assert int(facts["SigIgn"], 16) == 1 << (signal.SIGPIPE - 1)
    assert int(facts["SigBlk"], 16) == 0
    assert (facts["argc"], facts["argv0"], facts["cwd"]) == ("1", str(fake_queue), "/usr")
    assert (facts["umask"], facts["alarm"], facts["rlimit.NOFILE"]) == ("077", "0", "64 64")
    assert facts["env.TCPREMOTEIP"] == "192.0.2.7"
    if uids[0] is not None:
        assert facts["uid"] == facts["gid"] == str(uids[0])


EXITS = {
    0: "250 ok",
    11: "554 envelope address too long for qq (#5.1.3)",
    115: "554 envelope address too long for qq (#5.1.3)",
    31: "554 mail server permanently rejected message (#5.3.0)",
    12: "554 qq permanent problem (#5.3.0)",
    40: "554 qq permanent problem (#5.3.0)",
    41: "451 qq temporary problem (#4.3.0)",
    51: "451 qq out of memory (#4.3.0)",
    52: "451 qq timeout (#4.3.0)",
    53: "451 qq write error or disk full (#4.3.0)",
    54: "451 qq read error (#4.3.0)",
    55: "451 qq unable to read configuration (#4.3.0)",
    56: "451 qq trouble making network connection (#4.3.0)",
    61: "451 qq trouble in home directory (#4.3.0)",
    66: "451 qq trouble creating files in queue (#4.3.0)",
    71: "451 mail server temporarily rejected message (#4.3.0)",
    72: "451 connection to mail server timed out (#4.4.1)",
    73: "451 connection to mail server rejected (#4.4.1)",
    74: "451 communication with mail server failed (#4.4.2)",
    81: "451 qq internal bug (#4.3.0)",
    82: "451 qq temporary problem (#4.3.0)",
    88: "451 qq temporary problem (#4.3.0)",
    91: "451 qq internal bug (#4.3.0)",
    100: "451 qq temporary problem (#4.3.0)",
    120: "451 unable to exec qq (#4.3.0)",
}


@pytest.mark.parametrize(("code", "reply"), EXITS.items(), ids=lambda value: str(value)[:3])
def test_each_exit(fake_queue: Path, open_tmp: Path, code: int, reply: str) -> None:
    """Every exit code without a text gives the reply of notqmail's qmail.c; only 0 queues."""
    env = _env(open_tmp, **({"FAKE_QUEUE_EXIT": str(code)} if code else {}))
    result = call(fake_queue, MESSAGE, setting=Setting(env=env))
    assert (result.code, result.signal, result.is_flagerr) == (code, None, False)
    assert result.reply.startswith(reply)
    assert len(queued(open_tmp)) == (code == 0)
    assert len(started(open_tmp)) == 1


@pytest.mark.parametrize(
    ("flavour", "code", "text", "closed"),
    [
        (Flavour.NOTQMAIL, 82, b"Dno (#5.7.1)", "Dno (#5.7.1)"),
        (Flavour.NOTQMAIL, 82, b"Dx", "Zqq temporary problem (#4.3.0)"),
        (Flavour.NOTQMAIL, 82, b"Done\0two", "Done"),
        (Flavour.NOTQMAIL, 88, b"Dno (#5.7.1)", "Zqq temporary problem (#4.3.0)"),
        (Flavour.NOTQMAIL, 31, b"Dno", "Dmail server permanently rejected message (#5.3.0)"),
        (Flavour.CURTI, 82, b"Znot now", "Znot now"),
        (Flavour.SAGREDO, 88, b"Dno (#5.7.1)", "Dno (#5.7.1)"),
        (Flavour.SAGREDO, 82, b"D", "Zunable to exec qq (#4.3.0)"),
        (Flavour.INDIMAIL, 88, b"Dno (#5.7.1)", "Dno (#5.7.1)"),
        (Flavour.INDIMAIL, 82, b"Dno (#5.7.1)", "Zqq unable to exec qq (#4.3.0)"),
        (Flavour.INDIMAIL, 33, b"", "Dqq message contains virus (#5.7.1)"),
        (Flavour.STOCK, 82, b"", "Zqq temporary problem (#4.3.0)"),
        (Flavour.STOCK, 33, b"", "Dqq permanent problem (#5.3.0)"),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, Flavour) else None,
)
def test_flavours(flavour: Flavour, code: int, text: bytes, closed: str) -> None:
    """Where a text is heard, and what the numbers mean, differs from qmail to qmail."""
    assert closing(flavour, code, text) == closed


def test_the_callers_own_error_beats_success() -> None:
    """0 is only success where the caller could write everything."""
    assert smtp_reply(closing(Flavour.NOTQMAIL, 0, b"", is_flagerr=True)) == (
        "451 qq read error (#4.3.0)"
    )


@pytest.mark.parametrize(
    ("flavour", "error_fd", "fd", "code"),
    [
        (Flavour.NOTQMAIL, None, 6, 82),
        (Flavour.CURTI, None, 4, 82),
        (Flavour.SAGREDO, None, 4, 88),
        (Flavour.SAGREDO, 9, 9, 88),
        (Flavour.INDIMAIL, None, 2, 88),
        (Flavour.INDIMAIL, 7, 7, 88),
    ],
    ids=["notqmail", "curti", "sagredo", "sagredo-error-fd", "indimail", "indimail-error-fd"],
)
def test_text(open_tmp: Path, flavour: Flavour, error_fd: int | None, fd: int, code: int) -> None:
    """A text on the flavour's own descriptor becomes the client's reply."""
    program = _program(
        open_tmp, READ + f"os.write({fd}, b'Dvirus found (#5.7.1)'); os._exit({code})"
    )
    result = call(program, MESSAGE, setting=Setting(flavour=flavour, error_fd=error_fd))
    assert (result.code, result.reply) == (code, "554 virus found (#5.7.1)")
    assert result.stderr == (b"Dvirus found (#5.7.1)" if fd == 2 else b"")


def test_text_is_cut_at_255(open_tmp: Path) -> None:
    """notqmail reads 255 octets, with the letter, and closes the pipe."""
    program = _program(open_tmp, READ + "os.write(6, b'D' + b'x' * 400); os._exit(82)")
    assert call(program, MESSAGE).reply == "554 " + "x" * 254


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGXFSZ])
def test_killed(fake_queue: Path, open_tmp: Path, number: signal.Signals) -> None:
    """A program that dies of a signal is heard as "later", and nothing is queued."""
    env = _env(open_tmp, FAKE_QUEUE_SIGNAL=str(int(number)))
    limits = {resource.RLIMIT_CORE: (0, 0)}
    result = call(fake_queue, MESSAGE, setting=Setting(env=env, limits=limits))
    assert (result.code, result.signal) == (None, number)
    assert result.reply == "451 qq crashed (#4.3.0)"
    assert queued(open_tmp) == []


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", 54),
        (b"Fa@b\0Tc@d\0", 54),
        (b"Fa@b", 54),
        (b"Xa@b\0\0", 91),
        (b"Fa@b\0Xc@d\0\0", 91),
        (b"F" + b"a" * 1002 + b"\0T" + b"b" * 1002 + b"\0\0", 0),
        (b"F" + b"a" * 1003 + b"\0Tb\0\0", 11),
        (b"Fa\0T" + b"b" * 1003 + b"\0\0", 11),
        (b"F\0\0", 0),
        (b"F#@[]\0Tx\0\0", 0),
        (b"F\0" + b"Tsomebody@example.com\0" * 50000 + b"\0", 0),
    ],
    ids=["empty", "no-end", "cut", "not-f", "not-t", "1002", "sender-1003", "recipient-1003",
         "nobody", "double-bounce", "many"],
)  # fmt: skip
def test_grammar(fake_queue: Path, open_tmp: Path, raw: bytes, code: int) -> None:
    """The queue program judges envelopes as qmail-queue.c does."""
    result = call(fake_queue, MESSAGE, raw, setting=Setting(env=_env(open_tmp)))
    assert result.code == code
    assert [one.envelope for one in queued(open_tmp)] == ([raw] if code == 0 else [])
    assert list(open_tmp.glob("*.tmp")) == []


@pytest.mark.parametrize("ends", [Ends.FAILED, Ends.DROPPED], ids=["failed", "dropped"])
def test_aborted(fake_queue: Path, open_tmp: Path, ends: Ends) -> None:
    """A caller that gives up leaves a part of the message and an empty envelope: 54."""
    result = call(fake_queue, MESSAGE, setting=Setting(env=_env(open_tmp), ends=ends, cut_after=5))
    assert (result.code, queued(open_tmp)) == (54, [])
    assert result.reply == ("451 qq read error (#4.3.0)" if ends is Ends.FAILED else "")


def test_a_program_that_does_not_read(open_tmp: Path) -> None:
    """A program that exits at once does not hang the caller; its exit code still counts."""
    program = _program(open_tmp, "os._exit(0)")
    result = call(program, b"x" * 1_000_000)
    assert (result.code, result.is_flagerr) == (0, True)
    assert result.reply == "451 qq read error (#4.3.0)"


def test_dribbled(fake_queue: Path, open_tmp: Path) -> None:
    """The program runs before the message is there, and gets it at the sender's speed."""
    seen: list[tuple[Stage, int]] = []

    def look(stage: Stage, _pid: int) -> None:
        seen.append((stage, len(queued(open_tmp))))

    setting = Setting(env=_env(open_tmp), chunk=5, delay_s=0.01, at=look)
    assert call(fake_queue, MESSAGE, setting=setting).code == 0
    assert [stage for stage, _ in seen] == list(Stage)
    assert seen[1] == (Stage.MESSAGE, 0)
    assert queued(open_tmp)[0].message == MESSAGE


def test_a_leak_is_seen(open_tmp: Path) -> None:
    """A child that keeps the text pipe holds the reply, and is named; one with fd 1 as well."""
    body = READ + "if os.fork() == 0:\n  os.close({}); import time; time.sleep(0.5)\nos._exit(71)"
    held = call(_program(open_tmp, body.format(1)), MESSAGE)
    assert held.reply == "451 mail server temporarily rejected message (#4.3.0)"
    assert 0.2 < held.held_s < 5
    assert held.seconds < held.held_s
    quiet = call(_program(open_tmp, body.format(6)), MESSAGE)
    assert any("pipe of fd 1" in leak for leak in quiet.leaks)


def test_overdue(open_tmp: Path) -> None:
    """A program that never ends is killed, and the caller says what it waited for."""
    pids: list[int] = []
    setting = Setting(within_s=0.3, at=lambda _stage, pid: pids.append(pid))
    with pytest.raises(Overdue, match=r"until the text pipe is closed; .*fd 6"):
        call(_program(open_tmp, READ + "import time; time.sleep(60)"), MESSAGE, setting=setting)
    assert not Path(f"/proc/{pids[0]}").exists()
    with pytest.raises(Overdue, match="until the program reads on"):
        call(_program(open_tmp, "import time; time.sleep(60)"), b"x" * 200_000, setting=setting)


def test_other_descriptors(open_tmp: Path) -> None:
    """What is written blindly to a socket or a log does not become a reply, and is seen."""
    program = _program(
        open_tmp, READ + "os.write(6, b'Dto a log'); os.write(4, b'Dto a peer'); os._exit(82)"
    )
    setting = Setting(flavour=Flavour.STOCK, others={6: Other.FILE, 4: Other.SOCKET})
    result = call(program, MESSAGE, setting=setting)
    assert result.reply == "451 qq temporary problem (#4.3.0)"
    assert result.strays == {6: b"Dto a log", 4: b"Dto a peer"}


@pytest.mark.parametrize("fd", [0, 1, 2])
def test_closed(open_tmp: Path, fd: int) -> None:
    """A descriptor can be missing."""
    program = _program(
        open_tmp, f"try:\n  os.fstat({fd})\nexcept OSError:\n  os._exit(71)\nos._exit(0)"
    )
    assert call(program, MESSAGE, setting=Setting(closed=frozenset({fd}))).code == 71


@pytest.mark.parametrize(
    ("program", "cwd", "code"),
    [("/nonexistent", "/", 120), ("/bin/true", "/nonexistent", 61)],
    ids=["no-program", "no-folder"],
)
def test_not_started(program: str, cwd: str, code: int) -> None:
    """exec and chdir that fail end as in the child of qmail.c."""
    assert call(program, b"", setting=Setting(cwd=cwd)).code == code


def test_stall(fake_queue: Path, open_tmp: Path) -> None:
    """The queue program can be held until a file appears."""
    gate = open_tmp / "go"

    def at(stage: Stage, _pid: int) -> None:
        if stage is Stage.ENVELOPE:
            assert queued(open_tmp) == []
            gate.touch()

    setting = Setting(env=_env(open_tmp, FAKE_QUEUE_STALL=str(gate)), at=at)
    assert call(fake_queue, MESSAGE, setting=setting).code == 0
    assert len(queued(open_tmp)) == 1
