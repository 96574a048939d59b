"""libraries: found without starting a program, and ctypes is left as it was."""

import ctypes.util

from qscanner import libraries


def test_first() -> None:
    """The first that can be loaded, of those that are named at all."""
    assert libraries.first(["", "libnothing-like-this.so", "libc.so.6"]) == "libc.so.6"
    assert libraries.first(["libnothing-like-this.so"]) is None


def test_found_as() -> None:
    """Only within the with does find_library answer so."""
    before = ctypes.util.find_library
    with libraries.found_as("a.so"):
        assert ctypes.util.find_library("archive") == "a.so"
    assert ctypes.util.find_library is before
