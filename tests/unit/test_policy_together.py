"""policy.together: marks, copies, redirections and releases.

Edits and replies are in test_policy_decide.
"""

from pathlib import Path
from typing import Any

import pytest

from qscanner.model import Action, Edits, Notify, Part, Release, Verdict
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


TO_THEM, TO_US = Notify.RECIPIENTS, Notify.ADMIN


@pytest.mark.parametrize(
    ("rules", "want"),
    [
        (rule("a", HOLD, 'notify = "recipients"', 'when.to = "a@x"'), [(TO_THEM,), (), ()]),
        (rule("a", HOLD, 'notify = "admin"', BIG) + rule("b", HOLD, 'notify = "recipients"', BIG),
         [(TO_THEM, TO_US)] * 3),
        (rule("a", HOLD, 'notify = "admin"', BIG) + rule("b", 'action = "discard"', BIG),
         [()] * 3),
        (rule("a", 'action = "reject"', 'notify = "recipients"', 'when.to = "a@x"'),
         [(TO_THEM,), (), ()]),
        (rule("a", HOLD, 'notify = "admin"', 'when.to = "b@x"')
         + rule("b", 'action = "defer"', 'when.to = "a@x"'), [()] * 3),
        (rule("a", HOLD, 'notify = "admin"', BIG, 'mode = "log-only"'), [()] * 3),
    ],
    ids=["one", "all rules", "a milder rule is silent", "held instead", "deferred", "log-only"],
)  # fmt: skip
def test_notify(tmp_path: Path, rules: str, want: list[tuple[Notify, ...]]) -> None:
    """Per recipient, what the rules say that decided; nobody while it is deferred."""
    got = verdict(tmp_path, rules, to=TO)
    assert [each.notify for each in got.decisions] == want


def test_maildirs(tmp_path: Path) -> None:
    """Of all rules, each once, where it is accepted."""
    rules = rule("a", PASS, 'copy_to = ["maildir:/b", "maildir:/a"]', BIG)
    rules += rule("b", PASS, 'copy_to = "maildir:/b"', BIG) + rule("h", HOLD, 'when.to = "c@x"')
    got = verdict(tmp_path, rules, to=TO)
    assert [each.maildirs for each in got.decisions] == [("/b", "/a"), ("/b", "/a"), ()]


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


EXE = Part(path="2/a.exe", names=("a.exe",), kinds=frozenset({"pe"}), span=(30, 90))
ZIP = Part(path="3/b.zip", names=("b.zip",), kinds=frozenset({"zip"}), span=(95, 120))
OTHER = Part(path="~stray1/c.exe", names=("c.exe",), kinds=frozenset({"pe"}))
TAKE_EXE, TAKE_ZIP = (
    f'{PASS}\nstrip = true\npart.kind = "{kind}"\nwhen.to = [{{to}}]' for kind in ("pe", "zip")
)


def take(id_: str, lines: str, *to: str) -> str:
    return rule(id_, lines.format(to=", ".join(f'"{each}"' for each in to)))


@pytest.mark.parametrize(
    ("rules", "parts", "want"),
    [
        (take("a", TAKE_EXE, "@x"), (EXE, ZIP), ([A, A, A], [30], "")),
        (take("a", TAKE_EXE, "@x") + take("b", TAKE_ZIP, "@x"), (EXE, ZIP),
         ([A, A, A], [30, 95], "")),
        (take("a", TAKE_EXE, "a@x", "b@x"), (EXE, ZIP), ([Q, Q, A], [], "not all agree")),
        (take("a", TAKE_EXE, "a@x", "b@x", "c@x") + take("b", TAKE_ZIP, "c@x"), (EXE, ZIP),
         ([Q, Q, Q], [], "not all agree")),
        (take("a", TAKE_EXE, "a@x", "b@x") + rule("h", HOLD, 'when.to = "c@x"'), (EXE, ZIP),
         ([A, A, Q], [30], "")),
        (take("a", TAKE_EXE, "a@x") + rule("h", REFUSE, 'when.to = ["b@x", "c@x"]'), (EXE,),
         ([A, Q, Q], [30], "held for some instead of refused")),
        (take("a", TAKE_EXE, "@x") + rule("h", REFUSE, BIG), (EXE,), ([R, R, R], [], "")),
        (take("a", TAKE_EXE, "@x"), (EXE, OTHER), ([Q, Q, Q], [], "could not be stripped safely")),
        (take("a", TAKE_EXE, "a@x"), (EXE, OTHER), ([Q, A, A], [], "stripped safely")),
        (take("a", TAKE_EXE, "a@x") + take("b", TAKE_ZIP, "b@x", "c@x"), (OTHER, ZIP),
         ([Q, A, A], [95], "stripped safely")),
        (take("a", TAKE_EXE, "a@x") + rule("h", REFUSE, 'when.to = ["b@x", "c@x"]'), (OTHER,),
         ([Q, Q, Q], [], "stripped safely; held for some")),
        (take("a", TAKE_EXE, "@x"), (ZIP, ), ([A, A, A], [], "")),
        (take("a", TAKE_EXE, "@x").replace(PASS, PASS + '\nmode = "log-only"'), (EXE,),
         ([A, A, A], [], "")),
        (take("a", TAKE_EXE, "@x") + rule("f", PASS, "final = true", BIG), (EXE,),
         ([A, A, A], [], "")),
    ],
    ids=[
        "all agree", "two rules", "some only", "others want more", "the others are held",
        "the others are refused", "refused", "no certain place", "no certain place for one",
        "no certain place, and the others agree", "none gets it", "nothing to take",
        "log-only", "final",
    ],
)  # fmt: skip
def test_strip(
    tmp_path: Path, rules: str, parts: tuple[Part, ...], want: tuple[list[Action], list[int], str]
) -> None:
    """Parts go for all who get the message, or those who would get it stripped do not get it."""
    got = verdict(tmp_path, rules, to=TO, parts=parts)
    actions, starts, note = want
    assert [each.action for each in got.decisions] == actions
    assert [cut.span[0] for cut in got.edits.cuts] == starts
    assert note in got.why
    assert ("stripped" in got.why) is ("stripped" in note or "agree" in note)
    assert got.edits.ranges == Edits().ranges


def test_strip_and_a_deferral(tmp_path: Path) -> None:
    """Nothing is edited, and nothing kept, where the sender has to try again."""
    rules = take("a", TAKE_EXE, "@x") + rule("l", 'action = "defer"', 'when.to = "c@x"')
    got = verdict(tmp_path, rules, to=TO, parts=(EXE,))
    assert (got.action, got.edits) == (Action.DEFER, Edits())


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
