"""policy, with many generated examples: monotone, and never an exception."""

import datetime
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qscanner.model import (
    Action,
    CheckResult,
    Client,
    Direction,
    Envelope,
    Facts,
    Finding,
    Header,
    Markup,
    Outcome,
    Part,
    Score,
    Text,
    Verdict,
    Where,
)
from qscanner.policy.decide import OnFailure, decide
from qscanner.policy.evidence import Evidence
from qscanner.policy.index import Index
from qscanner.policy.read import load
from qscanner.policy.routing import recipients
from qscanner.policy.rules import Policy
from tests.fakes.facts import TODAY, listing

pytestmark = pytest.mark.property

FINDINGS = ["mime.odd", "name.bidi", "limit.x", "unscannable.x", "virus.yara", "spam.gtube"]
CONDITIONS = [
    *(f'finding = "{id_}"' for id_ in (*FINDINGS, "mime.*", "*")),
    'virus = "*"',
    'virus = "X*"',
    "spam.at_least = 5",
    "spam = {below = 5, over_required = -3}",
    "part.kind = ['pe', 'zip']",
    "part = {name = 'a', count_over = 1}",
    "part = {any = [{encrypted = true}, {size_over = '1 kB'}], where = 'archive'}",
    "header.From.domain = 'example.org'",
    "header.From = {name = '(?i)jane', over = 3}",
    "header.Date.missing = true",
    "when.to = '@example.org'",
    "when = {to_in = 'people', from = ''}",
    "when = {ip = '192.0.2.0/24', relay = false, env = {X = '^a'}}",
    "when = {size_over = '1 kB', direction = ['in', 'out']}",
    "when = {rdns = ['.example', ''], recipients_over = 1}",
    "when = [{auth = 'user'}, {auth = 'jane', time = '22:00-06:00'}]",
    "body.text = '(?i)buy'",
    "body = {html = '<', link_domain = '.example'}",
    "body.link_mismatch = true",
]
MARKS = ["total.at_least = 3", "when.tag = 'a'", "when = {tag = ['a', 'b'], to = '@example.org'}"]
GIVEN = ["score = 2", "score = 1.5", "tag = 'a'", "tag = 'b'\nscore = 1"]
EXTRAS = ["", "final = true", "unless.from = '@example.org'", "unless.to = 'bob@example.org'"]

text = st.text(st.characters(), max_size=30)  # with surrogates and controls
words = st.sampled_from(["a", "a.exe", "Jane <jane@example.org>", "example.org"]) | text
address = st.binary(max_size=20) | st.sampled_from(
    [b"", b"bob@example.org", b"ann@example.org", b"x@other.example", b"@", b"a@b@c."]
)
findings = st.lists(st.sampled_from(FINDINGS) | text, max_size=4).map(
    lambda ids: tuple(Finding(id=id_) for id_ in ids)
)
number = st.floats() | st.sampled_from([4.0, 5.0, 9.0])
result = st.none() | st.builds(
    CheckResult,
    outcome=st.sampled_from(Outcome),
    detail=text,
    names=st.lists(st.sampled_from(["X", "Y"]) | text, max_size=2).map(tuple),
    findings=findings,
    score=st.none() | st.builds(Score, score=number, threshold=number),
)
parts = st.lists(
    st.builds(
        Part,
        path=text,
        names=st.lists(words, max_size=3).map(tuple),
        declared=text,
        kinds=st.frozensets(st.sampled_from(["pe", "zip", "text"])),
        octets=st.integers(0, 5000),
        where=st.sampled_from(Where),
        is_encrypted=st.booleans(),
    ),
    max_size=3,
).map(tuple)
headers = st.lists(
    st.builds(Header, name=st.sampled_from(["From", "date"]) | text, plain=words, decoded=words),
    max_size=4,
).map(tuple)
pages = st.sampled_from(
    ["buy", '<a href="http://x.example/">http://y.example</a>', "<script>buy", "&#1;&#x;<!-"]
)
texts = st.lists(
    st.builds(Text, path=text, markup=st.sampled_from(Markup), text=pages | text), max_size=2
).map(tuple)
facts = st.builds(
    Facts,
    envelope=st.builds(
        Envelope,
        sender=address,
        recipients=st.lists(address, max_size=5).map(tuple),
        raw=st.just(b""),
    ),
    client=st.builds(
        Client,
        uid=st.just(1),
        is_host=st.booleans(),
        direction=st.sampled_from(Direction),
        ip=text | st.just("192.0.2.1"),
        is_relay=st.booleans(),
        host=text | st.just("mx.example"),
        auth_user=text | st.just("jane"),
        environment=st.dictionaries(st.just("X"), text),
    ),
    octets=st.integers(0, 5000),
    headers=headers,
    parts=parts,
    texts=texts,
    findings=findings,
    virus=result,
    spam=result,
)
on_failure = st.builds(
    OnFailure,
    virus=st.sampled_from([Action.ACCEPT, Action.DEFER, Action.QUARANTINE]),
    spam=st.sampled_from([Action.ACCEPT, Action.DEFER, Action.QUARANTINE]),
)


