"""qscannerd as a service: signals, reloads, supervisors, and what it tells of itself."""

import contextlib
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from qscanner.codec import status
from qscanner.outcomes import Ending
from tests.fakes import mails, resident
from tests.fakes.guest import Guest, visit
from tests.fakes.resident import Resident, serving, until
from tests.fakes.site import Site

REFUSE_ALL = """
[[rule]]
id = "all"
why = "for a test"
reply = "Not today"
when = { size_over = "1 B" }
action = "reject"
"""
REFUSE_LISTED = """
[[rule]]
id = "listed"
why = "for a test"
reply = "Not you"
when = { from_in = "unwanted" }
action = "reject"
"""


@pytest.fixture
def site(open_tmp: Path, fake_queue: Path) -> Site:
    """Give an installation."""
    return Site(open_tmp, fake_queue)


# ---- SIGTERM


def test_drains(site: Site) -> None:
    """SIGTERM: who is being served, who waits, and who has just connected is served to the end.

    Whoever comes later finds nobody, and the daemon ends with 0.
    """
    with serving(site, daemon="workers = 1") as one:
        served = Guest(one.path).hello()
        served.go()
        waiting = Guest(one.path).hello()
        connected = Guest(one.path)
        one.signal(signal.SIGTERM)
        assert "waiting=" in one.wait_for("event=stopping")
        until(lambda: not one.path.exists(), "the socket is gone")
        with pytest.raises(OSError, match="No such file"):
            Guest(one.path)
        connected.hello()
        assert served.ask(mails.text()).answer().ending is Ending.ACCEPTED
        for guest in (waiting, connected):
            guest.go()
            assert guest.ask(mails.text()).answer().ending is Ending.ACCEPTED
        assert one.ended() == 0
        one.wait_for("event=stopped")
        for guest in (served, waiting, connected):
            guest.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_at_once_when_idle(site: Site, number: int) -> None:
    """Nobody there: it ends within a moment, with its workers, and leaves no socket."""
    with serving(site) as one:
        workers = one.workers()
        begun = time.monotonic()
        one.signal(number)
        assert one.ended() == 0
        assert time.monotonic() - begun < 2
        until(lambda: not any(map(resident.is_alive, workers)), "the workers have ended")
        assert not one.path.exists()


def test_a_new_daemon_while_the_old_one_drains(site: Site) -> None:
    """A restart does not wait for the last scan: the socket of the new one stays where it is."""
    with serving(site) as old:
        guest = Guest(old.path).hello()
        guest.go()
        old.signal(signal.SIGTERM)
        old.wait_for("event=stopping")
        with serving(site) as new:
            assert visit(new.path, mails.text()).ending is Ending.ACCEPTED
            assert guest.ask(mails.text()).answer().ending is Ending.ACCEPTED
            assert old.ended() == 0
            assert visit(new.path, mails.text()).ending is Ending.ACCEPTED
        guest.close()


def test_terminal_signals_reach_the_workers_too(site: Site) -> None:
    """^C and a supervisor's group signal hit all processes: what is being scanned is finished."""
    with serving(site) as one:
        guest = Guest(one.path).hello()
        guest.go()
        for pid in one.workers():
            os.kill(pid, signal.SIGINT)
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGHUP)
        one.signal(signal.SIGTERM)
        assert guest.ask(mails.text()).answer().ending is Ending.ACCEPTED
        guest.close()
        assert one.ended() == 0


def status_of(one: Resident) -> status.State:
    """Ask it how it is."""
    with Guest(one.path) as guest:
        guest.say(status.ASK)
        return status.decode(guest.packet())


def test_a_second_sigterm(site: Site) -> None:
    """Who is being served and who waits hears "later" at once, and it ends with 0."""
    with serving(site, daemon="workers = 1") as one:
        served = Guest(one.path).hello()
        served.go()
        (worker,) = one.workers()
        os.kill(worker, signal.SIGSTOP)  # it would take its time
        served.ask(mails.text())
        waiting = Guest(one.path).hello()
        until(lambda: status_of(one).waiting, "the second waits")
        one.signal(signal.SIGTERM)
        one.wait_for("event=stopping waiting=1")
        assert not waiting.has_news(within_s=0.2)
        begun = time.monotonic()
        one.signal(signal.SIGTERM)
        for guest in (served, waiting):
            heard = guest.answer()
            assert heard.ending is Ending.DEFERRED
            assert heard.text == "Zserver is stopping, try again later (#4.7.1)"
            guest.close()
        assert one.ended() == 0
        assert time.monotonic() - begun < 2
        assert "event=hurrying waiting=1 busy=1" in one.log
        assert "event=worker-" not in one.log
        until(lambda: not resident.is_alive(worker), "the worker has ended")


