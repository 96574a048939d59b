"""The octets spooled in all are bounded, whoever spools, and what the dead held is given back."""

import os
import socket as sockets
from pathlib import Path

import pytest

from qscanner.ledger import BESIDE, UNIT_OCTETS, Claims, Ledger
from qscanner.outcomes import DiskFull, Ending
from tests.fakes import child


@pytest.fixture
def socket(open_tmp: Path) -> bytes:
    """Give the path of a daemon's socket, beside which any user may look."""
    return os.fsencode(open_tmp / "d.sock")


def ledger(socket: bytes, units: int) -> Ledger:
    return Ledger(os.fsdecode(socket), units * UNIT_OCTETS)


@pytest.mark.parametrize(
    ("sizes", "units"),
    [
        pytest.param((1,), 1, id="one-octet"),
        pytest.param((UNIT_OCTETS,), 1, id="just-one"),
        pytest.param((UNIT_OCTETS + 1,), 2, id="one-more"),
        pytest.param((1, 2, UNIT_OCTETS, UNIT_OCTETS + 1, 3 * UNIT_OCTETS), 3, id="grows"),
    ],
)
def test_what_is_claimed(socket: bytes, sizes: tuple[int, ...], units: int) -> None:
    """Each begun MiB counts once."""
    book, claims = ledger(socket, 7), Claims(socket)
    for size in sizes:
        claims.reach(size)
    assert book.octets() == units * UNIT_OCTETS
    assert not book.has_refused()


def test_all_together(socket: bytes) -> None:
    """However the pieces lie among each other, all are counted, and no more than there are."""
    book, claims = ledger(socket, 10), [Claims(socket) for _ in range(3)]
    for size in (1, 2, 3):
        for each in claims:
            each.reach(size * UNIT_OCTETS)
    assert book.octets() == 9 * UNIT_OCTETS
    last = Claims(socket)
    last.reach(UNIT_OCTETS)
    for each in claims:
        with pytest.raises(DiskFull, match="the spool is full") as caught:
            each.reach(4 * UNIT_OCTETS)
        assert caught.value.ending is Ending.DISK_FULL
    assert book.octets() == 10 * UNIT_OCTETS
    assert book.has_refused()
    assert not book.has_refused()


def test_given_back(socket: bytes, uids: tuple[int | None, ...]) -> None:
    """Any user may claim; a process that ended, however, holds nothing."""
    book = ledger(socket, 4)
    code = (
        "import os, signal, sys; from qscanner.ledger import Claims\n"
        "Claims(os.fsencode(sys.argv[1])).reach(4 << 20)\n"
        "held = Claims(os.fsencode(sys.argv[1]))\n"
        "try: held.reach(1)\n"
        "except Exception as error: print(type(error).__name__, flush=True)\n"
        "if sys.argv[2] == 'killed': os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    for uid in uids:
        for how in ("ended", "killed"):
            told = child.run(code, os.fsdecode(socket), how, uid=uid)
            assert told.stdout.split() == [b"DiskFull"], told
            assert book.octets() == 0
            assert book.has_refused()


def test_nothing_there(socket: bytes) -> None:
    """Where there is no ledger, or an empty one, or something else, nothing is bounded."""
    Claims(socket).reach(1 << 40)
    place = Path(os.fsdecode(socket + BESIDE))
    place.touch()
    Claims(socket).reach(1 << 40)
    place.unlink()
    os.mkfifo(place)
    Claims(socket).reach(1 << 40)
    place.unlink()
    place.symlink_to("/etc/passwd")
    Claims(socket).reach(1 << 40)
    with pytest.raises(OSError, match="symbolic links"):
        ledger(socket, 1)


def test_another_bound(socket: bytes) -> None:
    """A new bound counts for who comes; who had more keeps it, and that is no refusal."""
    book, claims = ledger(socket, 8), Claims(socket)
    claims.reach(6 * UNIT_OCTETS)
    book.bound(2 * UNIT_OCTETS + 1)
    assert not book.has_refused()
    assert Path(os.fsdecode(socket + BESIDE)).stat().st_size == 3
    assert Path(os.fsdecode(socket + BESIDE)).stat().st_mode & 0o777 == 0o666
    assert book.octets() <= 3 * UNIT_OCTETS
    book.close()


@pytest.mark.parametrize("size", [0, 1, 99], ids=["emptied", "shorter", "longer"])
def test_somebody_writes_it(socket: bytes, size: int) -> None:
    """Any user may change its length: the daemon sets it right, and says nothing was refused."""
    book = ledger(socket, 8)
    place = os.fsdecode(socket + BESIDE)
    os.truncate(place, size)
    assert not book.has_refused()
    assert os.stat(place).st_size == 8


def test_a_second_daemon_goes_on_with_it(socket: bytes) -> None:
    """After a restart the same file counts on: those who spool do not notice."""
    first = ledger(socket, 4)
    claims = Claims(socket)
    claims.reach(UNIT_OCTETS)
    first.close()
    assert ledger(socket, 4).octets() == UNIT_OCTETS


def test_a_socket_is_no_ledger(socket: bytes) -> None:
    """A socket at that place is not opened, and bounds nothing."""
    with sockets.socket(sockets.AF_UNIX) as other:
        other.bind(socket + BESIDE)
        Claims(socket).reach(1 << 40)
