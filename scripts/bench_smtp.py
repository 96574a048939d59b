"""SMTP scanners between smtp-source and smtp-sink: amavisd-new and clamsmtp, and nothing at all.

Called by  bench.
Ends       start() gives the world with the doors that came up, and what is left out.
Careful    everything is on loopback and on free ports, a connection for each message. The doors
           run as clamd's user: they tell it the path of a file that nobody else may read. All runs
           of a block have its mean as their time: smtp-source does not time each one.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench_run import Block, Contender, Mail
from bench_site import UP_WITHIN_S, Tools, cpu_s, ended, pause
from bench_world import World

NAMES = ("smtp-sink", "amavisd", "clamsmtp")
_WITHIN_S = 300
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_AMAVISD = r"""use strict;
$max_servers = 4; $daemon_user = 'clamav'; $daemon_group = 'clamav';
$mydomain = 'example.com'; $myhostname = 'mx.example.com';
$MYHOME = '{folder}'; $TEMPBASE = "$MYHOME/tmp"; $ENV{{TMPDIR}} = $TEMPBASE;
$QUARANTINEDIR = undef; $db_home = "$MYHOME/db"; $helpers_home = "$MYHOME/var";
$lock_file = "$MYHOME/var/amavisd.lock"; $pid_file = "$MYHOME/var/amavisd.pid";
$log_level = 0; $do_syslog = 0; $logfile = "$MYHOME/var/log"; $enable_db = 0; $enable_zmq = 0;
@bypass_spam_checks_maps = (1); $inet_socket_bind = '127.0.0.1'; $inet_socket_port = {port};
@inet_acl = qw(127.0.0.1); $forward_method = 'smtp:[127.0.0.1]:{sink}';
$notify_method = $forward_method; $final_virus_destiny = D_REJECT;
@local_domains_maps = (1); $enable_dkim_verification = 0; $enable_dkim_signing = 0;
@av_scanners = (['ClamAV-clamd', \&ask_daemon, ["CONTSCAN {{}}\n", '{clamd}'],
  qr/\bOK$/m, qr/\bFOUND$/m, qr/^.*?: (?!Infected Archive)(.*) FOUND$/m]);
1;
"""
_CLAMSMTP = """OutAddress: 127.0.0.1:{sink}
Listen: 127.0.0.1:{port}
ClamAddress: {clamd}
TempDirectory: {folder}
PidFile: {folder}/pid
User: clamav
MaxConnections: 64
"""


def start(stack: contextlib.ExitStack, world: World) -> World:
    """Start the sink and every door that is installed."""
    sink = shutil.which("smtp-sink", path=_PATH)
    if not sink or not shutil.which("smtp-source", path=_PATH):
        return replace(world, left_out=(*world.left_out, "Postfix's smtp-source, so all SMTP"))
    port = _free_port()
    at = f"127.0.0.1:{port}"
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    pid = _started(stack, [sink, *user, at, "100"], port, world.folder / "sink.log")
    doors: dict[str, tuple[int, tuple[int, ...]]] = {"smtp-sink": (port, (pid,))}
    missing = []
    for name, program, opening in (
        ("amavisd", "amavisd", _amavisd),
        ("clamsmtp", "clamsmtpd", _clamsmtp),
    ):
        found = shutil.which(program, path=_PATH)
        if not found or os.geteuid() != 0:
            missing.append(f"{name} (to be started by root)")
            continue
        its_port, its_pid = opening(stack, world, found, port)
        doors[name] = (its_port, (its_pid, pid, world.clamd.pid))
    return replace(world, doors=doors, left_out=(*world.left_out, *missing))


def _amavisd(
    stack: contextlib.ExitStack, world: World, program: str, sink: int
) -> tuple[int, int]:
    folder, port = world.folder / "amavis", _free_port()
    folder.mkdir()
    folder.chmod(0o755)
    for name in ("tmp", "db", "var"):
        (folder / name).mkdir()
        (folder / name).chmod(0o755)
        shutil.chown(folder / name, "clamav", "clamav")
    conf = folder / "amavisd.conf"
    conf.write_text(
        _AMAVISD.format(folder=folder, port=port, sink=sink, clamd=world.clamd.unix.path)
    )
    command = [program, "-c", str(conf), "foreground"]
    return port, _started(stack, command, port, folder / "output")


def _clamsmtp(
    stack: contextlib.ExitStack, world: World, program: str, sink: int
) -> tuple[int, int]:
    folder, port = world.folder / "clamsmtp", _free_port()
    folder.mkdir()
    shutil.chown(folder, "clamav", "clamav")
    conf = folder / "clamsmtpd.conf"
    conf.write_text(
        _CLAMSMTP.format(folder=folder, port=port, sink=sink, clamd=world.clamd.unix.path)
    )
    # -d keeps it in the foreground.
    command = [program, "-f", str(conf), "-d", "1"]
    return port, _started(stack, command, port, folder / "output")


def _started(stack: contextlib.ExitStack, command: list[str], port: int, log: Path) -> int:
    """Start a server for as long as the stack lives, wait until its port answers; give its pid."""
    with log.open("wb") as output:
        process = stack.enter_context(
            ended(
                subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/"
                )
            )
        )
    ends_at = time.monotonic() + UP_WITHIN_S
    while not _is_up(port):
        if process.poll() is not None or time.monotonic() > ends_at:
            raise SystemExit(f"{command[0]} does not come up:\n{log.read_text()[-800:]}")
        pause(0.05)
    return process.pid


def _is_up(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as talk:
            return talk.recv(99).startswith(b"220")
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def contenders(world: World) -> Iterator[Contender]:
    """Give the doors that are open, and the sink alone."""
    words = {
        "smtp-sink": "smtp-source to smtp-sink, nothing between",
        "amavisd": "(d) amavisd-new with clamd, no spam scan",
        "clamsmtp": "(d) clamsmtp",
    }
    for name, (port, pids) in world.doors.items():
        source = shutil.which("smtp-source", path=_PATH) or ""
        yield Contender(
            name=name,
            what=words[name],
            command=(source, "-F", "", "-s", "", "-m", "", f"127.0.0.1:{port}"),
            servers=pids,
            slow=1 if name == "smtp-sink" else 2,
        )


def measure(one: Contender, mail: Mail, *, tools: Tools, runs: int, abreast: int) -> Block:  # noqa: ARG001
    """Send the message `runs` times over `abreast` connections at once."""
    program, *_, to = one.command
    command = [program, "-F", str(mail.file), "-s", str(abreast), "-m", str(runs)]
    command += ["-f", "ann@sender.example", "-t", "bob@example.com", to]
    before, begun = cpu_s(*one.servers), time.monotonic()
    usage = os.times()
    said = subprocess.run(command, capture_output=True, timeout=_WITHIN_S, check=False)
    whole_s, after = time.monotonic() - begun, os.times()
    if said.returncode or said.stderr:
        raise SystemExit(f"{one.name}, {mail.size}: {said.stderr.decode(errors='replace')[-400:]}")
    client_s = after[2] + after[3] - usage[2] - usage[3]
    return Block(
        walls=(whole_s * 1000 * abreast / runs,) * runs,
        client_cpu=client_s * 1000 / runs,
        server_cpu=(cpu_s(*one.servers) - before) * 1000 / runs,
        whole_s=whole_s,
    )
