"""Every file of the corpora through view, attachments and headers: no exception, none slow.

Of messages that hide a test virus or a name, none is accepted that clamd on the raw message or any
other parser sees; of ordinary mail hardly any is held.
"""

import csv
import time
from dataclasses import replace
from pathlib import Path

import pytest

from qscanner.archives import Budget
from qscanner.checks import attachments, headers
from qscanner.deadline import Deadline
from qscanner.mime import MimeLimits, view
from qscanner.model import Action, Finding, Part
from qscanner.policy.decide import decide
from qscanner.policy.read import load
from qscanner.settings import Limits
from tests.fakes.facts import ON_FAILURE, TODAY, facts

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR"
CLAM_OCTETS = 544  # of clam.exe
SLOW_S = 10
LIMITS = Limits()
POLICY = load(str(Path(__file__).resolve().parent.parent / "policies"))

# Payloads that come to light: the numbers may only rise.
SEES_AT_LEAST = {"noxxi-mime-is-broken": 239, "evasion": 82}
NAMES_AT_LEAST = 114
ORDINARY = (
    "notmuch", "comm-central", "mu", "redmine", "request-tracker", "sisimai", "rspamd",
    "spamassassin",
)  # fmt: skip
# Ordinary mail that the policy holds, and why that is right.
HELD = {
    "next2last-doublebad.eml",  # a .xz that is none
    "rar-date-bad-ext.eml",  # a .rar that is none
}


def is_payload(content: bytes) -> bool:
    return EICAR in content or (content.startswith(b"MZ") and len(content) == CLAM_OCTETS)


def look(octets: bytes) -> tuple[list[bool], tuple[Part, ...], list[Finding]]:
    """Give of each payload if it is hidden from a raw look, the parts and all findings."""
    seen: list[bool] = []
    found = view(octets, MimeLimits.of(LIMITS))
    looked = attachments.look(
        found,
        Budget.of(LIMITS),
        lambda _path, content, is_hidden: seen.append(is_hidden) if is_payload(content) else None,
        deadline=Deadline(60),
    )
    return seen, looked.parts, [*found.findings, *looked.findings, *headers.look(found)]


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


def is_held(findings: list[Finding]) -> bool:
    """Say whether the policy stops a message for what was found about its form alone."""
    said = replace(facts(), parts=(), findings=tuple(dict.fromkeys(findings)))
    return decide(POLICY, said, ON_FAILURE, today=TODAY).action is not Action.ACCEPT


def payloads(corpora: Path) -> dict[str, tuple[bool, bool]]:
    """Give the messages with a payload: does clamd see it in the raw one, or another parser."""
    with (corpora / "differentials.tsv").open() as table:
        rows = [row for row in csv.DictReader(table, delimiter="\t") if row["what"] == "payload"]
    with (corpora / "evasion" / "index.tsv").open() as table:
        rows += [
            {**row, "file": f"evasion/{row['name']}.eml"}
            for row in csv.DictReader(table, delimiter="\t")
            if row["half"] == "shared" and row["name"][0] in "abc"
        ]
    return {
        row["file"]: (row["clamd_raw_finds"] == "yes", int(row["n_other_parsers"]) > 0)
        for row in rows
        if row["file"].startswith(("noxxi", "clamav-mail", "evasion/a", "evasion/b", "evasion/c"))
    }


@pytest.mark.timeout(120)
def test_hidden_payloads(corpora: Path) -> None:
    """None is accepted that anybody else sees; the numbers of those we see may only rise.

    A payload counts as seen where an engine sees it: clamd in the raw message, or handed to it as
    something that the raw message hides.
    """
    seen = dict.fromkeys(SEES_AT_LEAST, 0)
    accepted = []
    for name, (is_seen_raw, is_seen_by_others) in payloads(corpora).items():
        hidden, _, findings = look((corpora / name).read_bytes())
        is_seen = any(hidden) or (is_seen_raw and bool(hidden))
        folder = name.partition("/")[0]
        seen[folder] = seen.get(folder, 0) + is_seen
        if (is_seen_raw or is_seen_by_others) and not is_seen and not is_held(findings):
            accepted.append(name)
    assert accepted == []
    assert [folder for folder, least in SEES_AT_LEAST.items() if seen[folder] < least] == []


@pytest.mark.timeout(120)
def test_hidden_names(corpora: Path) -> None:
    """noxxi's hidden name is among those of some part, or the message is held."""
    with (corpora / "differentials.tsv").open() as table:
        rows = [row for row in csv.DictReader(table, delimiter="\t") if row["what"] != "payload"]
    seen, accepted = 0, []
    for row in rows:
        if not row["file"].startswith("noxxi"):
            continue
        _, parts, findings = look((corpora / row["file"]).read_bytes())
        is_named = any("file.zip" in part.names for part in parts)
        seen += is_named
        if not is_named and int(row["n_other_parsers"]) > 0 and not is_held(findings):
            accepted.append(row["file"])
    assert accepted == []
    assert seen >= NAMES_AT_LEAST


@pytest.mark.timeout(120)
def test_ordinary_mail(corpora: Path) -> None:
    """At most one in two hundred is held for its form, and we know each and why."""
    names = [file for folder in ORDINARY for file in sorted((corpora / folder).glob("*"))]
    held = {file.name for file in names if is_held(look(file.read_bytes())[2])}
    assert held <= HELD
    assert len(held) * 200 <= len(names)


@pytest.mark.parametrize(
    ("name", "id_"),
    [
        pytest.param("ratio-100mb.zip", "limit.archive-ratio", id="zip bomb"),
        pytest.param("ratio-100mb.bz2", "limit.archive-ratio", id="bzip2 bomb"),
        pytest.param("overlap-2000x10mb.zip", "archive.odd", id="overlap"),
        pytest.param("size-lie-8gb.tar", "archive.unreadable", id="tar that lies"),
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
