"""policy.alignment: rules that ask for DKIM or SPF, from the file to what they mean."""

from dataclasses import replace
from pathlib import Path

import pytest

from qscanner.model import Action, Proven
from qscanner.policy.alignment import unverified
from qscanner.policy.decide import decide
from tests.fakes.facts import ON_FAILURE, TODAY, facts, policy

RULE = """
[[rule]]
id = "a"
why = "yes"
part.kind = "pe"
action = "reject"
unless = %s
"""
PARTNER = '{ from = "@partner.example", auth = "%s" }'
OF_FROM = """
[[rule]]
id = "a"
why = "yes"
header.From.domain = "bank.example"
unless.auth = "dkim"
action = "reject"
"""
BOTH = OF_FROM.replace("unless.", 'when.from = "@partner.example"\nunless.')


def dkim(*domains: str) -> Proven:
    return Proven(dkim_domains=frozenset(domains))


@pytest.mark.parametrize(
    ("auth", "proven", "is_excepted"),
    [
        pytest.param("dkim", dkim("partner.example"), True, id="its-own"),
        pytest.param("dkim", dkim("example"), True, id="parent"),
        pytest.param("dkim", dkim("mail.partner.example"), False, id="subdomain"),
        pytest.param("dkim", dkim("xpartner.example"), False, id="longer-label"),
        pytest.param("dkim", dkim("artner.example"), False, id="shorter-label"),
        pytest.param("dkim", dkim("evil.example", "other.example"), False, id="others"),
        pytest.param("dkim", Proven(spf_domain="partner.example"), False, id="only-spf"),
        pytest.param("dkim", Proven(is_arc=True), False, id="only-arc"),
        pytest.param("dkim", Proven(), False, id="nothing"),
        pytest.param("spf", Proven(spf_domain="partner.example"), True, id="spf"),
        pytest.param("spf", dkim("partner.example"), False, id="spf-but-dkim"),
        pytest.param("arc", Proven(is_arc=True), True, id="arc"),
    ],
)
def test_an_exception(tmp_path: Path, auth: str, proven: Proven, is_excepted: bool) -> None:
    """It applies only where what it asks for is proven of the sender's own domain."""
    loaded = policy(tmp_path, RULE.replace('part.kind = "pe"', "header.Subject = 'x'")
                    % (PARTNER % auth))  # fmt: skip
    said = facts(sender=b"builds@partner.example", headers=(("Subject", "x"),))
    verdict = decide(loaded, replace(said, proven=proven), ON_FAILURE, today=TODAY)
    assert verdict.action is (Action.ACCEPT if is_excepted else Action.REJECT)


@pytest.mark.parametrize(
    ("rules", "sender", "writer", "proven", "is_excepted"),
    [
        pytest.param(OF_FROM, b"x@evil.example", "a@bank.example", dkim("evil.example"), False,
                     id="signed-by-another"),
        pytest.param(OF_FROM, b"x@evil.example", "a@bank.example", dkim("bank.example"), True,
                     id="signed-by-the-writer"),
        pytest.param(OF_FROM, b"x@evil.example", "a@bank.example",
                     Proven(spf_domain="evil.example"), False, id="spf-of-another"),
        pytest.param(OF_FROM, b"", "a@bank.example, b@evil.example", dkim("evil.example"), False,
                     id="two-writers"),
        pytest.param(OF_FROM, b"", "a@bank.example, b@evil.example",
                     dkim("evil.example", "bank.example"), True, id="two-writers-signed"),
        pytest.param(OF_FROM, b"", "a@bank.example, b@", dkim("bank.example"), False,
                     id="no-domain"),
        pytest.param(BOTH, b"x@partner.example", "a@bank.example", dkim("bank.example"), False,
                     id="only-the-writer"),
        pytest.param(BOTH, b"x@partner.example", "a@bank.example",
                     dkim("bank.example", "partner.example"), True, id="both"),
    ],
)  # fmt: skip
def test_a_rule_about_writers(
    tmp_path: Path, rules: str, sender: bytes, writer: str, proven: Proven, is_excepted: bool
) -> None:
    """What the envelope proves says nothing of From; all that From names must be proven."""
    said = replace(facts(sender=sender, headers=(("From", writer),)), proven=proven)
    verdict = decide(policy(tmp_path, rules), said, ON_FAILURE, today=TODAY)
    assert verdict.action is (Action.ACCEPT if is_excepted else Action.REJECT)


NULL = """
[[rule]]
id = "a"
why = "yes"
when = { from = "", auth = "dkim" }
action = "reject"
"""


@pytest.mark.parametrize(
    ("writers", "is_met"),
    [
        (("mailer@partner.example",), True),
        (("mailer@evil.example",), False),
        (("mailer@partner.example", "x@evil.example"), False),
        ((), False),
    ],
)
def test_the_null_sender(tmp_path: Path, writers: tuple[str, ...], is_met: bool) -> None:
    """A bounce has no sender: the domain of From counts, of each From field."""
    headers = tuple(("From", each) for each in writers)
    said = replace(facts(sender=b"", headers=headers), proven=dkim("partner.example"))
    verdict = decide(policy(tmp_path, NULL), said, ON_FAILURE, today=TODAY)
    assert (verdict.action is Action.REJECT) is is_met


def test_users_and_methods(tmp_path: Path) -> None:
    """Of several values one is enough, a user or a proof."""
    loaded = policy(tmp_path, RULE.replace('part.kind = "pe"', "header.Subject = 'x'")
                    % '{ from = "@partner.example", auth = ["jane", "dkim"] }')  # fmt: skip
    said = facts(sender=b"x@partner.example", headers=(("Subject", "x"),))
    by_user = facts(sender=b"x@partner.example", headers=(("Subject", "x"),), auth_user="Jane")
    for each, want in [
        (said, Action.REJECT),
        (by_user, Action.ACCEPT),
        (replace(said, proven=dkim("partner.example")), Action.ACCEPT),
    ]:
        assert decide(loaded, each, ON_FAILURE, today=TODAY).action is want


@pytest.mark.parametrize(
    ("auth", "want"),
    [("user", frozenset()), ("dkim", {"dkim"}), ("jane", frozenset()), ("arc", {"arc"})],
)
def test_what_is_needed(tmp_path: Path, auth: str, want: frozenset[str]) -> None:
    """Nobody verifies what no rule asks for."""
    assert policy(tmp_path, RULE % (PARTNER % auth)).needs_auth == want


def test_unverified(tmp_path: Path) -> None:
    """Rules that wait for what nobody here verifies are told, at the exception."""
    loaded = policy(tmp_path, RULE % (PARTNER % "dkim"))
    (problem,) = unverified(loaded, frozenset({"spf"}))
    assert "nothing here verifies DKIM" in problem.text
    assert "qscanner[auth]" in problem.text
    assert problem.line == 8
    assert unverified(loaded, frozenset({"dkim"})) == ()
