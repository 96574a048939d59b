"""Every archive of the corpora, attached to a message: no exception, bounded, named or told."""

import base64
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from qscanner.archives import Budget
from qscanner.checks import attachments
from qscanner.checks.attachments import Looked
from qscanner.deadline import Deadline
from qscanner.mime import MimeLimits, view
from qscanner.settings import MIB, Limits

FOLDERS = (
    "files-own-archives",
    "files-libarchive",
    "files-tika",
    "files-strelka",
    "files-clamav",
    "files-tnefparse",
    "files-mimekit-tnef",
)
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR"
SLOW_CPU_S = 3


def cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def attached(name: str, content: bytes) -> bytes:
    return (
        f'From: a@b\nContent-Type: application/octet-stream; name="{name}"\n'
        f"Content-Transfer-Encoding: base64\n\n{base64.encodebytes(content).decode()}"
    ).encode()


def look(name: str, content: bytes) -> tuple[Looked, list[bytes]]:
    """Give what was seen, and the contents in which EICAR is."""
    seen: list[bytes] = []
    looked = attachments.look(
        view(attached(name, content), MimeLimits.of(Limits())),
        Budget.of(Limits()),
        lambda _path, octets, _is_hidden: seen.append(octets) if EICAR in octets else None,
        deadline=Deadline(60),
    )
    return looked, seen


@pytest.mark.timeout(200)
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file(corpora: Path, folder: str) -> None:
    """An archive has members, or a finding says why not; none is slow."""
    silent, slow = [], []
    for file in sorted((corpora / folder).iterdir()):
        begun = cpu_s()
        looked, _ = look(file.name, file.read_bytes())
        if cpu_s() - begun > SLOW_CPU_S:
            slow.append(file.name)
        is_archive = "archive" in looked.parts[0].kinds and "jar" not in looked.parts[0].kinds
        if is_archive and len(looked.parts) == 1 and not looked.findings:
            silent.append(file.name)
    assert slow == []
    assert [name for name in silent if name not in EMPTY] == []


EMPTY = {"test_read_format_tar_empty_filename.tar", "test_read_format_7zip_malformed4.7z"}

SEES = """plain.7z plain.iso plain.cpio plain.ar plain.tar.zst plain.tar.lz4 deflate64-method.zip
    ppmd-method.zip lzma-method.zip nested-26.zip symlink.zip sfx-like.exe"""


@pytest.mark.parametrize("name", SEES.split())
def test_the_virus_inside(corpora: Path, name: str) -> None:
    """The test virus comes to light."""
    assert look(name, (corpora / "files-own-archives" / name).read_bytes())[1]


# VmHWM, since ru_maxrss of a process begins with that of the process that started it.
_PROBE = """
import re, resource, sys
from tests.test_corpora_archives import look
with open(sys.argv[1], "rb") as file:
    look("a.bin", file.read())
with open("/proc/self/status") as file:
    print(re.search("VmHWM:[ ]*([0-9]+)", file.read().replace(chr(9), " "))[1],
          resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""

BOMBS = """files-own-archives/ratio-100mb.zip files-own-archives/ratio-100mb.bz2
    files-own-archives/overlap-2000x10mb.zip files-own-archives/size-lie-8gb.tar
    files-libarchive/test_read_format_7zip_folders_oom.7z
    files-libarchive/test_read_format_7zip_entries_oom.7z"""


@pytest.mark.parametrize("name", BOMBS.split())
def test_memory(corpora: Path, name: str) -> None:
    """Less than 256 MiB, in this process and in its child."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, str(corpora / name)],
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert [int(each) < 256 * MIB // 1024 for each in done.stdout.split()] == [True, True], done
