"""Taking parts out: what rules with `strip` ask for, as an edit of octets that is proven first.

Called by  scan, where a verdict accepts a message and has cuts.
Ends       with the verdict and the ranges to replace, or with one that holds the message, because
           the parts could not be taken out safely. Raises DiskFull, and what is a bug of ours.
Careful    the proof reads the message as it would leave: no part that the rules mean may be in it,
           and all that was beside it must still be there. Scanners are not asked again.
"""

import dataclasses
import datetime
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from qscanner import mime, outgoing
from qscanner.archives import Budget
from qscanner.bench import Bench
from qscanner.checks import attachments
from qscanner.codec import placeholder
from qscanner.codec.placeholder import Told, Unsafe
from qscanner.deadline import Deadline
from qscanner.model import Action, Cut, Edits, Facts, Part, Verdict
from qscanner.policy.cuts import goes_with, is_meant
from qscanner.policy.rules import Rule
from qscanner.policy.together import UNSAFE
from qscanner.report import Mail
from qscanner.spool import Message

_MAX_KINDS = 5  # in the text
_MAX_TEXT = 1 << 16  # octets: no text of ours is longer


def carry_out(
    mail: Mail, facts: Facts, verdict: Verdict, bench: Bench, deadline: Deadline
) -> Verdict:
    """Give the verdict with the edits to make, or one that holds what would have been accepted."""
    cuts = verdict.edits.cuts
    told = [_told(cut, held_as=mail.digest, host=bench.host) for cut in cuts]
    try:
        ranges = tuple(
            each
            for cut, said in zip(cuts, told, strict=True)
            for each in placeholder.ranges(mail.message.octets, cut.span, said)
        )
        looked = _looked(mail, Edits(cuts=cuts, ranges=ranges), told, bench, deadline)
        _prove(looked, cuts, facts, _rules(verdict, bench))
    except Unsafe as why:
        return _held(verdict, str(why))
    return dataclasses.replace(verdict, edits=dataclasses.replace(verdict.edits, ranges=ranges))


def _told(cut: Cut, *, held_as: str, host: str) -> Told:
    return Told(
        name=cut.part.names[0] if cut.part.names else "",
        kinds=", ".join(sorted(cut.part.kinds)[:_MAX_KINDS]),
        octets=cut.part.octets,
        inside=cut.inside,
        why=f'{cut.why} (rule "{cut.rule}")' if cut.why else f'rule "{cut.rule}"',
        is_signed=cut.is_signed,
        held_as=held_as,
        host=host,
    )


def _rules(verdict: Verdict, bench: Bench) -> list[Rule]:
    """Give the rules that take parts out for those who get the message."""
    accepted = [each.rules for each in verdict.decisions if each.action is Action.ACCEPT]
    ids = {id_ for rules in accepted or [verdict.rules] for id_ in rules}
    return [rule for rule in bench.policy.rules if rule.strips and rule.id in ids]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """What is in the message as it would leave; `ours` are the paths of the texts put in."""

    parts: tuple[Part, ...]
    limits: tuple[str, ...]
    ours: frozenset[str]


def _looked(
    mail: Mail, edits: Edits, told: Iterable[Told], bench: Bench, deadline: Deadline
) -> _Looked:
    settings = bench.settings
    texts = {placeholder.text(each, "\n").encode().strip() for each in told}
    ours: set[str] = set()

    def note(path: str, content: bytes, _is_hidden: bool) -> None:
        if content[:_MAX_TEXT].replace(b"\r\n", b"\n").strip() in texts:
            ours.add(path)

    fd = outgoing.compose(mail.message, (), edits, folder=settings.queue.spool)
    try:
        made = Message.of(fd)
        view = mime.view(made.octets, mime.MimeLimits.of(settings.limits))
        looked = attachments.look(view, Budget.of(settings.limits), note, deadline=deadline)
        made.release()
    finally:
        os.close(fd)
    found = (*view.findings, *looked.findings)
    return _Looked(
        parts=looked.parts,
        limits=tuple(each.id for each in found if each.id.startswith("limit.")),
        ours=frozenset(ours),
    )


def _prove(looked: _Looked, cuts: tuple[Cut, ...], facts: Facts, rules: Iterable[Rule]) -> None:
    """Raise Unsafe where the edit did not do what it should, and nothing else."""
    if looked.limits:
        raise Unsafe(looked.limits[0])
    left = [part for part in looked.parts if part.path not in looked.ours]
    today = datetime.datetime.now(tz=datetime.UTC).astimezone().date()
    if any(is_meant(rule, part, today) for part in left for rule in rules):
        raise Unsafe("a part that is meant would still be there")
    others = (part for part in facts.parts if not any(goes_with(part, cut) for cut in cuts))
    if Counter(map(_look_of, others)) != Counter(map(_look_of, left)):
        raise Unsafe("other parts would change")


def _look_of(part: Part) -> tuple[tuple[str, ...], str, int, frozenset[str]]:
    return part.names, part.declared, part.octets, part.kinds


def _held(verdict: Verdict, why: str) -> Verdict:
    decisions = tuple(
        dataclasses.replace(
            each, action=Action.QUARANTINE, redirect_to=(), copy_to=(), maildirs=()
        )
        if each.action is Action.ACCEPT
        else each
        for each in verdict.decisions
    )
    actions = [each.action for each in decisions] or [Action.QUARANTINE]
    return dataclasses.replace(
        verdict,
        action=min(actions, key=lambda each: each.severity),
        decisions=decisions,
        why=f"{verdict.why}; {UNSAFE}: {why}",
        edits=Edits(),
    )
