"""MailScanner's filename.rules.conf and filetype.rules.conf, of which the first match decided.

    allow <TAB> \\.jpg$ <TAB> - <TAB> -
    deny  <TAB> \\.exe$ <TAB> log text <TAB> text for the user

Called by  programs.admin_import.
Ends       always; an "allow" is no rule of its own: it limits the denials that follow it.
Careful    "allow" let one attachment through, never the whole message, so it is no `accept` here.
           Where it ends in fixed letters, the rules after it leave out names that end so.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from qscanner.codec.text import for_terminal
from qscanner.importers import perl, words
from qscanner.importers.findings import Imported, Job, NewRule
from qscanner.importers.mailscanner_types import kinds_of
from qscanner.importers.sources import Line
from qscanner.model import Action
from qscanner.patterns import MAX_PATTERN_CHARS, PatternError

MAX_TEXT_CHARS = 200
_COLUMNS = 4
_ALLOW = re.compile(r"(?i)allow")
_DENY = re.compile(r"(?i)deny(\+delete)?")
_RENAME = re.compile(r"(?i)rename\b.*")
_IN_ARCHIVES, _OUTSIDE = "archive", ["attachment", "inline", "nested"]
_ENCODED = "?="  # of an RFC 2047 word: the same name is there in plain, too
_REPLY = "Your message was refused because of an attachment"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One line: what it does, its pattern(s), and what it says."""

    line: Line
    action: str
    pattern: str
    mime: str  # of file -i, in filetype rules of five columns
    why: str
    reply: str

    @property
    def deny(self) -> re.Match[str] | None:
        """The match, where the line denies."""
        return _DENY.fullmatch(self.action)

    @property
    def to(self) -> list[str]:
        """The addresses to which the message was sent instead, where the line says so."""
        return re.split(r"[\s,]+", self.action.strip(" ,")) if "@" in self.action else []

    @property
    def acts(self) -> bool:
        """Say whether it is a rule of its own."""
        return self.deny is not None or bool(self.to)


def read_names(job: Job, imported: Imported) -> None:
    """Translate filename.rules.conf; one of archives says so in its name, and is for members."""
    where = _IN_ARCHIVES if "archive" in job.stem.lower() else _OUTSIDE
    before: list[_Entry] = []
    for each in _entries(job, imported, has_mime=False):
        try:
            name = f"(?i){perl.translated(each.pattern)}"
        except PatternError as error:
            imported.warn(each.line, f"no rule: {error}", each.pattern)
            if each.deny is None:
                before.append(each)
            continue
        if each.acts:
            part: dict[str, object] = {"where": where, "name": name}
            notes = _leave_out(part, each, before, imported)
            imported.rules.append(_rule(job, each, {"part": part}, notes))
        if each.deny is None:
            _tell_renamed(each, imported)
            before.append(each)


def read_types(job: Job, imported: Imported) -> None:
    """Translate filetype.rules.conf: words of file(1) become kinds, where we have one for them."""
    where = _IN_ARCHIVES if "archive" in job.stem.lower() else _OUTSIDE
    allowed: set[str] = set()
    for each in _entries(job, imported, has_mime=True):
        kinds = kinds_of(each.pattern, each.mime)
        if not each.acts:
            _tell_renamed(each, imported)
            if not kinds:
                text = "no kind here is like this: the denials below hold for it, too"
                imported.warn(each.line, text, each.pattern)
            allowed.update(kinds)
            continue
        left = [kind for kind in kinds if kind not in allowed]
        if not left:
            text = "a line above allows all of it" if kinds else "no kind here is like this"
            imported.warn(
                each.line, f"no rule: {text} (docs/findings.md lists kinds)", each.pattern
            )
            continue
        body = {"part": {"where": where, "kind": left}}
        imported.rules.append(_rule(job, each, body, ()))
        allowed.update(kinds if each.to else ())


