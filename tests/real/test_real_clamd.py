"""checks.clamav and its probe against real clamds."""

import contextlib
import io
import os
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qscanner.checks import clamav, clamav_probe
from qscanner.checks.clamav_probe import EICAR, eicar_mail
from qscanner.codec.clamd import Said
from qscanner.codec.servers import Server
from qscanner.deadline import Deadline
from qscanner.model import CheckResult, Outcome
from qscanner.outcomes import CheckFailed
from qscanner.spool import Message
from tests.real import servers
from tests.real.servers import Running

pytestmark = pytest.mark.real
MAIL = b"From: a@example.org\nTo: b@example.org\nSubject: hello\n\nhello\n"


def look(octets: bytes, *asked: Server, within_s: float = 10) -> CheckResult:
    """Ask about these octets."""
    message = Message.of_octets(octets)
    try:
        return clamav.look(message, asked, within_s=within_s)
    finally:
        message.close()


def encrypted_zip() -> bytes:
    """Give a zip whose one member says that it is encrypted."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", b"x" * 100)
    octets = bytearray(buffer.getvalue())
    octets[6] |= 1
    octets[octets.index(b"PK\x01\x02") + 8] |= 1
    return bytes(octets)


KINDS: dict[str, tuple[Callable[[], bytes], Outcome, str]] = {
    "empty": (lambda: b"", Outcome.CLEAN, ""),
    "mail": (lambda: MAIL, Outcome.CLEAN, ""),
    "eicar": (lambda: EICAR, Outcome.FOUND, "virus.clamav"),
    "eicar in a mail": (lambda: eicar_mail(0), Outcome.FOUND, "virus.clamav"),
    "eicar behind 3 MiB": (lambda: b"\0" * (3 << 20) + EICAR, Outcome.FOUND, "virus.clamav"),
    "above MaxRecursion": (
        lambda: clamav_probe._nested(b"harmless"),
        Outcome.UNSCANNABLE,
        "unscannable.clamav-limit",
    ),
    "encrypted": (encrypted_zip, Outcome.UNSCANNABLE, "archive.encrypted"),
}


@pytest.mark.parametrize("transport", ["unix", "tcp"])
@pytest.mark.parametrize("name", KINDS)
def test_kinds(name: str, transport: str, clamd: Running) -> None:
    """What clamd says of each kind is what it becomes, by descriptor and by stream."""
    octets, outcome, kind = KINDS[name]
    result = look(octets(), getattr(clamd, transport))
    assert result.outcome is outcome, result
    assert [finding.id for finding in result.findings] == ([kind] if kind else [])
    assert result.scanners[0].startswith("clamav/1.")


def test_descriptors_work_again_and_again(clamd: Running) -> None:
    """FILDES of one sealed memory file finds EICAR at any offset, and our offset stays."""
    message = Message.of_octets(b"x" * 100 + EICAR)
    with contextlib.closing(message):
        for offset in (0, 50, 168, 10_000, 0):
            os.lseek(message.fd, offset, os.SEEK_SET)
            answer = clamav.scan(message, clamd.unix, Deadline(5))
            assert answer.said is Said.FOUND
            assert os.lseek(message.fd, 0, os.SEEK_CUR) == offset


def test_unlinked_file(clamd: Running, tmp_path: Path) -> None:
    """A file that only we may read (mode 0600, no name) can be passed as well."""
    fd = os.open(tmp_path, os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(fd, EICAR)
    with (
        contextlib.closing(Message.of(fd)) as message,
        clamav._own_description(message.fd) as own,
    ):
        client = clamav.client(clamd.unix, within_s=5)
        assert client.scan_descriptor(own).said is Said.FOUND


def test_stream_too_large(blind_clamd: Running) -> None:
    """Above StreamMaxLength the answer is heard, while clamd has long stopped listening."""
    for size in ((2 << 20) + 1, 3 << 20, 20 << 20):
        for _ in range(5):
            result = look(b"\0" * size, blind_clamd.tcp)
            assert result.outcome is Outcome.UNSCANNABLE
            assert result.findings[0].id == "unscannable.clamav-too-large"


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_threads(transport: str, clamd: Running) -> None:
    """60 threads with infected and clean messages: every answer is the right one."""
    server = getattr(clamd, transport)

    def ask(number: int) -> str:
        is_bad = number % 2 == 0
        octets = MAIL + os.urandom(2000) + (EICAR if is_bad else b"")
        result = look(octets, server, within_s=15)
        return "right" if (result.outcome is Outcome.FOUND) == is_bad else f"wrong {result}"

    with ThreadPoolExecutor(60) as pool:
        assert Counter(pool.map(ask, range(240))) == {"right": 240}


def test_threads_on_one_object(clamd: Running) -> None:
    """60 threads share one client object: in pyclamd a fifth of the infected came out clean."""
    client = clamav.client(clamd.unix, within_s=15)

    def ask(number: int) -> str:
        is_bad = number % 2 == 0
        answer = client.scan_stream(os.urandom(2000) + (EICAR if is_bad else b""))
        return "right" if (answer.said is Said.FOUND) == is_bad else "wrong"

    with ThreadPoolExecutor(60) as pool:
        assert Counter(pool.map(ask, range(240))) == {"right": 240}


def test_stuck(clamd: Running, blind_clamd: Running) -> None:
    """A clamd that stands still takes connections and never answers: the next one has time."""
    with blind_clamd.stopped():
        began = time.monotonic()
        with pytest.raises(CheckFailed, match="no whole answer within"):
            look(EICAR, blind_clamd.unix, within_s=1)
        assert time.monotonic() - began < 2
        assert look(EICAR, blind_clamd.unix, clamd.unix, within_s=2).outcome is Outcome.FOUND


def test_probe_of_a_good_one(clamd: Running) -> None:
    """A clamd with the settings of docs/scanners.md has no problem."""
    for server in (clamd.unix, clamd.tcp):
        probe = clamav_probe.probe(server, within_s=15)
        assert probe.problems == ()
        assert (probe.is_reachable, probe.finds_eicar, probe.padded) == (True, True, "found")
        assert probe.alerts_exceeds_max
        assert probe.takes_descriptors is (True if server.kind == "unix" else None)
        assert probe.version.startswith("1.")


def test_probe_of_a_blind_one(blind_clamd: Running) -> None:
    """A blind clamd is found out, and the settings to change are named."""
    by_descriptor = clamav_probe.probe(blind_clamd.unix, within_s=15)
    assert (by_descriptor.finds_eicar, by_descriptor.padded) == (True, "clean")
    assert by_descriptor.alerts_exceeds_max is False
    said = " ".join(by_descriptor.problems)
    for setting in ("MaxFileSize", "MaxScanSize", "StreamMaxLength", "AlertExceedsMax"):
        assert setting in said
    by_stream = clamav_probe.probe(blind_clamd.tcp, within_s=15)
    assert by_stream.padded == "limit"
    assert "StreamMaxLength" in " ".join(by_stream.problems)


def test_probe_of_one_that_is_away() -> None:
    """A clamd that has ended cannot be reached, and that is all there is to say."""
    with servers.clamd(servers.SEEING) as running:
        asked = running.unix
    probe = clamav_probe.probe(asked, within_s=2)
    assert not probe.is_reachable
    assert len(probe.problems) == 1
