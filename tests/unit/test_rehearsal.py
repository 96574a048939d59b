"""rehearsal: tests beside the rules pass on what they say, and fail on everything else."""

from dataclasses import replace
from pathlib import Path

import pytest

from qscanner import rehearsal
from qscanner.codec.problems import Problems
from qscanner.settings import Settings
from tests.fakes import facts

RULES = """
[[rule]]
id = "programs"
part = { kind = "pe" }
unless = { auth = "user" }
action = "reject"
reply = "no programs"
TESTS
[[rule]]
id = "final"
when = { from = "probe@example.org", ip = "192.0.2.3" }
action = "accept"
final = true
[[rule]]
id = "trying"
finding = "mime.*"
action = "discard"
mode = "log-only"
[[rule]]
id = "hurry"
header = { Subject = "urgent" }
score = 2
[[rule]]
id = "infected"
virus = "Win.*"
action = "discard"
[[rule]]
id = "spam"
spam = { over_required = 1, rule = "A" }
action = "quarantine"
[[rule]]
id = "partner"
when = { from = "@sender.example", auth = "dkim" }
body = { text = "from a partner" }
action = "discard"
[[rule]]
id = "late"
when = { time = "22:00-06:00", to = "jane@example.org" }
body = { text = "secret" }
action = "defer"
"""
PE = '{ name = "a.pdf", hex = "4d5a90000300000004000000ffff0000b800" }'
PASSING = {
    "a part": f'attach = [{PE}]\nexpect = {{ action = "reject", part = "a.pdf" }}',
    "a part by its path": f'attach = [{PE}]\nexpect = {{ part = "1/a.pdf", reply = "programs" }}',
    "not hit": 'text = "x"\nexpect = { action = "accept", hit = false }',
    "an exception": f'auth = "jane"\nattach = [{PE}]\nexpect = {{ hit = false }}',
    "another rule": 'virus = "Win.X"\nexpect = { action = "discard", rule = "infected" }',
    "not another rule": 'virus = "X"\nexpect = { rule = "infected", hit = false }',
    "one of our own": 'virus = "X"\nexpect = { action = "quarantine", rule = "default.infected" }',
    "proven": """
        proven = { dkim = ["sender.example"] }
        header.From = "a@sender.example"
        text = "from a partner"
        expect = { action = "discard", rule = "partner" }
    """,
    "log-only": 'finding = "mime.partial"\nexpect = { action = "accept", rule = "trying" }',
    "detecting": 'header.Subject = "urgent"\nexpect = { action = "accept", rule = "hurry" }',
    "a score": 'spam = { score = 6, rules = ["A"] }\nexpect = { rule = "spam" }',
    "below a score": 'spam.score = 5\nspam.rules = "A"\nexpect = { rule = "spam", hit = false }',
    "time, recipients and texts": """
        to = ["bob@example.org", "jane@example.org"]
        time = "23:00"
        text = "a secret"
        expect = { action = "defer", rule = "late" }
    """,
    "at noon": 'to = "jane@example.org"\ntext = "secret"\nexpect = { rule = "late", hit = false }',
    "silenced": f"""
        from = "probe@example.org"
        ip = "192.0.2.3"
        attach = [{PE}]
        expect = {{ action = "accept", hit = false }}
    """,
}
FAILING = {
    "another action": (
        f'attach = [{PE}]\nexpect.action = "quarantine"',
        "expected quarantine, got reject (hit: programs)",
    ),
    "not hit": (
        'expect.action = "accept"',
        '"programs" did not hit: part: none of 1 parts (no rule hit)',
    ),
    "hit": (
        f'attach = [{PE}]\nexpect = {{ hit = false }}',
        '"programs" should not have hit: part "1/a.pdf", called "a.pdf", '
        "is pdf/pe, 18 octets (hit: programs)",
    ),
    "silenced": (
        f'from = "probe@example.org"\nip = "192.0.2.3"\nattach = [{PE}]\nexpect.hit = true',
        '"programs" did not hit: it meets, but a final rule silences it (hit: final)',
    ),
    "another part": (
        f'attach = [{PE}]\nexpect.part = "b.pdf"',
        'expected part "b.pdf", it met "1/a.pdf" (hit: programs)',
    ),
    "no part": (
        'virus = "Win.X"\nexpect = { rule = "infected", part = "a" }',
        'expected part "a", it met no part (hit: infected)',
    ),
    "another reply": (
        f'attach = [{PE}]\nexpect.reply = "films"',
        'expected a reply with "films", got "no programs" (hit: programs)',
    ),
    "no reply": (
        'virus = "Win.X"\nexpect = { rule = "infected", reply = "x" }',
        'expected a reply with "x", got none (hit: infected)',
    ),
    "one of our own": (
        'expect.rule = "default.infected"', '"default.infected" did not hit (no rule hit)',
    ),
    "several things": (
        'expect = { action = "reject", reply = "no" }',
        'expected reject, got accept; "programs" did not hit: part: none of 1 parts; '
        'expected a reply with "no", got none (no rule hit)',
    ),
}  # fmt: skip


