"""500 clients in the same moment, of unprivileged users with 256 descriptors: what became of each.

Called by  bench --crowd.
Ends       with the table; a broken promise (lost, twice, not answered in time) is a failed goal.
Careful    plain forks of this process, with nothing imported anew: 500 interpreters would measure
           the machine. Each is the caller of one real qscanner-queue. Where we are not root all of
           them are ours.
"""

import gc
import json
import os
import resource
import select
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NoReturn

import soak_client
from bench_tell import Told
from bench_world import World
from soak_ledger import Entry, Ledger
from soak_mails import Sent, Source

from qscanner import config
from qscanner.dispatcher import GRACE_S

CLIENTS = 500
USERS = (12001, 12002, 12003, 12004, 12005)  # who exist on no machine: nothing belongs to them
_DESCRIPTORS = 256
_SEED = 5
_SWEEP_MS = 200
_ROOM = 1 << 16
_READY = b"ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Crowd:
    """What all clients have: program and environment, time, the pipes for "go" and for results."""

    program: str
    env: dict[str, str]
    within_s: float
    go: tuple[int, int]
    heard: tuple[int, int]


def tell(world: World, *, rounds: int) -> Told:
    """Let the crowd come `rounds` times."""
    settings = config.load(str(world.site.file))
    within_s = settings.daemon.wait + settings.limits.time + GRACE_S
    ledger = Ledger(queue_dir=world.site.queue_dir, quarantine=world.site.quarantine)
    source = Source(_SEED)
    names = [f"round {number + 1}" for number in range(rounds)]
    with world.site.daemon():
        for name in names:
            _play(world, source, ledger, phase=name, within_s=within_s)
    ledger.look()
    return _told(ledger, names, within_s)


def _play(world: World, source: Source, ledger: Ledger, *, phase: str, within_s: float) -> None:
    mails = [source.next() for _ in range(CLIENTS)]
    for sent in mails:
        ledger.note(sent)
    crowd = _Crowd(
        program=str(world.tools.c_client),
        env=world.site.environment(),
        within_s=within_s,
        go=os.pipe(),
        heard=os.pipe(),
    )
    gc.collect()
    gc.freeze()  # or every fork copies all of it
    users = [_forked(crowd, mails[n :: len(USERS)], uid=uid) for n, uid in enumerate(USERS)]
    gc.unfreeze()
    os.close(crowd.go[0])
    os.close(crowd.heard[1])
    by_id = {sent.id: sent for sent in mails}
    for id, told in _results(crowd, ledger):
        entry = Entry(sent=by_id[id], phase=phase, told=told, was_killed=False)
        ledger.entries.append(entry)
    for pid in users:
        os.waitpid(pid, 0)
    os.close(crowd.heard[0])


def _forked(crowd: _Crowd, mails: Sequence[Sent], *, uid: int) -> int:
    """Fork one user with a client for each message; give the pid."""
    if pid := os.fork():
        return pid
    try:
        _user(crowd, mails, uid=uid)
    finally:
        os._exit(1)


def _user(crowd: _Crowd, mails: Sequence[Sent], *, uid: int) -> NoReturn:
    resource.setrlimit(resource.RLIMIT_NOFILE, (_DESCRIPTORS, _DESCRIPTORS))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    os.close(crowd.go[1])
    for sent in mails:
        if not os.fork():
            _client(crowd, sent)
    os.write(crowd.heard[1], _READY + b"\n")
    for _ in mails:
        os.wait()
    os._exit(0)


def _client(crowd: _Crowd, sent: Sent) -> NoReturn:
    """Wait for "go", hand over the message, and write a line about it."""
    try:
        os.read(crowd.go[0], 1)
        running = soak_client.Running()
        told, _ = soak_client.call(
            crowd.program, crowd.env, sent, running=running, within_s=crowd.within_s
        )
        heard = [sent.id, told.code, told.signal, told.text.hex(), told.ms, told.is_overdue]
        os.write(crowd.heard[1], json.dumps(heard).encode() + b"\n")  # below PIPE_BUF: whole
    finally:
        os._exit(0)


