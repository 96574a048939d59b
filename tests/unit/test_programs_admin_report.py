"""programs.admin_report: one scanned message as text."""

import click
import pytest

from qscanner.model import (
    Action,
    CheckResult,
    Client,
    Decision,
    Envelope,
    Facts,
    Finding,
    Outcome,
    Part,
    Score,
    Verdict,
)
from qscanner.outcomes import REPLIES, Ending
from qscanner.policy.rules import Policy, Rule
from qscanner.programs.admin_report import failed_as_json, failed_lines, report_lines
from qscanner.report import Report

RULES = Policy(
    folder="",
    rules=tuple(
        Rule(id=id_, action=Action.REJECT, file="", number=0, why=f"because of {id_}")
        for id_ in ("a", "b")
    ),
)


def report(
    *,
    parts: tuple[Part, ...] = (),
    findings: tuple[Finding, ...] = (),
    action: Action = Action.REJECT,
) -> Report:
    """Give a report with these parts and findings."""
    return Report(
        id="1",
        digest="d",
        facts=Facts(
            envelope=Envelope(sender=b"", recipients=(b"x@y",), raw=b"F\0Tx@y\0\0"),
            client=Client(uid=1),
            octets=1,
            parts=parts,
            findings=findings,
            spam=CheckResult(
                outcome=Outcome.FOUND,
                detail="7 of 5",
                score=Score(score=7, threshold=5, rules=("R1", "R2")),
            ),
        ),
        verdict=Verdict(
            action=action,
            decisions=(Decision(action=action),),
            rules=("a", "b"),
            reply="No thanks",
            why="because of a",
        ),
        lines=("X-Qscanner: x",),
        ms=1.0,
    )


def lines(told: Report) -> list[str]:
    """Give the lines without colours."""
    return [click.unstyle(line) for line in report_lines(told, RULES, file="f\x1b.eml")]


def test_head_whys_and_reply() -> None:
    """The verdict in the first line, every rule's reason, and the reply as the sender sees it."""
    assert lines(report()) == [
        "f\\x1b.eml: reject by a, b  (1 ms)",
        "  why       because of a",
        "  why       b: because of b",
        "  reply     554 No thanks (#5.7.1)",
        "  spam      found: 7 of 5, 0 ms",
        "  spam      rules: R1, R2",
    ]


def test_header_lines_are_those_of_accepted_mail() -> None:
    """Only an accepted message gets header lines."""
    assert "  header    X-Qscanner: x" in lines(report(action=Action.ACCEPT))


def test_tree_of_parts() -> None:
    """Members of archives stand indented below what they are in."""
    parts = (
        Part(path="1", kinds=frozenset({"text"}), octets=5),
        Part(path="2/a.zip", kinds=frozenset({"zip", "archive"}), octets=9),
        Part(path="2/a.zip/b.exe", octets=7, is_encrypted=True, is_unreadable=True),
    )
    assert [line for line in lines(report(parts=parts)) if line.startswith("  part")] == [
        "  part      1  text  5 octets",
        "  part      2 a.zip  archive, zip  9 octets",
        "  part        b.exe  kind unknown  7 octets  encrypted  unreadable",
    ]


@pytest.mark.parametrize("count", [200, 201, 5000])
def test_many_findings_are_cut(count: int) -> None:
    """A terminal gets 200 lines of a kind, and is told how many more there are."""
    findings = tuple(Finding(id="x.y", where=str(n)) for n in range(count))
    told = [line for line in lines(report(findings=findings)) if "finding" in line]
    assert len(told) == min(count, 201)
    if count > 200:
        assert told[-1] == f"  finding   ... and {count - 200} more, see --json"


def test_long_text_is_cut() -> None:
    """No line is longer than a few screen lines."""
    findings = (Finding(id="x.y", where="w" * 9999, detail="\u202e" * 9999),)
    told = lines(report(findings=findings))
    assert max(map(len, told)) <= 320
    assert not any("\u202e" in line for line in told)


@pytest.mark.parametrize("ending", [Ending.BUG, Ending.OUT_OF_MEMORY, Ending.DEADLINE])
def test_failed(ending: Ending) -> None:
    """A scan that failed is a deferral with the code of its ending."""
    code = REPLIES[ending].exit_without_text
    told = failed_as_json("f", ending, "why")
    assert (told["action"], told["exit_code"], told["why"]) == ("defer", code, "why")
    first, second = failed_lines("f", ending, "a\x07b")
    assert click.unstyle(first) == f"f: defer (qscanner-queue would end with {code})"
    assert second == "  why       a\\x07b"
