"""One [[rule]]: its conditions, its action and everything that goes with them.

Called by  policy.read.
Ends       with the Rule, or None where it cannot be one; mistakes are noted in the problems.
Careful    what an admin writes here reaches strangers (reply) and headers (add_header): one line
           of printable ASCII, bounded.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from qscanner.codec.envelope import MAX_ADDRESS_OCTETS
from qscanner.model import Action, Edits, Notify, Release
from qscanner.policy import alignment, questions, scopes
from qscanner.policy.conditions import Condition
from qscanner.policy.marks import MAX_SCORE, Mark
from qscanner.policy.rules import Detector, Mode, Rule, Scope, Sentence
from qscanner.policy.shelf import Shelf
from qscanner.policy.tables import Choice, Table, choice
from qscanner.policy.trial_tables import trials

CONDITION_KEYS = ("when", "header", "body", "part", "finding", "virus", "spam", "total")
DETECTING_KEYS = ("score", "tag")
RULE_KEYS = frozenset((*CONDITION_KEYS, *DETECTING_KEYS)) | frozenset(
    [
        "id",
        "why",
        "unless",
        "action",
        "reply",
        "keep",
        "add_header",
        "subject_prefix",
        "copy_to",
        "redirect_to",
        "notify",
        "strip",
        "release",
        "final",
        "mode",
        "order",
        "test",
    ]
)
NOT_YET: dict[str, str] = {}  # what this version knows of, and cannot do
MAX_ID_CHARS = 64
MAX_REPLY_OCTETS = 250 - len("D") - len(" (#5.7.1)")
MAX_WHY_CHARS = 500
MAX_HEADER_VALUE_OCTETS = 900
MAX_PREFIX_OCTETS = 64
MAX_MAILBOXES = 20
OWN_PREFIX = "default."
_MAILDIR = "maildir:"
Place = TypeVar("Place", bytes, bytes | str)
# Lines that the program itself writes, from what it found; nobody else may.
_OURS = re.compile(r"(?i)x-qscanner(-.*)?|x-spam-(flag|status|level)")
_ADDED = re.compile(r"(?i)x-[a-z0-9-]{1,60}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def rule(table: Table, shelf: Shelf) -> Sentence | None:
    """Give the rule that a table says; its number is the last step of the table's path."""
    id_ = _id(table)
    if id_ is not None:
        table.label = f'rule "{id_}": '
    table.only(RULE_KEYS, not_yet=NOT_YET)
    conditions = _conditions(table, shelf)
    when, unless = alignment.aligned(
        tuple(scopes.scope(each, shelf, "when") for each in table.tables("when")),
        tuple(scopes.scope(each, shelf, "unless") for each in table.tables("unless")),
        conditions,
    )
    asked: dict[str, Any] = {
        "file": table.document.file,
        "number": int(table.path[-1]),
        "why": _line(table, "why", MAX_WHY_CHARS) or "",
        "when": when or (Scope(),),
        "unless": unless,
        "conditions": conditions,
        "mode": _one(table, "mode", Mode) or Mode.ON,
        "order": table.number("order") or 0.0,
        "tests": trials(table),
    }
    _check_there_is_a_condition(table)
    if "action" not in table and any(key in table for key in DETECTING_KEYS):
        return _detector(table, id_, asked)
    return _deciding(table, id_, asked)


def _deciding(table: Table, id_: str | None, asked: dict[str, Any]) -> Rule | None:
    action = _action(table)
    copies = _places(table, "copy_to", _mailbox_or_maildir)
    said: dict[str, Any] = {
        "marks": _total(table),
        "reply": _ascii(table, "reply", MAX_REPLY_OCTETS),
        "keep": bool(table.flag("keep")),
        "edits": Edits(add_headers=_add_headers(table), subject_prefix=_prefix(table)),
        "is_final": bool(table.flag("final")),
        "release": _one(table, "release", Release),
        "copy_to": tuple(each for each in copies if isinstance(each, bytes)),
        "maildirs": tuple(each for each in copies if isinstance(each, str)),
        "notify": tuple(dict.fromkeys(table.made("notify", _whom))),
        "redirect_to": _places(table, "redirect_to", _mailbox),
        "strips": bool(table.flag("strip")),
    }
    _check_sense(table, action, asked["mode"])
    if id_ is None or action is None:
        return None
    return Rule(id=id_, action=action, **asked, **said)


