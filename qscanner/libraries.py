"""C libraries that Python packages wrap: found by name, without starting programs.

Called by  magic_kinds, libarchive_members, before they import the package.
Ends       with a name, or None.
Careful    ctypes.util.find_library starts ldconfig and gcc, in every process anew: packages that
           call it while they are imported are imported within found_as().
"""

import contextlib
import ctypes.util
import threading
from collections.abc import Iterable, Iterator

_lock = threading.Lock()


def can_be_loaded(library: str) -> bool:
    """Say whether the dynamic linker finds this library, a name or a path, and load it."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def first(libraries: Iterable[str]) -> str | None:
    """Give the first of some libraries that can be loaded."""
    return next((library for library in libraries if library and can_be_loaded(library)), None)


@contextlib.contextmanager
def found_as(library: str) -> Iterator[None]:
    """Let find_library answer with this library, while a package is imported."""
    with _lock:
        asked = ctypes.util.find_library
        ctypes.util.find_library = lambda name: library  # noqa: ARG005
        try:
            yield
        finally:
            ctypes.util.find_library = asked
