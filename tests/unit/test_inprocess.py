"""The scanning child: whatever it does, the queue program hears an answer or "later", in time."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import child, mails
from tests.fakes.site import Site

# A queue program after its first stage: it asks, and prints what it heard as JSON. SPOIL is run
# first; it may put something in the place of what the child does.
ASK = """
import json, os, signal, sys, threading, time
from qscanner import inprocess, intake
from qscanner.codec import frames
from qscanner.codec.frames import Answer
from qscanner.outcomes import Ending, QScannerError
message = intake.memory_file()
intake.write_all(message, open(sys.argv[1], "rb").read())
intake.seal(message)
proven, held = frozenset(), []
def send(theirs, octets, *fds):
    import socket
    socket.send_fds(theirs, [octets], fds)
    os._exit(0)
def child(behave):
    def be(theirs, job):
        try:
            behave(theirs)
        finally:
            os._exit(0)
    inprocess._be_the_child = be
SPOIL
told = {}
begun = time.monotonic()
try:
    answer, fds = inprocess.ask(message, b"Fs@x\\0Ta@y\\0\\0", proven=proven, begun=begun)
    told = {"ending": answer.ending.name, "text": answer.text, "program": answer.program,
            "error_text": answer.error_text}
    if fds:
        told["message"], told["envelope"] = (
            os.pread(fd, 1 << 24, 0).decode("latin-1") for fd in fds)
        told["cloexec"] = not any(os.get_inheritable(fd) for fd in fds)
except QScannerError as error:
    told = {"raised": error.ending.name, "text": str(error)}
told["took_s"] = time.monotonic() - begun
try:
    os.waitpid(-1, os.WNOHANG)
    told["children"] = "left"
except ChildProcessError:
    told["children"] = "none"
from qscanner import slots
for fd in held:
    os.close(fd)
places = 2 * (os.cpu_count() or 1)
for _ in range(places):  # all are free again
    slots.take(inprocess.settings().queue.spool, places, within_s=0)
