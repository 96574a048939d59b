"""docs/findings.md and the code know the same findings and the same kinds."""

import re
from pathlib import Path

from qscanner.config import keys
from qscanner.kinds import KINDS
from qscanner.policy.warn import FINDING_KINDS

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "findings.md").read_text("utf-8")
_ID = re.compile(rf'"((?:{"|".join(FINDING_KINDS)})\.[a-z0-9][a-z0-9-]*)"')
_ROW = re.compile(r"^\| `([^`]+)` \|", re.MULTILINE)
# Settings and files are called so too.
_NO_FINDINGS = {"virus.engines", "spam.scorer", "spam.command", "spam.rspamd", "spam.spamd"}
_NO_FINDINGS |= {"magic.mgc", *keys()}
_NO_FINDINGS |= {"header.d", "header.i"}  # of Authentication-Results


def in_code() -> set[str]:
    """Give all ids that stand in the code as a text of their own."""
    return {
        id_
        for file in (ROOT / "qscanner").rglob("*")
        if file.suffix in {".py", ".yar"}
        for id_ in _ID.findall(file.read_text("utf-8"))
    } - _NO_FINDINGS


def test_findings() -> None:
    """Each id that the code reports has a row, and each row is reported somewhere."""
    rows = {name for name in _ROW.findall(PAGE) if "." in name}
    assert rows == in_code()


def test_no_row_twice() -> None:
    """Nor is an id explained in two places."""
    rows = _ROW.findall(PAGE)
    assert sorted(rows) == sorted(set(rows))


def test_kinds() -> None:
    """The table of kinds is the vocabulary."""
    assert {name for name in _ROW.findall(PAGE) if "." not in name} == KINDS
