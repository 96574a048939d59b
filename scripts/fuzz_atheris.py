"""The fuzzer's other engine: atheris, which is guided by what the messages make the code do.

Called by  fuzz; and by itself as a program of its own, since atheris must be there before all
           that it watches, and ends its process.
Ends       run() with what went wrong handed to `add`; SystemExit where atheris is missing.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.dont_write_bytecode = True

Add = Callable[[str, bytes], None]
_MOST = 100_000  # octets of one message
_SEEDS = 1000
_HANG_S = 10
_MEMORY_MB = 1500


def run(seeds: list[bytes], add: Add, *, seconds: float) -> int:
    """Fuzz for so long; hand on (what was wrong, message). Gives how many messages were read."""
    if importlib.util.find_spec("atheris") is None:
        sys.exit("fuzz: --engine atheris needs it: .venv/bin/pip install atheris")
    with tempfile.TemporaryDirectory(prefix="qscanner-fuzz-") as name:
        folder = Path(name)
        for part in ("seeds", "found"):
            (folder / part).mkdir()
        small = sorted((seed for seed in seeds if len(seed) <= _MOST), key=len)[:_SEEDS]
        for number, seed in enumerate(small):
            (folder / "seeds" / str(number)).write_bytes(seed)
        command = [sys.executable, __file__, f"-artifact_prefix={folder}/found/"]
        command += [f"-max_total_time={seconds:.0f}", f"-timeout={_HANG_S}", f"-max_len={_MOST}"]
        command += [f"-rss_limit_mb={_MEMORY_MB}", "-print_final_stats=1", str(folder / "seeds")]
        environment = {**os.environ, "QSCANNER_FUZZ_FOUND": str(folder / "found")}
        done = subprocess.run(
            command, env=environment, check=False, stderr=subprocess.PIPE, errors="replace"
        )
        for what in sorted((folder / "found").glob("*.what")):
            add(what.read_text("utf-8"), what.with_suffix(".eml").read_bytes())
        for file in sorted((folder / "found").glob("*-*")):  # of libFuzzer itself: timeout, oom
            if not file.suffix:
                add(f"{file.name.partition('-')[0]} (atheris)", file.read_bytes())
    return _count(done.stderr)


def _count(said: str) -> int:
    for line in said.splitlines():
        if line.startswith("stat::number_of_executed_units:"):
            return int(line.split()[-1])
    print(said[-2000:], file=sys.stderr)
    return 0


def _main() -> None:
    import atheris  # type: ignore[import-untyped, import-not-found, unused-ignore]

    with atheris.instrument_imports(include=["qscanner"]):
        import fuzz

    found = Path(os.environ["QSCANNER_FUZZ_FOUND"])
    seen: set[str] = set()

    def one(octets: bytes) -> None:
        what = fuzz.judged(octets)
        if what and what not in seen:
            seen.add(what)
            (found / f"{len(seen)}.eml").write_bytes(octets)
            (found / f"{len(seen)}.what").write_text(what, "utf-8")

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    _main()
