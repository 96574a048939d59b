"""What the bench found, in words: the table, the goals with pass or fail, and the JSON object.

Called by  bench, and bench_* for their goals.
Careful    a ratio is the median over the rounds of the ratio within a round: what a drift of the
           machine did to both is not in it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench_mails import SIZES
from bench_run import Block, Samples, Table

FLOOR = ("queue", "fildes", "parse")
_OF_FLOOR = {"2kB": 2.0, "30kB": 1.5, "300kB": 1.25, "5MB": 1.15}
_FASTER = 2.5
_SPAMD = 1.05
_CLIENTS = (("c-client-own", "empty-c", 1.5), ("python-client-own", "bare-python", 1.6))
_WHEEL = ("in-process", "python-client", "python-client-own")  # what runs the Python client
_HEAD = ("", "wall ms", "p95", "a second", "CPU ms", "= client", "+ servers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one of the other measurements found: a text, its goals, and the facts for JSON."""

    text: str
    goals: list[str]
    facts: Mapping[str, object]


def wall(block: Block) -> float:
    """Give the median wall time of a block, milliseconds."""
    return median(block.walls)


def cpu(block: Block) -> float:
    """Give the CPU time of a message, all involved, milliseconds."""
    return block.client_cpu + block.server_cpu


def rate(block: Block) -> float:
    """Give messages a second."""
    return len(block.walls) / block.whole_s


def ratio(
    ours: Samples, theirs: Sequence[Samples], of: Callable[[Block], float]
) -> tuple[float, float, float]:
    """Give the median, the least and the largest over the rounds of ours : sum of theirs."""
    found = [
        of(block) / sum(of(other.blocks[n]) for other in theirs)
        for n, block in enumerate(ours.blocks)
        if all(n < len(other.blocks) for other in theirs)
    ]
    return median(found), min(found), max(found)


def text(table: Table, told: Mapping[str, Told], facts: dict[str, Any], machine: str) -> str:
    """Give everything for people to read; `machine` says how quiet it was."""
    parts = [
        f"{facts['command']}   {facts['date']}   {facts['cpus']} CPUs, {facts['rounds']} rounds\n"
        f"{machine}"
    ]
    if facts["left_out"]:
        parts.append("left out, not installed: " + ", ".join(facts["left_out"]))
    for size, abreast in dict.fromkeys((size, abreast) for _, size, abreast in table):
        parts.append(_table(table, size, abreast, how=facts["python_client"]))
    parts += [one.text for one in told.values()]
    if found := all_goals(table, told):
        parts.append("\n".join(["How good", "", *found]))
    if "WARNING" in machine:  # once more where people look
        parts.append(machine.splitlines()[-1])
    return "\n\n".join(parts) + "\n"


def all_goals(table: Table, told: Mapping[str, Told]) -> list[str]:
    """Give the lines of all goals that were measured."""
    return [*goals(table), *(goal for one in told.values() for goal in one.goals)]


def _table(table: Table, size: str, abreast: int, *, how: str) -> str:
    rows: list[tuple[str, ...]] = [_HEAD]
    for (name, its_size, its_abreast), found in table.items():
        if (its_size, its_abreast) == (size, abreast):
            shown = f"{name}, {how}" if name in _WHEEL else name
            rows.append((shown, *_cells(found)))
    if abreast == 1 and (floor := _floor_cells(table, size)):
        rows.insert(1, floor)
    widths = [max(len(row[n]) for row in rows) for n in range(len(_HEAD))]
    lines = [f"{size}, {abreast} at once", ""]
    for row in rows:
        first, *others = (
            cell.ljust(width) if not n else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join((first, *others)).rstrip())
    return "\n".join(lines)


def _cells(found: Samples) -> tuple[str, ...]:
    client, servers = found.client_cpu(), found.server_cpu()
    numbers = (found.wall(), found.p95(), found.rate(), client + servers, client, servers)
    return tuple(f"{number:.0f}" if number >= 100 else f"{number:.2f}" for number in numbers)


