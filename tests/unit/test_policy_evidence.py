"""policy.evidence: facts in the form that rules ask for."""

import time

import pytest

from qscanner.model import CheckResult, Finding, Header, Outcome
from qscanner.policy.evidence import MAX_MAILBOX_CHARS, NOT_SCANNED
from tests.fakes.facts import AWAY, CLEAN, evidence, infected, scored


def unscannable(*ids: str) -> CheckResult:
    return CheckResult(outcome=Outcome.UNSCANNABLE, findings=tuple(Finding(id=id_) for id_ in ids))


@pytest.mark.parametrize(
    ("virus", "found", "want"),
    [
        (None, (), ()),
        (CLEAN, (), ()),
        (AWAY, (), ()),
        (infected("Eicar", "Eicar", "X"), (), ("Eicar", "X")),
        (infected(), (), ("",)),
        (CheckResult(outcome=Outcome.FOUND, detail="said so"), (), ("said so",)),
        (CheckResult(outcome=Outcome.CLEAN, names=("X",)), (), ()),
        (CLEAN, ("virus.yara",), ("",)),
        (None, ("virus.yara",), ("",)),
    ],
    ids=[
        "no engine",
        "clean",
        "unavailable",
        "names",
        "no name",
        "only a detail",
        "names without found",
        "a finding beside clean",
        "a finding without an engine",
    ],
)
def test_viruses(virus: CheckResult | None, found: tuple[str, ...], want: tuple[str, ...]) -> None:
    """A virus is never nameless in the sense of not there."""
    assert evidence(virus=virus, found=found).viruses == want


@pytest.mark.parametrize(
    ("virus", "found", "findings", "unscanned"),
    [
        (CLEAN, ("mime.odd", "mime.odd"), ("mime.odd",), ()),
        (CLEAN, ("unscannable.x",), ("unscannable.x",), ("unscannable.x",)),
        (unscannable(), (), (NOT_SCANNED,), (NOT_SCANNED,)),
        (unscannable("archive.encrypted"), (), ("archive.encrypted",), ("archive.encrypted",)),
        (
            unscannable("archive.encrypted", "unscannable.x"),
            ("a.b",),
            ("a.b", "archive.encrypted", "unscannable.x"),
            ("unscannable.x",),
        ),
    ],
    ids=["each once", "a finding", "no word for it", "the engine's word", "both"],
)
def test_findings(
    virus: CheckResult,
    found: tuple[str, ...],
    findings: tuple[str, ...],
    unscanned: tuple[str, ...],
) -> None:
    """The engines' findings count, and what was not scanned always has an id."""
    seen = evidence(virus=virus, found=found)
    assert seen.findings == findings
    assert seen.unscanned == unscanned


def test_score() -> None:
    """None where nobody scored, or where the scorer gave none."""
    assert evidence().score is None
    assert evidence(spam=AWAY).score is None
    score = evidence(spam=scored(7.0)).score
    assert score is not None
    assert score.score == 7.0


@pytest.mark.parametrize(
    ("ip", "want"), [("192.0.2.1", "192.0.2.1"), ("", "None"), ("unknown", "None")]
)
def test_ip(ip: str, want: str) -> None:
    """What is no address is none."""
    assert str(evidence(ip=ip).ip) == want


def test_headers_by_name() -> None:
    """Whatever the case, in their order."""
    seen = evidence(headers=(("Subject", "a"), ("SUBJECT", "b"), ("From", "c")))
    assert [each.plain for each in seen.headers("subject")] == ["a", "b"]
    assert seen.headers("to") == ()


def test_mailboxes_in_both_readings() -> None:
    """A decoded comma cuts a name in two, so the field as it was written counts as well."""
    header = Header(name="From", plain="=?q?Doe=2C_J?= <a@b>", decoded="Doe, J <a@b>")
    seen = evidence()
    names = [each.name for each in seen.mailboxes(header)]
    assert names == ["=?q?Doe=2C_J?=", "Doe", "J"]
    assert seen.mailboxes(header) is seen.mailboxes(header)


def test_ten_thousand_from_fields_take_a_moment() -> None:
    """Behind a bound a field is read coarsely, but no address is overlooked."""
    filler = [(f"{n}", "".join(f"<{k}@b>, " for k in range(150))) for n in range(10_000)]
    assert sum(len(text) for _, text in filler) > 5 * MAX_MAILBOX_CHARS
    seen = evidence(headers=(*filler, ("From", "Jane <jane@example.org>"), ("To", "nobody")))
    begun = time.monotonic()
    for n in range(10_000):
        seen.mailboxes(seen.headers(str(n))[0])
    last = seen.mailboxes(seen.headers("from")[0])
    assert [(each.name, each.address.whole) for each in last] == [
        ("Jane <jane@example.org>", "jane@example.org")
    ]
    assert [each.name for each in seen.mailboxes(seen.headers("to")[0])] == ["nobody"]
    assert time.monotonic() - begun < 10
