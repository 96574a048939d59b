"""The service files that are shipped: they name what is there, and they start qscannerd."""

import configparser
import os
import pwd
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qscanner import outbox
from qscanner.settings import Settings
from tests.fakes import caller, mails, queue
from tests.fakes.operator import qscanner
from tests.fakes.post import letter
from tests.fakes.resident import LIMIT_S, configure, until
from tests.fakes.site import ROOT, Site

SERVICE = ROOT / "service"
RUNS = ("daemontools", "runit", "s6")


def words(text: str) -> set[str]:
    return set(text.split())


# systemd.exec(5), NoNewPrivileges=: these imply it for a service with User=, of systemd 252 and of
# newer ones. A set-uid qmail-queue could not be run below them.
NO_NEW_PRIVILEGES = words("""
    NoNewPrivileges DynamicUser LockPersonality MemoryDenyWriteExecute PrivateDevices ProtectClock
    ProtectHostname ProtectKernelLogs ProtectKernelModules ProtectKernelTunables
    RestrictAddressFamilies RestrictFileSystems RestrictNamespaces RestrictRealtime
    RestrictSUIDSGID SystemCallArchitectures SystemCallFilter SystemCallLog
""")
# These do not imply it, but break set-uid programs or what they write: another user namespace has
# no qmailq, and secure bits keep the uid from changing.
HARMFUL = {"PrivateUsers", "SecureBits", "PrivateNetwork", "RootDirectory", "RootImage"}
# What was looked up in systemd.exec(5), systemd.service(5), systemd.resource-control(5).
KNOWN = words("""
    Type NotifyAccess User Group ExecStart ExecReload Restart RestartSec KillMode TimeoutStopSec
    RuntimeDirectory RuntimeDirectoryMode RuntimeDirectoryPreserve UMask LimitNOFILE LimitCORE
    ProtectSystem ReadWritePaths ProtectHome PrivateTmp ProtectControlGroups ProtectProc
    DevicePolicy KeyringMode RemoveIPC
""")


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as its docs say
    parser.read_string((SERVICE / name).read_text("utf-8"))
    return parser


def test_the_unit_lets_set_uid_programs_be() -> None:
    """Nothing in it implies NoNewPrivileges, and every directive was looked up."""
    directives = set(unit("qscannerd.service")["Service"])
    assert directives & (NO_NEW_PRIVILEGES | HARMFUL) == set()
    assert directives == KNOWN


def test_the_unit_fits_the_daemon() -> None:
    """The socket's folder is the runtime directory; drain and reload are as we do it."""
    service = unit("qscannerd.service")["Service"]
    socket = Settings().daemon.socket
    assert os.path.dirname(socket) == f"/run/{service['RuntimeDirectory']}"
    assert service["Type"] == "notify"
    assert service["ExecReload"].endswith("-HUP $MAINPID")
    assert float(service["TimeoutStopSec"]) > Settings().limits.time
    written = [each.removeprefix("-") for each in service["ReadWritePaths"].split()]
    for needed in (Settings().queue.spool, Settings().quarantine.dir, "/var/qmail/queue"):
        assert any(needed.startswith(each) for each in written), needed
    listening = unit("qscannerd.socket")["Socket"]
    assert listening["ListenSequentialPacket"] == socket
    assert listening["SocketMode"] == "0666"


@pytest.mark.parametrize("name", [*RUNS, *(f"{name}/log" for name in RUNS)])
def test_run_scripts_can_be_run(name: str) -> None:
    """They are executable shell scripts without mistakes of syntax."""
    script = SERVICE / name / "run"
    assert script.stat().st_mode & 0o777 == 0o755
    subprocess.run(["/bin/sh", "-n", str(script)], check=True)
    assert script.read_text().splitlines()[-1].startswith("exec ")


def installed(site: Site, name: str) -> Path:
    """Put a service folder beside the site, with its paths and a user that is there."""
    folder = site.folder / "service"
    shutil.copytree(SERVICE / name, folder)
    shutil.rmtree(folder / "log")
    program = f"{sys.executable} -c 'from qscanner.programs.daemon import main; main()'"
    script = folder / "run"
    text = script.read_text()
    for shipped, ours in (
        ("/opt/qscanner/bin/qscannerd", program),
        ("/etc/qscanner/qscanner.toml", str(site.file)),
        ("/run/qscanner", str(site.socket.parent)),
        ("-o qscanner", ""),
    ):
        text = text.replace(shipped, ours)
    # The other supervisors are not installed; what they do here daemontools can do as well.
    user = "setuidgid nobody" if os.getuid() == 0 else ""
    text, count = re.subn(r"(setuidgid|chpst -u|s6-setuidgid) qscanner", user, text)
    assert count == 1
    script.write_text(text)
    return folder


