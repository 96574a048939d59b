"""Becoming the queue program: what it finds is what qmail would have given it."""

import os
import signal
from pathlib import Path

import pytest

from qscanner import qmailqueue
from qscanner.outcomes import Ending, Unusable
from tests.fakes import child, queue

MESSAGE, ENVELOPE = b"Subject: x\n\nbody \0\xff\n", b"Fs\0Ta\0\0"

# Spoils everything that an exec hands on, then becomes the program.
BECOME = """
import os, signal, sys
from qscanner import intake, qmailqueue
from qscanner.outcomes import Unusable
message, envelope = intake.memory_file(), intake.memory_file()
intake.write_all(message, {message!r}); intake.write_all(envelope, {envelope!r})
intake.seal(message); intake.seal(envelope)
signal.alarm(3600)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
secret = os.open("/dev/null", os.O_RDONLY)
os.dup2(secret, 6)  # stands for the caller's reply pipe: not close-on-exec
try:
    qmailqueue.become(sys.argv[1], message, envelope)
except Unusable as error:
    os.write(2, str(error).encode())
    os._exit(55)
"""
CODE = BECOME.format(message=MESSAGE, envelope=ENVELOPE)


def started(fake_queue: Path, folder: Path) -> queue.Queued:
    """Become the strict stand-in, which reads with plain read(), and give what it saw."""
    (folder / "queue").mkdir()
    done = child.run(CODE, fake_queue, env={"FAKE_QUEUE_DIR": str(folder / "queue")})
    assert done.returncode == 0, done.stderr
    (one,) = queue.queued(folder / "queue")
    return one


def test_it_sees_everything_from_the_start(fake_queue: Path, tmp_path: Path) -> None:
    """Both descriptors stood at their ends; a program with plain read() gets all of both."""
    one = started(fake_queue, tmp_path)
    assert (one.message, one.envelope) == (MESSAGE, ENVELOPE)
    assert (one.facts["offset.0"], one.facts["offset.1"]) == ("0", "0")


def test_it_finds_no_trace_of_python(fake_queue: Path, tmp_path: Path) -> None:
    """No ignored or blocked signal, no alarm, argv[0] alone, only our mark in the environment."""
    facts = started(fake_queue, tmp_path).facts
    assert int(facts["SigIgn"], 16) == 0
    assert int(facts["SigBlk"], 16) == 0
    assert facts["alarm"] == "0"
    assert (facts["argc"], facts["argv0"]) == ("1", str(fake_queue))
    assert facts["env.QSCANNER_PID"] == facts["pid"]
    assert facts["NoNewPrivs"] == "0"


def test_it_inherits_only_what_the_caller_left_open(fake_queue: Path, tmp_path: Path) -> None:
    """0 and 1 are ours, 2 and the reply pipe (6, for a chained program) stay; nothing else."""
    facts = started(fake_queue, tmp_path).facts
    assert {key for key in facts if key.startswith("fd.")} == {"fd.0", "fd.1", "fd.2", "fd.6"}


@pytest.mark.parametrize("code", [1, 31, 53, 71, 120])
def test_its_code_is_ours(code: int, fake_queue: Path, tmp_path: Path) -> None:
    """What the program ends with is what the caller hears."""
    env = {"FAKE_QUEUE_DIR": str(tmp_path), "FAKE_QUEUE_EXIT": str(code)}
    assert child.run(CODE, fake_queue, env=env).returncode == code


def test_its_death_is_ours(fake_queue: Path, tmp_path: Path) -> None:
    """A killed program is a killed program to the caller, never success."""
    env = {"FAKE_QUEUE_DIR": str(tmp_path), "FAKE_QUEUE_SIGNAL": "9"}
    assert child.killed_by(child.run(CODE, fake_queue, env=env)) is signal.SIGKILL


def unusable(kind: str, folder: Path) -> str:
    """Make a program that cannot be one, and give its path."""
    path = folder / "program"
    if kind in ("no-shebang", "not-executable", "no-interpreter"):
        path.write_text("#!/nonexistent/interpreter\n" if kind == "no-interpreter" else "exit 0\n")
        path.chmod(0o644 if kind == "not-executable" else 0o755)
    elif kind == "folder":
        path.mkdir()
    elif kind == "dangling-link":
        path.symlink_to(folder / "nowhere")
    elif kind == "empty":
        return ""
    elif kind == "with-a-nul":
        return "/bin/true\0x"
    return str(path)


