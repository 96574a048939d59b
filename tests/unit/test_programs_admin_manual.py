"""programs.admin_manual: finding the manual and the shipped policies."""

from pathlib import Path

import pytest

from qscanner.programs import admin_manual

ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_clone_is_its_own_manual() -> None:
    """In a clone the pages are those beside the source."""
    assert admin_manual.folder() == str(ROOT)


def test_topics_say_what_they_are_about(tmp_path: Path) -> None:
    """A topic is a page's name, its subject the first heading; other files are none."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "b.md").write_text("# About b\n\ntext\n")
    (tmp_path / "docs" / "a.md").write_text("About a\n")
    (tmp_path / "docs" / "sample.toml").write_text("")
    assert admin_manual.topics(str(tmp_path)) == {"a": "About a", "b": "About b"}


def test_no_page(tmp_path: Path) -> None:
    """A page that is not there is an OSError."""
    with pytest.raises(OSError):
        admin_manual.page(str(tmp_path), "x")
