"""One message as `qscanner log` tells it: the history, its other tries, and what is held of it.

Called by  programs.admin_log.
Ends       with values and lines; raises what the store raises.
Careful    what was held before there was a history is told from the quarantine alone. Words of
           strangers become safe in row(); nothing else here is theirs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from qscanner.model import Action
from qscanner.programs.admin_options import counted
from qscanner.programs.admin_quarantine_keep import audited_as_json, audited_line
from qscanner.programs.admin_quarantine_store import MAX_TO, at, rest_said, to_the_second, utc
from qscanner.programs.admin_report import COLOURS
from qscanner.programs.admin_rows import octets_said, row
from qscanner.programs.admin_screen import Screen
from qscanner.store.history_words import Passed, PassedTo
from qscanner.store.words import (
    WHOLE,
    Ambiguous,
    Audited,
    Filter,
    Held,
    State,
    Unknown,
)

if TYPE_CHECKING:  # SQLAlchemy is loaded by whoever opens a store
    from qscanner.store.store import Store

_COLOURS = {action.value: colour for action, colour in COLOURS.items()}
MIN_CHARS = 8  # of an id that is looked for in the quarantine: fewer are a process id
_MAX_TRIES, _MAX_DONE = 20, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One message: how it passed, each time that it came, what is held of it and what was done.

    Without `tries` the history knows nothing of it.
    """

    passed: Passed
    tries: tuple[Passed, ...] = ()
    held: Held | None = None
    done: tuple[Audited, ...] = ()

    @property
    def more_as_json(self) -> dict[str, Any]:
        """Give what `--json` says of one message beside its facts."""
        held = self.held
        named = [one for one in held.recipients if one.place != WHOLE] if held else []
        return {
            "tries": [
                {"id": each.scan_id, "at": utc(each.at), "ending": each.ending}
                for each in self.tries
            ],
            "held": held
            and {
                "id": held.id,
                "class": held.class_.value,
                "state": held.state.value,
                "states": {one.address: one.state.value for one in named},
                "since": utc(held.since),
            },
            "audit": [audited_as_json(each) for each in self.done],
        }


def known_to(store: "Store", what: str) -> list[Story]:
    """Give the messages that an id, a Message-ID or a qp names, the newest first.

    Several tries of one message are one story, that of the last of them.
    """
    by_digest: dict[str, Passed] = {}
    for each in store.history.find(what):
        by_digest.setdefault(each.digest, each)
    found = list(by_digest.values()) or [_of_held(held) for held in _held(store, what)]
    if len(found) > 1:
        return [Story(passed=each) for each in found]
    return [_story(store, each) for each in found]


def _held(store: "Store", what: str) -> Sequence[Held]:
    if len(what) < MIN_CHARS:
        return ()
    try:
        return (store.find(what),)
    except Ambiguous as error:
        return error.candidates
    except Unknown:
        return ()


def _story(store: "Store", passed: Passed) -> Story:
    held = next(store.search(Filter(digests=(passed.digest,))), None)
    return Story(
        passed=passed,
        tries=tuple(store.history.tries(passed.digest)),
        held=held,
        done=tuple(store.audit(held)) if held else (),
    )


def _of_held(held: Held) -> Passed:
    """Give what the quarantine knows as if it had been in the history."""
    action = held.action if held.action != Action.ACCEPT.value else Action.QUARANTINE.value
    named = [one for one in held.recipients if one.place != WHOLE]
    return Passed(
        scan_id=held.log_id,
        host="",
        at=held.since,
        digest=held.digest,
        verdict=held.action,
        ending="",
        sender=held.sender,
        recipients=len(named),
        to=tuple(PassedTo(place=one.place, address=one.address, action=action) for one in named),
        rules=held.rules,
        why=held.why,
        findings=held.findings,
        ip=held.ip,
        octets=held.octets,
        score=held.score,
    )