@pytest.mark.parametrize(
    "kind",
    [
        "missing",
        "folder",
        "not-executable",
        "dangling-link",
        "no-shebang",
        "no-interpreter",
        "empty",
    ],
)
def test_what_cannot_be_started(kind: str, tmp_path: Path) -> None:
    """An exec that fails is 55 and names the program: an admin must act."""
    path = unusable(kind, tmp_path)
    done = child.run(CODE, path)
    assert done.returncode == 55
    assert f"queue.program {path} cannot be started".encode() in done.stderr


@pytest.mark.parametrize(
    "kind",
    ["missing", "folder", "not-executable", "dangling-link", "empty", "with-a-nul"],
)
def test_what_is_not_usable_is_known_before(kind: str, tmp_path: Path) -> None:
    """Before anything is scanned: missing, no file, or not executable."""
    with pytest.raises(Unusable, match=r"queue\.program") as caught:
        qmailqueue.prove_usable(unusable(kind, tmp_path))
    assert caught.value.ending is Ending.UNUSABLE


def test_what_another_user_may_not_execute(open_tmp: Path, uids: tuple[int | None, ...]) -> None:
    """It is asked for the user that we are."""
    program = open_tmp / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o744)
    code = (
        "import sys; from qscanner import qmailqueue; from qscanner.outcomes import Unusable\n"
        "try: qmailqueue.prove_usable(sys.argv[1]); print('fine')\n"
        "except Unusable as error: print(error)\n"
    )
    said = child.said(child.run(code, program, uid=uids[0]))
    assert (said == "fine\n") == (uids[0] is None)


@pytest.mark.parametrize("way", ["the-same", "a-link", "a-hard-link"])
def test_it_is_never_ourselves(way: str, tmp_path: Path) -> None:
    """qscanner-queue as its own queue program, under whatever name, is a loop."""
    ours, theirs = tmp_path / "qscanner-queue", tmp_path / "other"
    ours.write_text("#!/bin/sh\n")
    ours.chmod(0o755)
    if way == "a-link":
        theirs.symlink_to(ours)
    elif way == "a-hard-link":
        theirs.hardlink_to(ours)
    else:
        theirs = ours
    with pytest.raises(Unusable, match="loop"):
        qmailqueue.prove_usable(str(theirs), str(ours))
    qmailqueue.prove_usable(str(theirs))


@pytest.mark.parametrize("ourselves", ["", "/nonexistent/ours", "/bin/sh"])
def test_a_good_program_is_usable(ourselves: str, fake_queue: Path) -> None:
    """Nothing is raised for a program that is another than we."""
    qmailqueue.prove_usable(str(fake_queue), ourselves)


@pytest.mark.parametrize(
    ("mark", "is_loop"),
    [
        pytest.param(None, False, id="first-start"),
        pytest.param(str(os.getpid()), True, id="this-process"),
        pytest.param(str(os.getpid() + 1), False, id="another-process"),
        pytest.param(f"0{os.getpid()}", False, id="not-our-writing"),
        pytest.param("", False, id="empty"),
    ],
)
def test_a_loop_is_refused(mark: str | None, is_loop: bool) -> None:
    """A process that was exec'd by ourselves already is a loop; a forward's new one is not."""
    environment = {} if mark is None else {qmailqueue.MARK: mark.encode()}
    if is_loop:
        with pytest.raises(Unusable, match="set it to the real qmail-queue"):
            qmailqueue.refuse_a_loop(environment)
    else:
        qmailqueue.refuse_a_loop(environment)


def test_a_loop_through_a_script_is_seen(tmp_path: Path) -> None:
    """A script that execs us again has the same pid, and our mark from before."""
    again = tmp_path / "again"
    python = child.command("")[0]
    (tmp_path / "again.py").write_text(
        "import os\nfrom qscanner import qmailqueue\nfrom qscanner.outcomes import Unusable\n"
        "try: qmailqueue.refuse_a_loop(os.environb)\n"
        "except Unusable: os._exit(55)\nos._exit(0)\n"
    )
    again.write_text(f"#!/bin/sh\nexec {python} {tmp_path / 'again.py'}\n")
    again.chmod(0o755)
    assert child.run(CODE, again).returncode == 55