# ---- SIGHUP


def test_new_rules_come_into_force(site: Site) -> None:
    """SIGHUP: whoever is served is served by the old rules, whoever comes next by the new ones."""
    with serving(site) as one:
        guest = Guest(one.path).hello()
        guest.go()
        site.policy(REFUSE_ALL)
        one.signal(signal.SIGHUP)
        assert "why=SIGHUP rules=1" in one.wait_for("event=reloaded")
        assert visit(one.path, mails.text()).text == "DNot today (#5.7.1)"
        assert guest.ask(mails.text()).answer().ending is Ending.ACCEPTED
        guest.close()
        until(lambda: len(one.workers()) == 2, "the old worker is gone")


BROKEN = [
    pytest.param("policies/one.toml", "schema = 1\n[[rule]]\nid = 1\n", id="policy"),
    pytest.param("qscanner.toml", "[queue]\nprogam = 1\n", id="settings"),
]


@pytest.mark.parametrize(("name", "text"), BROKEN)
def test_a_mistake_changes_nothing(site: Site, name: str, text: str) -> None:
    """All or nothing: the old rules stay, and the log names file and line of each mistake."""
    with serving(site) as one:
        (site.folder / name).write_text(text)
        (site.folder / "policies" / "two.toml").write_text("schema = 1\n" + REFUSE_ALL)
        one.signal(signal.SIGHUP)
        one.wait_for('event=reload-failed why=SIGHUP then="the old settings stay in force"')
        assert f"{site.folder / name}:2" in one.log or f"{site.folder / name}:3" in one.log
        assert visit(one.path, mails.text()).ending is Ending.ACCEPTED
        assert visit(one.path, mails.infected()).ending is Ending.REJECTED
        (site.folder / name).unlink()
        resident.configure(site)
        one.signal(signal.SIGHUP)
        one.wait_for("event=reloaded")
        assert visit(one.path, mails.text()).ending is Ending.REJECTED


def test_new_settings_come_into_force(site: Site) -> None:
    """Workers, channel and limits change; socket and metrics need a restart, and it says so."""
    with serving(site) as one:
        moved = f'workers = 3\nmetrics = "127.0.0.1:{resident.free_port()}"'
        resident.configure(site, daemon=moved, queue='error_text = "none"')
        one.signal(signal.SIGHUP)
        one.wait_for("event=reloaded")
        one.wait_for("socket and metrics count from the next start on")
        until(lambda: len(one.workers()) == 3, "there are three workers")
        assert visit(one.path, mails.infected()).error_text == "none"


def test_lists_reload_by_themselves(site: Site) -> None:
    """A list file that changes is in force a few seconds later, without a signal, and logged."""
    listed = site.folder / "policies" / "lists" / "unwanted.txt"
    site.policy(REFUSE_LISTED)
    listed.write_text("nobody@example.net\n")
    with serving(site) as one:
        assert visit(one.path, mails.text()).ending is Ending.ACCEPTED
        listed.write_text("nobody@example.net\na@example.org\n")
        one.wait_for("event=reloaded why=lists")
        assert visit(one.path, mails.text()).ending is Ending.REJECTED
        listed.write_bytes(b"\xff\xfe\n")
        one.wait_for("event=reload-failed why=lists")
        assert visit(one.path, mails.text()).ending is Ending.REJECTED
        assert one.log.count("event=reload-failed") == 1


OTHERS = [
    pytest.param("policies/one.toml", "schema = 1\n" + REFUSE_ALL, id="another-rule"),
    pytest.param("policies/two.toml", "schema = 1\n[[rule", id="half-a-rule"),
    pytest.param("policies/one.toml", None, id="a-rule-less"),
]


