"""importers.proof: what is printed is a policy, whatever was imported."""

import os
from pathlib import Path
from typing import Any

from qscanner.importers import rules_toml
from qscanner.importers.findings import Imported, NewRule
from qscanner.importers.proof import prove
from qscanner.importers.sources import Line
from qscanner.model import Action
from qscanner.policy.read import MAX_RULES, load


def rule(number: int, body: dict[str, Any]) -> NewRule:
    return NewRule(
        id=f"imported-a-{number}",
        line=Line(file="old", number=number, text="text"),
        why="x",
        body=body,
        action=Action.QUARANTINE,
    )


def test_what_is_no_rule_is_taken_out(tmp_path: Path) -> None:
    """Each with its reason at the old line; the others stay."""
    good, other = rule(1, {"header": {"a": "x"}}), rule(4, {"header": {"b": "x"}})
    wrong = rule(2, {"part": {"kind": "nonsense"}}), rule(3, {"header": {"a b": "x"}})
    imported = Imported(rules=[good, *wrong, other])
    prove(imported)
    assert imported.rules == [good, other]
    assert [each.line.number for each in imported.warned] == [2, 3]
    assert all(each.text.startswith("no rule: ") for each in imported.warned)
    (tmp_path / "a.toml").write_text(rules_toml.policy(imported.rules))
    assert len(load(os.fspath(tmp_path)).rules) == 2


def test_what_is_hardly_meant_is_said() -> None:
    """The warnings of `policy check`, without the file that nobody has."""
    forgeable = rule(7, {"virus": "*", "unless": {"from": "a@b.example"}})
    imported = Imported(rules=[rule(1, {"virus": "a"}), forgeable, rule(9, {"virus": "a"})])
    prove(imported)
    assert [(each.line.number, each.text.partition(": ")[2][:30]) for each in imported.warned] == [
        (7, "the exception is forgeable, si"),
        (9, 'changes nothing: rule "importe'),
    ]
    assert "qscanner-import-" not in imported.warned[1].text


def test_too_many() -> None:
    """A file has its bound; what is beyond it is named."""
    imported = Imported(
        rules=[rule(n, {"header": {f"a{n}": "x"}}) for n in range(1, MAX_RULES + 3)]
    )
    prove(imported)
    assert len(imported.rules) == MAX_RULES
    assert len(imported.warned) == 2


def test_too_large() -> None:
    """A text that no policy file may have is cut until it is one."""
    large = "a" * 3_000_000
    rules = [rule(n, {"when": {"from": f"{n}{large}@b.example"}}) for n in range(4)]
    imported = Imported(rules=rules)
    prove(imported)
    assert imported.rules == rules[:2]
    assert "MiB" in imported.warned[0].text


def test_nothing() -> None:
    """No rules are a policy, too."""
    imported = Imported()
    prove(imported)
    assert imported == Imported()
