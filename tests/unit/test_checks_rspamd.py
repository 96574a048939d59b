"""checks.rspamd and its codec against an rspamd that answers rightly, wrongly, or not at all."""

from collections.abc import Iterator

import pytest

from qscanner.checks import rspamd
from qscanner.checks.told import Told
from qscanner.model import CheckResult, Outcome, Score
from qscanner.outcomes import CheckFailed
from qscanner.spool import Message
from tests.fakes import rspamd as fake
from tests.fakes import spamd as slow
from tests.fakes.server import TRANSPORTS, Script, nobody, serving

WITHIN_S = 0.8


@pytest.fixture
def message() -> Iterator[Message]:
    """A message of several chunks."""
    made = Message.of_octets(b"Subject: hello\n\n" + b"line\n" * 60_000)
    yield made
    made.close()


def ask(message: Message, script: Script, transport: str = "tcp", **more: float) -> CheckResult:
    with serving(script, transport) as server:
        return rspamd.ask(message, server, Told(), within_s=WITHIN_S, **more)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("answer", "threshold", "outcome", "score"),
    [
        pytest.param(
            fake.answer(score=-1.5, symbols={"R_SPF": {"score": -1.5}}),
            0,
            Outcome.CLEAN,
            Score(score=-1.5, threshold=15, rules=("R_SPF",)),
            id="ham",
        ),
        pytest.param(
            fake.answer("reject", 17.0), 0, Outcome.FOUND, Score(score=17, threshold=15), id="spam"
        ),
        pytest.param(
            fake.answer("add header", 7.5, thresholds={"add header": 6, "reject": 15}),
            0,
            Outcome.FOUND,
            Score(score=7.5, threshold=6),
            id="its-own-threshold",
        ),
        pytest.param(
            fake.answer("add header", 7.5),
            0,
            Outcome.FOUND,
            Score(score=7.5, threshold=15),
            id="it-does-not-tell",
        ),
        pytest.param(
            fake.answer("add header", 7.5),
            8,
            Outcome.CLEAN,
            Score(score=7.5, threshold=8),
            id="the-admins-threshold",
        ),
    ],
)
def test_scores(
    answer: bytes,
    threshold: int,
    outcome: Outcome,
    score: Score,
    transport: str,
    message: Message,
) -> None:
    """Score and symbols are rspamd's; the threshold is the admin's, else the one it tells."""
    result = ask(message, fake.saying(answer), transport, threshold=threshold)
    assert (result.outcome, result.score, result.scanners) == (outcome, score, ("rspamd",))


@pytest.mark.parametrize("action", ["soft reject", "greylist"])
def test_advice_is_a_finding(action: str, message: Message) -> None:
    """It would put the message off: that is no judgement about spam."""
    result = ask(message, fake.saying(fake.answer(action, 5.0)))
    assert result.outcome is Outcome.CLEAN
    assert [(found.id, found.detail) for found in result.findings] == [
        ("spam.rspamd-later", action)
    ]


def test_it_hears_of_envelope_and_connection(message: Message) -> None:
    """Everything that its rules may ask for; our lines stand before the message."""
    seen: list[tuple[list[bytes], bytes]] = []

    def judge(lines: list[bytes], octets: bytes) -> bytes:
        seen.append((lines, octets))
        return fake.answer()

    told = Told(
        sender=b"s@x.example",
        recipients=(b"a@y.example", b"b@y.example\r\nUser: root"),
        ip="192.0.2.1",
        host="mail.example",
        auth_user="ann",
        head=b"X-Qscanner-Findings: a.b\n",
    )
    with serving(fake.judging(judge)) as server:
        rspamd.ask(message, server, told, within_s=WITHIN_S)
    ((lines, octets),) = seen
    assert octets == told.head + bytes(message.octets)
    assert [
        line for line in lines if line.startswith((b"IP", b"Host", b"User", b"From", b"Rcpt"))
    ] == [
        b"Host: localhost",
        b"IP: 192.0.2.1",
        b"Hostname: mail.example",
        b"User: ann",
        b"From: s@x.example",
        b"Rcpt: a@y.example",
        rb"Rcpt: b@y.example\x0d\x0aUser: root",
    ]


OK = fake.answer()
FAILURES: dict[str, tuple[Script, str]] = {
    "http error": (
        fake.saying(b"HTTP/1.1 500 Oh dear\r\nContent-Length: 0\r\n\r\n"),
        "500 Oh dear",
    ),
    "not http": (fake.saying(b"SPAMD/1.1 0 EX_OK\r\n\r\n"), "not HTTP"),
    "half a head": (fake.saying(OK[:20]), "answer|JSON|HTTP"),
    "half a body": (fake.saying(OK[:-5]), "not whole|shorter"),
    "no json": (fake.saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{]"), "no JSON"),
    "no object": (
        fake.saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"),
        "no JSON object",
    ),
    "unknown action": (fake.saying(fake.answer("eat it")), "no action that is known: eat it"),
    "score missing": (fake.saying(fake.answer(score=None)), "no score"),
    "score nan": (fake.saying(fake.answer(score=float("nan"))), "no score"),
    "score infinite": (fake.saying(fake.answer(score=float("inf"))), "no score"),
    "score true": (fake.saying(fake.answer(score=True)), "no score"),
    "score huge": (fake.saying(fake.answer(score=1e99)), "no score"),
    "score text": (fake.saying(fake.answer(score="7")), "no score"),
    "symbols list": (fake.saying(fake.answer(symbols=["A"])), "symbols"),
    "endless": (fake.saying(OK + b"A" * 2_000_000), "more than"),
    "early": (fake.early(OK), "before it had the whole|reset|answer"),
    "silence": (slow.not_reading, "no whole answer within"),
    "close at once": (slow.closing, "answer"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures(name: str, message: Message) -> None:
    """Whatever is not a whole, sensible answer is no answer."""
    script, reason = FAILURES[name]
    with pytest.raises(CheckFailed, match=reason):
        ask(message, script)


def test_nobody_there(message: Message) -> None:
    """A server that is away is named."""
    with pytest.raises(CheckFailed, match="nonexistent"):
        rspamd.ask(message, nobody("unix"), Told(), within_s=1)
