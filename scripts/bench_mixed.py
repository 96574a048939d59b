"""Mixed mail for the feed: of each kind about as many as there are in a day, no two alike.

Called by  bench_curve.
Careful    where eight @ stand, the feed puts the number of the run: into boundaries, subjects and
           Message-IDs, so that digests and whatever is kept by content are new each time.
"""

import base64
import random
from collections.abc import Iterator
from pathlib import Path

import bench_mails
import bench_site  # noqa: F401 - makes `tests` known

from tests.fakes import mails

_MARK = b"@@@@@@@@"
_PLACES = (
    (b"outer", b"outer" + _MARK),  # the boundaries of bench_mails and of tests.fakes.mails
    (b'"b1"', b'"b' + _MARK + b'"'),
    (b"\n--b1", b"\n--b" + _MARK),
    (b"Message-ID: <", b"Message-ID: <" + _MARK + b"."),
    (b"Subject: ", b"Subject: " + _MARK + b" "),
)
_QUEUED, _TEXT = "0", "82"  # refused: with a text on fd 6
Lists = tuple[str, str]  # for the feed: wanted codes, files
_VARIED = 3  # texts of several lengths


def _letter(chance: random.Random) -> bytes:
    """Give a letter of 1 to 8 kB."""
    return mails.text(bench_mails.prose(chance, chance.randrange(1000, 8000)).encode())


def _kinds(chance: random.Random) -> Iterator[tuple[int, str, bytes]]:
    """Give share, exit code and octets of each kind."""
    for _ in range(_VARIED):
        yield 26, _QUEUED, _letter(chance)
    files = mails.zipped(notes__txt=b"a few words\n" * 500, list__csv=b"1;2;3\n" * 300)
    yield 60, _QUEUED, bench_mails.html()
    yield 16, _QUEUED, bench_mails.pdf()
    yield 14, _QUEUED, mails.attached("notes.zip", files, declared="application/zip")
    yield 10, _TEXT, mails.infected()
    yield 8, _QUEUED, mails.locked()  # held: the caller hears the same
    yield 10, _QUEUED, _MARK + b"\n" + chance.randbytes(5000)
    yield 2, _QUEUED, mails.text(base64.encodebytes(bytes(1_500_000)))
    yield 1, _QUEUED, bench_mails.archive()


def write(folder: Path, seed: int) -> Lists:
    """Write the messages; give the feed's lists of wanted codes and of files, shuffled."""
    chance = random.Random(seed)
    written: list[tuple[str, str]] = []
    for number, (share, code, octets) in enumerate(_kinds(chance)):
        file = folder / f"mixed-{number}.eml"
        file.write_bytes(_marked(octets))
        written += [(code, str(file))] * share
    chance.shuffle(written)
    return ",".join(code for code, _ in written), ",".join(file for _, file in written)


def settling(folder: Path) -> Lists:
    """Write two that go through a worker's larger paths; give the feed's two lists."""
    files = [folder / "settling-pdf.eml", folder / "settling-text.eml"]
    for file, octets in zip(files, (bench_mails.pdf(), mails.text()), strict=True):
        file.write_bytes(_marked(octets))
    return ",".join([_QUEUED] * len(files)), ",".join(map(str, files))


def _marked(octets: bytes) -> bytes:
    for old, new in _PLACES:
        octets = octets.replace(old, new)
    return octets