def _entries(job: Job, imported: Imported, *, has_mime: bool) -> Iterator[_Entry]:
    for line in job.lines:
        columns = [each.strip() for each in re.split(r"\t+", line.text.strip())]
        is_known = _ALLOW.fullmatch(columns[0]) or _DENY.fullmatch(columns[0])
        if len(columns) < 2:  # noqa: PLR2004
            text = "no rule: MailScanner wants four columns with TABs between them"
            imported.warn(line, text)
        elif not (is_known or _RENAME.fullmatch(columns[0]) or "@" in columns[0]):
            text = f'no rule: "{columns[0]}" is not allow, deny, deny+delete, rename or an address'
            imported.warn(line, text, columns[0])
        else:
            mime = columns.pop(2) if has_mime and len(columns) > _COLUMNS else ""
            said = [_said(each) for each in (*columns[2:4], "", "")]
            yield _Entry(
                line=line,
                action=columns[0],
                # MailScanner itself did so: *.exe
                pattern=re.sub(r"^\*", ".*", columns[1]),
                mime=mime,
                why=said[0] or said[1] or "Imported from MailScanner, where it had no text",
                reply=said[1] or said[0] or _REPLY,
            )


def _said(text: str) -> str:
    return "" if text == "-" else for_terminal(text)[:MAX_TEXT_CHARS]


def _tell_renamed(each: _Entry, imported: Imported) -> None:
    if _RENAME.fullmatch(each.action):
        text = "no rule: nothing is renamed here; deny it, or leave it"
        imported.warn(each.line, text, each.action)


def _leave_out(
    part: dict[str, object], deny: _Entry, before: list[_Entry], imported: Imported
) -> tuple[str, ...]:
    """Add to the part that its name does not end as an earlier line says, where that matters.

    Give the notes that say so.
    """
    denied, _ = words.endings(deny.pattern)
    notes: tuple[str, ...] = ()
    allowed: dict[str, None] = {}
    unclear: list[_Entry] = []
    for each in before:
        endings, is_all = words.endings(each.pattern)
        if endings and denied and not _meet(endings, denied):
            continue
        if is_all:
            allowed.update((ending, None) for ending in endings)
        else:
            unclear.append(each)
    if allowed:
        # A pattern is never shorter than its endings: thousands of them need not be tried.
        is_long = sum(map(len, allowed)) > MAX_PATTERN_CHARS
        pattern = "" if is_long else words.not_ending((*allowed, _ENCODED))
        if pattern and len(pattern) <= MAX_PATTERN_CHARS:
            part["any"] = [{"name": pattern}]
            notes = (f"any: names that end otherwise than {' '.join(allowed)} (lines above)",)
        else:
            text = "the lines above let names pass that this rule hits: there are too many of them"
            imported.warn(deny.line, text, deny.pattern)
    if unclear:
        numbers = [str(each.line.number) for each in unclear]
        lines = f"line{'s' * (len(numbers) > 1)} {', '.join(numbers)}"
        text = f"hits what {lines} let pass, as well: a rule cannot leave it out"
        imported.warn(deny.line, text, deny.pattern)
    return notes


def _meet(some: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Say whether a name can end both in one of the ones and in one of the others."""
    for each in some:
        if each.endswith(others):
            return True
    return any(each.endswith(some) for each in others)


def _rule(job: Job, each: _Entry, body: Mapping[str, object], notes: tuple[str, ...]) -> NewRule:
    action = job.action or Action.QUARANTINE
    if each.to:
        action = Action.ACCEPT
    elif job.action is None and each.deny is not None and each.deny[1] is not None:
        action = Action.REJECT  # deny+delete: nothing was kept
    return NewRule(
        id=job.id_of(each.line),
        line=each.line,
        why=each.why,
        body=body,
        action=action,
        reply=each.reply if each.reply.isascii() else _REPLY,
        extras={"redirect_to": each.to} if each.to else {},
        notes=notes,
    )
