"""Words of a message that may be the password of an archive in it, the likeliest first.

Called by  checks.attachments, once an archive turns out to be encrypted.
Ends       always; nothing here raises.
Careful    bounded: of so many texts, so many octets each, so many words come out. Which word
           opened an archive is never told: logs and headers are read by others.
"""

# ruff: noqa: RUF001 - people announce passwords in every script

import html
import re
from collections.abc import Iterable, Iterator

from qscanner.codec.text import readable

MOST = 200
_MAX_TEXT = 64 << 10  # octets of one text
_MAX_TEXTS = 8
_MAX_WORD = 64
_MIN_WORD = 3  # characters of a word that nothing announces
_NEAR = 160  # characters behind an announcement
_NEAR_WORDS = 6
_MAX_ANNOUNCED = 32
_TAG = re.compile(r"<[^<>]{0,2000}>")
_WORD = re.compile(r"\S+")
_ANNOUNCED = re.compile(
    r"(?i)(?:pass(?:wor[dt]|wort|code|phrase|wd|w)?|\bpwd?|kennwort|losung|\bcode|\bpin|\bkey|\bkod\b"
    r"|mot\W+de\W+passe|\bmdp|contrase\w+|\bclave|senha|has[lł]o|wachtwoord|l[oö]senord"
    r"|adgangskode|passord|salasana|heslo|jelsz[oó]|[sş]ifre|parol[aeă]?|пароль\w*|\bкод"
    r"|κωδικός|密码|密碼|口令|パスワード|비밀번호|암호|كلمة المرور|סיסמה)"
)
_BETWEEN = re.compile(r"[\s:=\-–—：>]*")
_QUOTED = re.compile(r"[\"'„“”‚‘’«»`]([^\"'„“”‚‘’«»`\s]{1,64})[\"'„“”‚‘’«»`]")
_AROUND = "\"'„“”‚‘’«»`()[]{}<>.,;:!?*_=。、，：！"
_INNER = re.compile(r"[:=：]")
_FILLERS = frozenset(
    re.findall(
        r"\w+",
        "is ist est es e for für pour para the der die das le la to zum zur of archive archiv "
        "file datei zip attachment anhang lautet",
    )
)


def candidates(subject: str, texts: Iterable[bytes]) -> tuple[str, ...]:
    """Give at most 200 words: what follows "password" in any language, odd words, then all."""
    read = [subject, *map(_text, _first(texts))]
    found: dict[str, None] = {}
    for source in (_announced, _quoted, _odd, _all):
        for text in read:
            for word in source(text):
                if 0 < len(word) <= _MAX_WORD:
                    found.setdefault(word)
                if len(found) >= MOST:
                    return tuple(found)
    return tuple(found)


def _first(texts: Iterable[bytes]) -> Iterator[bytes]:
    for _, text in zip(range(_MAX_TEXTS), texts, strict=False):
        yield text[:_MAX_TEXT]


def _text(octets: bytes) -> str:
    text = readable(octets)
    if "<" in text and ">" in text:
        text = html.unescape(_TAG.sub(" ", text))
    return text


def _announced(text: str) -> Iterator[str]:
    for number, found in enumerate(_ANNOUNCED.finditer(text)):
        if number >= _MAX_ANNOUNCED:
            return
        start = _BETWEEN.match(text, found.end())
        near = text[start.end() if start else found.end() :][:_NEAR]
        words = [word[0] for word in _WORD.finditer(near)][:_NEAR_WORDS]
        for word in words:
            if word.strip(_AROUND).lower() not in _FILLERS:
                yield from _forms(word)
        yield near.partition("\n")[0].strip()  # a phrase
        yield near.partition("\n")[0].strip().strip(_AROUND)


def _forms(word: str) -> Iterator[str]:
    """Give a word as it stands, and without what punctuation may be around it."""
    stripped = word.strip(_AROUND)
    yield stripped
    yield word
    yield word.rstrip(".,;:")
    for piece in _INNER.split(stripped)[1:]:
        yield piece.strip(_AROUND)


def _quoted(text: str) -> Iterator[str]:
    for found in _QUOTED.finditer(text):
        yield found[1]


def _odd(text: str) -> Iterator[str]:
    """Give the words with digits, or signs, in them."""
    for found in _WORD.finditer(text):
        stripped = found[0].strip(_AROUND)
        if _MIN_WORD <= len(stripped) <= _MAX_WORD and not stripped.isalpha():
            yield from _forms(found[0])


def _all(text: str) -> Iterator[str]:
    for found in _WORD.finditer(text):
        stripped = found[0].strip(_AROUND)
        if len(stripped) >= _MIN_WORD:
            yield stripped