def policies(
    *, actions: list[str], extras: list[str], modes: list[str]
) -> st.SearchStrategy[Policy]:
    rule = st.tuples(
        st.sampled_from([*CONDITIONS, *MARKS]),
        st.sampled_from(actions),
        st.sampled_from(extras),
        st.sampled_from(modes),
    )
    detecting = st.tuples(st.sampled_from(CONDITIONS), st.sampled_from(GIVEN))
    return st.builds(_policy, st.lists(rule, max_size=5), st.lists(detecting, max_size=3))


def _policy(rules: list[tuple[str, str, str, str]], detecting: list[tuple[str, str]]) -> Policy:
    lines = ["schema = 1"]
    # Of every tag, and of the score, there has to be one rule that gives it.
    always = [("finding = 'name.bidi'", given) for given in GIVEN]
    for number_, (condition, given_) in enumerate((*always, *detecting)):
        lines += ["[[rule]]", f'id = "d{number_}"', condition, given_]
    for number_, (condition, action, extra, mode) in enumerate(rules):
        is_logged_final = "final" in extra and "log-only" in mode
        lines += ["[[rule]]", f'id = "r{number_}"', f'action = "{action}"', condition, mode]
        lines += ["" if is_logged_final else extra]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "lists").mkdir()
        (Path(folder) / "lists" / "people.txt").write_text("bob@example.org\n@.other.example\n")
        (Path(folder) / "a.toml").write_text("\n".join(lines))
        return load(os.fspath(folder))


every = policies(
    actions=["quarantine", "discard", "reject", "defer", "accept"],
    extras=EXTRAS,
    modes=["", 'mode = "log-only"'],
)
# A written "defer" about viruses is milder than the program's own hold, which it silences.
severe_only = policies(actions=["quarantine", "discard", "reject"], extras=[""], modes=[""])
NIGHT = datetime.time(23)
many = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


@many
@given(every, facts, on_failure)
def test_never_raises_and_is_consistent(
    policy: Policy, given_facts: Facts, failure: OnFailure
) -> None:
    """Whatever the facts hold, a verdict comes out whose fields agree with each other."""
    got = decide(policy, given_facts, failure, today=TODAY)
    actions = {each.action for each in got.decisions} or {got.action}
    assert len(got.decisions) == len(given_facts.envelope.recipients)
    if Action.DEFER in actions:
        assert actions == {Action.DEFER} == {got.action}
    assert got.action is min(actions, key=lambda each: each.severity)
    assert (Action.REJECT in actions) <= (actions == {Action.REJECT})
    assert not (given_facts.client.is_host and Action.REJECT in actions)
    assert got.reply is None or got.action in (Action.REJECT, Action.DEFER)
    assert set(got.rules) >= {id_ for each in got.decisions for id_ in each.rules}


@many
@given(every, facts)
def test_a_virus_is_never_accepted_in_silence(policy: Policy, given_facts: Facts) -> None:
    """Nor is a message while the engines are away: unless a rule is about viruses itself."""
    virus = given_facts.virus
    failure = OnFailure(virus=Action.DEFER, spam=Action.ACCEPT)
    got = decide(policy, given_facts, failure, today=TODAY)
    if virus is None or got.action is not Action.ACCEPT:
        return
    assert virus.outcome is not Outcome.UNAVAILABLE
    if virus.outcome is Outcome.FOUND:
        spoken = {
            rule.id
            for rule in policy.rules
            if {c.name for c in rule.conditions} & {"virus", "finding"}
        }
        assert spoken & {*got.rules, *got.logged}


def severities(verdict: Verdict) -> list[int]:
    """Give how severe it is for each recipient."""
    return [each.action.severity for each in verdict.decisions]


@many
@given(severe_only, facts, on_failure, st.sampled_from(FINDINGS))
def test_monotone(policy: Policy, given_facts: Facts, failure: OnFailure, more: str) -> None:
    """Without unless, final and accept, one finding more never makes anything milder."""
    # One recipient, and no mail of this host: what recipients make of each other, and a refusal
    # that becomes a hold, are matters of their own.
    one = _replace(given_facts, findings=given_facts.findings)
    before = decide(policy, one, failure, today=TODAY, at=NIGHT)
    found = (*given_facts.findings, Finding(id=more))
    more_found = _replace(given_facts, findings=found)
    after = decide(policy, more_found, failure, today=TODAY, at=NIGHT)
    assert after.action.severity >= before.action.severity
    assert all(a >= b for a, b in zip(severities(after), severities(before), strict=True))