def tried(folder: Path, test: str, *, within_s: float = 20) -> list[rehearsal.Tried]:
    """Run one test of the rule "programs"."""
    lines = "\n".join(line.strip() for line in test.splitlines())
    policy = facts.policy(folder, RULES.replace("TESTS", f"[[rule.test]]\n{lines}"))
    return list(rehearsal.rehearse(policy, Settings(), within_s=within_s))


@pytest.mark.parametrize("test", PASSING.values(), ids=PASSING)
def test_passing(tmp_path: Path, test: str) -> None:
    """What a test says is so."""
    assert [each.wrong for each in tried(tmp_path, test)] == [""]


@pytest.mark.parametrize(("test", "wrong"), FAILING.values(), ids=FAILING)
def test_failing(tmp_path: Path, test: str, wrong: str) -> None:
    """What was expected, what came, because of what, and which rules hit; at the test's place."""
    (found,) = tried(tmp_path, test)
    assert found.wrong == wrong
    assert found.problem.text == f'rule "programs": test 1 fails: {wrong}'
    assert found.problem.source.startswith(("expect", "[[rule.test]]"))


def test_a_name_stands_beside_its_part(tmp_path: Path) -> None:
    """A finding about a name is about the part that bears it."""
    rule = '[[rule]]\nid = "a"\nfinding = "name.*"\naction = "discard"\n[[rule.test]]\n'
    text = 'attach = [{ name = "a.pdf.exe" }]\nexpect.part = "a.pdf.exe"\n'
    policy = facts.policy(tmp_path, rule + text)
    assert rehearsal.failures(policy, Settings(), within_s=20) == ()


def test_files(tmp_path: Path) -> None:
    """An eml is read when the test is run; one that went away is a failure, not a crash."""
    file = tmp_path / "x.eml"
    file.write_text("Subject: urgent\n\nx\n")
    rule = '[[rule]]\nid = "a"\nheader.Subject = "urgent"\naction = "discard"\n'
    text = '[[rule.test]]\neml = "x.eml"\nexpect.action = "discard"\n'
    policy = facts.policy(tmp_path, rule + text)
    assert rehearsal.failures(policy, Settings(), within_s=20) == ()
    file.unlink()
    (problem,) = rehearsal.failures(policy, Settings(), within_s=20)
    assert "its message cannot be read: No such file" in problem.text


def test_a_bug_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong with one message, the daemon that runs the test goes on."""
    monkeypatch.setattr("qscanner.rehearsal.looking.facts", lambda *_, **__: 1 / 0)
    (found,) = tried(tmp_path, "expect.hit = false")
    assert found.wrong.startswith("it did not come to an end: ZeroDivisionError")


def test_no_time(tmp_path: Path) -> None:
    """A test for which no time is left has failed."""
    (found,) = tried(tmp_path, "expect.hit = false", within_s=0)
    assert found.wrong == "it was not run to its end: no time was left (no rule hit)"


def test_some_rules_and_untested_ones(tmp_path: Path) -> None:
    """Only those that are named; and who has none."""
    policy = facts.policy(tmp_path, RULES.replace("TESTS", "[[rule.test]]\nexpect.hit = false"))
    for rules, count in ((("programs", "late"), 1), (("late",), 0), ((), 1)):
        assert len(list(rehearsal.rehearse(policy, Settings(), rules=rules, within_s=9))) == count
    assert "programs" not in rehearsal.untested(policy)
    assert "late" in rehearsal.untested(policy)


def test_must_pass(tmp_path: Path) -> None:
    """Where the settings want it, a failing test is a mistake of the policy."""
    policy = facts.policy(tmp_path, RULES.replace("TESTS", "[[rule.test]]\nexpect.hit = true"))
    rehearsal.must_pass(policy, Settings())
    chosen = replace(Settings().policy, test_before_reload=True)
    with pytest.raises(Problems, match=r"10-rules.toml:\d+: rule .programs.: test 1 fails"):
        rehearsal.must_pass(policy, replace(Settings(), policy=chosen))
