"""Old rules against new ones over mail that is there: what would have become of it otherwise.

Called by  `qscanner policy replay`.
Ends       paths() and compared() one by one, so that memory stays bounded; OSError and what a
           scan may raise are for whoever asks, file by file.
Careful    each message is scanned once and decided about twice, at the same time of day. What no
           record says (who brought it) is guessed from the lines that a delivery puts on top.
"""

import datetime
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace

from qscanner import looking
from qscanner.bench import Bench
from qscanner.codec.envelope import encode
from qscanner.model import Action, Client, Decision, Envelope, Facts, Outcome, Verdict
from qscanner.outcomes import QScannerError
from qscanner.policy.decide import OnFailure, decide
from qscanner.policy.rules import Policy
from qscanner.records import MESSAGES, RECORD, Past, beside, stem_of
from qscanner.report import Mail
from qscanner.spool import Message

# Files in a Maildir that are no mail, beside those that begin with a dot.
_NO_MAIL = ("dovecot", "maildir", "courier")
# What a verdict only says of how it came about, or what is compared by itself.
_REASONS = {
    "action", "decisions", "rules", "logged", "why", "detected", "tags", "total", "overridden",
}  # fmt: skip
_OF_RECIPIENTS = tuple(f.name for f in fields(Decision) if f.name not in _REASONS)
_OF_ALL = tuple(each.name for each in fields(Verdict) if each.name not in _REASONS)
_HELD = re.compile(rf"[0-9a-f]{{64}}{re.escape(RECORD)}")
_MAX_HEADERS = 100  # that are looked through for what a delivery put on top


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What the old rules and the new ones say of one message. `what` differs, () for nothing."""

    file: str
    facts: Facts
    old: Verdict
    new: Verdict
    what: tuple[str, ...]

    @property
    def subject(self) -> str:
        """The subject, "" where there is none."""
        found = (each.decoded for each in self.facts.headers if each.name.lower() == "subject")
        return next(found, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is compared, and what becomes of mail when a check cannot answer: the same for both."""

    old: Policy
    new: Policy
    on_failure: OnFailure

    @property
    def needs_texts(self) -> bool:
        """Say whether any rule asks about texts."""
        return self.old.needs_texts or self.new.needs_texts

    @property
    def needs_auth(self) -> frozenset[str]:
        """Give what rules ask about who stands behind a message."""
        return self.old.needs_auth | self.new.needs_auth


def paths(names: Iterable[str]) -> Iterator[str]:
    """Give the messages in files, folders, Maildirs and the quarantine, each folder by name."""
    for name in names:
        if os.path.isdir(name):
            yield from _in_folder(name)
        else:
            yield name


def _in_folder(folder: str) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        is_maildir = {"cur", "new"} <= set(folders)
        # tmp/ of a Maildir holds what is not delivered yet.
        folders[:] = sorted(each for each in folders if not (is_maildir and each == "tmp"))
        if is_maildir:
            continue
        yield from (os.path.join(place, name) for name in _mails(files))


def _mails(files: list[str]) -> list[str]:
    """Give those of the files in a folder that are messages: of the quarantine, what is whole."""
    known = {name for name in files if name.endswith(RECORD)}
    if any(_HELD.fullmatch(name) for name in known):
        found = (name for name in files if name.endswith(MESSAGES))
        return sorted(name for name in found if f"{stem_of(name)}{RECORD}" in known)
    not_mail = (".", *_NO_MAIL)
    return sorted(
        name
        for name in files
        if not name.startswith(not_mail) and not name.endswith((RECORD, ".toml"))
    )


def compared(
    file: str, message: Message, rules: Rules, bench: Bench, default: tuple[Envelope, Client]
) -> Compared:
    """Scan a message and decide twice. Raises what a scan may raise.

    `default` is the envelope and client of a message of which nothing is stored.
    """
    past = beside(file) if file.endswith(MESSAGES) else None
    envelope, client = (past.envelope, past.client) if past else default
    mail = Mail(message=message, envelope=envelope, client=client, pid=os.getpid())
    facts = looking.facts(mail, bench, within_s=bench.settings.limits.time)
    facts = _as_stored(facts, past, bench) if past else _as_delivered(facts)
    now = datetime.datetime.now(tz=datetime.UTC).astimezone()
    old, new = (
        decide(each, facts, rules.on_failure, today=now.date(), at=now.time())
        for each in (rules.old, rules.new)
    )
    return Compared(file=file, facts=facts, old=old, new=new, what=tuple(differences(old, new)))


def _as_stored(facts: Facts, past: Past, bench: Bench) -> Facts:
    """Give the facts with what scanners said then, of which none was asked now."""
    found = past.findings if not bench.clamd else ()
    virus, spam = facts.virus, facts.spam
    if past.virus and (virus is None or virus.outcome is not Outcome.FOUND) and not bench.clamd:
        virus = past.virus
    if bench.scorer is None:
        spam = past.spam
    findings = tuple(dict.fromkeys((*found, *facts.findings)))
    return replace(facts, findings=findings, virus=virus, spam=spam)


def _as_delivered(facts: Facts) -> Facts:
    """Give the facts with the envelope that a delivery wrote on top (qmail-local(8)).

    Recipients stay, where there is no Delivered-To.
    """
    top: dict[str, str] = {}
    for header in facts.headers[:_MAX_HEADERS]:
        top.setdefault(header.name.lower(), header.plain.strip())
    sender, to = facts.envelope.sender, facts.envelope.recipients
    if "return-path" in top:
        sender = _octets(top["return-path"].strip("<>"))
    if "delivered-to" in top:
        to = (_octets(top["delivered-to"]),)
    try:
        raw = encode(sender, to)
    except QScannerError:  # a NUL: no delivery wrote that
        return facts
    return replace(facts, envelope=Envelope(sender=sender, recipients=to, raw=raw))


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def differences(old: Verdict, new: Verdict) -> Iterator[str]:
    """Name all in which somebody would notice another outcome; rules alone are no difference."""
    if old.action is not new.action:
        yield "action"
    elif [each.action for each in old.decisions] != [each.action for each in new.decisions]:
        yield "recipients"
    for name in _OF_RECIPIENTS:
        was, will = ([getattr(each, name) for each in v.decisions] for v in (old, new))
        if was != will:
            yield name
    for name in _OF_ALL:
        if getattr(old, name) != getattr(new, name) and _matters(name, old, new):
            yield name


def _matters(name: str, old: Verdict, new: Verdict) -> bool:
    """Say whether what differs can be noticed: nobody edits what is not delivered."""
    if name == "release":
        return _is_held(old) and _is_held(new)
    if name == "reply":
        return old.action is new.action
    return name != "edits" or Action.ACCEPT in (old.action, new.action)


def _is_held(verdict: Verdict) -> bool:
    return verdict.keep or any(each.action is Action.QUARANTINE for each in verdict.decisions)