def _replace(given_facts: Facts, *, findings: tuple[Finding, ...]) -> Facts:
    envelope = Envelope(
        sender=given_facts.envelope.sender,
        recipients=given_facts.envelope.recipients[:1],
        raw=b"",
    )
    return Facts(
        envelope=envelope,
        client=replace(given_facts.client, is_host=False),
        octets=given_facts.octets,
        headers=given_facts.headers,
        parts=given_facts.parts,
        texts=given_facts.texts,
        findings=findings,
        virus=given_facts.virus,
        spam=given_facts.spam,
    )


word = st.sampled_from(["", "+", "-"])


def allowing(given_facts: Facts) -> Facts:
    """Give the same, with the sender allowed for everybody."""
    to = given_facts.envelope.recipients
    return replace(given_facts, listed=(listing("+"),) * len(to))


@many
@given(every, facts, on_failure)
def test_an_allowance_never_passes_a_virus(
    policy: Policy, given_facts: Facts, failure: OnFailure
) -> None:
    """Where one was found, or nobody could look, all is as it would be without."""
    without = decide(policy, given_facts, failure, today=TODAY, at=NIGHT)
    got = decide(policy, allowing(given_facts), failure, today=TODAY, at=NIGHT)
    if Evidence(given_facts, TODAY).viruses:
        assert got == without
    about_scanning = {"default.infected", "default.unscannable", failure.virus_rule}
    assert about_scanning.isdisjoint(id_ for each in got.decisions for id_ in each.overridden)


@many
@given(every, facts, on_failure)
def test_what_an_allowance_overrides(
    policy: Policy, given_facts: Facts, failure: OnFailure
) -> None:
    """It never makes more of it; and it makes less only of what is about spam, or holds."""
    # One recipient, and no mail of this host, as in test_monotone.
    one = _replace(given_facts, findings=given_facts.findings)
    without = decide(policy, one, failure, today=TODAY, at=NIGHT)
    got = decide(policy, allowing(one), failure, today=TODAY, at=NIGHT)
    assert got.action.severity <= without.action.severity
    by_id = {rule.id: rule for rule in policy.rules}
    for id_ in (id_ for each in got.decisions for id_ in each.overridden):
        if id_ != "default.spam-unavailable":
            rule = by_id[id_]
            names = {each.name.partition(".")[0] for each in (*rule.conditions, *rule.marks)}
            assert not {"virus", "part"} & names
            assert rule.action is Action.QUARANTINE or {"spam", "total", "finding"} & names
    if got.decisions == without.decisions:
        assert got == without
    else:
        assert all("default.allowed" in each.rules for each in got.decisions)


@many
@given(every, facts, on_failure, st.lists(word, min_size=5, max_size=5))
def test_an_entry_says_nothing_about_others(
    policy: Policy, given_facts: Facts, failure: OnFailure, said: list[str]
) -> None:
    """Whatever is listed for whom, the rules say of each what they say where nobody else is."""
    to = given_facts.envelope.recipients
    entries = tuple(listing(each) for each in said[: len(to)])
    got = decide(policy, replace(given_facts, listed=entries), failure, today=TODAY, at=NIGHT)
    assert len(got.decisions) == len(to)
    if got.action is Action.DEFER:  # for all, whatever others are told
        return
    for place, entry in enumerate(entries):
        alone = decide(
            policy,
            replace(given_facts, listed=tuple(entry for _ in to)),
            failure,
            today=TODAY,
            at=NIGHT,
        )
        if alone.action is not Action.DEFER:
            assert got.decisions[place].rules == alone.decisions[place].rules
            assert got.decisions[place].overridden == alone.decisions[place].overridden


@many
@given(every, facts, on_failure)
def test_an_index_changes_nothing(policy: Policy, given_facts: Facts, failure: OnFailure) -> None:
    """It only leaves out rules that cannot meet the message."""
    indexed = replace(
        policy, rule_index=Index(policy.rules), detector_index=Index(policy.detectors)
    )
    want = decide(policy, given_facts, failure, today=TODAY, at=NIGHT)
    assert decide(indexed, given_facts, failure, today=TODAY, at=NIGHT) == want


@many
@given(every, facts, on_failure)
def test_the_outgoing_envelope(policy: Policy, given_facts: Facts, failure: OnFailure) -> None:
    """Who gets it are those for whom it is accepted: nobody redirects here, nobody copies."""
    got = decide(policy, given_facts, failure, today=TODAY)
    pairs = zip(given_facts.envelope.recipients, got.decisions, strict=True)
    want = tuple(to for to, each in pairs if each.action is Action.ACCEPT)
    assert recipients(given_facts.envelope, got) == want


@many
@given(every, facts)
def test_every_condition_says_why(policy: Policy, given_facts: Facts) -> None:
    """In some words, whatever the facts hold, and without an exception."""
    evidence = Evidence(given_facts, TODAY)
    for rule in policy.sentences:
        scopes = (*rule.when, *rule.unless)
        of_scopes = (each for scope in scopes for each in (*scope.conditions, *scope.marks))
        assert all(each.because(evidence) for each in (*rule.conditions, *of_scopes))
