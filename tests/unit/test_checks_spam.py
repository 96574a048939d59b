"""checks.spam against a spamd that answers rightly, wrongly, slowly or not at all."""

import os
import time
from collections.abc import Iterator

import pytest

from qscanner.checks import spam
from qscanner.checks.told import Told
from qscanner.codec.servers import Server
from qscanner.health import Health
from qscanner.model import CheckResult, Outcome, Score
from qscanner.outcomes import CheckFailed
from qscanner.spool import Message
from tests.fakes import spamd as fake
from tests.fakes.server import TRANSPORTS, Script, nobody, serving

WITHIN_S = 0.8
SLACK_S = 1.5
MAX = 1_000_000


def scorer(*servers: Server, max_octets: int = MAX, health: Health | None = None) -> spam.Scorer:
    return spam.Scorer(
        servers=servers,
        ask=spam.ask_spamd,
        max_octets=max_octets,
        health=health or Health(()),
    )


HAM = fake.answer(rules=b"NO_RECEIVED,NO_RELAYS")
SPAM = fake.answer(b"True ; 15.2 / 5.0", b"GTUBE")


@pytest.fixture
def message() -> Iterator[Message]:
    """A message of several chunks."""
    made = Message.of_octets(b"Subject: hello\n\n" + b"line\n" * 60_000)
    yield made
    made.close()


def look(message: Message, *servers: Server, within_s: float = WITHIN_S) -> CheckResult:
    """Ask, and prove that the deadline holds."""
    began = time.monotonic()
    try:
        return scorer(*servers).look(message, Told(), within_s=within_s)
    finally:
        assert time.monotonic() - began < within_s + SLACK_S


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("answer", "outcome", "score"),
    [
        (HAM, Outcome.CLEAN, Score(score=0.1, threshold=5.0, rules=("NO_RECEIVED", "NO_RELAYS"))),
        (SPAM, Outcome.FOUND, Score(score=15.2, threshold=5.0, rules=("GTUBE",))),
        (fake.answer(b"No ; -3 / 5"), Outcome.CLEAN, Score(score=-3, threshold=5)),
    ],
    ids=["ham", "spam", "negative"],
)
def test_scores(
    answer: bytes, outcome: Outcome, score: Score, transport: str, message: Message
) -> None:
    """Score, threshold and rules are spamd's, and so is the judgement."""
    with serving(fake.saying(answer), transport) as server:
        result = look(message, server)
    assert (result.outcome, result.score, result.scanners) == (outcome, score, ("spamd",))
    assert result.ms > 0


FAILURES: dict[str, tuple[Script, str]] = {
    "refusal": (fake.saying(b"SPAMD/1.0 76 Bad header line\r\n"), "76 Bad header"),
    "timed out": (fake.saying(b"SPAMD/1.0 79 Timeout: (30 second timeout)\r\n\r\n"), "79"),
    "garbage": (fake.saying(b"\x00\xff garbage\r\n\r\n"), "not spamd's"),
    "http": (fake.saying(b"HTTP/1.1 200 OK\r\nContent-length: 0\r\n\r\n"), "not spamd's"),
    "half a head": (fake.saying(SPAM[:30]), "half an answer"),
    "half a body": (fake.saying(SPAM[:-1]), "half an answer"),
    "length five times too much": (fake.saying(fake.answer(rules=b"A" * 10, length=50)), "half"),
    "length a fifth": (fake.saying(fake.answer(rules=b"A" * 50, length=10)), "longer"),
    "two answers": (fake.saying(HAM + SPAM), "longer"),
    "score nan": (fake.saying(fake.answer(b"False ; nan / 5.0")), "no Spam field"),
    "score inf": (fake.saying(fake.answer(b"False ; inf / 5.0")), "no Spam field"),
    "endless": (fake.saying(SPAM + b"A" * 1_000_000), "more than"),
    "early": (fake.early(HAM), "before it had the whole message"),
    "silence": (fake.silent, "no whole answer within"),
    "reads nothing": (fake.not_reading, "no whole answer within"),
    "stays": (fake.staying(HAM), "no whole answer within"),
    "slow drip": (fake.dripping(SPAM), "no whole answer within"),
    "close at once": (fake.closing, "answer"),
    "close after message": (fake.closing_after_message, "without an answer"),
    "reset": (fake.resetting, "answer"),
}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", FAILURES)
def test_failures(name: str, transport: str, message: Message) -> None:
    """Whatever is not a whole, sensible answer is no answer, and says whose fault it was."""
    script, reason = FAILURES[name]
    with (
        serving(script, transport) as server,
        pytest.raises(CheckFailed, match=reason) as failure,
    ):
        look(message, server)
    assert server.text in str(failure.value)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_octets_arrive(transport: str) -> None:
    """spamd gets exactly the message, an empty one too, and hears that it has ended."""
    for size in (0, 1, 65_536, 65_537, MAX):
        octets = os.urandom(size)
        got: list[bytes] = []
        message = Message.of_octets(octets)

        def judge(seen: bytes, got: list[bytes] = got) -> bytes:
            got.append(seen)
            return HAM

        with serving(fake.judging(judge), transport) as server:
            assert look(message, server, within_s=5).outcome is Outcome.CLEAN
        message.close()
        assert got == [octets]


