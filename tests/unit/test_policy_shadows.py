"""policy.shadows: rules that another rule meets all messages of."""

import time
from pathlib import Path

import pytest

from qscanner.policy.shadows import shadows
from tests.fakes.facts import policy


def rule(id_: str, *lines: str) -> str:
    return "\n".join(["[[rule]]", f'id = "{id_}"', 'action = "reject"', *lines, ""])


def found(folder: Path, weak: str, strict: str) -> bool:
    """Say whether the first is weaker, in both orders of reading."""
    weak, strict = rule("weak", *weak.split("; ")), rule("strict", *strict.split("; "))
    said = set()
    for text in (weak + strict, strict + weak):
        pairs = {(a.id, b.id) for a, b in shadows(policy(folder, text))}
        said.add(("strict", "weak") in pairs)
    assert len(said) == 1
    return said.pop()


@pytest.mark.parametrize(
    ("weak", "strict"),
    [
        ("part.kind = 'pe'", "part.kind = 'pe'; when.relay = true"),
        ("part.kind = ['pe', 'lnk']", "part.kind = 'pe'"),
        ("part.kind = 'pe'", "part = {kind = 'pe', size_over = '1 kB'}"),
        ("finding = 'mime.*'", "finding = ['mime.x', 'mime.y*']"),
        ("virus = '*'", "virus = 'Eicar*'"),
        ("spam.at_least = 5", "spam.at_least = 8"),
        ("spam.below = 5", "spam.below = 2"),
        ("when.recipients_over = 5", "when.recipients_over = 50"),
        ("header.Subject = 'a'", "header = {Subject = 'a', X = 'b'}"),
        ("when.from = ['a@b', '@c']", "when.from = '@c'; unless.relay = true"),
        ("when.relay = true; unless.to = 'a@b'",
         "when.relay = true; part.kind = 'pe'; unless.to = 'a@b'"),
        ("when = [{relay = true}]", "when = [{relay = true}]; part.kind = 'pe'"),
        ("part.type = 'image/*'", "part.type = 'image/png'"),
    ],
)  # fmt: skip
def test_is_weaker(tmp_path: Path, weak: str, strict: str) -> None:
    """Whatever meets the one meets the other."""
    assert found(tmp_path, weak, strict)


@pytest.mark.parametrize(
    ("weak", "strict"),
    [
        ("part.kind = 'pe'", "part.kind = ['pe', 'lnk']"),
        ("part.kind = 'pe'", "part.name = 'a'"),
        ("finding = 'mime.?'", "finding = 'mime.*'"),
        ("finding = 'mime.x'", "finding = 'mime.*'"),
        ("spam.at_least = 8", "spam.at_least = 5"),
        ("when.relay = true; unless.to = 'a@b'", "when.relay = true; part.kind = 'pe'"),
        ("when = {relay = true, from = 'a@b'}", "when.relay = true"),
        ("part.any = [{kind = 'pe'}]", "part.any = [{kind = 'pe'}, {name = 'a'}]"),
        ("header.Date.missing = true", "header.Date = 'a'"),
        ("body.text = 'a'", "body.html = 'a'"),
    ],
)
def test_is_not(tmp_path: Path, weak: str, strict: str) -> None:
    """Some message meets the second and not the first, or nobody can tell."""
    assert not found(tmp_path, weak, strict)


def test_the_same_is_told_once(tmp_path: Path) -> None:
    """Of the later one; and one that is only logged shadows nothing."""
    text = rule("a", "virus = '*'") + rule("b", "virus = '*'")
    assert [(a.id, b.id) for a, b in shadows(policy(tmp_path, text))] == [("b", "a")]
    logged = rule("a", "virus = '*'", 'mode = "log-only"') + rule("b", "virus = '*'")
    assert list(shadows(policy(tmp_path, logged))) == []


def test_many_rules(tmp_path: Path) -> None:
    """Two thousand take a moment, not the minutes of two million comparisons."""
    text = "".join(
        rule(f"r{n}", f"when.from = 'u{n}@x'", "when.relay = true") for n in range(2000)
    )
    found = policy(tmp_path, text)
    started = time.process_time()
    assert list(shadows(found)) == []
    assert time.process_time() - started < 3
