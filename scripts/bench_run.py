"""Who is measured, and how: blocks of runs, alternating, with wall and CPU of all involved.

Called by  bench.
Ends       with Samples; a run that does not end as it should fails the bench.
Careful    the speed of a shared CPU drifts by a third within minutes: only what was measured in
           the same round is ever compared.
"""

import array
import email
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

from bench_site import Site, Tools, cpu_s

_BLOCK_WITHIN_S = 300
_NANO = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One message of the bench: its name, where it and its envelope stand, how large it is."""

    size: str
    file: Path
    envelope: Path
    octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way to handle a message. `servers` are the pids whose CPU counts with that of `command`.

    `at_most` octets: larger messages are not given to it. `loop`, where given, is called instead
    of starting a program, and says nothing.
    """

    name: str
    what: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    servers: tuple[int, ...] = ()
    site: Site | None = None
    wanted: int = 0
    at_most: int = 1 << 62
    abreast: tuple[int, ...] = (1, 8)
    sizes: tuple[str, ...] = ()  # (): all
    loop: Callable[[Mail], None] | None = None
    slow: int = 1  # so many times fewer runs

    def takes(self, mail: Mail, abreast: int) -> bool:
        """Say whether it is to be measured with this message."""
        fits = mail.octets <= self.at_most and abreast in self.abreast
        return fits and (not self.sizes or mail.size in self.sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Some runs in a row: wall of each, CPU of a message in client and servers; milliseconds."""

    walls: tuple[float, ...]
    client_cpu: float
    server_cpu: float
    whole_s: float


@dataclass(slots=True, kw_only=True)
class Samples:
    """All blocks of one contender with one message, one for each round."""

    blocks: list[Block] = field(default_factory=list)

    def wall(self) -> float:
        """Give the median of all runs."""
        return median(self._walls())

    def p95(self) -> float:
        """Give what 19 of 20 runs stay below."""
        walls = self._walls()
        return quantiles(walls, n=20)[-1] if len(walls) > 1 else walls[0]

    def client_cpu(self) -> float:
        """Give the median over the rounds."""
        return median(block.client_cpu for block in self.blocks)

    def server_cpu(self) -> float:
        """Give the median over the rounds."""
        return median(block.server_cpu for block in self.blocks)

    def rate(self) -> float:
        """Give messages a second, the median over the rounds."""
        return median(len(block.walls) / block.whole_s for block in self.blocks)

    def _walls(self) -> list[float]:
        return [wall for block in self.blocks for wall in block.walls]


Table = dict[tuple[str, str, int], Samples]  # by contender, size, how many abreast


def measure(one: Contender, mail: Mail, *, tools: Tools, runs: int, abreast: int) -> Block:
    """Have one contender handle the message `runs` times."""
    if one.site:
        one.site.emptied()
    if one.loop:
        return _looped(one, one.loop, mail, runs)
    command = [str(tools.feed), str(one.wanted), str(runs), str(abreast)]
    command += [str(mail.file), str(mail.envelope), *one.command]
    before, begun = cpu_s(*one.servers), time.monotonic()
    said = subprocess.run(
        command, env=dict(one.env), capture_output=True, timeout=_BLOCK_WITHIN_S, check=False
    )
    whole_s = time.monotonic() - begun
    used_s = cpu_s(*one.servers) - before
    if said.returncode:
        raise SystemExit(f"{one.name}, {mail.size}: {said.stderr.decode(errors='replace')[-600:]}")
    lines = [line.split() for line in said.stdout.splitlines()]
    return Block(
        walls=tuple(int(wall) / _NANO for wall, _, _ in lines),
        client_cpu=sum(int(cpu) for _, cpu, _ in lines) / 1000 / len(lines),
        server_cpu=used_s * 1000 / len(lines),
        whole_s=whole_s,
    )


def _looped(one: Contender, loop: Callable[[Mail], None], mail: Mail, runs: int) -> Block:
    walls = []
    before, own, begun = cpu_s(*one.servers), time.process_time(), time.monotonic()
    for _ in range(runs):
        start = time.perf_counter_ns()
        loop(mail)
        walls.append((time.perf_counter_ns() - start) / _NANO)
    whole_s, own_s = time.monotonic() - begun, time.process_time() - own
    return Block(
        walls=tuple(walls),
        client_cpu=own_s * 1000 / runs,
        server_cpu=(cpu_s(*one.servers) - before) * 1000 / runs,
        whole_s=whole_s,
    )


def fildes(clamd: str) -> Callable[[Mail], None]:
    """Give the loop that asks clamd about an open file: the second piece of the floor."""
    opened: dict[str, int] = {}

    def ask(mail: Mail) -> None:
        if mail.size not in opened:
            opened[mail.size] = os.memfd_create(mail.size)
            os.write(opened[mail.size], mail.file.read_bytes())
        fds = array.array("i", [opened[mail.size]]).tobytes()
        with socket.socket(socket.AF_UNIX) as talk:
            talk.connect(clamd)
            # clamd wants one more octet of data with the descriptor.
            talk.sendmsg([b"zFILDES\0x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
            heard = talk.recv(999)
        if not heard.endswith(b": OK\0"):
            raise SystemExit(f"clamd says {heard!r}")

    return ask


def parse() -> Callable[[Mail], None]:
    """Give the loop that has the standard library parse the message: the third piece."""
    read: dict[str, bytes] = {}

    def ask(mail: Mail) -> None:
        octets = read.get(mail.size) or read.setdefault(mail.size, mail.file.read_bytes())
        email.message_from_bytes(octets)

    return ask


def temporary(folder: Path, octets: bytes) -> Path:
    """Put octets into a file of the folder."""
    fd, name = tempfile.mkstemp(dir=folder)
    with open(fd, "wb") as file:
        file.write(octets)
    os.chmod(name, 0o644)
    return Path(name)
