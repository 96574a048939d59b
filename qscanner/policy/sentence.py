"""One [[rule]]: its conditions, its action and everything that goes with them.

Called by  policy.read.
Ends       with the Rule, or None where it cannot be one; mistakes are noted in the problems.
Careful    what an admin writes here reaches strangers (reply) and headers (add_header): one line
           of printable ASCII, bounded.
"""

import re

from qscanner.model import Action, Edits
from qscanner.policy import questions
from qscanner.policy.conditions import Condition
from qscanner.policy.rules import Mode, Rule, Scope
from qscanner.policy.shelf import Shelf
from qscanner.policy.tables import Choice, Table, choice

CONDITION_KEYS = ("when", "header", "part", "finding", "virus", "spam")
RULE_KEYS = frozenset(CONDITION_KEYS) | frozenset(
    [
        "id",
        "why",
        "unless",
        "action",
        "reply",
        "keep",
        "add_header",
        "subject_prefix",
        "final",
        "mode",
        "order",
    ]
)
NOT_YET = {
    "body": "does not look into texts",
    "score": "has no detecting rules",
    "tag": "has no detecting rules",
    "total": "has no detecting rules, so there is no total",
    "copy_to": "sends no copies",
    "redirect_to": "redirects nothing",
    "notify": "sends no notices",
    "strip": "takes nothing out of messages",
    "release": "has no review of held mail",
    "test": "does not run tests of rules",
}
MAX_ID_CHARS = 64
MAX_REPLY_OCTETS = 250 - len("D") - len(" (#5.7.1)")
MAX_WHY_CHARS = 500
MAX_HEADER_VALUE_OCTETS = 900
MAX_PREFIX_OCTETS = 64
OWN_PREFIX = "default."
# Lines that the program itself writes, from what it found; nobody else may.
_OURS = re.compile(r"(?i)x-qscanner(-.*)?|x-spam-(flag|status|level)")
_ADDED = re.compile(r"(?i)x-[a-z0-9-]{1,60}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def rule(table: Table, shelf: Shelf) -> Rule | None:
    """Give the rule that a table says; its number is the last step of the table's path."""
    id_ = _id(table)
    if id_ is not None:
        table.label = f'rule "{id_}": '
    table.only(RULE_KEYS, not_yet=NOT_YET)
    action = _action(table)
    mode = _one(table, "mode", Mode)
    conditions = _conditions(table, shelf)
    when = tuple(questions.scope(each, shelf, "when") for each in table.tables("when"))
    unless = tuple(questions.scope(each, shelf, "unless") for each in table.tables("unless"))
    _check_there_is_a_condition(table)
    edits = Edits(add_headers=_add_headers(table), subject_prefix=_prefix(table))
    why, reply = _line(table, "why", MAX_WHY_CHARS), _ascii(table, "reply", MAX_REPLY_OCTETS)
    keep, is_final = bool(table.flag("keep")), bool(table.flag("final"))
    order = table.number("order")
    _check_sense(table, action, mode)
    if id_ is None or action is None:
        return None
    return Rule(
        id=id_,
        action=action,
        file=table.document.file,
        number=int(table.path[-1]),
        why=why or "",
        when=when or (Scope(),),
        unless=unless,
        conditions=conditions,
        reply=reply,
        keep=keep,
        edits=edits,
        is_final=is_final,
        mode=mode or Mode.ON,
        order=order or 0.0,
    )


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
    if "action" not in table and not NOT_YET.keys() & table.data.keys():
        allowed = ", ".join(each.value for each in Action)
        table.wrong(f'the rule has no "action" ({allowed})')
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
    # The cheap questions first: most messages have neither findings nor viruses.
    return tuple(sorted(found, key=lambda each: each.name.startswith(("header", "part"))))


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
    if mode is Mode.LOG_ONLY and table.data.get("final") is True:
        table.wrong('"final" has no effect on a rule that is log-only', "final", at="key")


_FITS = {
    "reply": (Action.REJECT, Action.DEFER),
    "keep": (Action.REJECT, Action.DISCARD),
    "add_header": (Action.ACCEPT,),
    "subject_prefix": (Action.ACCEPT,),
}


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
