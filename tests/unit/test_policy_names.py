"""policy.names: endings and whole names."""

import datetime
import time

import pytest

from qscanner.policy.addresses import FOREVER
from qscanner.policy.names import MAX_DOTS, names, pattern
from tests.fakes.facts import TODAY


@pytest.mark.parametrize(
    ("entry", "name", "want"),
    [
        (".exe", "a.exe", True),
        (".exe", "A.EXE", True),
        (".EXE", "a.exe", True),
        (".exe", "a.exe.txt", False),
        (".exe", "exe", False),
        (".exe", "aexe", False),
        (".exe", ".exe", True),
        (".tar.gz", "a.b.tar.gz", True),
        (".tar.gz", "a.gz", False),
        ("setup.bin", "Setup.bin", True),
        ("setup.bin", "dir/setup.bin", True),
        ("setup.bin", "dir\\setup.bin", True),
        ("setup.bin", "mysetup.bin", False),
        (".exe", "a.exe/b.txt", False),
        (".exe", "", False),
    ],
)
def test_matching(entry: str, name: str, want: bool) -> None:
    """An ending after its dot, or the whole name with or without its folder."""
    assert names([(pattern(entry), FOREVER)]).has(name, TODAY) is want


@pytest.mark.parametrize("entry", ["*.exe", "a?", "a.exe.", "." + "a." * MAX_DOTS + "b"])
def test_what_is_no_entry(entry: str) -> None:
    """What would never match, or not what was meant, is refused."""
    with pytest.raises(ValueError):
        pattern(entry)


@pytest.mark.parametrize("entry", [".exe", "a.exe"])
def test_last_day(entry: str) -> None:
    """Expired entries do not match; of the same entry twice the later day counts."""
    day = datetime.timedelta(days=1)
    found = names([(entry, TODAY), (entry, TODAY - day)])
    assert found.has("a.exe", TODAY)
    assert not found.has("a.exe", TODAY + day)


def test_many_dots_cost_nothing() -> None:
    """A name is a stranger's."""
    found = names([(".exe", FOREVER)])
    begun = time.monotonic()
    for _ in range(1000):
        assert not found.has("." * 4000, TODAY)
    assert time.monotonic() - begun < 2
