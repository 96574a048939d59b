"""The bench: ours against others, alternating, in one run. See scripts/bench for the options.

Called by  scripts/bench.
Ends       0 when everything was measured, whatever the numbers; the goals are told, not enforced.
Careful    nothing here is a test: numbers of a busy machine fail nobody.
"""

import argparse
import contextlib
import datetime
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

sys.dont_write_bytecode = True

import bench_crowd  # noqa: E402
import bench_curve  # noqa: E402
import bench_dribble  # noqa: E402
import bench_peak  # noqa: E402
import bench_picture  # noqa: E402
import bench_quiet  # noqa: E402
import bench_smtp  # noqa: E402
import bench_stages  # noqa: E402
import bench_tell  # noqa: E402
import bench_wheel  # noqa: E402
from bench_contenders import contenders, pairs  # noqa: E402
from bench_mails import SIZES  # noqa: E402
from bench_run import Contender, Mail, Samples, Table, measure  # noqa: E402
from bench_site import ROOT, UNCACHED, Site, Tools, build, work_folder  # noqa: E402
from bench_tell import Told  # noqa: E402
from bench_world import World  # noqa: E402

from tests.fakes.caller import envelope  # noqa: E402
from tests.real import servers  # noqa: E402

RUNS = {"2kB": 12, "30kB": 12, "300kB": 8, "5MB": 3}
ROUNDS = 7
QUICK_ROUNDS = 2
OTHERS = ("crowd", "dribble", "peak", "curve")
_CROWDS = 3
_ABREAST_FACTOR = 4  # so many times the runs where several go abreast


def mails(folder: Path, names: Sequence[str]) -> list[Mail]:
    """Write the messages, and one envelope for all."""
    raw = folder / "envelope"
    raw.write_bytes(envelope(b"ann@sender.example", b"bob@example.com"))
    made = []
    for name in names:
        octets, file = SIZES[name](), folder / f"{name}.eml"
        file.write_bytes(octets)
        made.append(Mail(size=name, file=file, envelope=raw, octets=len(octets)))
    return made


def play(options: argparse.Namespace, world: World, all_mails: list[Mail]) -> Table:
    """Measure everything that was asked for: round by round, message by message, A B C …"""
    table: Table = {}
    chosen = [one for one in contenders(world) if not options.only or one.name in options.only]
    for number in range(options.rounds):
        for mail in all_mails:
            for abreast in options.abreast:
                for one in chosen:
                    if one.takes(mail, abreast):
                        _one(one, mail, abreast, world.tools, table)
        for one, mail in pairs(world, all_mails[0]):
            if not options.only or one.name in options.only:
                _one(one, mail, 1, world.tools, table)
        print(f"round {number + 1} of {options.rounds} done", file=sys.stderr)
    return table


def _one(one: Contender, mail: Mail, abreast: int, tools: Tools, table: Table) -> None:
    factor = _ABREAST_FACTOR if abreast > 1 and mail.size != "5MB" else 1
    runs = max(2, abreast, RUNS[mail.size] * factor // one.slow)
    measuring = bench_smtp.measure if one.name in bench_smtp.NAMES else measure
    samples = table.setdefault((one.name, mail.size, abreast), Samples())
    if not samples.blocks:  # some to be forgotten: pools fill, pages are read
        measuring(one, mail, tools=tools, runs=2 * abreast + 2, abreast=abreast)
    samples.blocks.append(measuring(one, mail, tools=tools, runs=runs, abreast=abreast))


def main() -> int:
    """Start the servers, measure what was asked for, tell."""
    options = _options()
    watch = bench_quiet.Watch()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(work_folder(in_memory=options.memory))
        tools = build(folder)
        all_mails = mails(folder, options.sizes)
        if options.compares and _has_python(options.only):
            tools = _from_wheel(tools, folder)
        table, left_out, told = _compared(folder, tools, all_mails, options)
        told |= _others(folder, tools, options)
        quiet = watch.facts()
    facts = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": "scripts/bench " + " ".join(sys.argv[1:]),
        "cpus": len(os.sched_getaffinity(0)),
        "rounds": options.rounds,
        "left_out": list(left_out),
        "python_client": "from a wheel" if tools.is_from_wheel else "installed for development",
        "machine": quiet,
    }
    print(bench_tell.text(table, told, facts, bench_quiet.told(quiet)))
    if options.json:
        options.json.write_text(
            json.dumps(bench_tell.as_json(table, told, facts), indent=1) + "\n"
        )
    if options.picture:
        bench_picture.draw(table, ROOT / "docs" / "bench.svg", note=str(facts["date"]))
    return 0


