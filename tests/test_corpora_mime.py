"""Every file of the corpora through view, attachments and headers: no exception, none slow."""

import csv
import time
from pathlib import Path

import pytest

from qscanner.archives import Budget
from qscanner.checks import attachments, headers
from qscanner.deadline import Deadline
from qscanner.mime import MimeLimits, view
from qscanner.model import Finding, Part
from qscanner.settings import Limits

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR"
SLOW_S = 10
LIMITS = Limits()

# What the stdlib finds in the files that the shared corpora hold: (payloads, of them seen by it).
SEES_AT_LEAST = {"noxxi-mime-is-broken": 213, "evasion": 85}
NAMES_AT_LEAST = 112


def look(octets: bytes) -> tuple[bool, tuple[Part, ...], list[Finding]]:
    """Give whether the payload came to light, the parts and all findings."""
    seen: list[str] = []
    found = view(octets, MimeLimits.of(LIMITS))
    looked = attachments.look(
        found,
        Budget.of(LIMITS),
        lambda path, content, _is_hidden: seen.append(path) if EICAR in content else None,
        deadline=Deadline(60),
    )
    return bool(seen), looked.parts, [*found.findings, *looked.findings, *headers.look(found)]


def files(corpora: Path) -> list[Path]:
    return [
        file
        for file in sorted(corpora.glob("*/*"))
        if file.is_file() and file.parent.name != "LICENSES" and file.suffix != ".tsv"
    ]


@pytest.mark.timeout(300)
def test_every_file(corpora: Path) -> None:
    """No exception, nothing slower than 10 s, the parser never gives up."""
    slow = []
    for file in files(corpora):
        begun = time.monotonic()
        _, parts, findings = look(file.read_bytes())
        if time.monotonic() - begun > SLOW_S:
            slow.append(file.name)
        assert parts, file.name
        assert "mime.parser-error" not in [finding.id for finding in findings], file.name
    assert slow == []


@pytest.mark.timeout(120)
def test_hidden_payloads(corpora: Path) -> None:
    """What evasive messages hide from the stdlib is seen; the numbers may only rise."""
    for folder, at_least in SEES_AT_LEAST.items():
        seen = sum(look(file.read_bytes())[0] for file in (corpora / folder).glob("*.eml"))
        assert seen >= at_least, folder


@pytest.mark.timeout(120)
def test_hidden_names(corpora: Path) -> None:
    """noxxi's hidden name is among the names of some part; the number may only rise."""
    with (corpora / "differentials.tsv").open() as table:
        rows = [row for row in csv.DictReader(table, delimiter="\t") if row["what"] != "payload"]
    wanted = [row["file"] for row in rows if row["file"].startswith("noxxi")]
    seen = 0
    for name in wanted:
        _, parts, _ = look((corpora / name).read_bytes())
        seen += any("file.zip" in part.names for part in parts)
    assert seen >= NAMES_AT_LEAST


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        pytest.param("ratio-100mb.zip", "limit.archive-ratio", id="zip bomb"),
        pytest.param("ratio-100mb.bz2", "limit.archive-ratio", id="bzip2 bomb"),
        pytest.param("overlap-2000x10mb.zip", "archive.odd", id="overlap"),
        pytest.param("size-lie-8gb.tar", "archive.unreadable", id="tar that lies"),
        pytest.param("plain.7z", "archive.not-opened", id="7z"),
        pytest.param("ppmd-method.zip", "archive.unreadable", id="ppmd"),
        pytest.param("unicode-names.zip", "name.bidi", id="names"),
    ],
)
def test_archives(corpora: Path, name: str, id_: str) -> None:
    """The archives of our own corpus, attached to a message."""
    content = (corpora / "files-own-archives" / name).read_bytes()
    octets = (
        f"Content-Type: application/octet-stream; name={name}\n"
        f"Content-Transfer-Encoding: binary\n\n"
    ).encode() + content
    _, parts, findings = look(octets)
    assert id_ in [finding.id for finding in findings]
    assert name in parts[0].names
