"""The tables [[rule.test]]: TOML in, trials out.

Called by  policy.sentence, and policy.read for what can only be said of all rules together.
Ends       always: mistakes are noted in the tables' problems.
Careful    this is the language that docs/policy.md describes under "Tests"; every key stands
           there. An eml never leaves the policies folder, whatever links stand in it.
"""

import base64
import datetime
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from qscanner.codec.envelope import MAX_ADDRESS_OCTETS
from qscanner.codec.places import Document
from qscanner.codec.problems import Problem, nearest
from qscanner.model import Action, Direction, Proven, Score
from qscanner.policy.known_findings import IDS
from qscanner.policy.tables import Choice, Table, choice
from qscanner.policy.trials import RECIPIENT, SENDER, Enclosed, Expected, Specimen, Trial

MADE_UP_KEYS = ("header", "text", "html", "attach")
TEST_KEYS = frozenset(
    [
        *MADE_UP_KEYS,
        "eml",
        "from",
        "to",
        "ip",
        "auth",
        "relay",
        "direction",
        "env",
        "time",
        "finding",
        "virus",
        "spam",
        "proven",
        "expect",
    ]
)
EXPECT_KEYS = frozenset(["action", "rule", "hit", "part", "reply"])
CONTENT_KEYS = ("text", "hex", "base64", "size", "zip")
ATTACH_KEYS = frozenset(["name", "type", "encrypted", *CONTENT_KEYS])
SPAM_KEYS = frozenset(["score", "required", "rules"])
PROVEN_KEYS = frozenset(["dkim", "spf", "arc"])
REQUIRED = 5.0  # what scorers call spam, where a test does not say
MAX_SIZE_OCTETS = 64 << 20  # of made-up content
MAX_DEPTH = 8  # of archives in archives
OWN_RULES = (  # of the program: see policy.decide
    "default.infected",
    "default.unscannable",
    "default.virus-unavailable",
    "default.spam-unavailable",
)
_FIELD_NAME = re.compile(r"[!-9;-~]{1,100}")
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


def trials(table: Table) -> tuple[Trial, ...]:
    """Give the tests of a rule."""
    found = []
    for each in table.tables("test"):
        step = each.path[-1]
        number = step if isinstance(step, int) else 0
        each.label = f"{table.label}test {number + 1}: "
        each.only(TEST_KEYS)
        found.append(Trial(number=number, specimen=_specimen(each), expected=_expected(each)))
    return tuple(found)


def _specimen(table: Table) -> Specimen:
    for key in MADE_UP_KEYS:
        if key in table and "eml" in table:
            table.wrong(f'"eml" is the whole message: "{key}" has no place', key, at="key")
    spam = table.table("spam")
    return Specimen(
        eml=_one(table, "eml", lambda name: _inside(table.document.file, name)) or "",
        sender=_first(_addresses(table, "from"), SENDER),
        recipients=_addresses(table, "to") or (RECIPIENT,),
        ip=_one(table, "ip", lambda text: str(ipaddress.ip_address(text))) or "",
        auth=table.text("auth") or "",
        is_relay=bool(table.flag("relay")),
        direction=_choice(table, "direction", Direction),
        environment=dict(_texts(table.table("env"))),
        at=_one(table, "time", _time) or datetime.time(12),
        headers=tuple(_headers(table.table("header"))),
        text=table.text("text"),
        html=table.text("html"),
        attached=tuple(_enclosed(each, 1) for each in table.tables("attach")),
        findings=table.made("finding", _finding),
        virus=_line(table, "virus"),
        spam=None if spam is None else _score(spam),
        proven=_proven(table.table("proven")),
    )


def _expected(table: Table) -> Expected:
    expect = table.table("expect")
    if expect is None:
        if "expect" not in table:
            table.wrong('a test has no "expect": write expect = { action = "reject" }')
        return Expected()
    expect.only(EXPECT_KEYS)
    is_hit = expect.flag("hit")
    if is_hit is False:
        for key in {"part"} & expect.data.keys():
            expect.wrong(f'"{key}" needs a rule that hits, but "hit" is false', key, at="key")
    return Expected(
        action=_choice(expect, "action", Action),
        rule=expect.text("rule") or "",
        is_hit=is_hit is not False,
        part=expect.text("part") or "",
        reply=expect.text("reply") or "",
    )


def check_rules(
    rules: Iterable[tuple[str, str, int, tuple[Trial, ...]]],
    documents: Mapping[str, Document],
    problems: list[Problem],
) -> None:
    """Note rules that tests expect and that nobody wrote. A rule: id, file, number, tests."""
    rules = tuple(rules)
    known = {*OWN_RULES, *(id_ for id_, *_ in rules)}
    for id_, file, number, theirs in rules:
        for trial in theirs:
            name = trial.expected.rule
            if name and name not in known:
                near = nearest(name, sorted(known))
                guess = f': did you mean "{near}"?' if near else ""
                text = f'rule "{id_}": test {trial.number + 1}: there is no rule "{name}"{guess}'
                path = ("rule", number, "test", trial.number, "expect", "rule")
                problems.append(documents[file].problem(path, text))


