"""Spam: asks SpamAssassin's spamd, or rspamd, how a message scores.

Called by  scan, when it knows what the other checks found.
Ends       with a CheckResult, or CheckFailed naming every server and what went wrong with it.
Careful    a message too large to be scored is not "not spam": the result says that nobody looked.
"""

import re
import time
from dataclasses import dataclass, field, replace
from typing import Protocol

from qscanner.checks.told import Told
from qscanner.codec import spamd
from qscanner.codec.servers import Server
from qscanner.conversation import Conversation
from qscanner.deadline import Deadline
from qscanner.health import Health
from qscanner.model import CheckResult, Finding, Outcome, Score
from qscanner.outcomes import CheckFailed, OutOfTime
from qscanner.spool import Message

NOT_SCORED = "spam.not-scored"
_CHUNK_OCTETS = 1 << 16
_NOT_OF_A_USER = re.compile(r"[^0-9a-z._=+@-]")


class Ask(Protocol):
    """How one server is asked; checks.rspamd has another."""

    def __call__(
        self, message: Message, server: Server, told: Told, *, within_s: float
    ) -> CheckResult:
        """Have one server score the message. Raises CheckFailed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """Servers of one kind, how each is asked, and how large a message they get.

    `health` is the memory of who is dead; those are asked last.
    """

    servers: tuple[Server, ...]
    ask: Ask
    max_octets: int
    health: Health = field(default_factory=lambda: Health(()))

    def look(self, message: Message, told: Told, *, within_s: float) -> CheckResult:
        """Ask the servers in their order, until one answers, for score, threshold and rules.

        A server gets an even share of what remains of `within_s` seconds. FOUND: the scorer calls
        it spam. UNSCANNABLE with the finding `spam.not-scored`: more than `max_octets`, nobody was
        asked. Raises CheckFailed where no server gave an answer.
        """
        began = time.monotonic()
        if message.size > self.max_octets:
            return too_large(self.max_octets)
        deadline = Deadline(within_s)
        reasons: list[str] = []
        for place, server in enumerate(self.health.in_order(self.servers)):
            try:
                share_s = deadline.remaining_s() / (len(self.servers) - place)
                result = self.ask(message, server, told, within_s=share_s)
            except OutOfTime as late:
                reasons.append(str(late))
            except CheckFailed as failure:
                self.health.failed(server)
                reasons.append(str(failure))
            else:
                self.health.worked(server)
                return replace(result, ms=(time.monotonic() - began) * 1000)
        raise CheckFailed("spam: " + ("; ".join(reasons) or "no server is set"))


def too_large(max_octets: int) -> CheckResult:
    """Give the result for a message of more octets than are scored: nobody was asked."""
    detail = f"not scored: larger than {max_octets} octets"
    finding = Finding(id=NOT_SCORED, detail=detail)
    return CheckResult(outcome=Outcome.UNSCANNABLE, detail=detail, findings=(finding,))


def ask_spamd(
    message: Message, server: Server, told: Told, *, within_s: float, user: str = ""
) -> CheckResult:
    """Have one spamd score the message. Raises CheckFailed.

    `user` is whose preferences count: "" nobody's, "recipient" those of a message's only one.
    """
    head = spamd.question(len(told.head) + message.size, user_of(told, user))
    with Conversation(server, within_s=within_s) as talk:
        is_open = talk.send(head + told.head)
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
    return _result(reply)


def user_of(told: Told, wanted: str) -> str:
    """Give the user whose preferences spamd takes: a name, or where "recipient" is wanted, theirs.

    Only a message for one person has a recipient whose preferences count; "" for none.
    """
    if wanted != "recipient":
        return wanted
    address = told.only_recipient.decode("ascii", "replace").lower()
    return _NOT_OF_A_USER.sub("_", address)


def _result(reply: spamd.Reply) -> CheckResult:
    return CheckResult(
        outcome=Outcome.FOUND if reply.is_spam else Outcome.CLEAN,
        detail=f"{reply.score:g} of {reply.threshold:g}",
        scanners=("spamd",),
        score=Score(score=reply.score, threshold=reply.threshold, rules=reply.rules),
    )