def _detector(table: Table, id_: str | None, asked: dict[str, Any]) -> Detector | None:
    """Give a rule that leaves a score or a tag: nothing of a decision goes with it."""
    score = table.number("score")
    if score is not None and (score == 0 or abs(score) > MAX_SCORE):
        table.wrong(f'a "score" is any number but 0, up to {MAX_SCORE:,.0f}', "score")
    tags = table.made("tag", scopes.tag)
    if len(tags) > 1:
        table.wrong('a rule gives one "tag"; a second one needs a rule of its own', "tag")
    for key in _DECIDING_KEYS & table.data.keys():
        table.wrong(
            f'"{key}" needs an "action", but this rule only gives a score or a tag', key, at="key"
        )
    for key in ("when", "unless"):
        if any(scope.marks for scope in asked[key]):
            text = 'a rule that gives a score or a tag cannot ask for a "tag"'
            table.wrong(text, key, "tag", at="key")
    if id_ is None:
        return None
    return Detector(id=id_, score=score or 0.0, tag=tags[0] if tags else "", **asked)


def _id(table: Table) -> str | None:
    if "id" not in table:
        table.wrong('a rule has no "id"')
    text = table.text("id")
    if text is None:
        return None
    if len(text) > MAX_ID_CHARS or not _ID.fullmatch(text):
        table.wrong(
            f'"{text}" is no id: letters, digits, dots and dashes, at most {MAX_ID_CHARS}', "id"
        )
        return None
    if text.startswith(OWN_PREFIX):
        table.wrong(f'"{text}": ids that begin with "{OWN_PREFIX}" are the program\'s own', "id")
    return text


def _action(table: Table) -> Action | None:
    action = _one(table, "action", Action)
    for key in DETECTING_KEYS:
        if key in table:
            text = f'"{key}" belongs to a rule without "action": make two rules of this one'
            table.wrong(text, key, at="key")
    if "action" not in table and not NOT_YET.keys() & table.data.keys():
        allowed = ", ".join(each.value for each in Action)
        table.wrong(f'the rule has no "action" ({allowed}), nor "score" or "tag"')
    return action


def _one(table: Table, key: str, kind: type[Choice]) -> Choice | None:
    text = table.text(key)
    if text is None:
        return None
    try:
        return choice(text, kind, key)
    except ValueError as error:
        table.wrong(str(error), key)
        return None


def _conditions(table: Table, shelf: Shelf) -> tuple[Condition, ...]:
    found: list[Condition] = []
    if (header := table.table("header")) is not None:
        found += questions.header(header, shelf)
    if (part := table.table("part")) is not None:
        found.append(questions.part(part, shelf))
    if "finding" in table:
        found.append(questions.findings(table))
    if "virus" in table:
        found.append(questions.viruses(table))
    if (spam := table.table("spam")) is not None:
        found.append(questions.spam(spam))
    if (body := table.table("body")) is not None:
        found.append(questions.body(body, shelf))
    # The cheap questions first: most messages have neither findings nor viruses.
    dear = ("header", "part", "body")
    return tuple(sorted(found, key=lambda each: each.name.startswith(dear)))


def _total(table: Table) -> tuple[Mark, ...]:
    total = table.table("total")
    mark = None if total is None else questions.total(total)
    return () if mark is None else (mark,)


def _check_there_is_a_condition(table: Table) -> None:
    has_one = any(key in table for key in (*CONDITION_KEYS, *NOT_YET))
    if not has_one:
        keys = ", ".join(CONDITION_KEYS)
        only = ' but "unless"' if "unless" in table else ""
        table.wrong(f"the rule has no condition{only} and would meet every message ({keys})")


def _check_sense(table: Table, action: Action | None, mode: Mode | None) -> None:
    """Note keys that can have no effect beside others: whoever wrote them meant something else."""
    for key, fits in _FITS.items():
        if key in table and action is not None and action not in fits:
            allowed = " or ".join(each.value for each in fits)
            table.wrong(
                f'"{key}" goes with {allowed}, but the action is {action.value}', key, at="key"
            )
    if action is Action.ACCEPT and Notify.RECIPIENTS.value in _said(table, "notify"):
        text = "recipients are told of what they do not get, but the action is accept"
        table.wrong(f'"notify": {text}', "notify", at="key")
    if table.data.get("strip") is True and "part" not in table:
        table.wrong('"strip" needs "part": it takes out the parts that this means', "strip")
    if mode is Mode.LOG_ONLY and table.data.get("final") is True:
        table.wrong('"final" has no effect on a rule that is log-only', "final", at="key")


