"""The only home of oletools: what the macros of an Office document are made to do.

Called by  documents, where the extra `office` is installed; warm loads it.
Ends       with Findings. Whatever oletools raises is `office.unreadable`: it is fed by strangers.
Careful    olevba is slow on hostile input, so only its cheap parts are called, on small files.
           Its log and its reports would hold strangers' octets: both are off.
"""

import functools
import logging
import re
import warnings
from collections.abc import Iterator
from typing import Any

from qscanner.codec.text import without_surrogates
from qscanner.model import Finding

_MAX_OCTETS = 20 << 20
_MAX_SOURCE = 1 << 20  # characters of all modules together
_MAX_MODULES = 200
_SHOWN = 200


def _words(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?i)\b(?:{'|'.join(map(re.escape, text.split()))})\b")


# What Word, Excel and PowerPoint call by themselves (as mraptor of oletools has it).
_AUTOMATIC = re.compile(
    r"(?i)\b(?:auto_?(?:exec|open|close|exit|new|activate)|document_?(?:open|close|beforeclose|new)"
    r"|workbook_?(?:open|activate|beforeclose|close)|worksheet_(?:change|calculate|activate)"
    r"|newdocument|\w{1,60}_(?:layout|painted|painting|mouse(?:enter|hover|leave|move)"
    r"|navigatecomplete2?|documentcomplete|beforenavigate2|gotfocus|lostfocus))\b"
)
_SUSPICIOUS = _words(
    """Shell WScript.Shell Shell.Application CreateObject GetObject CreateProcessA CreateThread
    VirtualAlloc RtlMoveMemory URLDownloadToFileA URLDownloadToFile XMLHTTP WinHttpRequest
    ADODB.Stream SaveToFile ShellExecute ShellExecuteA powershell mshta regsvr32 rundll32 certutil
    bitsadmin Win32_Process ExecuteExcel4Macro CallByName MacScript Kill FollowHyperlink"""
)
_DECLARED = re.compile(
    r"(?im)^\s*(?:public\s+|private\s+)?declare\s+(?:ptrsafe\s+)?(?:sub|function)"
)


@functools.cache
def _vba_parser() -> Any:
    """Load olevba once; None where the extra is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from oletools import olevba
    except ImportError:
        return None
    for name in ("olevba", "oleform", "olefile", "crypto", "msodde", "oleobj", "rtfobj", "common"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return olevba.VBA_Parser


def load() -> bool:
    """Load oletools, if it is installed; say whether it is."""
    return _vba_parser() is not None


def look(content: bytes) -> Iterator[Finding]:
    """Give what the macros of a compound file do, as far as their source says."""
    parser = _vba_parser()
    if parser is None:
        return
    if len(content) > _MAX_OCTETS:
        yield Finding(id="limit.document", detail="office: macros")
        return
    try:
        source, is_cut = _source(parser, content)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - its own classes, and what its guesses raise
        yield Finding(id="office.unreadable", detail=f"oletools: {type(error).__name__}")
        return
    if is_cut:
        yield Finding(id="limit.document", detail="office: macros")
    for id_, pattern in (
        ("office.macro-autoexec", _AUTOMATIC),
        ("office.macro-suspicious", _SUSPICIOUS),
        ("office.macro-suspicious", _DECLARED),
    ):
        found = pattern.search(source)
        if found:
            said = without_surrogates(found[0].strip())
            yield Finding(id=id_, detail=said[:_SHOWN])


def _source(parser: Any, content: bytes) -> tuple[str, bool]:
    """Give the source of all modules, as much as the bounds allow. Raises what oletools raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vba = parser("document", data=content)
        try:
            out: list[str] = []
            size = 0
            for number, (_, _, _, code) in enumerate(vba.extract_macros()):
                text = code if isinstance(code, str) else str(code)
                out.append(text[: _MAX_SOURCE - size])
                size += len(out[-1])
                if size >= _MAX_SOURCE or number >= _MAX_MODULES:
                    return "\n".join(out), True
            return "\n".join(out), False
        finally:
            vba.close()
