"""Spam: asks SpamAssassin's spamd how a message scores.

Called by  scan, side by side with the other checks.
Ends       with a CheckResult, or CheckFailed naming every server and what went wrong with it.
Careful    a message too large to be scored is not "not spam": the result says that nobody looked.
"""

import time
from collections.abc import Sequence

from qscanner.codec import spamd
from qscanner.codec.servers import Server
from qscanner.conversation import Conversation
from qscanner.deadline import Deadline
from qscanner.health import Health
from qscanner.model import CheckResult, Finding, Outcome, Score
from qscanner.outcomes import CheckFailed, OutOfTime
from qscanner.spool import Message

_CHUNK_OCTETS = 1 << 16


def look(
    message: Message,
    servers: Sequence[Server],
    *,
    within_s: float,
    max_octets: int,
    health: Health | None = None,
) -> CheckResult:
    """Ask the servers in their order, until one answers, for score, threshold and rules.

    A server gets an even share of what remains of `within_s` seconds, and those that `health`
    knows to be dead are asked last. FOUND: spamd calls it spam.
    UNSCANNABLE with the finding `spam.not-scored`: more than `max_octets`, nobody was asked.
    Raises CheckFailed where no server gave an answer.
    """
    began = time.monotonic()
    if message.size > max_octets:
        detail = f"not scored: larger than {max_octets} octets"
        finding = Finding(id="spam.not-scored", detail=detail)
        return CheckResult(outcome=Outcome.UNSCANNABLE, detail=detail, findings=(finding,))
    deadline, health = Deadline(within_s), health or Health(())
    reasons: list[str] = []
    for place, server in enumerate(health.in_order(servers)):
        try:
            share_s = deadline.remaining_s() / (len(servers) - place)
            reply = ask(message, server, within_s=share_s)
        except OutOfTime as late:
            reasons.append(str(late))
        except CheckFailed as failure:
            health.failed(server)
            reasons.append(str(failure))
        else:
            health.worked(server)
            return _result(reply, ms=(time.monotonic() - began) * 1000)
    raise CheckFailed("spamd: " + ("; ".join(reasons) or "no server is set"))


def ask(message: Message, server: Server, *, within_s: float) -> spamd.Reply:
    """Have one server score the message. Raises CheckFailed."""
    with Conversation(server, within_s=within_s) as talk:
        is_open = talk.send(spamd.question(message.size))
        for start in range(0, message.size, _CHUNK_OCTETS):
            if not is_open:
                break
            is_open = talk.send(message.octets[start : start + _CHUNK_OCTETS])
        if is_open:
            talk.finish_sending()  # spamd waits for ever for the body of an empty message
        octets = talk.receive(max_octets=spamd.MAX_REPLY_OCTETS)
        is_heard = is_open and not talk.was_reset
    try:
        decoder = spamd.Decoder()
        decoder.feed(octets)
        reply = decoder.finish()
    except spamd.BadReply as error:
        raise CheckFailed(f"{server.text}: {error}") from error
    if not is_heard:
        raise CheckFailed(f"{server.text}: gave a score before it had the whole message")
    return reply


def _result(reply: spamd.Reply, *, ms: float) -> CheckResult:
    return CheckResult(
        outcome=Outcome.FOUND if reply.is_spam else Outcome.CLEAN,
        detail=f"{reply.score:g} of {reply.threshold:g}",
        scanners=("spamd",),
        score=Score(score=reply.score, threshold=reply.threshold, rules=reply.rules),
        ms=ms,
    )
