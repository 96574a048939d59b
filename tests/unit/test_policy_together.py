"""policy.together: marks, copies, redirections and releases.

Edits and replies are in test_policy_decide.
"""

from pathlib import Path
from typing import Any

import pytest

from qscanner.model import Action, Release, Verdict
from qscanner.policy.decide import decide, marks_of
from qscanner.policy.evidence import Evidence, Marks
from tests.fakes.facts import ON_FAILURE, TODAY, facts, infected, policy

A, Q, R = Action.ACCEPT, Action.QUARANTINE, Action.REJECT
TO = (b"a@x", b"b@x", b"c@x")


def rule(id_: str, *lines: str) -> str:
    return "\n".join(["[[rule]]", f'id = "{id_}"', *lines, ""])


def verdict(folder: Path, rules: str, **said: Any) -> Verdict:
    return decide(policy(folder, rules), facts(**said), ON_FAILURE, today=TODAY)


ODD, BIG = 'finding = "mime.*"', 'when.size_over = "1 B"'
HOLD, REFUSE, PASS = 'action = "quarantine"', 'action = "reject"', 'action = "accept"'
FOUND = ("mime.x",)


@pytest.mark.parametrize(
    ("rules", "said", "want"),
    [
        (rule("d", "score = 5", ODD) + rule("r", REFUSE, "total.at_least = 5"), {}, ((), ())),
        (rule("d", "score = 5", ODD) + rule("r", REFUSE, "total.at_least = 5"),
         {"found": FOUND}, (("r",), ("d",))),
        (rule("r", REFUSE, "total.at_least = 5") + rule("d", "score = 5", ODD),
         {"found": FOUND}, (("r",), ("d",))),
        (rule("d", "score = 5", ODD) + rule("r", REFUSE, "total.at_least = 5.1"),
         {"found": FOUND}, ((), ("d",))),
        (rule("d", "score = 3", ODD) + rule("e", "score = 2.5", BIG)
         + rule("r", REFUSE, "total.at_least = 5.5"), {"found": FOUND}, (("r",), ("d", "e"))),
        (rule("d", "score = 3", ODD) + rule("e", "score = -1", BIG)
         + rule("r", REFUSE, "total.at_least = 2.5"), {"found": FOUND}, ((), ("d", "e"))),
        (rule("d", 'tag = "t"', ODD) + rule("r", REFUSE, 'when.tag = "t"'),
         {"found": FOUND}, (("r",), ("d",))),
        (rule("d", 'tag = "t"', ODD) + rule("r", REFUSE, 'when.tag = "t"'), {}, ((), ())),
        (rule("d", 'tag = "t"', ODD) + rule("r", REFUSE, BIG, 'unless.tag = "t"'),
         {"found": FOUND}, ((), ("d",))),
        (rule("d", 'tag = "t"', ODD) + rule("r", REFUSE, BIG, 'unless.tag = "t"'),
         {}, (("r",), ())),
        (rule("d", 'tag = "t"', ODD) + rule("e", 'tag = "u"', BIG)
         + rule("r", REFUSE, 'when.tag = ["x", "u"]') + rule("x", 'tag = "x"', 'virus = "*"'),
         {}, (("r",), ("e",))),
        (rule("d", 'tag = "t"', "score = 4", ODD)
         + rule("r", REFUSE, 'when.tag = "t"', "total.at_least = 4"),
         {"found": FOUND}, (("r",), ("d",))),
        (rule("d", 'tag = "t"', 'mode = "log-only"', BIG) + rule("r", REFUSE, 'when.tag = "t"'),
         {}, ((), ())),
        (rule("d", "score = 9", BIG, 'unless.from = "jane@sender.example"')
         + rule("r", REFUSE, "total.at_least = 9"), {}, ((), ())),
    ],
    ids=[
        "nothing", "a score", "read later", "not enough", "a sum", "a sum with less", "a tag",
        "no tag", "unless tagged", "unless not tagged", "one of tags", "both", "log-only",
        "an exception",
    ],
)  # fmt: skip
def test_detecting_rules(
    tmp_path: Path, rules: str, said: dict[str, Any], want: tuple[tuple[str, ...], ...]
) -> None:
    """All detecting rules are asked before all deciding ones, wherever they stand."""
    got = verdict(tmp_path, rules, **said)
    assert (got.rules, got.detected) == want
    assert got.action is (R if got.rules else A)


