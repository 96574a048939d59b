"""Numbers of what passed by: sums of the hours, who had most refused, and what is held now.

Called by  history.
Ends       with Numbers.
Careful    sums are of whole hours, and read from a table that is small however many messages
           there were. Who had most refused is asked of the messages themselves, of the latest so
           many only: of a million that would be felt.
"""

from collections import defaultdict

from sqlalchemy import Connection, func, select

from qscanner.store.history_words import HOUR_S, HeldNow, Numbers, Sum
from qscanner.store.tables import counted, message, passed, passed_to
from qscanner.store.words import State

MOST = 10  # of those with most
LATEST = 20_000  # messages that are looked at for them
_ACCEPT = "accept"


def between(connection: Connection, since: float, until: float) -> Numbers:
    """Give the numbers of the hours in which these times lie, and of those between."""
    first, last = int(since) // HOUR_S, int(until) // HOUR_S
    senders, recipients, looked_at = _most(connection, first * HOUR_S, (last + 1) * HOUR_S)
    return Numbers(
        since=first * HOUR_S,
        until=(last + 1) * HOUR_S,
        verdicts=_verdicts(connection, first, last),
        totals=_totals(connection, first, last),
        senders=senders,
        recipients=recipients,
        looked_at=looked_at,
        held=_held(connection),
    )


def _verdicts(connection: Connection, first: int, last: int) -> dict[str, dict[int, Sum]]:
    of = counted.c
    asked = select(of.word, of.hour, func.sum(of.messages), func.sum(of.octets))
    asked = asked.where(of.hour >= first, of.hour <= last, of.name == "verdict")
    found: defaultdict[str, dict[int, Sum]] = defaultdict(dict)
    for word, hour, messages, octets in connection.execute(asked.group_by(of.word, of.hour)):
        found[word][hour] = Sum(messages=int(messages), octets=int(octets))
    return dict(found)


def _totals(connection: Connection, first: int, last: int) -> dict[str, dict[str, Sum]]:
    """Give the sums by name and word, the largest first."""
    of = counted.c
    messages = func.sum(of.messages)
    asked = select(of.name, of.word, messages, func.sum(of.octets))
    asked = asked.where(of.hour >= first, of.hour <= last).group_by(of.name, of.word)
    found: defaultdict[str, dict[str, Sum]] = defaultdict(dict)
    for name, word, count, octets in connection.execute(
        asked.order_by(of.name, messages.desc(), of.word)
    ):
        found[name][word] = Sum(messages=int(count), octets=int(octets))
    return dict(found)


def _most(
    connection: Connection, since: int, until: int
) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...], int]:
    """Give domains of senders and recipients of what was not accepted, and of how many messages.

    Of recipients those count for whom it was not.
    """
    of, to = passed.c, passed_to.c
    asked = select(of.id, of.sender_domain).where(of.at >= since, of.at < until)
    some = asked.where(of.verdict != _ACCEPT).order_by(of.at.desc()).limit(LATEST).subquery()
    count = func.count()
    senders = select(some.c.sender_domain, count).group_by(some.c.sender_domain)
    theirs = select(to.address_key, count).join(some, some.c.id == to.passed)
    recipients = theirs.where(to.action != _ACCEPT).group_by(to.address_key)
    looked_at = connection.execute(select(count).select_from(some)).scalar_one()
    first, second = (
        tuple((word, int(number)) for word, number in connection.execute(most))
        for most in (
            senders.order_by(count.desc(), some.c.sender_domain).limit(MOST),
            recipients.order_by(count.desc(), to.address_key).limit(MOST),
        )
    )
    return first, second, int(looked_at)


def _held(connection: Connection) -> dict[str, HeldNow]:
    of = message.c
    asked = select(of["class"], func.count(), func.sum(of.octets), func.min(of.since))
    asked = asked.where(of.states.op("&")(State.HELD.bit) != 0).group_by(of["class"])
    return {
        class_: HeldNow(messages=int(count), octets=int(octets), oldest=float(oldest))
        for class_, count, octets, oldest in connection.execute(asked.order_by(of["class"]))
    }
