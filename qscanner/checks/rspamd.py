"""Spam: asks rspamd how a message scores.

Called by  checks.spam, for one server at a time.
Ends       with a CheckResult, or CheckFailed naming the server and what went wrong.
Careful    "greylist" and "soft reject" are advice about later, not a judgement: a finding.
"""

from qscanner.checks.told import Told
from qscanner.codec import rspamd
from qscanner.codec.servers import Server
from qscanner.conversation import Conversation
from qscanner.model import CheckResult, Finding, Outcome, Score
from qscanner.outcomes import CheckFailed
from qscanner.spool import Message

LATER = "spam.rspamd-later"
_CHUNK_OCTETS = 1 << 16


def ask(
    message: Message, server: Server, told: Told, *, within_s: float, threshold: float = 0.0
) -> CheckResult:
    """Have one server score the message. Raises CheckFailed.

    `threshold` is the score from which a message is called spam; 0: that of rspamd's answer, and
    where it does not tell, the score from which it rejects.
    """
    head = rspamd.question(len(told.head) + message.size, _fields(told))
    with Conversation(server, within_s=within_s) as talk:
        is_open = talk.send(head + told.head)
        for start in range(0, message.size, _CHUNK_OCTETS):
            if not is_open:
                break
            is_open = talk.send(message.octets[start : start + _CHUNK_OCTETS])
        octets = talk.receive(max_octets=rspamd.MAX_REPLY_OCTETS)
        is_heard = is_open and not talk.was_reset
    try:
        reply = rspamd.parse(octets)
    except rspamd.BadReply as error:
        raise CheckFailed(f"{server.text}: {error}") from error
    if not is_heard:
        raise CheckFailed(f"{server.text}: gave a score before it had the whole message")
    return _result(reply, threshold)


def _fields(told: Told) -> list[tuple[str, str | bytes]]:
    """Give what rspamd wants to know of the connection and the envelope."""
    return [
        ("IP", told.ip),
        ("Hostname", told.host),
        ("User", told.auth_user),
        ("From", told.sender),
        *(("Rcpt", recipient) for recipient in told.recipients),
    ]


def _result(reply: rspamd.Reply, threshold: float) -> CheckResult:
    least = threshold or reply.threshold or reply.required
    is_spam = reply.score >= threshold if threshold else reply.is_spam
    later = Finding(id=LATER, detail=reply.action)
    return CheckResult(
        outcome=Outcome.FOUND if is_spam else Outcome.CLEAN,
        detail=f"{reply.score:g} of {least:g}, {reply.action}",
        findings=(later,) if reply.is_later else (),
        scanners=("rspamd",),
        score=Score(score=reply.score, threshold=least, rules=reply.rules),
    )