_DECIDING_KEYS = frozenset(
    [
        "total",
        "reply",
        "keep",
        "add_header",
        "subject_prefix",
        "copy_to",
        "redirect_to",
        "notify",
        "strip",
        "release",
        "final",
    ]
)
_FITS = {
    "reply": (Action.REJECT, Action.DEFER),
    "keep": (Action.REJECT, Action.DISCARD),
    "add_header": (Action.ACCEPT,),
    "subject_prefix": (Action.ACCEPT,),
    "copy_to": (Action.ACCEPT,),
    "redirect_to": (Action.ACCEPT,),
    "strip": (Action.ACCEPT,),
    "notify": (Action.ACCEPT, Action.QUARANTINE, Action.DISCARD, Action.REJECT),
    "release": (Action.QUARANTINE, Action.DISCARD, Action.REJECT),
}


def _said(table: Table, key: str) -> tuple[object, ...]:
    """Give what stands under a key that takes a text or a list, whatever it is."""
    value = table.data.get(key)
    return tuple(value) if isinstance(value, list) else (value,)


def _whom(text: str) -> Notify:
    if text == "sender":
        raise ValueError(
            '"sender" is never told by mail: anybody can write any sender. '
            'Who is still there hears "reply" with action = "reject"'
        )
    return choice(text, Notify, "notify")


def _places(table: Table, key: str, make: Callable[[str], Place]) -> tuple[Place, ...]:
    """Give where mail is sent as well, or instead, each once."""
    found = tuple(dict.fromkeys(table.made(key, make)))
    if len(found) > MAX_MAILBOXES:
        table.wrong(f'"{key}" has {len(found)} addresses, {MAX_MAILBOXES} are possible', key)
    return found


def _mailbox_or_maildir(text: str) -> bytes | str:
    """Give an address as octets, the path of a Maildir as text."""
    if not text.startswith(_MAILDIR):
        return _mailbox(text)
    path = text.removeprefix(_MAILDIR)
    if not path.startswith("/") or any(char < " " or char == "\x7f" for char in path):
        raise ValueError(f'"{text}" is no Maildir: write its whole path, "maildir:/var/mail/all"')
    return path.rstrip("/") or "/"


def _mailbox(text: str) -> bytes:
    if text.startswith(_MAILDIR):
        raise ValueError(f'"{text}": mail is sent to addresses only; "copy_to" takes a Maildir')
    local, _, domain = text.rpartition("@")
    octets = text.encode("utf-8", "replace")
    if not local or not domain or any(char <= " " or char in "<>\x7f" for char in text):
        raise ValueError(f'"{text}" is no address to send to: write "jane@example.org"')
    if len(octets) > MAX_ADDRESS_OCTETS:
        raise ValueError(f"the address has more than {MAX_ADDRESS_OCTETS} octets")
    return octets


def _add_headers(table: Table) -> tuple[tuple[str, str], ...]:
    fields = table.table("add_header")
    if fields is None:
        return ()
    for name in fields.data:
        if _OURS.fullmatch(name):
            fields.wrong(f'"{name}" is written by the program itself', name, at="key")
        elif not _ADDED.fullmatch(name):
            fields.wrong(f'"{name}": a rule may add fields named X-… only', name, at="key")
    values = ((name, _ascii(fields, name, MAX_HEADER_VALUE_OCTETS)) for name in fields.data)
    return tuple((name, value) for name, value in values if value is not None)


def _prefix(table: Table) -> str:
    return _ascii(table, "subject_prefix", MAX_PREFIX_OCTETS) or ""


def _ascii(table: Table, key: str, max_octets: int) -> str | None:
    """Give one line of printable ASCII."""
    text = _line(table, key, max_octets)
    if text is not None and not text.isascii():
        first = next(char for char in text if not char.isascii())
        table.wrong(f'"{key}" must be ASCII: "{first}" is not', key)
        return None
    return text


def _line(table: Table, key: str, max_chars: int) -> str | None:
    """Give one line of text without control characters."""
    text = table.text(key)
    if text is None:
        return None
    if not text.strip():
        table.wrong(f'"{key}" is empty', key)
    elif any(char < " " or char == "\x7f" for char in text):
        table.wrong(f'"{key}" must be one line, without control characters', key)
    elif len(text) > max_chars:
        table.wrong(f'"{key}" has {len(text)} characters, {max_chars} are possible', key)
    else:
        return text
    return None
