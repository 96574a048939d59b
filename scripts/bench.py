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
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.dont_write_bytecode = True

import bench_picture  # noqa: E402
import bench_smtp  # noqa: E402
import bench_stages  # noqa: E402
import bench_tell  # noqa: E402
from bench_contenders import contenders, pairs  # noqa: E402
from bench_mails import SIZES  # noqa: E402
from bench_run import Contender, Mail, Samples, Table, measure  # noqa: E402
from bench_site import ROOT, UNCACHED, Site, Tools, build, work_folder  # noqa: E402
from bench_world import World  # noqa: E402

from tests.fakes.caller import envelope  # noqa: E402
from tests.real import servers  # noqa: E402

RUNS = {"2kB": 12, "30kB": 12, "300kB": 8, "5MB": 3}
ROUNDS = 7
QUICK_ROUNDS = 2
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
    """Start the servers, play, tell."""
    options = _options()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(work_folder(in_memory=options.memory))
        tools = build(folder)
        world = _world(stack, folder, tools, only=["c-client"] if options.stages else options.only)
        all_mails = mails(folder, options.sizes)
        if options.stages:
            print(bench_stages.tell(world, all_mails, rounds=options.rounds))
            return 0
        load = os.getloadavg()[0]
        table = play(options, world, all_mails)
    facts = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": "scripts/bench " + " ".join(sys.argv[1:]),
        "load_before": round(load, 2),
        "cpus": len(os.sched_getaffinity(0)),
        "rounds": options.rounds,
        "left_out": list(world.left_out),
    }
    print(bench_tell.text(table, facts))
    if options.json:
        options.json.write_text(json.dumps(bench_tell.as_json(table, facts), indent=1) + "\n")
    if options.picture:
        bench_picture.draw(table, ROOT / "docs" / "bench.svg", note=str(facts["date"]))
    return 0


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
    options = parser.parse_args()
    if wrong := [name for name in options.sizes if name not in names]:
        parser.error(f"no such size: {', '.join(wrong)}; there are {', '.join(names)}")
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    return options


if __name__ == "__main__":
    sys.exit(main())
