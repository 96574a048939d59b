"""Held messages as they look today: what scanners say that is worse, and what rules would decide.

Called by  admin_quarantine_release, _rescan and _review.
Ends       with words, or a Verdict; what cannot be scanned is told, and raises nothing.
Careful    scanners are the real ones, and may be away: that is no "clean".
"""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from qscanner import looking, records
from qscanner.bench import Bench
from qscanner.codec.envelope import Decoder
from qscanner.deadline import Deadline
from qscanner.model import Client, Facts, Outcome, Verdict
from qscanner.outcomes import QScannerError, Unusable
from qscanner.programs.admin_quarantine_store import Bar
from qscanner.report import Mail
from qscanner.scan import scan
from qscanner.settings import Settings
from qscanner.store.words import Class, Held, OctetsGone, State, StoreError

if TYPE_CHECKING:  # SQLAlchemy is loaded by whoever opens a store
    from qscanner.store.store import Store


def looked_at(store: "Store", held: Sequence[Held], chosen: Settings) -> dict[str, str]:
    """Give what today's scanners say that is worse than when each came, by digest."""
    these = [each for each in held if each.of(State.HELD)]
    try:
        bench = replace(Bench.of(chosen), policy=looking.no_rules(needs_texts=False), auth=None)
    except Unusable as error:
        text = f"it was not scanned again: {str(error).splitlines()[0]}"
        return dict.fromkeys((each.digest for each in these), text)
    worse: dict[str, str] = {}
    with Bar("scanning") as bar:
        for done, each in enumerate(these, 1):
            text = _worse(store, each, bench)
            if text:
                worse[each.digest] = text
            if len(these) > 1:
                bar(done, len(these))
    return worse


def _worse(store: "Store", held: Held, bench: Bench) -> str:
    """Scan one message; give what got worse, "" where nothing did."""
    try:
        decoder = Decoder()
        decoder.feed(store.envelope(held, held.recipients))
        message = store.message(held)
    except StoreError:
        return ""  # store.release() says it
    try:
        mail = Mail(
            message=message, envelope=decoder.finish(), client=Client(uid=os.getuid()), pid=0
        )
        facts = looking.facts(mail, bench, within_s=bench.settings.limits.time)
    except QScannerError as error:
        return f"it could not be scanned today: {error}"
    finally:
        with contextlib.suppress(BufferError):
            message.close()
    return "; ".join(_news(facts, held.class_))


def _news(facts: Facts, class_: Class) -> list[str]:
    said = list[str]()
    virus, spam = facts.virus, facts.spam
    if virus is not None and class_ is not Class.VIRUS:
        match virus.outcome:
            case Outcome.FOUND:
                said.append(f"today's engines find {', '.join(virus.names) or virus.detail}")
            case Outcome.UNAVAILABLE:
                said.append(f"no engine could look at it today: {virus.detail}")
            case Outcome.UNSCANNABLE if class_ is not Class.UNSCANNABLE:
                said.append(f"today's engines cannot look into it: {virus.detail}")
            case Outcome.UNSCANNABLE | Outcome.CLEAN:
                pass
    if spam is not None and spam.outcome is Outcome.FOUND and class_ not in _SCORED:
        said.append(f"the spam scorer says {spam.score.score if spam.score else 'spam'} today")
    return said


_SCORED = (Class.SPAM, Class.VIRUS)  # a review has seen as much already, or worse


def judged(store: "Store", held: Held, bench: Bench) -> Verdict:
    """Give what today's scanners and rules make of a message, brought by whoever brought it.

    Raises StoreError where it is not whole, QScannerError where it cannot be scanned.
    """
    past = records.past(store.record(held))
    if past is None:
        raise OctetsGone(f"the record of {held.id} is damaged")
    message = store.message(held)
    try:
        mail = Mail(message=message, envelope=past.envelope, client=past.client, pid=0)
        return scan(mail, bench, Deadline(bench.settings.limits.time)).verdict
    finally:
        with contextlib.suppress(BufferError):
            message.close()