def _floor_cells(table: Table, size: str) -> tuple[str, ...] | None:
    pieces = [table[name, size, 1] for name in FLOOR if (name, size, 1) in table]
    if len(pieces) != len(FLOOR):
        return None
    whole = sum(piece.wall() for piece in pieces)
    used = sum(piece.client_cpu() + piece.server_cpu() for piece in pieces)
    return ("floor = queue + fildes + parse", f"{whole:.2f}", "", "", f"{used:.2f}", "", "")


def goals(table: Table) -> Iterator[str]:
    """Give a line for each goal that was measured: what, the ratio, the bound, and the word."""
    yield from _of_the_floor(table)
    yield from _less_than_clamdscan(table)
    yield from _faster_than_the_pipeline(table)
    yield from _with_spamd(table)
    yield from _clients(table)


def line(what: str, found: tuple[float, float, float], bound: float, *, above: bool) -> str:
    """Give the line of one goal: `found` are the middle, the least and the largest ratio."""
    middle, least, most = found
    is_good = middle >= bound if above else middle <= bound
    sign = ">=" if above else "<="
    spread = f"({least:.2f} to {most:.2f})"
    word = "pass" if is_good else "FAIL"
    return f"  {word}  {middle:6.2f}  {sign} {bound:<5g} {spread:18} {what}"


def _of_the_floor(table: Table) -> Iterator[str]:
    for size, bound in _OF_FLOOR.items():
        names = [("c-client", size, 1), *((name, size, 1) for name in FLOOR)]
        if all(name in table for name in names):
            ours, *pieces = (table[name] for name in names)
            found = ratio(ours, pieces, wall)
            yield line(f"{size}: wall, C client : floor", found, bound, above=False)


def _less_than_clamdscan(table: Table) -> Iterator[str]:
    for what, of in (("wall", wall), ("CPU", cpu)):
        for size in SIZES:
            ours, theirs = table.get(("c-client", size, 1)), table.get(("clamdscan", size, 1))
            if ours and theirs:
                found = ratio(ours, [theirs], of)
                yield line(f"{size}: {what}, C client : clamdscan", found, 1.0, above=False)


def _faster_than_the_pipeline(table: Table) -> Iterator[str]:
    for size in ("2kB", "30kB"):
        ours, theirs = table.get(("c-client", size, 8)), table.get(("pipeline", size, 8))
        if ours and theirs:
            what = f"{size}, 8 at once: a second, C client : ripmime+clamdscan"
            yield line(what, ratio(ours, [theirs], rate), _FASTER, above=True)


def _with_spamd(table: Table) -> Iterator[str]:
    for size in ("2kB", "30kB"):
        ours, theirs = table.get(("c-client-spamd", size, 1)), table.get(("spamd", size, 1))
        if ours and theirs:
            found = ratio(ours, [theirs], wall)
            yield line(f"{size}: wall, C client with spamd : spamd", found, _SPAMD, above=False)


def _clients(table: Table) -> Iterator[str]:
    for name, bare, bound in _CLIENTS:
        sizes = [size for one, size, _ in table if one == name]
        for size in sizes:
            ours, theirs = table[name, size, 1], table[bare, size, 1]
            found = ratio(ours, [theirs], lambda block: block.client_cpu)
            yield line(f"CPU, {name} : {bare}", found, bound, above=False)


def as_json(table: Table, told: Mapping[str, Told], facts: dict[str, Any]) -> dict[str, Any]:
    """Give all numbers, each round by itself."""
    return {
        **facts,
        "unit": "milliseconds",
        "goals": [" ".join(each.split()) for each in all_goals(table, told)],
        "others": {name: {**one.facts, "text": one.text} for name, one in told.items()},
        "measured": [
            {
                "who": name,
                "size": size,
                "abreast": abreast,
                "wall": round(found.wall(), 3),
                "p95": round(found.p95(), 3),
                "per_second": round(found.rate(), 1),
                "client_cpu": round(found.client_cpu(), 3),
                "server_cpu": round(found.server_cpu(), 3),
                "rounds": [
                    {
                        "wall": round(wall(block), 3),
                        "cpu": round(cpu(block), 3),
                        "per_second": round(rate(block), 1),
                    }
                    for block in found.blocks
                ],
            }
            for (name, size, abreast), found in table.items()
        ],
    }
