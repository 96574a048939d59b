"""policy.read: a folder, all of it or nothing; what is said of mistakes is in bad_policies."""

import os
from pathlib import Path

import pytest

from qscanner.codec.problems import Problems
from qscanner.outcomes import Ending
from qscanner.policy.read import MAX_RULES, load
from tests.fakes.facts import policy

RULE = '[[rule]]\nid = "{}"\nvirus = "*"\naction = "reject"\norder = {}\n'


def test_reading_order(tmp_path: Path) -> None:
    """By `order`, then by file, then by line."""
    (tmp_path / "20.toml").write_text("schema = 1\n" + RULE.format("c", 0))
    (tmp_path / "10.toml").write_text(
        "schema = 1\n" + RULE.format("z", 1) + RULE.format("a", 0) + RULE.format("b", 0)
    )
    (tmp_path / "30.toml").write_text("schema = 1\n" + RULE.format("first", -1))
    assert [rule.id for rule in load(os.fspath(tmp_path)).rules] == ["first", "a", "b", "c", "z"]


def test_other_files_are_not_read(tmp_path: Path) -> None:
    """Notes, backups of editors, folders of other things."""
    for name in (".#10.toml", "10.toml~", "10.toml.bak", "README.md"):
        (tmp_path / name).write_text("not TOML")
    policy = load(os.fspath(tmp_path))
    assert policy.rules == ()
    assert policy.folder == os.fspath(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """Is a problem, and an ending that asks the admin to act."""
    with pytest.raises(Problems) as caught:
        load(os.fspath(tmp_path / "none"))
    assert "cannot be read: No such file or directory" in str(caught.value)
    assert caught.value.ending is Ending.UNUSABLE


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Is one problem among the others."""
    (tmp_path / "10.toml").mkdir()
    (tmp_path / "20.toml").write_text("schema = 2")
    with pytest.raises(Problems) as caught:
        load(os.fspath(tmp_path))
    assert len(caught.value.problems) == 2


def test_files_without_an_end(tmp_path: Path) -> None:
    """A link to a device is a file that is too large, not the end of our memory."""
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "whom.txt").symlink_to("/dev/zero")
    (tmp_path / "10.toml").symlink_to("/dev/zero")
    rule = RULE.format("a", 0) + 'when = { to_in = "whom" }\n'
    (tmp_path / "20.toml").write_text("schema = 1\n" + rule)
    with pytest.raises(Problems) as caught:
        load(os.fspath(tmp_path))
    texts = [problem.text for problem in caught.value.problems]
    assert texts == ["the file has more than 8 MiB", "the list has more than 32 MiB"]


def test_too_many_rules(tmp_path: Path) -> None:
    """Bounded, since each is asked for each message; none of them is then complained about."""
    (tmp_path / "10.toml").write_text("schema = 1\n" + "[[rule]]\n" * (MAX_RULES + 1))
    with pytest.raises(Problems, match=f"more than {MAX_RULES} rules"):
        load(os.fspath(tmp_path))


def test_texts_are_asked_for(tmp_path: Path) -> None:
    """Only where a rule, a detecting one too, has `body`."""
    rule = '[[rule]]\nid = "a"\nscore = 1\n'
    assert not policy(tmp_path, rule + "part.kind = 'pe'\n").needs_texts
    assert policy(tmp_path, rule + "body.text = 'a'\n").needs_texts
