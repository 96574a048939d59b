"""What ordinary mail feels of 20 senders that dribble: blocks with and without them, in turn.

Called by  bench --dribble.
Ends       with the ratio of the medians; fails the bench where a message, of whichever sender,
           does not end as it should.
Careful    a dribbling sender is qscanner-queue with our octets coming in at some a second over
           the whole block, as qmail-smtpd hands on what it gets. All are fed by one thread that
           sleeps nearly all of the time, or we would measure that.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median, quantiles

import soak_client
from bench_run import Block, Contender, Mail, measure
from bench_tell import Told, line, wall
from bench_world import World

from tests.fakes import mails
from tests.fakes.caller import envelope

SENDERS = 20
_RUNS = 400
_OCTETS = b"words \n"  # at a time
_TURN_S = 0.5  # each sender: so seldom
_BOUND = 1.2
_ANSWER_WITHIN_S = 60.0


@dataclass(slots=True, kw_only=True)
class Sender:
    """One that dribbles: the program's pid, and our ends of its pipes."""

    pid: int
    message: int
    envelope: int
    text: int

    def more(self, octets: bytes) -> None:
        """Write some octets of the message; the pipe has room for them."""
        os.write(self.message, octets)

    def finish(self) -> int:
        """Send what is missing and give the exit code."""
        os.close(self.message)
        os.write(self.envelope, envelope(b"ann@slow.example", b"bob@example.com"))
        os.close(self.envelope)
        soak_client.hear(self.text, time.monotonic() + _ANSWER_WITHIN_S)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@dataclass(slots=True, kw_only=True)
class Dribble:
    """What was done: octets and messages of the slow senders."""

    octets: int = 0
    messages: int = 0
    codes: list[int] = field(default_factory=list)

    @contextlib.contextmanager
    def going_on(self, program: str, env: dict[str, str]) -> Iterator[None]:
        """Have the senders dribble for the block, then finish; all must be taken."""
        senders = [_started(program, env) for _ in range(SENDERS)]
        for sender in senders:
            sender.more(mails.text(b""))
        stop = threading.Event()
        feeding = threading.Thread(target=self._feed, args=(senders, stop))
        feeding.start()
        try:
            yield
        finally:
            stop.set()
            feeding.join()
            self.codes += [sender.finish() for sender in senders]
            self.messages += len(senders)

    def _feed(self, senders: list[Sender], stop: threading.Event) -> None:
        turn = 0
        while not stop.wait(_TURN_S / len(senders)):
            senders[turn % len(senders)].more(_OCTETS)
            self.octets += len(_OCTETS)
            turn += 1


def _started(program: str, env: dict[str, str]) -> Sender:
    pid, ours = soak_client.start(program, env)
    return Sender(pid=pid, message=ours[0], envelope=ours[1], text=ours[soak_client.TEXT_FD])


def tell(world: World, mail: Mail, *, rounds: int) -> Told:
    """Measure block by block: alone, with them, alone, …"""
    site, program = world.site, str(world.tools.c_client)
    one = Contender(
        name="dribble", what="C client", command=(program,), env=site.environment(), site=site
    )
    alone: list[Block] = []
    beside: list[Block] = []
    dribble = Dribble()
    with site.daemon():
        measure(one, mail, tools=world.tools, runs=50, abreast=1)  # to be forgotten
        for _ in range(rounds):
            alone.append(measure(one, mail, tools=world.tools, runs=_RUNS, abreast=1))
            with dribble.going_on(program, site.environment()):
                beside.append(measure(one, mail, tools=world.tools, runs=_RUNS, abreast=1))
    if wrong := [code for code in dribble.codes if code]:
        raise SystemExit(f"dribble: senders ended with {wrong}")
    return _told(alone, beside, dribble)


def _told(alone: list[Block], beside: list[Block], dribble: Dribble) -> Told:
    rows = []
    facts: dict[str, object] = {"senders": SENDERS, "slow_messages": dribble.messages}
    for name, blocks in (("alone", alone), ("with them", beside)):
        walls = [each for block in blocks for each in block.walls]
        p95 = quantiles(walls, n=20)[-1]
        rows.append(f"  {name:12}{median(walls):9.2f}{p95:9.2f}{max(walls):9.1f}{len(walls):10}")
        facts[name] = {"median": round(median(walls), 3), "p95": round(p95, 3)}
        facts[name + ", rounds"] = [round(wall(block), 3) for block in blocks]
    ratios = [wall(with_) / wall(without) for with_, without in zip(beside, alone, strict=True)]
    found = (median(ratios), min(ratios), max(ratios))
    a_second = dribble.octets / sum(block.whole_s for block in beside) / SENDERS
    head = (
        f"2 kB messages, one at a time, beside {SENDERS} senders that dribble "
        f"{a_second:.0f} octets a second each; ms\n\n"
        f"  {'':12}{'median':>9}{'p95':>9}{'longest':>9}{'messages':>10}"
    )
    tail = f"  the slow ones: {dribble.messages} messages, all taken in the end"
    goal = line(f"2kB: wall with {SENDERS} that dribble : alone", found, _BOUND, above=False)
    return Told(text="\n".join([head, *rows, tail]), goals=[goal], facts=facts)
