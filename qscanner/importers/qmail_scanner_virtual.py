"""The virtual headers of Qmail-Scanner 2.x: facts on the message, asked like a header.

    .*@bad\\.example <TAB> Policy-MAILFROM: <TAB> description

Called by  importers.qmail_scanner.
Ends       with the conditions of a rule, or raises PatternError that says what to write by hand.
Careful    envelope addresses are asked by address or domain here, never by pattern: a pattern is
           taken apart into the few addresses that it can match, or refused.
"""

import ipaddress
import re

from qscanner.importers import perl
from qscanner.importers.words import ANY, ANYTHING, SOMETHING, words
from qscanner.patterns import PatternError
from qscanner.policy import addresses

Body = dict[str, object]
_ALWAYS = frozenset({".*", ".+", "1", "yes", "true", "on", "y", ".", "[1y]"})
_CLSID = r"(?i)\{[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\}"
_FACTS: dict[str, Body] = {
    "ZIPPASSWORDPROTECTED": {"finding": "archive.encrypted"},
    "FILELENGTHTOOLONG": {"finding": "name.long"},
    "FILEDOUBLEBARRELED": {"finding": "name.double-extension"},
    "FILECLSID": {"part": {"name": _CLSID}},
}
_BY_HAND = {
    "ISSENSITIVEANDNOCRYPTO": "a rule cannot ask for what is not there (no encryption): "
    'header = { Sensitivity = "(?i)private|confidential" } is the nearest',
    "CRYPTODETAILS": "the words of this header are not known here: write part = { kind = "
    '"encrypted-mail" }, or finding = "archive.encrypted"',
}
NAMES = frozenset({"MAILFROM", "RCPTTO", "REMOTEIPADDR", *_FACTS, *_BY_HAND})
_OCTETS = 4


def body(pattern: str, name: str) -> Body:
    """Give the conditions for a pattern on a virtual header. Raises PatternError."""
    if name in _BY_HAND:
        raise PatternError(_BY_HAND[name])
    if name in _FACTS:
        if pattern.removeprefix("^").removesuffix("$").lower() not in _ALWAYS:
            text = f'for {name} only ".*", ".+" and "1" can be carried over'
            raise PatternError(f"{text}: write {_shown(_FACTS[name])} with what else you mean")
        return _FACTS[name]
    if name == "REMOTEIPADDR":
        return {"when": _of_ip(pattern)}
    key = "from" if name == "MAILFROM" else "to"
    return {"when": {key: _one_or_list(_addresses(pattern, key))}}


def _shown(conditions: Body) -> str:
    return " and ".join(
        f"{key} = …" if key == "part" else f'{key} = "{conditions[key]}"' for key in conditions
    )


def _one_or_list(found: list[str]) -> str | list[str]:
    return found[0] if len(found) == 1 else found


def _addresses(pattern: str, key: str) -> list[str]:
    found = [_address(word) for word in words(pattern)]
    if not found or None in found:
        raise PatternError(
            f'"{key}" takes addresses and domains, no patterns: write "jane@example.org", '
            '"@example.org" or, with subdomains, "@.example.org"'
        )
    return list(dict.fromkeys(each for each in found if each is not None))


def _address(word: str) -> str | None:
    """Give the address that a word with ANYTHING in it is, None where it is none."""
    # A lone dot was written for a dot; it stands for any character, but names hold few others.
    word = word.replace(ANY, ".")
    for start in (f"{ANYTHING}@{ANYTHING}.", f"{ANYTHING}."):
        if word.startswith(start):
            word = f"@.{word[len(start) :]}"
    if word.startswith(f"{ANYTHING}@"):
        word = word[1:]
    if re.search(f"[{ANYTHING}{SOMETHING}]", word):
        return None
    try:
        addresses.pattern(word)
    except ValueError:
        return None
    return word


def _of_ip(pattern: str) -> Body:
    """Give `ip` where the pattern is addresses or whole octets of them, else `env`."""
    networks = [_network(word) for word in words(pattern)]
    if networks and None not in networks:
        return {"ip": _one_or_list([each for each in networks if each is not None])}
    perl.translated(pattern)
    return {"env": {"TCPREMOTEIP": perl.translated(f"^{pattern}$")}}


def _network(word: str) -> str | None:
    """Give "10.0.0.0/8" for 10 and anything behind a dot; None for what is no such thing."""
    octets = word.replace(ANY, ".").split(".")
    known = [each for each in octets if each.isdecimal()]
    behind = octets[len(known) :]
    is_open = bool(behind) and all(each in (ANYTHING, SOMETHING) for each in behind)
    is_whole = len(octets) == _OCTETS or (is_open and behind[-1] == ANYTHING)
    if not known or octets[: len(known)] != known or len(octets) > _OCTETS or not is_whole:
        return _address_of(word)
    if behind and not is_open:
        return _address_of(word)
    filled = ".".join([*known, *["0"] * (_OCTETS - len(known))])
    length = f"/{8 * len(known)}" if behind else ""
    return _address_of(f"{filled}{length}")


def _address_of(text: str) -> str | None:
    try:
        return str(ipaddress.ip_network(text)).removesuffix("/32").removesuffix("/128")
    except ValueError:
        return None
