"""Names of attachments and archive members: every form in which some client may use one.

Called by  mime and checks.attachments, with the names as they were written.
Ends       always with text; nothing here raises.
Careful    a name is only ever compared and shown, never used as a path.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from qscanner.model import Finding

MAX_NAME = 1024  # characters of one candidate that are looked at
MAX_NAMES = 64  # forms of all candidates of one part
LONG_OCTETS = 255  # NAME_MAX of Linux and of Windows
_QUOTING = str.maketrans("", "", '"\\;')
_CUT = re.compile("\0.*", re.DOTALL)
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Line feeds and tabs are left out: folding by sloppy mail programs puts them into harmless names.
_CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2060\ufeff]")
_STREAM = re.compile(r"::?\$DATA\s*\Z|:\w+:\$DATA\s*\Z", re.IGNORECASE)
_PATH = re.compile(r".*[/\\]", re.DOTALL)
_PADDED = re.compile(r"[\s\u2800\u3164]{5}\.?\w{1,8}\W*\Z")
_EXTENSIONS = re.compile(r"\.(\w{1,10})[\s._]*\.[\s.]*(\w{1,10})[\s.]*\Z")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_INNOCENT = _words(
    """bmp csv doc docm docx eml gif gz htm html jpeg jpg log mov mp3 mp4 msg odp ods odt pdf png
    ppt pptx rar rtf svg tif tiff txt wav xls xlsm xlsx xml zip 7z"""
)
_RUNNING = _words(
    """ade adp bat chm cmd com cpl dll exe gadget hta ins isp jar js jse lnk msc msi msp mst pif
    ps1 psm1 reg scf scr sct shb url vb vbe vbs ws wsc wsf wsh xll"""
)


def forms(candidates: Iterable[str]) -> tuple[str, ...]:
    """Give all forms of the candidates, without doubles, as written first.

    Normal forms: cut at a NUL or the NUL removed, quotes and blanks and dots off, control,
    zero-width and bidi characters removed, NFKC, path off, NTFS stream off.
    """
    raw = [name[:MAX_NAME] for name in candidates if name.strip()]
    every = dict.fromkeys(raw)
    for name in raw:
        if len(every) > MAX_NAMES:
            break
        every.update(dict.fromkeys(_derived(name)))
    return tuple(name for name in every if name)[:MAX_NAMES]


def _derived(name: str) -> Iterator[str]:
    for start in dict.fromkeys((_CUT.sub("", name), name)):
        form = _without_invisible(start)
        yield form
        form = _stripped(form)
        yield form
        form = _without_invisible(unicodedata.normalize("NFKC", form)[:MAX_NAME])
        yield form
        if any(sign in form for sign in '"\\;'):
            yield form.translate(_QUOTING)
        form = _stripped(_PATH.sub("", form) or form)
        yield form
        yield _stripped(_STREAM.sub("", form))


def _without_invisible(name: str) -> str:
    if name.isprintable():  # no Cc, Cf, Cs, Co, Cn, nor any separator but the blank
        return name
    return "".join(char for char in name if unicodedata.category(char)[0] != "C")


def _stripped(name: str) -> str:
    return name.strip(" \t\r\n\"'").rstrip(". \t\u00a0\u3000")


def look(names: Iterable[str], where: str) -> tuple[Finding, ...]:
    """Give what is suspicious about the names of one part, each finding once."""
    found: dict[str, Finding] = {}
    for name in names:
        for id_ in _odd(name):
            found.setdefault(id_, Finding(id=id_, where=where, detail=name[:LONG_OCTETS]))
    return tuple(found.values())


def _odd(name: str) -> Iterator[str]:
    if _BIDI.search(name):
        yield "name.bidi"
    if _CONTROL.search(name):
        yield "name.control"
    if len(name.encode("utf-8", "replace")) > LONG_OCTETS:
        yield "name.long"
    if _PADDED.search(name[-32:]):
        yield "name.padded"
    extensions = _EXTENSIONS.search(name[-64:].lower())
    if extensions and extensions[1] in _INNOCENT and extensions[2] in _RUNNING:
        yield "name.double-extension"