def test_answer_in_pieces(message: Message) -> None:
    """An answer may come in any number of segments."""
    pieces = [SPAM[at : at + 9] for at in range(0, len(SPAM), 9)]
    with serving(fake.saying_in_pieces(*pieces)) as server:
        assert look(message, server, within_s=5).outcome is Outcome.FOUND


def test_too_large_is_said() -> None:
    """What is too large is not scored, asks nobody, and is not called clean."""
    message = Message.of_octets(b"x" * 11)
    result = scorer(nobody(), max_octets=10).look(message, Told(), within_s=1)
    message.close()
    assert result.outcome is Outcome.UNSCANNABLE
    assert result.score is None
    assert [finding.id for finding in result.findings] == ["spam.not-scored"]
    assert result.detail == "not scored: larger than 10 octets"


@pytest.mark.parametrize(
    "first",
    [fake.closing, fake.silent, fake.not_reading, fake.saying(b"what?\r\n\r\n")],
    ids=["closes", "silent", "reads nothing", "garbage"],
)
def test_next_server(first: Script, message: Message) -> None:
    """Whatever the first server does instead of answering, the second has its share of time."""
    with serving(first, "tcp") as bad, serving(fake.saying(SPAM)) as good:
        assert look(message, nobody(), nobody("unix"), bad, good).outcome is Outcome.FOUND


def test_nobody_to_ask(message: Message) -> None:
    """No server, nobody there, no time: no answer."""
    with pytest.raises(CheckFailed, match="no server is set"):
        look(message)
    with pytest.raises(CheckFailed, match="refused"):
        look(message, nobody())
    with serving(fake.saying(HAM)) as server, pytest.raises(CheckFailed, match="used up"):
        look(message, server, within_s=0)


def test_a_dead_server_is_asked_last(message: Message) -> None:
    """What one message finds out spares the next one the attempt."""
    dead = nobody()
    with serving(fake.saying(fake.answer())) as server:
        health = Health((dead, server))
        asked = scorer(dead, server, health=health)
        asked.look(message, Told(), within_s=WITHIN_S)
        assert health.up() == {dead.text: False, server.text: True}
        assert health.in_order((dead, server)) == (server, dead)
        asked.look(message, Told(), within_s=WITHIN_S)
        assert health.up()[dead.text] is False


@pytest.mark.parametrize(
    ("wanted", "recipients", "user"),
    [
        pytest.param("", (b"a@b.example",), "", id="nobody"),
        pytest.param("filter", (b"a@b.example",), "filter", id="one-for-all"),
        pytest.param("recipient", (b"A@b.example",), "a@b.example", id="the-recipient"),
        pytest.param("recipient", (b"a@b.example", b"A@B.example"), "a@b.example", id="same"),
        pytest.param("recipient", (b"a@b.example", b"c@b.example"), "", id="several"),
        pytest.param("recipient", (b"a b\r\nX: y@b.example",), "a_b__x__y@b.example", id="odd"),
        pytest.param("recipient", (), "", id="no-recipient"),
    ],
)
def test_whose_preferences(wanted: str, recipients: tuple[bytes, ...], user: str) -> None:
    """One recipient's preferences never score another's mail, and no octet of theirs is a line."""
    assert spam.user_of(Told(recipients=recipients), wanted) == user


def test_the_scorer_reads_our_lines_first(message: Message) -> None:
    """Findings and names stand before the message, whose octets are all there behind them."""
    seen: list[bytes] = []

    def judge(octets: bytes) -> bytes:
        seen.append(octets)
        return HAM

    head = b"X-Qscanner-Findings: a.b\n"
    with serving(fake.judging(judge)) as server:
        scorer(server).look(message, Told(head=head), within_s=WITHIN_S)
    assert seen == [head + bytes(message.octets)]
