"""Facts and policies made by hand, for everything that decides without looking at octets."""

import datetime
import os
import textwrap
from pathlib import Path
from typing import Any

from qscanner.model import (
    Action,
    CheckResult,
    Client,
    Direction,
    Envelope,
    Facts,
    Finding,
    Header,
    Listed,
    Outcome,
    Part,
    Score,
)
from qscanner.policy.decide import OnFailure
from qscanner.policy.evidence import Evidence
from qscanner.policy.read import load
from qscanner.policy.rules import Policy

TODAY = datetime.date(2026, 6, 15)
ON_FAILURE = OnFailure(virus=Action.DEFER, spam=Action.ACCEPT)
CLEAN = CheckResult(outcome=Outcome.CLEAN)
AWAY = CheckResult(outcome=Outcome.UNAVAILABLE, detail="connection refused")


def facts(
    *,
    sender: bytes = b"jane@sender.example",
    to: tuple[bytes, ...] = (b"bob@example.org",),
    octets: int = 1000,
    headers: tuple[tuple[str, str], ...] = (),
    parts: tuple[Part, ...] = (),
    found: tuple[str, ...] = (),
    virus: CheckResult | None = CLEAN,
    spam: CheckResult | None = None,
    listed: tuple[Listed | None, ...] = (),
    **client: Any,
) -> Facts:
    """Give facts of an ordinary message, but for what is said; `client` is of model.Client."""
    usual: dict[str, Any] = {"direction": Direction.IN, "ip": "192.0.2.1"}
    return Facts(
        envelope=Envelope(sender=sender, recipients=to, raw=b""),
        client=Client(uid=1, is_trusted=True, **(usual | client)),
        octets=octets,
        headers=tuple(Header(name=name, plain=text, decoded=text) for name, text in headers),
        parts=parts,
        findings=tuple(Finding(id=id_) for id_ in found),
        virus=virus,
        spam=spam,
        listed=listed,
    )


def infected(*names: str) -> CheckResult:
    """Give what an engine says that found these viruses."""
    return CheckResult(outcome=Outcome.FOUND, names=names, detail=", ".join(names))


def scored(score: float, threshold: float = 5.0, *rules: str) -> CheckResult:
    """Give what a scorer says."""
    outcome = Outcome.FOUND if score >= threshold else Outcome.CLEAN
    return CheckResult(outcome=outcome, score=Score(score=score, threshold=threshold, rules=rules))


def listing(word: str, id_: str = "e1") -> Listed | None:
    """Give an entry that allows ("+") or blocks ("-") the sender; None for ""."""
    if not word:
        return None
    is_allowed = word == "+"
    doing = "allowed" if is_allowed else "blocked"
    return Listed(id=id_, is_allowed=is_allowed, told=f"{doing} jane, by ann: asked")


def part(*names: str, kinds: tuple[str, ...] = (), **keys: Any) -> Part:
    """Give a part with these names and kinds."""
    return Part(path=keys.pop("path", "1"), names=names, kinds=frozenset(kinds), **keys)


def evidence(**said: Any) -> Evidence:
    """Give the evidence of facts()."""
    return Evidence(facts(**said), TODAY)


def policy(folder: Path, rules: str, **lists: str) -> Policy:
    """Give the policy of one file with these rules, and of list files by their names."""
    (folder / "lists").mkdir(exist_ok=True)
    text = "schema = 1\n" + textwrap.dedent(rules)
    (folder / "10-rules.toml").write_text(text, encoding="utf-8")
    for name, entries in lists.items():
        (folder / "lists" / f"{name.replace('_', '-')}.txt").write_text(entries, encoding="utf-8")
    return load(os.fspath(folder))
