"""programs.admin_tree: one scanned message as a tree of parts."""

import re
from pathlib import Path

import click
import pytest
from rich.cells import cell_len

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
    Verdict,
    Where,
)
from qscanner.policy.read import load
from qscanner.programs.admin_screen import Screen
from qscanner.programs.admin_tree import tree_lines
from qscanner.report import Report

RULES = load(str(Path(__file__).resolve().parents[2] / "policies"))
UNICODE, ASCII = Screen(width=80, is_unicode=True), Screen(width=80)
HOSTILE = "a\x1b[31m\u202efdp.\u200bexe\n"


def part(path: str, *kinds: str, where: Where = Where.ATTACHMENT, octets: int = 5) -> Part:
    """Give a part that is called like the end of its path."""
    _, slash, name = path.rpartition("/")
    return Part(
        path=path,
        names=(name,) if slash else (),
        kinds=frozenset(kinds),
        octets=octets,
        where=where,
    )


def member(path: str, *kinds: str) -> Part:
    """Give a member of an archive."""
    return part(path, *kinds, where=Where.ARCHIVE)


def drawn(
    parts: tuple[Part, ...], findings: tuple[Finding, ...] = (), screen: Screen = UNICODE
) -> list[str]:
    """Give the lines without colours."""
    report = Report(
        id="1",
        digest="d",
        facts=Facts(
            envelope=Envelope(sender=b"", recipients=(b"x@y",), raw=b"F\0Tx@y\0\0"),
            client=Client(uid=1),
            octets=1234,
            parts=parts,
            findings=findings,
            virus=CheckResult(outcome=Outcome.CLEAN, scanners=("yara-x/1",)),
        ),
        verdict=Verdict(
            action=Action.REJECT,
            decisions=(Decision(action=Action.REJECT),),
            rules=("dangerous-name",),
            why="because",
        ),
        lines=(),
        ms=1.0,
    )
    told = tree_lines(report, RULES, file="f.eml", screen=screen)
    return [click.unstyle(line) for line in told]


def squeezed(lines: list[str]) -> list[str]:
    """Give the lines with runs of blanks inside as two blanks, up to the empty line."""
    shown = lines[: lines.index("")]
    return [re.sub(r"(?<=[\w)]) {3,}", "  ", line) for line in shown]


PARTS = (
    part("1.1", "text", where=Where.INLINE),
    part("1.2/a.pdf", "pdf"),
    part("2/a.zip", "zip", "archive"),
    member("2/a.zip/b.exe", "pe"),
    part("2~base64/a.zip", "text"),
    part("3/x.eml", "message"),
    part("3/x.eml/1/c.txt", "text", where=Where.NESTED),
    part("~sweep1", "text"),
)
FINDINGS = (
    Finding(id="header.no-date"),
    Finding(id="mime.encoding-junk", where="1.2", detail="x"),
    Finding(id="archive.odd", where="2/a.zip", detail="zip"),
    Finding(id="name.control", where="4"),
)


def test_unicode() -> None:
    """Containers, views, members, messages inside; findings and rules stand at their part."""
    assert squeezed(drawn(PARTS, FINDINGS)) == [
        "f.eml  1.2 kB  1 ms",
        "! header.no-date",
        "! name.control  in 4",
        "├─ 1  multipart",
        "│  ├─ 1.1  text  5 B",
        "│  └─ 1.2  a.pdf  pdf  5 B",
        "│     ! mime.encoding-junk  x",
        "├─ 2  a.zip  zip  5 B",
        "│  │  ✗ archive.odd  zip  (quarantine: broken-archive)",
        "│  ├─ b.exe  pe  5 B",
        "│  │  ✗ reject: dangerous-name, dangerous-content",
        "│  └─ 2~base64  a.zip  text  5 B",
        "├─ 3  x.eml  message  5 B",
        "│  └─ 1  c.txt  text  5 B",
        "└─ ~sweep1  text  5 B",
    ]


def test_the_verdict_is_last() -> None:
    """Below the tree: what the engines said, the action, its rules and why."""
    lines = drawn(PARTS)
    assert lines[lines.index("") + 1 :][:3] == [
        "  virus     clean (yara-x/1), 0 ms",
        "reject by dangerous-name",
        "  why       because",
    ]


def test_ascii() -> None:
    """A terminal that is not known to show more gets nothing but ASCII."""
    parts = (*PARTS, part("9/\u00fcber.txt", "text"))
    lines = drawn(parts, FINDINGS, ASCII)
    assert all(line.isascii() for line in lines)
    assert any("|- 1.1" in line for line in lines)
    assert any("\\xfcber.txt" in line for line in lines)


@pytest.mark.parametrize("screen", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_hostile_text(screen: Screen) -> None:
    """Control, bidi and zero-width characters are shown, not obeyed, wherever they stand."""
    parts = (part(f"1/{HOSTILE}", "text"), Part(path="2", names=("a", HOSTILE)))
    lines = drawn(parts, (Finding(id="a.b", where="2", detail=HOSTILE),), screen)
    assert not any(char in line for line in lines for char in "\x1b\u202e\u200b\n")
    assert "\\u202e" in "".join(lines)


@pytest.mark.parametrize("screen", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_it_fits(screen: Screen) -> None:
    """No line is wider than the screen, whatever is deep, long, or double-width."""
    path, parts = "1/a.zip", [part("1/a.zip", "zip")]
    for _ in range(40):
        path += "/" + "\u4e16\u754c" * 40 + ".zip"
        parts.append(member(path, *(f"kind-{n}" for n in range(9))))
    findings = (Finding(id="archive.odd", where=path, detail="w" * 999),)
    lines = drawn(tuple(parts), findings, screen)
    assert max(map(cell_len, lines)) <= 80
    assert any(line.startswith("41 ") and ".zip" in line for line in lines)


def test_a_long_name_keeps_its_end() -> None:
    """What makes a name dangerous is its end: the middle gives way."""
    line = drawn((part("1/" + "a" * 200 + ".exe", "pe"),))[1]
    assert "….exe" not in line
    assert ".exe " in line
    assert "…" in line


@pytest.mark.parametrize("count", [60, 61, 300, 10_000])
def test_many_parts(count: int) -> None:
    """Of hundreds those stay that something was found about; the rest is a number."""
    parts = tuple(part(f"{n}/a{n}.txt", "text") for n in range(1, count))
    parts = (*parts, part(f"{count}/z.exe", "pe"))
    lines = drawn(parts)
    shown = [line for line in lines if line.startswith(("├─ ", "└─ "))]
    assert any("z.exe" in line for line in lines)
    if count > 60:
        assert len(shown) == 61
        assert shown[-1] == f"└─ and {count - 60} more, --json has all"
    else:
        assert len(shown) == count


def test_many_findings_at_one_part() -> None:
    """Beside one part stand 20, and how many more there are."""
    findings = tuple(Finding(id="a.b", where="1", detail=str(n)) for n in range(300))
    lines = drawn((part("1/a", "text"),), findings)
    assert "   ! and 280 more, --json has all" in lines


def test_further_names() -> None:
    """Names that say something else are told; those that differ in case or blanks are not."""
    names = ("a.txt", "A.TXT ", "a.exe")
    lines = drawn((Part(path="1/a.txt", names=names),))
    assert [line.strip() for line in lines if "called" in line] == ["also called a.exe"]


def test_flags() -> None:
    """Encrypted and unreadable stand at the part."""
    line = drawn((Part(path="1", is_encrypted=True, is_unreadable=True),))[1]
    assert line.endswith("kind unknown  0 B  encrypted  unreadable")
