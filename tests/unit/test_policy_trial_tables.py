"""policy.trial_tables: [[rule.test]] as values. Mistakes in them are in tests/bad_policies."""

import datetime
from pathlib import Path

from qscanner.model import Action, Direction, Proven, Score
from qscanner.policy import decide
from qscanner.policy.trial_tables import OWN_RULES
from qscanner.policy.trials import Enclosed, Expected, Trial
from tests.fakes import facts

RULE = '[[rule]]\nid = "a"\nvirus = "*"\naction = "reject"\n'
DETECTOR = '[[rule]]\nid = "b"\nwhen.relay = true\nscore = 1\n[[rule.test]]\nexpect.hit = true\n'
FULL = """
[[rule.test]]
from = "jane@a.example"
to = ["bob@b.example", "ann@b.example"]
ip = "2001:DB8::1"
auth = "jane"
relay = true
direction = "local"
env = { LOCALNAME = "x" }
time = "23:05"
header = { Subject = "s", Received = ["1", "2"], Date = [] }
text = "t"
html = "<b>"
attach = [
    { name = "a.zip", zip = [{ name = "b", hex = "00 ff" }], encrypted = true },
    { type = "x/y", base64 = "AAE=" }, { size = "1 kB" }, { name = "c", text = "ä" },
]
finding = "mime.partial"
virus = "V"
spam = { score = 1, required = 2.5, rules = ["A"] }
proven = { dkim = ["A.example"], spf = "b.example", arc = true }
expect = { action = "defer", rule = "default.virus-unavailable", part = "p", reply = "r" }
[[rule.test]]
expect = { hit = false }
"""


def trials(folder: Path, text: str) -> tuple[Trial, ...]:
    """Give the tests of the one deciding rule."""
    return facts.policy(folder, RULE + text).rules[0].tests


def test_everything(tmp_path: Path) -> None:
    """Every key becomes what it says."""
    full, little = trials(tmp_path, FULL)
    made = full.specimen
    assert made.sender == b"jane@a.example"
    assert made.recipients == (b"bob@b.example", b"ann@b.example")
    assert (made.ip, made.auth, made.is_relay) == ("2001:db8::1", "jane", True)
    assert (made.direction, made.environment) == (Direction.LOCAL, {"LOCALNAME": "x"})
    assert made.at == datetime.time(23, 5)
    assert made.headers == (("Subject", ("s",)), ("Received", ("1", "2")), ("Date", ()))
    assert (made.text, made.html) == ("t", "<b>")
    member = Enclosed(name="b", octets=b"\0\xff")
    archive, raw, zeros, text = made.attached
    assert archive == Enclosed(name="a.zip", is_zip=True, is_encrypted=True, members=(member,))
    assert raw == Enclosed(type="x/y", octets=b"\0\1")
    assert (zeros.octets, zeros.filler) == (b"", 1000)
    assert text.octets == "ä".encode()
    assert (made.findings, made.virus) == (("mime.partial",), "V")
    assert made.spam == Score(score=1, threshold=2.5, rules=("A",))
    assert made.proven == Proven(
        dkim_domains=frozenset({"a.example"}), spf_domain="b.example", is_arc=True
    )
    assert full.expected == Expected(
        action=Action.DEFER, rule="default.virus-unavailable", part="p", reply="r"
    )
    assert (little.number, little.expected) == (1, Expected(is_hit=False))


def test_a_file(tmp_path: Path) -> None:
    """An eml is found below the policies folder, also where that is reached by a link."""
    (tmp_path / "real" / "tests").mkdir(parents=True)
    (tmp_path / "real" / "tests" / "x.eml").write_text("\n")
    (tmp_path / "link").symlink_to("real")
    found = trials(tmp_path / "link", '[[rule.test]]\neml = "tests/x.eml"\nexpect.hit = true\n')
    assert found[0].specimen.eml == str(tmp_path / "real" / "tests" / "x.eml")


def test_one_table(tmp_path: Path) -> None:
    """A single test may be a table, as everywhere."""
    (found,) = trials(tmp_path, "test = { expect = { hit = false } }\n")
    assert (found.number, found.expected.is_hit) == (0, False)


def test_detecting_rules_have_tests(tmp_path: Path) -> None:
    """They belong to every sentence."""
    policy = facts.policy(tmp_path, DETECTOR + RULE)
    assert len(policy.detectors[0].tests) == 1


def test_own_rules_are_those_of_decide() -> None:
    """A test may expect each rule of the program, but the one of an emergency."""
    own = {v for v in vars(decide).values() if isinstance(v, str) and v.startswith("default.")}
    assert {*OWN_RULES, decide.EMERGENCY} == own
