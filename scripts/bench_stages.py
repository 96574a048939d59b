"""Where our own time goes: a worker's path, stage by stage, with what the start of a client costs.

Called by  bench --stages.
Careful    the stages are called here in the order of scan.scan and handover.settle, one after the
           other; in a worker clamd answers while the message is parsed: its share stands apart.
"""

import contextlib
import email
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from bench_run import Contender, Mail, measure
from bench_world import World

from qscanner import client, config, handover, mime
from qscanner.archives import Budget
from qscanner.bench import Bench
from qscanner.checks import attachments, clamav_sight, headers
from qscanner.codec import envelope
from qscanner.deadline import Deadline
from qscanner.log import Log
from qscanner.model import Facts
from qscanner.policy.decide import decide
from qscanner.report import Mail as Posted
from qscanner.report import lines
from qscanner.scan import scan
from qscanner.settings import Settings
from qscanner.spool import Message
from tests.fakes.caller import TCPSERVER

_RUNS = {"2kB": 200, "30kB": 100, "300kB": 40, "5MB": 5}
_BEYOND_EMAIL_MS = 1.5
Laps = dict[str, list[float]]


class _Watch:
    """Times one thing after another, by name, in milliseconds."""

    def __init__(self) -> None:
        self.laps: Laps = {}

    def __call__(self, name: str, do: Callable[[], Any]) -> Any:
        begun = time.perf_counter_ns()
        given = do()
        self.laps.setdefault(name, []).append((time.perf_counter_ns() - begun) / 1e6)
        return given


