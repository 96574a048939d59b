"""The most memory that a worker takes for one 25 MB message, beside what `email` alone takes.

Called by  bench --peak.
Careful    both are VmHWM of a process that has seen this one message: shared pages count in both.
           The bare Python parses (compat32), and decodes each part and lets go of it.
"""

import io
import random
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import bench_mails
from bench_memory import peak_mb, workers
from bench_run import Contender, Mail, measure
from bench_tell import Told, line
from bench_world import World

_OCTETS = 25_000_000
_BOUND = 2.0
_BARE = """
import email, sys
with open(sys.argv[1], "rb") as file:
    message = email.message_from_bytes(file.read())
for part in message.walk():
    part.get_payload(decode=True)
print(open("/proc/self/status").read())
"""


def _text() -> bytes:
    block = bench_mails.prose(random.Random(11), 1_000_000)
    return bench_mails.text() + (block * (_OCTETS // len(block))).encode()


def _attachment() -> bytes:
    chance = random.Random(12)
    noise = b"\x1aE\xdf\xa3" + chance.randbytes(_OCTETS * 57 // 77)  # as a film begins
    return bench_mails.mixed(chance, "film.mkv", "video/x-matroska", noise)


def _zip() -> bytes:
    chance, file = random.Random(13), io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for n in range(4):
            picture = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01" + chance.randbytes(
                _OCTETS * 57 // 77 // 4
            )
            made.writestr(f"holiday-{n}.jpg", picture)
    return bench_mails.mixed(chance, "holiday.zip", "application/zip", file.getvalue())


_KINDS: dict[str, Callable[[], bytes]] = {
    "text": _text,
    "base64 attachment": _attachment,
    "zip": _zip,
}


def tell(world: World) -> Told:
    """Measure each kind, with a fresh daemon of one worker each."""
    world.site.settings(away="defer", daemon="workers = 1")
    lines = ["peak memory (VmHWM) for a message of 25 MB, MB", ""]
    lines.append(f"  {'':20}{'MB sent':>9}{'worker':>9}{'email':>9}{'idle worker':>13}")
    goals, facts = [], {}
    for name, make in _KINDS.items():
        octets, file = make(), world.folder / "peak.eml"
        file.write_bytes(octets)
        ours, idle = _worker(world, file, len(octets))
        theirs = _bare(file)
        lines.append(f"  {name:20}{len(octets) / 1e6:9.1f}{ours:9.1f}{theirs:9.1f}{idle:13.1f}")
        ratio = ours / theirs
        goals.append(
            line(f"25 MB {name}: peak of a worker : of email", (ratio,) * 3, _BOUND, above=False)
        )
        facts[name] = {"octets": len(octets), "worker": ours, "email": theirs, "idle": idle}
    world.site.settings(away="defer")
    return Told(text="\n".join(lines), goals=goals, facts=facts)


def _worker(world: World, file: Path, octets: int) -> tuple[float, float]:
    """Give the peak of the worker that saw the message, and what it had before."""
    mail = Mail(size="25MB", file=file, envelope=world.folder / "envelope", octets=octets)
    with world.site.daemon() as daemon:
        (worker,) = workers(daemon)
        idle = peak_mb(worker)
        one = Contender(
            name="peak",
            what="C client",
            command=(str(world.tools.c_client),),
            env=world.site.environment(),
            site=world.site,
        )
        measure(one, mail, tools=world.tools, runs=1, abreast=1)
        if workers(daemon) != [worker]:
            raise SystemExit("peak: the worker is gone")
        return peak_mb(worker), idle


def _bare(file: Path) -> float:
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _BARE, str(file)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found = re.search(r"^VmHWM:\s+(\d+) kB$", said.stdout, re.MULTILINE)
    assert found
    return int(found[1]) * 1024 / 1e6
