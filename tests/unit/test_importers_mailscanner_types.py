"""importers.mailscanner_types: words of file(1), in our kinds."""

import pytest

from qscanner.importers import mailscanner_types
from qscanner.importers.mailscanner_types import kinds_of
from qscanner.kinds import KINDS


@pytest.mark.parametrize(
    ("pattern", "mime", "kinds"),
    [
        ("ELF", "", ("elf",)),
        (r"\bscript", "", ("script", "shell-script")),
        ("^PDF", "", ("pdf",)),
        ("(MPEG|AVI)", "", ("video", "audio")),
        ("MPEG|nonsense", "", ()),
        ("self-extract", "", ()),
        ("-", "x-dosexec", ("pe", "dos-com")),
        ("-", "application/x-dosexec", ("pe", "dos-com")),
        ("-", "video", ("video",)),
        ("-", "^video/", ("video",)),
        ("-", "image/.*", ("image",)),
        ("-", "video/mpeg", ()),
        ("", "", ()),
        (".*", "", ()),
    ],
)
def test_kinds(pattern: str, mime: str, kinds: tuple[str, ...]) -> None:
    """Those that are known, and nothing guessed."""
    assert kinds_of(pattern, mime) == kinds


def test_they_are_kinds() -> None:
    """Every kind in the tables is one."""
    for table in (mailscanner_types._BY_WORD, mailscanner_types._BY_TYPE):
        assert {kind for kinds in table.values() for kind in kinds} <= KINDS
