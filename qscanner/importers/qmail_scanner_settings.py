"""What ./configure wrote into qmail-scanner-queue.pl, or the command line of ./configure.

    my $sa_quarantine='2.1';          --sa-quarantine 2.1

Called by  programs.admin_import.
Ends       always. Of thousands of lines of Perl only assignments of known names are read.
Careful    thresholds of Qmail-Scanner count from SpamAssassin's required_hits.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from qscanner.importers.findings import Imported, Job, NewRule, Setting, size_of
from qscanner.importers.sources import Line
from qscanner.model import Action

_ASSIGNED = re.compile(
    r"""\s*(?:my\s*|our\s*|local\s*)?[$@](?P<name>[A-Za-z_]\w{0,60})\s*=\s*"""
    r"""(?P<value>'[^']*'|"[^"]*"|\([^)]*\)|[0-9.]+(?:\s*\*\s*[0-9.]+)*)\s*;.*"""
)
_OPTION = re.compile(r"""--(?P<name>[a-z][a-z-]{1,40})[ =](?P<value>"[^"]*"|'[^']*'|[^\s\\]+)""")
_WORDS = re.compile(r"""[^\s'"(),]+""")
_NUMBER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6})?")
_WHOLE = re.compile(r"[0-9]{1,12}")
_LEAST = 1024
_OFF = ("", "0", "no", "none", "off")
_MAX_PREFIX = 64
_REPLY = "Your message was refused because it looks like spam"
_ENGINES = frozenset({"clamscan", "clamdscan", "clamav", "clamuko"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """One assignment or option: its name in words with _, its value without quotes."""

    name: str
    value: str
    line: Line

    @property
    def is_on(self) -> bool:
        """Say whether it switches something on."""
        return self.value.strip().lower() not in _OFF


def read(job: Job, imported: Imported) -> None:
    """Translate the settings of one file."""
    said: dict[str, _Said] = {}
    for each in _found(job.lines):
        said.setdefault(each.name, each)  # ./configure writes at the top; below, the code counts
    for each in said.values():
        teller = _TELLERS.get(each.name)
        if teller is not None:
            teller(each, imported)
        elif each.name in _GONE and each.is_on:
            imported.warn(each.line, f"{each.name} is not carried over: {_GONE[each.name]}")
    imported.rules += _rules(job, said, imported)


def _found(lines: tuple[Line, ...]) -> Iterator[_Said]:
    for line in lines:
        text = line.text[:4000]
        assigned = _ASSIGNED.fullmatch(text)
        matches = [assigned] if assigned else _OPTION.finditer(text)
        for match in matches:
            name = match["name"].lower().replace("-", "_")
            name = _SAME.get(name, name)
            yield _Said(name=name, value=match["value"].strip("'\""), line=line)


_SAME = {
    "scanner_array": "scanners",
    "notify_addrs": "notify",
    "qmailqueue": "qmail_queue_binary",
    "qmail_queue": "qmail_queue_binary",
    "maxtime": "maxtime",
    "spamc_subject": "sa_subject",
    "archiveit": "archive",
    "silent_viruses_array": "silent_viruses",
    "local_domains_array": "local_domains",
    "max_zip_expansion": "max_zip_size",
    "descriptive_hdrs": "add_dscr_hdrs",
    "sa_fault_tolerant": "sa_faulttolerant",
}


def _rules(job: Job, said: dict[str, _Said], imported: Imported) -> Iterator[NewRule]:
    quarantine, delete = (
        _above(said, "sa_quarantine", imported),
        _above(said, "sa_delete", imported),
    )
    if quarantine is not None:
        body: dict[str, Any] = {"spam": {"over_required": quarantine}}
        why = "Qmail-Scanner kept spam of this score in quarantine"
        yield _rule(job, said["sa_quarantine"], why, body, job.action or Action.QUARANTINE)
    if delete is not None:
        is_refused = "sa_reject" in said and said["sa_reject"].is_on
        body = {"spam": {"over_required": delete}}
        why = f"Qmail-Scanner {'refused' if is_refused else 'threw away'} spam of this score"
        action = Action.REJECT if is_refused else Action.DISCARD
        yield _rule(job, said["sa_delete"], why, body, job.action or action)
    subject = said.get("sa_subject")
    if subject is not None and subject.is_on:
        if (
            subject.value.isascii()
            and subject.value.isprintable()
            and len(subject.value) <= _MAX_PREFIX
        ):
            body = {"spam": {"over_required": 0}}
            why = "Qmail-Scanner marked the subject of spam"
            new = _rule(job, subject, why, body, Action.ACCEPT, subject_prefix=subject.value)
            yield new
        else:
            imported.warn(subject.line, "a subject_prefix is ASCII of at most 64 characters")
    locked = said.get("block_password_protected")
    if locked is not None and locked.is_on:
        why = "Qmail-Scanner kept archives with a password in quarantine"
        body = {"finding": "archive.encrypted"}
        yield _rule(job, locked, why, body, job.action or Action.QUARANTINE)


def _rule(
    job: Job, said: _Said, why: str, body: dict[str, Any], action: Action, **extras: Any
) -> NewRule:
    return NewRule(
        id=job.id_of(said.line, said.name.replace("_", "-")),
        line=said.line,
        why=why,
        body=body,
        action=action,
        reply=_REPLY,
        extras=extras,
    )


def _above(said: dict[str, _Said], name: str, imported: Imported) -> float | None:
    each = said.get(name)
    if each is None or not each.is_on:
        return None
    if not _NUMBER.fullmatch(each.value):
        imported.warn(
            each.line, f'{name}: "{each.value}" is no number of points above required_hits'
        )
        return None
    return float(each.value)


def _scanners(said: _Said, imported: Imported) -> None:
    names = [each.lower().removesuffix("_scanner") for each in _WORDS.findall(said.value)]
    engines = [each for each in names if each in _ENGINES]
    if engines:
        _set(said, imported, "virus", "engines", ["clamav"])
    if any("spamassassin" in each for each in names):
        _set(said, imported, "spam", "scorer", "spamd")
    known = {*engines, "auto", "none", "perlscan", "perl"}
    others = [each for each in names if each not in known and "spamassassin" not in each]
    if others:
        text = f"{', '.join(others)}: such a scanner may be asked by its command, [virus.command]"
        imported.warn(said.line, text, others[0])
    tag = next((each for each in _WORDS.findall(said.value) if "spamassassin=" in each), "")
    if tag:
        text = f"{tag}: for a mark in the subject write subject_prefix into a rule of 40-spam.toml"
        imported.warn(said.line, text, tag)


def _queue(said: _Said, imported: Imported) -> None:
    if said.value.startswith("/") and said.value.isprintable() and "$" not in said.value:
        _set(said, imported, "queue", "program", said.value)


def _size(table: str, key: str, most: int) -> Callable[[_Said, Imported], None]:
    def tell(said: _Said, imported: Imported) -> None:
        if _WHOLE.fullmatch(said.value) and _LEAST < int(said.value) <= most:
            _set(said, imported, table, key, size_of(int(said.value)))
        elif said.is_on:
            text = f"[{table}] {key} takes more than 1 KiB and at most {most} octets"
            imported.warn(said.line, text, said.value)

    return tell


def _time(table: str, key: str, most: int) -> Callable[[_Said, Imported], None]:
    def tell(said: _Said, imported: Imported) -> None:
        seconds = 1.0
        for factor in said.value.split("*"):
            if not _NUMBER.fullmatch(factor.strip()):
                return
            seconds *= float(factor)
        if 1 <= seconds <= most:
            _set(said, imported, table, key, f"{seconds:.0f} s")
        else:
            text = f"[{table}] {key} is at most {most} s here"
            imported.warn(said.line, text, said.value)

    return tell


def _zip(said: _Said, imported: Imported) -> None:
    _size("limits", "decoded", 64 << 30)(said, imported)


def _set(said: _Said, imported: Imported, table: str, key: str, value: Any) -> None:
    imported.settings.append(Setting(table=table, key=key, value=value, line=said.line))


_TELLERS: dict[str, Callable[[_Said, Imported], None]] = {
    "scanners": _scanners,
    "qmail_queue_binary": _queue,
    "max_scan_size": _size("limits", "message", 4 << 30),
    "max_zip_size": _zip,
    "sa_maxsize": _size("spam.spamd", "max", 1 << 30),
    "sa_timeout": _time("spam.spamd", "within", 240),
    "maxtime": _time("limits", "time", 599),
}
_GONE = {
    "notify": "nothing is ever told to senders; for admin and recipients write notify into rules",
    "archive": 'to keep copies of mail, write a rule with "copy_to"',
    "sa_forward": "for spam to another address, write redirect_to into a rule",
    "sa_delta": "there is one mark in the subject, that of subject_prefix",
    "dlp_monitor": 'write mode = "log-only" into the rules that shall only watch',
    "add_dscr_hdrs": "the one line X-Qscanner is always there, without recipients",
    "settings_per_domain": "write rules with to, or import simcontrol",
    "virus_to_delete": 'write action = "discard" into the rule "infected"',
}
