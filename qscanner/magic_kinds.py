"""The only home of python-magic: what libmagic calls some octets.

Called by  checks.attachments, with the beginning of a content.
Ends       with a MIME type or None; raises MagicError where libmagic is not there or gave up.
Careful    `Magic` objects only: the package's other functions share cookies without a lock and
           crash in threads. pylibmagic changes environment and ctypes for everybody, so it is
           found but never imported. libmagic parses hostile octets in C: a crash must cost one
           message only.
"""

import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qscanner import libraries

LOOKED_AT = 256 << 10  # octets: shorter pieces mislead libmagic, longer ones change nothing
_SYSTEM = ("libmagic.so.1", "libmagic.dylib")
_TYPE_LENGTH = 200


class MagicError(Exception):
    """libmagic is not there, or could not say what the octets are."""


def type_of(content: bytes) -> str | None:
    """Give the MIME type that libmagic finds, lower case, None for octets it does not know.

    At most the first 256 KiB are looked at. Raises MagicError.
    """
    try:
        answer: str = _magic().from_buffer(content[:LOOKED_AT])
    except (MagicError, RuntimeError, MemoryError):
        raise
    except Exception as error:
        raise MagicError(f"libmagic: {type(error).__name__}") from error
    found = answer.partition(";")[0].strip().lower()[:_TYPE_LENGTH]
    return None if found in {"", "application/octet-stream"} else found


@functools.cache
def _magic() -> Any:
    """Load libmagic once: the system's, else the one that pylibmagic brings."""
    for library, database in _candidates():
        if not libraries.can_be_loaded(library):
            continue
        try:
            with libraries.found_as(library):
                import magic
            # Debian has two packages of this name; file(1)'s own has no Magic.
            return magic.Magic(mime=True, magic_file=database, uncompress=False)
        except MemoryError:
            raise
        except Exception as error:
            raise MagicError(f"libmagic cannot be used: {error}") from error
    raise MagicError("libmagic is not there: install libmagic1 or pylibmagic")


def _candidates() -> Iterator[tuple[str, str | None]]:
    """Give (library, database), the system's first; None is the library's own database."""
    for name in _SYSTEM:
        yield name, None
    brought = importlib.util.find_spec("pylibmagic")
    for folder in (brought and brought.submodule_search_locations) or []:
        yield str(Path(folder) / "libmagic.so.1"), str(Path(folder) / "magic.mgc")
