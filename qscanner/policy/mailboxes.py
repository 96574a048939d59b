"""The addresses of a header field, as far as a rule needs them (RFC 5322 3.4, read forgivingly).

Called by  policy.evidence, for the keys address, domain and name of a header condition.
Ends       always, in linear time; nothing here raises.
Careful    forgers count on readers that disagree. So nothing is thrown away: what cannot be an
           address is a name, every <…> is an address, and a field is read both before and after
           its RFC 2047 words were decoded (a decoded comma must not cut a name in two unseen).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from qscanner.patterns import MAX_TEXT_CHARS
from qscanner.policy.addresses import Address

_HALF = MAX_TEXT_CHARS // 2
# Every alternative ends in linear time: each stops at the next character that could begin it.
_TOKEN = re.compile(
    r'(?P<quoted>"(?:[^"\\]++|\\.)*+")'
    r"|(?P<angle><[^<>]*+>?)"
    r"|(?P<comment>\([^()]*+\)?)"
    r"|(?P<end>[,;])"
    r'|(?P<plain>[^"<(,;]++|["<(])',
    re.DOTALL,
)
_AROUND_AT = re.compile(" ?@ ?")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address of a header field, and the name beside it; either may be empty, not both."""

    name: str
    address: Address


def mailboxes(text: str) -> tuple[Mailbox, ...]:
    """Give what the text of a field like From names; of a very long one, its two ends."""
    if len(text) > MAX_TEXT_CHARS:
        text = text[:_HALF] + "," + text[-_HALF:]
    return tuple(_walk(text))


def _walk(text: str) -> Iterator[Mailbox]:
    words: list[str] = []
    angle: str | None = None
    for kind, token in _tokens(text):
        if kind == "end" or (kind == "angle" and angle is not None):
            yield from _mailbox(words, angle)
            words, angle = [], None
        if kind == "angle":
            angle = token.strip("<>")
        elif kind == "quoted":
            words.append(_ESCAPED.sub(r"\1", token[1:-1]))
        elif kind == "comment":
            words.append(token.strip("()"))
        elif kind == "plain":
            # "Group: a@b, c@d;" - what stands before the colon is a name, not part of an address.
            before, colon, after = token.rpartition(": ")
            if colon and "@" not in before:
                yield from _mailbox([*words, before], None)
                words, token = [], after
            words.append(token)
    yield from _mailbox(words, angle)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Cut the text up; a quote that never ends is a character like others."""
    lone_quote = _lone_quote(text)
    for found in _TOKEN.finditer(text, 0, lone_quote):
        yield found.lastgroup or "plain", found[0]
    for found in _TOKEN.finditer(text[lone_quote:].replace('"', " ")):
        yield found.lastgroup or "plain", found[0]


def _lone_quote(text: str) -> int:
    """Give where a quote begins that never ends, or the length of the text."""
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found[0] == '"':
            return at
        at = found.end()
    return len(text)


def _mailbox(words: list[str], angle: str | None) -> Iterator[Mailbox]:
    name = " ".join(" ".join(words).split())
    if angle is None:  # no <…>: every word with an @ is an address, the others are its name
        words = _AROUND_AT.sub("@", name).split()
        bare = [word for word in words if "@" in word] or [""]
        name = " ".join(word for word in words if "@" not in word)
    else:
        bare = [angle.rpartition(":")[2] if angle.startswith("@") else angle]  # a source route
    for address in bare:
        if name or address:
            yield Mailbox(name=name, address=Address.of_text("".join(address.split())))