@pytest.fixture
def site(open_tmp: Path, fake_queue: Path) -> Site:
    """An installation for whatever user."""
    site = Site(open_tmp, fake_queue)
    configure(site)
    return site


@pytest.mark.parametrize("name", RUNS)
def test_run_keeps_privileges(
    name: str, open_tmp: Path, fake_queue: Path, uids: tuple[int | None, ...]
) -> None:
    """A letter goes through a queue program that is set-uid, to a queue of another user."""
    uid = uids[0]
    if uid is None:
        return  # only root makes a program of another user
    program, queued = queue.build_set_uid(open_tmp, uid)
    site = Site(open_tmp, fake_queue)
    configure(site, spam='\n[notices]\nadmin = "root@here.example"\n', program=str(program))
    letters = outbox.folder(str(site.quarantine))
    outbox.put(letters, letter(at=time.time()))
    subprocess.run(["chown", "-R", "nobody", str(site.quarantine)], check=True)
    log = site.folder / "log"
    with log.open("wb") as target:
        process = subprocess.Popen(
            ["bash", "-c", 'exec "$0" 3>/dev/null', str(installed(site, name) / "run")],
            stdout=target,
            env=environment(),
        )
    try:
        until(lambda: "event=notice-sent" in log.read_text() or process.poll(), str(log))
    finally:
        process.terminate()
        assert process.wait(LIMIT_S) == 0
    (one,) = queue.queued(queued)
    assert one.envelope == b"F\0Tbob@here.example\0\0"
    assert (one.facts["uid"], one.facts["euid"]) == (str(pwd.getpwnam("nobody").pw_uid), str(uid))
    assert one.facts["NoNewPrivs"] == "0"


def is_up(site: Site) -> bool:
    return "qscannerd 0." in qscanner(site, "check").output


def call(site: Site) -> caller.Result:
    return site.call(mails.text(), QSCANNER_SOCKET=str(site.folder / "d.sock"))


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("name", RUNS)
def test_run_starts_the_daemon(site: Site, name: str) -> None:
    """With stdout and stderr in one log, and under s6 with the readiness line on descriptor 3."""
    folder = installed(site, name)
    log, (read, write) = site.folder / "log", os.pipe()
    launch = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.execv(sys.argv[2], ['run'])"
    with log.open("wb") as target:
        process = subprocess.Popen(
            [sys.executable, "-c", launch, str(write), str(folder / "run")],
            stdout=target,
            stderr=subprocess.DEVNULL,
            pass_fds=[write],
            env=environment(),
        )
    os.close(write)
    try:
        if name == "s6":
            assert (folder / "notification-fd").read_text() == "3\n"
            assert select.select([read], [], [], LIMIT_S)[0], log.read_text()
            assert os.read(read, 10) == b"\n", log.read_text()
        until(lambda: b"event=ready" in log.read_bytes() or process.poll(), "it is ready")
        assert call(site).code == 0
        assert b"event=message" in log.read_bytes()
    finally:
        os.close(read)
        process.terminate()
        assert process.wait(LIMIT_S) == 0


def test_under_supervise(site: Site) -> None:
    """The real supervise(8) starts it, starts it again after a crash, reloads and stops it."""
    folder = installed(site, "daemontools")
    log = site.folder / "log"
    with log.open("wb") as target:
        process = subprocess.Popen(["supervise", str(folder)], stdout=target, env=environment())
    try:
        until(lambda: log.read_text().count("event=ready") == 1, str(log))
        assert is_up(site)
        _svc("-h", folder)
        until(lambda: "event=reloaded" in log.read_text(), str(log))
        _svc("-k", folder)  # kill -9: a crash
        until(lambda: log.read_text().count("event=ready") == 2, str(log))
        assert call(site).code == 0
        _svc("-t", folder)  # drains, and supervise starts it again
        until(lambda: log.read_text().count("event=ready") == 3, str(log))
    finally:
        _svc("-dx", folder)
        process.wait(LIMIT_S)
    assert "event=stopping" in log.read_text()
    assert not (site.folder / "d.sock").exists()


def _svc(what: str, folder: Path) -> None:
    subprocess.run(["svc", what, str(folder)], check=True)