def _results(crowd: _Crowd, ledger: Ledger) -> list[tuple[int, soak_client.Told]]:
    """Say "go" when all are there, and take what they heard until the last has ended."""
    waiting = select.poll()
    waiting.register(crowd.heard[0], select.POLLIN)
    text, is_off = b"", False
    while True:
        if waiting.poll(_SWEEP_MS):
            octets = os.read(crowd.heard[0], _ROOM)
            if not octets:
                break
            text += octets
        if not is_off and text.count(_READY) == len(USERS):
            os.close(crowd.go[1])
            is_off = True
        ledger.sweep()
    lines = [line for line in text.splitlines() if line != _READY]
    return [_result(line) for line in lines]


def _result(line: bytes) -> tuple[int, soak_client.Told]:
    id, code, signal, text, ms, is_overdue = json.loads(line)
    told = soak_client.Told(
        code=code, signal=signal, text=bytes.fromhex(text), ms=ms, is_overdue=is_overdue
    )
    return id, told


def _told(ledger: Ledger, names: list[str], within_s: float) -> Told:
    rows: list[tuple[str | float, ...]] = []
    is_sum = True
    for name in (*names, ""):
        row = ledger.row(name)
        waits = sorted(e.told.ms for e in ledger.entries if name in ("", e.phase))
        whole = CLIENTS if name else CLIENTS * len(names)
        parts = [row[key] for key in ("queued", "held", "refused", "later")]
        is_sum = is_sum and sum(parts) == whole == row["sent"]
        cells = (whole, *parts, row["cut short"], median(waits) / 1000, waits[-1] / 1000)
        rows.append((name or "all", *cells))
    mistakes = ledger.mistakes()
    slowest_s = max(entry.told.ms for entry in ledger.entries) / 1000
    is_good = is_sum and not mistakes and slowest_s < within_s
    return Told(
        text="\n".join([*_table(rows), *_sums(rows[-1], is_sum, mistakes)]),
        goals=[
            f"  {'pass' if is_good else 'FAIL'}  {slowest_s:6.2f}  <= {within_s:<5g} s"
            f"{'':17}{CLIENTS} clients at once: none lost, the slowest answer"
        ],
        facts={
            "clients": CLIENTS,
            "rounds": {name: ledger.row(name) for name in names},
            "slowest_s": round(slowest_s, 3),
            "within_s": within_s,
            "mistakes": mistakes,
        },
    )


def _table(rows: Sequence[tuple[str | float, ...]]) -> list[str]:
    users = f"{len(USERS)} unprivileged users" if os.geteuid() == 0 else "one user: not root"
    heads = (
        "",
        "sent",
        "queued",
        "held",
        "refused",
        "later",
        "cut short",
        "median s",
        "slowest s",
    )
    shown = [
        heads,
        *(tuple(f"{c:.2f}" if isinstance(c, float) else str(c) for c in row) for row in rows),
    ]
    lines = ["  " + "".join(cell.rjust(10) for cell in row) for row in shown]
    title = f"{CLIENTS} C clients in the same moment, {users}, {_DESCRIPTORS} descriptors each"
    return [title, "", *lines, ""]


def _sums(row: tuple[str | float, ...], is_sum: bool, mistakes: list[str]) -> list[str]:
    _, sent, queued, held, refused, later, *_ = row
    added = f"{queued} queued + {held} held + {refused} refused + {later} later"
    return [
        f"  sent {sent} = {added}: {'yes' if is_sum else 'NO'}",
        "  later: only those that were sent without an envelope (cut short)"
        if later == row[6]
        else "  later: more than those sent without an envelope",
        *(mistakes[:20] or ["  nothing lost, nothing twice, nothing wrong"]),
    ]