print(json.dumps(told))
"""
GOOD = "frames.encode(Answer(ending=Ending.{}))"
ACCEPTED, REJECTED = GOOD.format("ACCEPTED"), GOOD.format("REJECTED")


@pytest.fixture
def site(open_tmp: Path, fake_queue: Path) -> Site:
    return Site(open_tmp, fake_queue)


class Heard:
    """What one asking gave: `told` by the parent, `log` lines of both."""

    def __init__(self, told: dict[str, Any], log: str) -> None:
        self.told = told
        self.log = log


def ask(site: Site, octets: bytes = b"Subject: x\n\ny\n", spoil: str = "") -> Heard:
    """Ask in a process of its own. Whatever comes: no child and no taken place is left."""
    file = site.folder / "message"
    file.write_bytes(octets)
    done = child.run(ASK.replace("SPOIL", spoil), file, env=site.environment())
    told = json.loads(child.said(done))
    assert told.pop("children") == "none", "a child was left behind"
    return Heard(told, done.stderr.decode("utf-8", "replace"))


# --- what the child does ---


def test_an_accepted_message_is_handed_over(site: Site) -> None:
    """Two descriptors: the message with our line, and the envelope; and one line of log."""
    heard = ask(site, mails.text())
    assert heard.told["ending"] == "ACCEPTED"
    assert heard.told["program"] == str(site.program)
    assert heard.told["message"].startswith("X-Qscanner: mx.example.com ")
    assert heard.told["message"].endswith(mails.text().decode())
    assert heard.told["envelope"] == "Fs@x\0Ta@y\0\0"
    assert heard.told["cloexec"]
    assert heard.log.count("event=message") == len(heard.log.splitlines()) == 1
    assert "verdict=accept" in heard.log


def test_a_refused_message(site: Site) -> None:
    """The ending and the words, no descriptors, nothing held."""
    heard = ask(site, mails.infected())
    assert heard.told["ending"] == "REJECTED"
    assert "virus" in heard.told["text"]
    assert "message" not in heard.told
    assert site.held() == []


def test_a_held_message(site: Site) -> None:
    """Held is on disk when the answer is heard."""
    site.settings(limits='message = "1 KiB"')
    heard = ask(site, mails.text(b"x" * 5000))
    assert heard.told["ending"] == "HELD"
    assert len(site.held()) == 1


@pytest.mark.parametrize(
    ("how", "ending", "said"),
    [
        pytest.param({"program": "/nonexistent/q"}, "UNUSABLE", "does not exist", id="program"),
        pytest.param({"limits": 'memory = "64 MiB"'}, "OUT_OF_MEMORY", "memory", id="memory"),
        pytest.param(
            {"virus": '[virus.clamav]\nservers = ["unix:/nonexistent"]'},
            "DEFERRED", "virus=", id="clamd-away",
        ),
    ],
)  # fmt: skip
def test_troubles_that_the_child_tells(
    how: dict[str, str], ending: str, said: str, site: Site
) -> None:
    """What goes wrong inside is an answer of the kind "later", and stands in the log."""
    site.settings(**how)
    heard = ask(site, mails.text(b"x" * 3_000_000))
    assert heard.told.get("ending") == ending, (heard.told, heard.log)
    assert said in heard.log


def test_broken_policies_are_unusable(site: Site) -> None:
    """Mistakes of an admin are 55, with their place in the log."""
    site.policy('[[rule]]\nid = "a"\naction = "rejekt"\n')
    heard = ask(site)
    assert heard.told["ending"] == "UNUSABLE"
    assert "one.toml:" in heard.log


def test_a_bug_is_later_and_says_where(site: Site) -> None:
    """An exception that nobody expected: 81, and the log has its place."""
    spoil = "def broken(*given): raise ValueError('a\\nbug')\ninprocess.scan = broken"
    heard = ask(site, spoil=spoil)
    assert heard.told["ending"] == "BUG"
    assert "qscanner: bug: ValueError('a\\\\nbug') at <string>:" in heard.log


def test_the_child_gives_up_the_caller_s_descriptors(site: Site) -> None:
    """0, 1 and the reply pipe are /dev/null in the child: it can hold up no SMTP session."""
    spoil = (
        "r, w = os.pipe(); os.dup2(w, 6); os.close(w); proven = frozenset({6, 2})\n"
        "def look(*given):\n"
        "    raise ValueError([os.readlink(f'/proc/self/fd/{n}') for n in (0, 1, 6)])\n"
        "inprocess.scan = look\n"
    )
    heard = ask(site, spoil=spoil)
    assert "['/dev/null', '/dev/null', '/dev/null']" in heard.log


def test_the_child_is_confined_and_the_parent_is_not(site: Site) -> None:
    """No new privileges and limited memory where mail is looked at, and only there."""
    spoil = (
        "import resource\n"
        "def state(*given):\n"
        "    status = open('/proc/self/status').read()\n"
        "    limit = resource.getrlimit(resource.RLIMIT_AS)[0]\n"
        "    raise ValueError(('NoNewPrivs:\\t1' in status, limit >> 20))\n"
        "inprocess.scan = state\n"
        "import atexit\n"
        "atexit.register(lambda: os.write(2, str('NoNewPrivs:\\t0' in "
        "open('/proc/self/status').read()).encode()))\n"
    )
    site.settings(limits='memory = "1500 MiB"')
    heard = ask(site, spoil=spoil)
    assert "ValueError((True, 1500))" in heard.log
    assert heard.log.endswith("True")


# --- what the parent makes of a child that does something else ---


@pytest.mark.parametrize(
    ("behave", "said"),
    [
        pytest.param("os.kill(os.getpid(), 11)", "died (signal 11)", id="segmentation-fault"),
        pytest.param("os.kill(os.getpid(), 9)", "died (signal 9)", id="killed"),
        pytest.param("os._exit(3)", "died (exit 3)", id="exits"),
        pytest.param("os._exit(0)", "died (exit 0)", id="exits-0"),
        pytest.param("theirs.close(); time.sleep(60)", "died (signal 9)", id="hangs-up-and-stays"),
        pytest.param("theirs.send(b'rubbish')", "rubbish", id="rubbish"),
        pytest.param(f"send(theirs, {ACCEPTED}[:-1])", "rubbish", id="cut"),
        pytest.param(f"send(theirs, {ACCEPTED} * 300)", "arrive whole", id="too-much"),
        pytest.param(f"send(theirs, {ACCEPTED})", "without handing it over", id="no-descriptors"),
        pytest.param(f"send(theirs, {ACCEPTED}, 2)", "without handing", id="one-descriptor"),
        pytest.param(f"send(theirs, {ACCEPTED}, 2, 2, 2)", "arrive whole", id="three"),
    ],
)
def test_a_child_that_misbehaves_is_later(behave: str, said: str, site: Site) -> None:
    """A crash or rubbish is never success: 71, at once, and the child is gone."""
    heard = ask(site, spoil=f"child(lambda theirs: [{behave.replace('; ', ', ')}])")
    assert heard.told.get("raised") == "DEFERRED", heard.told
    assert said in heard.told["text"]
    assert heard.told["took_s"] < 10


@pytest.mark.parametrize(
    "behave", ["time.sleep(60)", "os.kill(os.getpid(), 19)"], ids=["hangs", "stops"]
)
def test_a_child_that_hangs_is_out_of_time(behave: str, site: Site) -> None:
    """The time of the message bounds the wait, and the child does not survive it."""
    file = site.file.read_text().replace('time = "60 s"', 'time = "1 s"')
    site.file.write_text(file)
    heard = ask(site, spoil=f"child(lambda theirs: {behave})")
    assert heard.told.get("raised") == "DEADLINE", heard.told
    assert 1.0 <= heard.told["took_s"] < 8


def test_what_follows_the_answer_is_not_waited_for(site: Site) -> None:
    """A child that answered and does not end holds nobody up, and is ended."""
    behave = f"[theirs.send({REJECTED}), time.sleep(60)]"
    heard = ask(site, spoil=f"child(lambda theirs: {behave})")
    assert heard.told["ending"] == "REJECTED"
    assert heard.told["took_s"] < 10


def test_descriptors_beside_a_refusal_are_not_used(site: Site) -> None:
    """Only an accepted message has descriptors to exec with."""
    heard = ask(site, spoil=f"child(lambda theirs: send(theirs, {REJECTED}, 2, 2))")
    assert heard.told["ending"] == "REJECTED"
    assert "message" not in heard.told


# --- before there is a child ---


def test_the_daemon_is_away_and_nobody_else_may_scan(site: Site) -> None:
    """daemon_away = "defer": 71, without a child."""
    site.settings(queue='daemon_away = "defer"')
    heard = ask(site)
    assert heard.told["raised"] == "DEFERRED"
    assert "daemon_away" in heard.told["text"]


def test_broken_settings_are_unusable(site: Site) -> None:
    """Mistakes in the settings raise 55 before anything is done, each with its line."""
    code = (
        "import os; from qscanner import inprocess; from qscanner.outcomes import Unusable\n"
        "try: inprocess.ask(0, b'', proven=frozenset(), begun=0.0)\n"
        "except Unusable as error: print(error.ending.name, error)\n"
        "print(inprocess.where_to_log())\n"
    )
    site.file.write_text("[quue]\n[limits]\ntime = 5\n")
    said = child.said(child.run(code, env=site.environment()))
    assert said.startswith("UNUSABLE")
    assert "qscanner.toml:1" in said
    assert "qscanner.toml:3" in said
    assert said.endswith("stderr\n")


def test_all_places_are_taken(site: Site) -> None:
    """Overload is "later", within the time of the message, and starts no child."""
    file = site.file.read_text().replace('time = "60 s"', 'time = "1 s"')
    site.file.write_text(file)
    spoil = (
        "from qscanner import slots\n"
        "places = 2 * (os.cpu_count() or 1)\n"
        "folder = inprocess.settings().queue.spool\n"
        "held = [slots.take(folder, places, within_s=5) for _ in range(places)]\n"
        "os.fork = None\n"
    )
    heard = ask(site, spoil=spoil)
    assert heard.told["raised"] == "DEFERRED"
    assert "all are taken" in heard.told["text"]
    assert heard.told["took_s"] < 8


@pytest.mark.parametrize(
    ("queue", "log", "want"),
    [
        pytest.param("", "", "stderr", id="default"),
        pytest.param("", '[log]\nto = "syslog"', "syslog", id="syslog"),
        pytest.param('error_text = "2:88"', "", "syslog", id="2-is-the-reply-channel"),
        pytest.param('error_text = "6:82"', "", "stderr", id="6-is-the-reply-channel"),
    ],
)
def test_where_to_log(queue: str, log: str, want: str, site: Site) -> None:
    """Never to the descriptor on which a reply goes to the client."""
    site.settings(queue=queue)
    site.file.write_text(site.file.read_text() + log + "\n")
    code = "from qscanner import inprocess; print(inprocess.where_to_log())"
    assert child.said(child.run(code, env=site.environment())) == f"{want}\n"
