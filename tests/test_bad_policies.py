"""Policies that must be refused, each with exactly the words in its `expected` file.

Every folder of tests/bad_policies has rules, sometimes lists, and what is said of them, with DIR
for the folder. Where they differ, what was said is written beside as `expected.got`.
"""

import os
import shutil
from pathlib import Path

import pytest

from qscanner.codec.problems import Problems
from qscanner.policy.read import load

FOLDER = Path(__file__).parent / "bad_policies"
CASES = sorted(each.name for each in FOLDER.iterdir() if each.is_dir())


@pytest.mark.parametrize("case", CASES)
def test_what_is_said_of(case: str, tmp_path: Path) -> None:
    """All mistakes of all files at once: file, line, caret, and what would have been right."""
    policies = tmp_path / "policies"
    shutil.copytree(FOLDER / case, policies)
    with pytest.raises(Problems) as caught:
        load(os.fspath(policies))
    said = str(caught.value).replace(os.fspath(policies), "DIR") + "\n"
    expected, got = FOLDER / case / "expected", FOLDER / case / "expected.got"
    if not expected.exists() or expected.read_text(encoding="utf-8") != said:
        got.write_text(said, encoding="utf-8")
        pytest.fail(f"differs from expected: see {got}\n{said}", pytrace=False)
    got.unlink(missing_ok=True)


def test_there_are_cases() -> None:
    """The folder was found: no silent nothing."""
    assert len(CASES) >= 40
