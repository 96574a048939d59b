"""policy.known_findings: the ids that docs/findings.md explains, all of them and no others."""

import re
from pathlib import Path

from qscanner.policy.known_findings import IDS, KINDS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "findings.md").read_text("utf-8")


def test_as_documented() -> None:
    """An id that is new in docs/findings.md belongs into the table, too."""
    rows = {name for name in re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE) if "." in name}
    assert set(IDS) == rows
    assert len(IDS) == len(set(IDS))
    assert set(KINDS) == {id_.partition(".")[0] for id_ in IDS}