@pytest.mark.parametrize(("name", "text"), OTHERS)
def test_lists_alone(site: Site, name: str, text: str | None) -> None:
    """Rules that are being edited do not come into force with a list, before somebody asks."""
    listed = site.folder / "policies" / "lists" / "unwanted.txt"
    site.policy(REFUSE_LISTED)
    listed.write_text("nobody@example.net\n")
    with serving(site) as one:
        file = site.folder / name
        file.unlink() if text is None else file.write_text(text)
        listed.write_text("nobody@example.net\na@example.org\n")
        one.wait_for("event=reload-failed why=lists")
        assert "lists have changed, and rules, too: qscanner policy load" in one.log
        assert visit(one.path, mails.text()).ending is Ending.ACCEPTED
        assert "two.toml:" not in one.log, "nobody asked what is wrong with them"
        site.policy(REFUSE_LISTED)
        one.signal(signal.SIGHUP)
        one.wait_for("event=reloaded why=SIGHUP")
        assert visit(one.path, mails.text()).ending is Ending.REJECTED


def test_lists_with_the_settings_in_force(site: Site) -> None:
    """Nor do settings, right or wrong: lists come into force with those that were loaded."""
    listed = site.folder / "policies" / "lists" / "unwanted.txt"
    site.policy(REFUSE_LISTED)
    listed.write_text("nobody@example.net\n")
    with serving(site) as one:
        mark = status_of(one).load.mark
        for number, text in enumerate(("[queue]\nerror_text = 'none'\n", "[que"), 1):
            site.file.write_text(text)
            listed.write_text("a@example.org\n" * number)
            one.wait_for("event=reloaded why=lists", times=number)
            heard = visit(one.path, mails.text())
            assert (heard.ending, heard.error_text) == (Ending.REJECTED, "auto")
        assert status_of(one).load.mark != mark


# ---- start


def test_mistakes_at_the_start(site: Site) -> None:
    """Settings or rules with a mistake: every mistake on stderr, and 2."""
    site.policy("[[rule]]\nid = 1\n")
    with serving(site, is_ready=False) as one:
        assert one.ended() == 2
        assert "one.toml:" in one.log


def test_the_socket_cannot_be_made(site: Site) -> None:
    """A folder that is not there, or another thing at that place: words, and 2."""
    (site.folder / "d.sock").write_text("somebody's")
    with serving(site, is_ready=False) as one:
        assert one.ended() == 2
        assert "is no socket" in one.log
    assert (site.folder / "d.sock").read_text() == "somebody's"


def test_ready_line_for_s6(site: Site) -> None:
    """--ready-fd gets one newline when clients are let in, and is closed."""
    reading, writing = os.pipe()
    with serving(site, arguments=["--ready-fd", str(writing)], pass_fds=[writing]):
        os.close(writing)
        assert os.read(reading, 10) == b"\n"
        assert os.read(reading, 10) == b""
    os.close(reading)


def test_sd_notify(site: Site) -> None:
    """systemd hears READY, RELOADING with the monotonic time, READY again, and STOPPING."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(10)
        systemd.bind(str(site.folder / "notify"))
        with serving(site, environment={"NOTIFY_SOCKET": str(site.folder / "notify")}) as one:
            assert systemd.recv(1000) == b"READY=1"
            one.signal(signal.SIGHUP)
            told = systemd.recv(1000)
            assert told.startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert abs(int(told.rpartition(b"=")[2]) / 1e6 - time.monotonic()) < 10
            assert systemd.recv(1000) == b"READY=1"
        assert systemd.recv(1000) == b"STOPPING=1"


def test_socket_activation(site: Site) -> None:
    """A supervisor's socket is served, whoever came before the start too, and it is left there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as ours:
        ours.bind(str(site.folder / "d.sock"))
        ours.listen()
        early = Guest(site.folder / "d.sock").hello()
        before = f"export LISTEN_FDS=1 LISTEN_PID=$$; exec 3<&{ours.fileno()}"
        with serving(site, before=before, pass_fds=[ours.fileno()]) as one:
            early.go()
            assert early.ask(mails.text()).answer().ending is Ending.ACCEPTED
            early.close()
            assert visit(one.path, mails.text()).ending is Ending.ACCEPTED
        assert one.path.exists()


