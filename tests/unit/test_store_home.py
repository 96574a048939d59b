"""The home of a store: both kinds are what it says."""

import inspect

from qscanner.store.home import Home, silent
from qscanner.store.local import Local
from qscanner.store.shared import Shared


def test_both_have_everything() -> None:
    """Every method is there, with the same words."""
    for name, wanted in inspect.getmembers(Home, inspect.isfunction):
        if not name.startswith("_"):
            for kind in (Local, Shared):
                found = inspect.signature(getattr(kind, name))
                assert list(found.parameters) == list(inspect.signature(wanted).parameters)


def test_silence() -> None:
    """Nobody is told."""
    silent(1, 2)