def as_json(passed: Passed) -> dict[str, Any]:
    """Give the facts of one message as `--json` prints them."""
    return {
        "id": passed.scan_id,
        "digest": passed.digest,
        "host": passed.host,
        "at": utc(passed.at),
        "verdict": passed.verdict,
        "ending": passed.ending,
        "rules": list(passed.rules),
        "why": passed.why,
        "sender": passed.sender,
        "recipients": [
            {"address": one.address, "action": one.action, "rules": list(one.rules)}
            for one in passed.to
        ],
        "count": passed.recipients,
        "message_id": passed.message_id,
        "pid": passed.pid,
        "direction": passed.direction,
        "ip": passed.ip,
        "auth_user": passed.auth_user,
        "octets": passed.octets,
        "findings": list(passed.findings),
        "virus": passed.virus,
        "spam": passed.spam,
        "score": passed.score,
        "ms": passed.ms,
    }


def word(passed: Passed, screen: Screen) -> str:
    """Give the verdict in its colour."""
    return click.style(screen.safe(passed.verdict), fg=_COLOURS.get(passed.verdict), bold=True)


def story_lines(story: Story, screen: Screen) -> Iterator[str]:
    """Give all that is known of one message, as a person asks for it."""
    passed = story.passed
    by = f" by {screen.safe(', '.join(passed.rules))}" if passed.rules else ""
    yield f"{to_the_second(passed.at)}  {word(passed, screen)}{by}"
    yield from row("why", passed.why, screen)
    yield from row("from", f"<{passed.sender}>", screen)
    yield from _recipients(passed, screen)
    for label, text in _facts(passed):
        yield from row(label, text, screen)
    yield from _tries(story.tries, passed, screen)
    yield from _next(story, screen)


def _recipients(passed: Passed, screen: Screen) -> Iterator[str]:
    for one in passed.to[:MAX_TO]:
        by = f" by {', '.join(one.rules)}" if one.rules else ""
        yield from row("to", f"{one.address}  {one.action}{by}", screen)
    if not passed.recipients:
        yield from row("to", "nobody", screen)
    if passed.recipients > (shown := min(len(passed.to), MAX_TO)):
        yield from row("to", f"and {passed.recipients - shown} more", screen)


def _facts(passed: Passed) -> Iterator[tuple[str, str]]:
    yield "ending", passed.ending
    yield "virus", "" if passed.virus == "-" else passed.virus
    yield "spam", "" if passed.spam == "-" else passed.spam
    if passed.spam == "-" and passed.score is not None:
        yield "spam", f"score {passed.score:g}"
    yield "found", ", ".join(passed.findings)
    yield "size", octets_said(passed.octets)
    user = f"user {passed.auth_user}" if passed.auth_user else ""
    yield "client", "  ".join(filter(None, (passed.ip, passed.direction, user)))
    yield "scanned", f"in {passed.ms} ms on {passed.host}" if passed.host else ""
    yield "msg-id", f"<{passed.message_id}>" if passed.message_id else ""
    yield "id", passed.scan_id
    yield "digest", passed.digest


def _tries(tries: Sequence[Passed], passed: Passed, screen: Screen) -> Iterator[str]:
    if len(tries) > 1:
        first = to_the_second(tries[0].at)
        yield from row("tries", f"{counted(len(tries), 'time')}, first {first}", screen)
        for each in tries[-_MAX_TRIES:]:
            told = (to_the_second(each.at), each.scan_id, each.ending, each.why)
            is_this = each.scan_id == passed.scan_id
            text = "  ".join(filter(None, told[:3] if is_this else told))
            yield from row("", text, screen)


def _next(story: Story, screen: Screen) -> Iterator[str]:
    """Give where it is now, and what to do about it."""
    held = story.held
    if held is not None:
        for one in held.recipients[:MAX_TO]:
            whose = "all" if one.place == WHOLE else one.address
            text = f"for {whose}: {one.state.value} since {at(one.at)}"
            yield from row("held", text, screen)
        yield from row("held", rest_said(held), screen)
        if held.of(State.HELD):
            yield from row("release", f"qscanner quarantine release {held.id}", screen)
        for done in story.done[-_MAX_DONE:]:
            yield from row("done", audited_line(done), screen)
    if not story.tries:
        yield from row("known", "from the quarantine alone: the history has it not", screen)
    for each in story.tries:
        if each.ending == "accepted":
            text = f"qp {each.pid} in the log of qmail-send: grep 'qp {each.pid} '"
            yield from row("queued", text, screen)