def test_marks_are_of_one_recipient(tmp_path: Path) -> None:
    """What is tagged for one is not for another."""
    rules = (
        rule("d", 'tag = "t"', "score = 2", 'when.to = "a@x"')
        + rule("e", "score = 1", BIG)
        + rule("tagged", HOLD, 'when.tag = "t"')
        + rule("total", HOLD, "total.at_least = 3", 'when.to = ["a@x", "b@x"]')
    )
    found = policy(tmp_path, rules)
    got = decide(found, facts(to=TO), ON_FAILURE, today=TODAY)
    assert [each.rules for each in got.decisions] == [("tagged", "total"), (), ()]
    assert (got.detected, got.tags, got.total) == (("d", "e"), ("t",), 3.0)
    evidence = Evidence(facts(to=TO), TODAY)
    assert marks_of(found, evidence, b"a@x") == Marks(total=3.0, tags=frozenset("t"))
    assert marks_of(found, evidence, b"b@x") == marks_of(found, evidence, None) == Marks(total=1.0)


def test_a_log_only_detector_is_logged(tmp_path: Path) -> None:
    """And leaves nothing."""
    got = verdict(tmp_path, rule("d", "score = 5", 'mode = "log-only"', BIG))
    assert (got.logged, got.detected, got.total) == (("d",), (), 0.0)


@pytest.mark.parametrize(
    ("rules", "want"),
    [
        (rule("a", PASS, 'redirect_to = "n@x"', 'when.to = "a@x"'), [(b"n@x",), (), ()]),
        (rule("a", PASS, 'redirect_to = ["n@x", "m@x"]', BIG), [(b"n@x", b"m@x")] * 3),
        (rule("a", PASS, 'redirect_to = "n@x"', BIG) + rule("b", PASS, 'redirect_to = "m@x"', BIG),
         [(b"n@x",)] * 3),
        (rule("a", PASS, 'redirect_to = "n@x"', BIG) + rule("b", HOLD, 'when.to = "b@x"'),
         [(b"n@x",), (), (b"n@x",)]),
        (rule("a", PASS, 'redirect_to = "n@x"', BIG) + rule("f", PASS, "final = true", BIG),
         [()] * 3),
        (rule("a", PASS, 'redirect_to = "n@x"', BIG, 'mode = "log-only"'), [()] * 3),
    ],
    ids=["one", "to two", "the first counts", "not of what is held", "silenced", "log-only"],
)  # fmt: skip
def test_redirect_to(tmp_path: Path, rules: str, want: list[tuple[bytes, ...]]) -> None:
    """Per recipient, and only where it is accepted."""
    got = verdict(tmp_path, rules, to=TO)
    assert [each.redirect_to for each in got.decisions] == want


def test_copy_to(tmp_path: Path) -> None:
    """Of all rules, each address once; not of what is held or deferred."""
    rules = rule("a", PASS, 'copy_to = ["z@x", "y@x"]', BIG) + rule(
        "b", PASS, 'copy_to = ["z@x", "w@x"]', 'when.to = "a@x"'
    )
    held = rule("h", HOLD, 'when.to = "c@x"')
    got = verdict(tmp_path, rules + held, to=TO)
    assert [each.copy_to for each in got.decisions] == [
        (b"z@x", b"y@x", b"w@x"), (b"z@x", b"y@x"), (),
    ]  # fmt: skip
    later = rule("l", 'action = "defer"', 'when.to = "c@x"')
    got = verdict(tmp_path, rules + later, to=TO)
    assert [each.copy_to for each in got.decisions] == [()] * 3


@pytest.mark.parametrize(
    ("rules", "said", "want"),
    [
        (rule("a", HOLD, BIG), {}, Release.ADMIN),
        (rule("a", HOLD, 'release = "recipient"', BIG), {}, Release.RECIPIENT),
        (rule("a", HOLD, 'release = "recipient"', BIG)
         + rule("b", HOLD, 'release = "operator"', BIG), {}, Release.OPERATOR),
        (rule("a", HOLD, 'release = "recipient"', BIG)
         + rule("b", REFUSE, 'release = "nobody"', "keep = true", 'virus = "*"'),
         {}, Release.RECIPIENT),
        (rule("a", HOLD, 'release = "recipient"', BIG)
         + rule("b", REFUSE, 'release = "nobody"', "keep = true", 'virus = "*"'),
         {"virus": infected("X")}, Release.NOBODY),
        (rule("a", HOLD, 'release = "nobody"', 'when.to = "a@x"')
         + rule("b", HOLD, 'release = "recipient"', 'when.to = "b@x"'), {"to": TO},
         Release.NOBODY),
        (rule("a", PASS, BIG), {}, Release.ADMIN),
        (rule("a", REFUSE, 'release = "recipient"', BIG), {"is_host": True}, Release.RECIPIENT),
    ],
    ids=[
        "nothing said", "said", "the fewest", "only who decides", "kept", "recipients differ",
        "nothing held", "held instead",
    ],
)  # fmt: skip
def test_release(tmp_path: Path, rules: str, said: dict[str, Any], want: Release) -> None:
    """The fewest people that a rule says which asked for the hold; the admin where none does."""
    assert verdict(tmp_path, rules, **said).release is want