def _compared(
    folder: Path, tools: Tools, all_mails: list[Mail], options: argparse.Namespace
) -> tuple[Table, tuple[str, ...], dict[str, Told]]:
    """Measure ours against others; or where our own time goes; or neither."""
    if not options.compares and not options.stages:
        return {}, (), {}
    with contextlib.ExitStack() as stack:
        only = ["c-client"] if options.stages else options.only
        world = _world(stack, folder, tools, only=only)
        if options.stages:
            text = bench_stages.tell(world, all_mails, rounds=options.rounds)
            return {}, (), {"stages": Told(text=text, goals=[], facts={})}
        return play(options, world, all_mails), world.left_out, {}


def _has_python(only: Sequence[str]) -> bool:
    return not only or any("python" in name or name == "in-process" for name in only)


def _from_wheel(tools: Tools, folder: Path) -> Tools:
    found = bench_wheel.install(folder)
    if not found:
        return tools
    client, python = found
    return replace(tools, python_client=client, python=python, is_from_wheel=True)


def _others(folder: Path, tools: Tools, options: argparse.Namespace) -> dict[str, Told]:
    """Measure what a table of contenders cannot show; each starts a daemon as it needs it."""
    rounds = options.rounds
    (mail,) = mails(folder, ["2kB"])
    every: dict[str, Callable[[World], Told]] = {
        "crowd": lambda world: bench_crowd.tell(world, rounds=min(rounds, _CROWDS)),
        "dribble": lambda world: bench_dribble.tell(world, mail, rounds=rounds),
        "peak": bench_peak.tell,
        "curve": lambda world: bench_curve.tell(world, messages=options.messages),
    }
    told = {}
    for name in options.others:
        with servers.clamd(UNCACHED) as clamd:
            site = Site(folder / name, tools.fake_queue, clamd=clamd.unix.path)
            world = World(folder=folder, tools=tools, clamd=clamd, site=site, daemon=0)
            told[name] = every[name](world)
        print(f"{name} done", file=sys.stderr)
    return told


def _world(
    stack: contextlib.ExitStack, folder: Path, tools: Tools, *, only: Sequence[str]
) -> World:
    """Start what is needed by those of `only`, or by all."""
    clamd = stack.enter_context(servers.clamd(UNCACHED))
    site = Site(folder / "site", tools.fake_queue, clamd=clamd.unix.path)
    world = World(
        folder=folder,
        tools=tools,
        clamd=clamd,
        site=site,
        daemon=stack.enter_context(site.daemon()),
        left_out=tuple(name for name in ("clamdscan", "ripmime") if not shutil.which(name)),
    )
    if not only or any("spam" in name for name in only):
        world = _with_spamd(stack, world)
    if not only or set(only) & set(bench_smtp.NAMES):
        world = bench_smtp.start(stack, world)
    return world


def _with_spamd(stack: contextlib.ExitStack, world: World) -> World:
    if not shutil.which("spamd", path="/usr/sbin:/usr/bin") or not shutil.which("spamc"):
        return replace(world, left_out=(*world.left_out, "spamd and spamc"))
    spamd = stack.enter_context(servers.spamd())
    clamd, spamd_at = world.clamd.unix.path, spamd.unix.path
    site = Site(world.folder / "spam", world.tools.fake_queue, clamd=clamd, spamd=spamd_at)
    pid = stack.enter_context(site.daemon())
    return replace(world, spamd=spamd, spam_site=site, spam_daemon=pid)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.splitlines()[0])
    names = list(SIZES)
    parser.add_argument("--quick", action="store_true", help="two rounds only")
    parser.add_argument("--rounds", type=int, default=0, metavar="N")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], metavar="NAMES")
    parser.add_argument("--sizes", type=lambda text: text.split(","), default=names)
    parser.add_argument(
        "--abreast", type=lambda text: [int(n) for n in text.split(",")], default=[1, 8]
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--picture", action="store_true", help="draw docs/bench.svg")
    parser.add_argument("--memory", action="store_true", help="queue and spool in /dev/shm")
    parser.add_argument("--stages", action="store_true", help="where our own time goes")
    parser.add_argument("--crowd", action="store_true", help="500 clients in the same moment")
    parser.add_argument("--dribble", action="store_true", help="beside 20 slow senders")
    parser.add_argument("--peak", action="store_true", help="memory for a message of 25 MB")
    parser.add_argument("--curve", action="store_true", help="memory over 20,000 messages")
    parser.add_argument("--messages", type=int, default=bench_curve.MESSAGES, metavar="N")
    parser.add_argument("--all", action="store_true", help="the comparison, then these four")
    options = parser.parse_args()
    if options.messages < bench_curve.LEAST or options.messages % bench_curve.STEP:
        parser.error(f"--messages: from {bench_curve.LEAST} on, in steps of {bench_curve.STEP}")
    options.others = [name for name in OTHERS if options.all or getattr(options, name)]
    options.compares = options.all or not (options.others or options.stages)
    if wrong := [name for name in options.sizes if name not in names]:
        parser.error(f"no such size: {', '.join(wrong)}; there are {', '.join(names)}")
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    return options


if __name__ == "__main__":
    sys.exit(main())