def tell(world: World, all_mails: list[Mail], *, rounds: int) -> str:
    """Give the tables of all messages, and of what a start imports."""
    settings = config.load(str(world.site.file))
    bench, log = Bench.of(settings), Log("stderr")
    parts = []
    for mail in all_mails:
        watch = _Watch()
        with _log_lines_to_nowhere():
            for _ in range(max(2, _RUNS[mail.size] * rounds // 7)):
                _once(mail, bench, log, watch)
        around = {
            name: _around(world, mail, name)
            for name in ("empty", "queue", "c-client", "in-process")
        }
        parts.append(_table(mail, watch.laps, around) + "\n" + _beyond_email(mail, settings))
    return "\n\n".join([*parts, _imports()])


@contextlib.contextmanager
def _log_lines_to_nowhere() -> Iterator[None]:
    """Let the log write to /dev/null, at about the price of a file."""
    real, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(real, 2)
        os.close(real)
        os.close(nowhere)


def _once(mail: Mail, bench: Bench, log: Log, watch: _Watch) -> None:
    settings = bench.settings
    fd = os.memfd_create("stages", os.MFD_ALLOW_SEALING)
    os.write(fd, mail.file.read_bytes())
    raw = mail.envelope.read_bytes()
    environment = {key.encode(): value.encode() for key, value in TCPSERVER.items()}
    posted = watch("take over: mapping, envelope, client", lambda: _posted(fd, raw, environment))
    watch("digest", lambda: posted.digest)
    within_s = settings.virus.clamav.within
    asked = watch(
        "clamd (side by side)",
        lambda: clamav_sight.look(posted.message, bench.clamd, within_s=within_s),
    )
    limits = mime.MimeLimits.of(settings.limits)
    octets = posted.message.octets
    view = watch("mime.view", lambda: mime.view(octets, limits))
    budget, deadline = Budget.of(settings.limits), Deadline(60)
    looked = watch(
        "attachments.look",
        lambda: attachments.look(view, budget, lambda *_: None, deadline=deadline),
    )
    found = watch("headers.look", lambda: headers.look(view))
    facts = Facts(
        envelope=posted.envelope,
        client=posted.client,
        octets=posted.message.size,
        headers=view.headers,
        parts=looked.parts,
        findings=(*view.findings, *looked.findings, *found),
        virus=asked,
    )
    to = posted.envelope.recipients
    watch("lists: look", lambda: bench.lists.look(posted.envelope.sender, to))
    verdict = watch("policy: decide", lambda: decide(bench.policy, facts, bench.on_failure))
    watch("report: lines", lambda: lines(facts, verdict, id="0", host=bench.host))
    report = watch("= scan.scan, clamd beside", lambda: scan(posted, bench, Deadline(60)))
    settled = watch(
        "settle: compose, envelope, log",
        lambda: handover.settle(posted, report, settings, log, host=bench.host),
    )
    for other in settled.outgoing or ():
        os.close(other)
    posted.message.close()


def _posted(fd: int, raw: bytes, environment: dict[bytes, bytes]) -> Posted:
    decoder = envelope.Decoder()
    decoder.feed(raw)
    trusted = client.of(os.getuid(), environment, ("root",))
    return Posted(message=Message.of(fd), envelope=decoder.finish(), client=trusted)


def _around(world: World, mail: Mail, name: str) -> float:
    """Give the wall time of a whole program with the message, milliseconds."""
    site, tools = world.site, world.tools
    program, env = {
        "empty": (tools.empty, site.environment()),
        "queue": (tools.fake_queue, site.environment()),
        "c-client": (tools.c_client, site.environment()),
        "in-process": (tools.python_client, site.environment(away=True)),
    }[name]
    one = Contender(name=name, what=name, command=(str(program),), env=env, site=site)
    walls = [
        wall
        for _ in range(3)
        for wall in measure(one, mail, tools=tools, runs=10, abreast=1).walls
    ]
    return median(walls)


def _table(mail: Mail, laps: Laps, around: dict[str, float]) -> str:
    told = [f"{mail.size}: milliseconds, medians", ""]
    own = 0.0
    for name, found in laps.items():
        ms = median(found)
        own += ms if name not in ("clamd (side by side)", "= scan.scan, clamd beside") else 0
        told.append(f"  {ms:8.3f}  worker  {name}")
    rest = around["c-client"] - around["queue"]
    scanning = median(laps["= scan.scan, clamd beside"])
    settling = median(laps["settle: compose, envelope, log"])
    told += [
        f"  {own:8.3f}  worker  all its own stages, without clamd",
        f"  {around['empty']:8.3f}  an empty C program, fed the same way",
        f"  {around['queue']:8.3f}  queue program alone",
        f"  {around['c-client']:8.3f}  the whole, C client",
        f"  {rest:8.3f}  the whole without the queue program",
        f"  {rest - scanning - settling:8.3f}  of that: client, dispatcher, handing over",
        f"  {around['in-process']:8.3f}  the whole without a daemon (Python, in-process)",
    ]
    return "\n".join(told)


def _beyond_email(mail: Mail, settings: Settings) -> str:
    """Give how much more processor time our reading of a message takes than email's alone."""
    octets, limits = mail.file.read_bytes(), mime.MimeLimits.of(settings.limits)

    def theirs() -> None:
        for part in email.message_from_bytes(octets).walk():
            part.get_filename()
            part.get_payload(decode=True)

    def ours() -> None:
        view = mime.view(octets, limits)
        budget, deadline = Budget.of(settings.limits), Deadline(60)
        attachments.look(view, budget, lambda *_: None, deadline=deadline)
        headers.look(view)

    spent: dict[str, list[float]] = {"theirs": [], "ours": []}
    for _ in range(max(5, _RUNS[mail.size])):
        for name, read in (("theirs", theirs), ("ours", ours)):
            begun = time.thread_time_ns()
            read()
            spent[name].append((time.thread_time_ns() - begun) / 1e6)
    alone, all_of_it = median(spent["theirs"]), median(spent["ours"])
    goal = ""
    if mail.size == "30kB":
        word = "pass" if all_of_it - alone <= _BEYOND_EMAIL_MS else "FAIL"
        goal = f"  {word} <= {_BEYOND_EMAIL_MS}"
    return (
        f"  {alone:8.3f}  processor time: email alone, parse and decode\n"
        f"  {all_of_it:8.3f}  processor time: mime.view, attachments.look, headers.look\n"
        f"  {all_of_it - alone:8.3f}  beyond email{goal}"
    )


def _imports() -> str:
    """Give what the in-process path imports, the dearest first."""
    said = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import qscanner.inprocess"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    rows = []
    for line in said.stderr.splitlines():
        own, _, rest = line.removeprefix("import time:").partition("|")
        whole, _, name = rest.partition("|")
        if own.strip().isdecimal():
            rows.append((int(whole), int(own), name.strip()))
    rows.sort(reverse=True)
    lines_ = [f"  {whole / 1000:8.1f} {own / 1000:8.1f}  {name}" for whole, own, name in rows[:30]]
    return "\n".join(["imports in-process: ms with theirs, ms own, module", "", *lines_])
