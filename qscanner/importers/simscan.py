"""simscan's control/simcontrol and control/ssattach.

    jane@example.org:clam=yes,spam=yes,spam_hits=9.5     one recipient
    example.org:spam=no,attach=.exe:.scr                 a domain
    :clam=yes,spam=yes,spam_hits=12,attach=.exe:.com     everybody else

Called by  programs.admin_import.
Ends       always; every option is a rule, a setting or a warning.
Careful    in simscan the last recipient's line held for the whole message, and the sender's line
           too: one "clam=no" delivered viruses to all. Here a line holds for its recipients alone,
           an address before its domain before the default, and nothing switches scanning off.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from qscanner.codec.text import for_terminal
from qscanner.importers.findings import Imported, Job, NewRule, Setting, size_of
from qscanner.importers.qmail_scanner import literal
from qscanner.importers.sources import Line
from qscanner.model import Action
from qscanner.policy import addresses

DEFAULT_HITS = 10.0  # of ./configure --spam-hits
NOT_INSIDE = ["attachment", "inline", "nested"]  # simscan did not look into archives
_REPLY_ATTACH = "Your email was rejected because it contains a bad attachment"
_REPLY_SPAM = "Your email is considered spam"
_YES, _NO = ("yes", "on", "1", "true"), ("no", "off", "0", "false")
_NUMBER = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")
_SIZE = re.compile(r"[0-9]{1,10}")
_LEAST = 1000  # of [spam.spamd] max
_MAX_NAME_CHARS = 3000  # of one pattern
_SUFFIXES = re.compile(r"[ :\t\r]+")
_BY_HAND = {
    "regex": "it looked into the raw lines of the message: write a rule with header, or with body",
    "spamuser": "there is one scoring for all recipients",
    "qmailqueue": 'there is one [queue] program for all; "redirect_to" may do',
    "dspam": "there is no dspam here",
}


@dataclass(slots=True)
class _Key:
    """One key of simcontrol: what it says, and what holds for it with what is above it."""

    key: str  # address, domain, or "" for the default
    line: Line
    own: dict[str, str]
    whole: dict[str, str] = field(default_factory=dict)
    above: "_Key | None" = None
    below: "list[_Key]" = field(default_factory=list)

    @property
    def pattern(self) -> str:
        """The recipients, as `to` names them."""
        return self.key if "@" in self.key else f"@{self.key}"


def read_ssattach(job: Job, imported: Imported) -> None:
    """Translate ssattach: endings of names, which were refused."""
    for line in job.lines:
        suffixes = [each for each in _SUFFIXES.split(line.text.strip()) if each]
        if suffixes:
            body = {"part": {"where": NOT_INSIDE, "name": _endings(suffixes)}}
            imported.rules.append(_rule(job, line, "", body, "attach"))


def read_simcontrol(job: Job, imported: Imported) -> None:
    """Translate simcontrol: what held for everybody, for domains and for addresses."""
    keys: dict[str, _Key] = {}
    for line in job.lines:
        found = _key(line, imported)
        if found is not None:
            if found.key in keys:
                first = keys[found.key].line.number
                imported.warn(line, f"no rule: line {first} has the same key, and came first")
                continue
            keys[found.key] = found
    for each in keys.values():
        _place(each, keys)
    for each in keys.values():  # the settings of those above are complete only now
        each.whole = _merged(each)
        _tell(each, imported)
    for each in keys.values():
        imported.rules += _rules(job, each)


def _key(line: Line, imported: Imported) -> _Key | None:
    key, colon, rest = line.text.strip().partition(":")
    key = key.strip().lower()
    if not colon:
        imported.warn(line, "no rule: there is no colon behind the address or domain")
        return None
    if key.startswith("@"):
        imported.warn(
            line, f'no rule: in simscan "{key}" never hit anything; write {key[1:]}', key
        )
        return None
    try:
        addresses.pattern(key if "@" in key or not key else f"@{key}")
    except ValueError as error:
        imported.warn(line, f"no rule: {error}", key)
        return None
    own: dict[str, str] = {}
    for option in filter(None, (each.strip() for each in rest.split(","))):
        name, equals, value = option.partition("=")
        if equals:
            own[name.strip().lower()] = value.strip()
        else:
            imported.warn(line, f'"{option}" has no value: it is left out', option)
    return _Key(key=key, line=line, own=own)


def _place(this: _Key, keys: dict[str, _Key]) -> None:
    """Find what is asked before this key: its domain, or the default."""
    domain = this.key.rpartition("@")[2] if "@" in this.key else None
    this.above = (keys.get(domain) if domain else None) or keys.get("")
    if this.above is this:
        this.above = None
    if this.above is not None:
        this.above.below.append(this)


def _merged(this: _Key) -> dict[str, str]:
    above = _merged(this.above) if this.above is not None else {}
    return above | this.own


def _tell(this: _Key, imported: Imported) -> None:
    """Note the options that are no rules."""
    for name, value in this.own.items():
        teller = _TELLERS.get(name)
        if teller is not None:
            teller(this, value, imported)
        elif name in _BY_HAND:
            imported.warn(this.line, f"{name} is not carried over: {_BY_HAND[name]}", name)
        elif name != "attach":
            imported.warn(this.line, f'simscan has no option "{name}"', name)


def _tell_clam(this: _Key, value: str, imported: Imported) -> None:
    if value.lower() in _NO:
        text = "clam=no is not carried over: viruses are looked for in all mail"
        imported.warn(this.line, text, "clam")
    else:
        _set(this, imported, "virus", "engines", ["clamav"])


def _tell_trophie(this: _Key, value: str, imported: Imported) -> None:
    if value.lower() not in _NO:
        text = "trophie is not there: its command-line scanner may be asked by [virus.command]"
        imported.warn(this.line, text, "trophie")


def _tell_spam(this: _Key, value: str, imported: Imported) -> None:
    if value.lower() in _YES:
        _set(this, imported, "spam", "scorer", "spamd")
    elif this.key:
        way = f'put unless = {{ to = "{this.pattern}" }} into the rules of 40-spam.toml'
        imported.warn(this.line, f"all mail is scored: {way}", "spam")


def _tell_hits(this: _Key, value: str, imported: Imported) -> None:
    if not _NUMBER.fullmatch(value):
        imported.warn(
            this.line, f'"{value}" is no score: the default of simscan, 10, is taken', value
        )
    elif "spam" in this.own and this.own["spam"].lower() in _NO:
        imported.warn(this.line, "spam_hits had no effect beside spam=no", "spam_hits")


def _tell_size(this: _Key, value: str, imported: Imported) -> None:
    if this.key or not _SIZE.fullmatch(value) or not _LEAST <= int(value) <= 1 << 30:
        text = "size_limit is not carried over: [spam.spamd] max holds for all, from 1 kB to 1 GiB"
        imported.warn(this.line, text, "size_limit")
    else:
        _set(this, imported, "spam.spamd", "max", size_of(int(value)))


def _tell_passthru(this: _Key, value: str, imported: Imported) -> None:
    if value.lower() in _YES:
        whom = f'put unless = {{ to = "{this.pattern}" }} into it' if this.key else "take it out"
        text = f'spam passes, but the shipped rule "surely-spam" refuses some: {whom}'
        imported.warn(this.line, text, "spam_passthru")


_TELLERS: dict[str, Callable[[_Key, str, Imported], None]] = {
    "clam": _tell_clam,
    "trophie": _tell_trophie,
    "spam": _tell_spam,
    "spam_hits": _tell_hits,
    "spam_passthru": _tell_passthru,
    "size_limit": _tell_size,
}


def _set(this: _Key, imported: Imported, table: str, key: str, value: Any) -> None:
    imported.settings.append(Setting(table=table, key=key, value=value, line=this.line))


def _rules(job: Job, this: _Key) -> Iterator[NewRule]:
    """Give the rules of one key, where it says something else than what is above it."""
    suffixes = _suffixes(this)
    if suffixes and (this.above is None or suffixes != _suffixes(this.above)):
        others = [each for each in _all_below(this) if _suffixes(each) != suffixes]
        body = _scope(this, others) | {"part": {"where": NOT_INSIDE, "name": _endings(suffixes)}}
        yield _rule(job, this.line, this.key, body, "attach")
    hits = _hits(this)
    if hits is not None and (this.above is None or hits != _hits(this.above)):
        others = [each for each in _all_below(this) if _hits(each) != hits]
        body = _scope(this, others) | {"spam": {"at_least": hits}}
        yield _rule(job, this.line, this.key, body, "spam")


def _all_below(this: _Key) -> Iterator[_Key]:
    for each in this.below:
        yield each
        yield from _all_below(each)


def _scope(this: _Key, others: list[_Key]) -> dict[str, Any]:
    """Give whom a rule is for: those of the key, but not those who have another line."""
    scope: dict[str, Any] = {"when": {"to": this.pattern}} if this.key else {}
    if others:
        scope["unless"] = {"to": [each.pattern for each in others]}
    return scope


def _suffixes(this: _Key) -> list[str]:
    return [each for each in _SUFFIXES.split(this.whole.get("attach", "").lower()) if each]


def _hits(this: _Key) -> float | None:
    """Give the score from which mail was refused, None where it never was."""
    is_passed = this.whole.get("spam_passthru", "no").lower() in _YES
    if this.whole.get("spam", "no").lower() not in _YES or is_passed:
        return None
    value = this.whole.get("spam_hits", "")
    return float(value) if _NUMBER.fullmatch(value) else DEFAULT_HITS


def _endings(suffixes: list[str]) -> str | list[str]:
    """Give a pattern for names that end so; several where one would be too long."""
    patterns: list[str] = []
    bundle: list[str] = []
    for each in map(literal, dict.fromkeys(each[:_MAX_NAME_CHARS] for each in suffixes)):
        if bundle and sum(map(len, bundle)) + len(each) > _MAX_NAME_CHARS:
            patterns.append(_one_of(bundle))
            bundle = []
        bundle.append(each)
    patterns.append(_one_of(bundle))
    return patterns[0] if len(patterns) == 1 else patterns


def _one_of(escaped: list[str]) -> str:
    if len(escaped) == 1:
        return f"(?i){escaped[0]}$"
    if all(each.startswith("\\.") for each in escaped):
        return f"(?i)\\.({'|'.join(each[2:] for each in escaped)})$"
    return f"(?i)({'|'.join(escaped)})$"


def _rule(job: Job, line: Line, key: str, body: dict[str, Any], what: str) -> NewRule:
    whom = f" for {for_terminal(key)[:200]}" if key else ""
    why, reply = {
        "attach": (f"simscan refused attachments that end so{whom}", _REPLY_ATTACH),
        "spam": (f"simscan refused mail of this score{whom}", _REPLY_SPAM),
    }[what]
    return NewRule(
        id=job.id_of(line, what),
        line=line,
        why=why,
        body=body,
        action=job.action or Action.REJECT,
        reply=reply,
    )