def _inside(file: str, name: str) -> str:
    """Give the path of a file in the policies folder. Raises ValueError."""
    folder = os.path.realpath(os.path.dirname(file))
    path = os.path.realpath(os.path.join(folder, name))
    if not name or os.path.isabs(name) or not path.startswith(f"{folder}{os.sep}"):
        raise ValueError(f'"{name}" leaves the policies folder: write "tests/x.eml"')
    if not os.path.isfile(path):
        raise ValueError(f'"{name}": there is no such file in the policies folder')
    return path


def _addresses(table: Table, key: str) -> tuple[bytes, ...]:
    return table.made(key, _address)


def _address(text: str) -> bytes:
    octets = text.encode("utf-8", "replace")
    if b"\0" in octets or len(octets) > MAX_ADDRESS_OCTETS:
        raise ValueError(f"no envelope has such an address: {MAX_ADDRESS_OCTETS} octets, no NUL")
    return octets


def _first(found: tuple[bytes, ...], default: bytes) -> bytes:
    return found[0] if found else default


def _time(text: str) -> datetime.time:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is no time of day: write "22:30"')
    return datetime.time(int(found[1]), int(found[2]))


def _finding(text: str) -> str:
    if text not in IDS:
        near = nearest(text, IDS)
        guess = f': did you mean "{near}"?' if near else "; docs/findings.md lists all"
        raise ValueError(f'no check reports "{text}"{guess}')
    return text


def _line(table: Table, key: str) -> str:
    text = table.text(key)
    if text is not None and not text.strip():
        table.wrong(f'"{key}" is empty', key)
    return text or ""


def _one(table: Table, key: str, make: Any) -> Any:
    """Give what `make` makes of the text under the key, None where there is none."""
    text = table.text(key)
    if text is None:
        return None
    try:
        return make(text)
    except ValueError as error:
        table.wrong(str(error), key)
        return None


def _choice(table: Table, key: str, kind: type[Choice]) -> Choice | None:
    found: Choice | None = _one(table, key, lambda text: choice(text, kind, key))
    return found


def _texts(table: Table | None) -> Iterable[tuple[str, str]]:
    if table is None:
        return
    for key in table.data:
        text = table.text(key)
        if text is not None:
            yield key, text


def _headers(table: Table | None) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Give fields by name; a text, or a list of them, which may be empty."""
    if table is None:
        return
    for name, value in table.data.items():
        if not _FIELD_NAME.fullmatch(name):
            table.wrong(f'"{name}" is no name of a header field', name, at="key")
        yield name, () if value == [] else table.made(name, str)


def _score(table: Table) -> Score:
    table.only(SPAM_KEYS)
    if "score" not in table:
        table.wrong('"spam" has no "score"')
    required = table.number("required")
    return Score(
        score=table.number("score") or 0.0,
        threshold=REQUIRED if required is None else required,
        rules=table.made("rules", str),
    )


def _proven(table: Table | None) -> Proven:
    if table is None:
        return Proven()
    table.only(PROVEN_KEYS)
    return Proven(
        dkim_domains=frozenset(table.made("dkim", str.lower)),
        spf_domain=_line(table, "spf").lower(),
        is_arc=bool(table.flag("arc")),
    )


def _enclosed(table: Table, depth: int) -> Enclosed:
    table.only(ATTACH_KEYS)
    given = [key for key in CONTENT_KEYS if key in table]
    if len(given) > 1:
        table.wrong(f'content is said once: "{given[0]}" or "{given[1]}"', given[1], at="key")
    if "encrypted" in table and "zip" not in table:
        table.wrong('"encrypted" goes with "zip"', "encrypted", at="key")
    if depth > MAX_DEPTH:
        table.wrong(f"more than {MAX_DEPTH} archives in archives")
        return Enclosed()
    return Enclosed(
        name=table.text("name") or "",
        type=table.text("type") or "application/octet-stream",
        octets=_content(table),
        filler=_filler(table),
        members=tuple(_enclosed(each, depth + 1) for each in table.tables("zip")),
        is_zip="zip" in table,
        is_encrypted=bool(table.flag("encrypted")),
    )


def _content(table: Table) -> bytes:
    text = table.text("text")
    if text is not None:
        return text.encode("utf-8", "replace")
    return _one(table, "hex", _of_hex) or _one(table, "base64", _of_base64) or b""


def _of_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError(f'"{text[:40]}" is not hex: two digits an octet, "4d5a9000"') from None


def _of_base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:  # binascii.Error is one; what is no ASCII gives another
        raise ValueError("this is not base64") from None


def _filler(table: Table) -> int:
    octets = table.size("size") or 0
    if octets > MAX_SIZE_OCTETS:
        table.wrong(f"a test makes up at most {MAX_SIZE_OCTETS >> 20} MiB", "size")
        return 0
    return octets
