"""How much memory a process has and had, in MB (10^6 octets): from proc(5).

Called by  bench_curve, bench_peak, soak.
Ends       with 0 where the process is gone.
"""

import os

CLERK = "q-clerk"
OTHERS = ("q-injector", CLERK)  # children of a daemon that are no workers
_PRIVATE = (b"Private_Clean:", b"Private_Dirty:", b"Private_Hugetlb:")


def private_mb(pid: int) -> float:
    """Give what is the process's alone (USS): the private pages of smaps_rollup."""
    return _sum_mb(f"/proc/{pid}/smaps_rollup", _PRIVATE)


def resident_mb(pid: int) -> float:
    """Give what is resident, shared pages among it: what ps(1) shows as RSS."""
    return _sum_mb(f"/proc/{pid}/smaps_rollup", (b"Rss:",))


def peak_mb(pid: int) -> float:
    """Give the most that was ever resident at once, shared pages among it: VmHWM of status."""
    return _sum_mb(f"/proc/{pid}/status", (b"VmHWM:",))


def _sum_mb(path: str, names: tuple[bytes, ...]) -> float:
    try:
        with open(path, "rb") as file:
            lines = file.read().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(names)) * 1024 / 1e6


def children(pid: int) -> list[int]:
    """Give the pids of the children of a process that has one thread."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(each) for each in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def workers(pid: int) -> list[int]:
    """Give the pids of a daemon's workers: its children but the injector and the clerk."""
    return [each for each in children(pid) if not comm(each).startswith(OTHERS)]


def comm(pid: int) -> str:
    """Give the name of a process (proc(5), comm), "" where it is gone."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().rstrip("\n")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def has_ended(pid: int) -> bool:
    """Say whether there is no such process any more."""
    return not os.path.exists(f"/proc/{pid}")
