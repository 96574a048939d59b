"""docs/scanners.md: every test it names as a proof exists, and every finding it names is ours."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs" / "scanners.md").read_text("utf-8")
ROWS = [line.rsplit("|", 2)[1] for line in TEXT.splitlines() if "`test_" in line and "|" in line]
PROOF = re.compile(r"`(test_\w+)(?:\[([^\]]+)\])?`")
FILE = re.compile(r"in `(tests/\S+\.py)`")
DEFAULT = "tests/unit/test_checks_clamav.py"


@pytest.mark.parametrize("cell", ROWS)
def test_every_proof_exists(cell: str) -> None:
    """A test that was renamed is renamed here too, and so is its case."""
    for group in cell.split(";"):
        named = FILE.search(group)
        source = (ROOT / (named[1] if named else DEFAULT)).read_text("utf-8")
        proofs = PROOF.findall(group)
        assert proofs
        for test, case in proofs:
            assert f"def {test}(" in source
            assert not case or f'"{case}": ' in source


def test_every_finding_exists() -> None:
    """The findings in the table are those in the code."""
    code = "".join(
        (ROOT / "qscanner" / "checks" / name).read_text("utf-8")
        for name in ("clamav.py", "yara.py", "spam.py", "rspamd.py", "command.py")
    )
    table = TEXT.partition("| finding | from |")[2].partition("\n\n")[0]
    named = set(re.findall(r"^\| `([a-z.-]+)`", table, re.MULTILINE))
    in_code = set(re.findall(r'"((?:virus|unscannable|archive|clamav|spam)\.[a-z-]+)"', code))
    assert named == in_code