# ---- what it tells


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def measured(site: Site) -> Iterator[tuple[Resident, int]]:
    """Give a daemon with metrics, and their port."""
    port = resident.free_port()
    with serving(site, daemon=f'metrics = "127.0.0.1:{port}"') as one:
        yield one, port


def test_metrics_count(measured: tuple[Resident, int]) -> None:
    """What was accepted, refused, held, crashed and reloaded is counted, and nothing twice."""
    one, port = measured
    for message in (mails.text(), mails.text(), mails.infected(), mails.locked()):
        visit(one.path, message)
    one.signal(signal.SIGHUP)
    one.wait_for("event=reloaded")
    until(lambda: len(one.workers()) == 2, "the old workers are gone")
    os.kill(one.workers()[0], signal.SIGKILL)
    one.wait_for("event=worker-died")
    until(lambda: _get(port, "/healthz") == (200, "ok\n"), "it is well")
    code, page = _get(port, "/metrics")
    assert code == 200
    for line in (
        'qscanner_messages_total{ending="accepted",verdict="accept"} 2.0',
        'qscanner_messages_total{ending="rejected",verdict="reject"} 1.0',
        'qscanner_messages_total{ending="held",verdict="quarantine"} 1.0',
        'qscanner_rule_hits_total{rule="infected"} 1.0',
        'qscanner_checks_total{check="virus",outcome="clean"} 3.0',
        'qscanner_events_total{event="crash"} 1.0',
        'qscanner_events_total{event="reload"} 1.0',
        "qscanner_wait_seconds_count 4.0",
        "qscanner_scan_seconds_count 4.0",
        'qscanner_now{what="workers_idle"} 2.0',
    ):
        assert f"\n{line}\n" in page, (line, page)


REQUESTS = [
    pytest.param(b"POST /metrics HTTP/1.1\r\n\r\n", b"405", id="post"),
    pytest.param(b"GET /other HTTP/1.1\r\n\r\n", b"404", id="elsewhere"),
    pytest.param(b"GET\r\n\r\n", b"405", id="no-path"),
    pytest.param(b"\r\n\r\n", b"405", id="empty"),
    pytest.param(b"\xff\x00" * 100 + b"\n\n", b"405", id="rubbish"),
    pytest.param(b"GET /healthz\n\n", b"200", id="without-version"),
    pytest.param(b"x" * 5000, b"", id="no-end"),
]


def test_http_of_all_kinds(measured: tuple[Resident, int]) -> None:
    """Rubbish is answered or hung up on, and mail goes on."""
    one, port = measured
    for case in REQUESTS:
        request, wanted = case.values
        assert isinstance(request, bytes)
        assert isinstance(wanted, bytes)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(request)
            with contextlib.suppress(ConnectionResetError):
                assert client.recv(100)[9:12] == wanted, case.id
    assert visit(one.path, mails.text()).ending is Ending.ACCEPTED


def test_a_slow_reader_does_not_stop_mail(measured: tuple[Resident, int]) -> None:
    """Scrapers that ask and do not read, or do not even ask, delay nobody: mail nor scrapers."""
    one, port = measured
    with contextlib.ExitStack() as stack:
        for number in range(40):
            client = socket.socket()
            stack.enter_context(client)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            client.settimeout(10)
            client.connect(("127.0.0.1", port))
            if number % 2:
                client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        begun = time.monotonic()
        for _ in range(10):
            assert visit(one.path, mails.text()).ending is Ending.ACCEPTED
        assert time.monotonic() - begun < 2
        assert _get(port, "/healthz")[0] == 200


def test_unwell_without_workers(site: Site) -> None:
    """/healthz says 503 while no worker can be started."""
    port = resident.free_port()
    dies = "daemon.work = lambda *_, **__: os._exit(7)"
    with serving(site, daemon=f'metrics = "127.0.0.1:{port}"', spoil=dies):
        until(lambda: _get(port, "/healthz") == (503, "no worker is running\n"), "it says so")


def test_tells_its_state(site: Site) -> None:
    """Anybody may ask how it is: version, workers, and the mark of the rules in force."""
    with serving(site) as one:
        with Guest(one.path) as guest:
            guest.say(status.ASK)
            state = status.decode(guest.packet())
            assert guest.packet() == b""
        assert (state.pid, state.idle, state.load.is_latest) == (one.pid, 2, True)
        assert f"mark={state.load.mark}" in one.log
