"""policy.shelf: lists found by name, read once, never outside their folder."""

import os
from pathlib import Path

import pytest

from qscanner.codec.problems import Problem
from qscanner.policy.addresses import FOREVER
from qscanner.policy.shelf import Shelf
from tests.fakes.facts import TODAY


def number(text: str) -> int:
    return int(text)


@pytest.fixture
def problems() -> list[Problem]:
    """Give what the shelf of the test complains about."""
    return []


@pytest.fixture
def shelf(tmp_path: Path, problems: list[Problem]) -> Shelf:
    """Give a shelf with one list."""
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "some-numbers.v1.txt").write_text("1\n2 until 2026-06-15\n")
    (tmp_path / "outside.txt").write_text("3\n")
    return Shelf(os.fspath(tmp_path), problems)


@pytest.mark.parametrize(
    "name", ["some-numbers.v1", "some-numbers.v1.txt", "lists/some-numbers.v1.txt"]
)
def test_names_of_a_list(shelf: Shelf, problems: list[Problem], name: str) -> None:
    """All three forms mean the same file."""
    assert shelf.entries(name, number) == ((1, FOREVER), (2, TODAY))
    assert problems == []
    assert [entry.text for _, entry in shelf.dated] == ["2"]


@pytest.mark.parametrize(
    "name", ["", "../outside", "lists/../../outside.txt", "/etc/passwd", ".hidden", "a/b", "a\0"]
)
def test_names_that_leave_the_folder(shelf: Shelf, name: str) -> None:
    """No path is ever made of them."""
    with pytest.raises(ValueError, match="no name of a list"):
        shelf.entries(name, number)


def test_there_is_no_such_list(shelf: Shelf) -> None:
    """The nearest is named."""
    with pytest.raises(ValueError, match=r'did you mean "some-numbers.v1"\?'):
        shelf.entries("some-number", number)


def test_there_are_no_lists(tmp_path: Path) -> None:
    """Without the folder there is nothing to suggest."""
    with pytest.raises(ValueError, match="there is no list"):
        Shelf(os.fspath(tmp_path), []).entries("a", number)


def test_a_list_that_is_a_folder(shelf: Shelf, tmp_path: Path) -> None:
    """Whatever the system says against reading it is passed on."""
    (tmp_path / "lists" / "odd.txt").mkdir()
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        shelf.entries("odd", number)


def test_each_mistake_once(tmp_path: Path, shelf: Shelf, problems: list[Problem]) -> None:
    """However many rules use the list; and each use may want something else of it."""
    (tmp_path / "lists" / "bad.txt").write_text("1\nx\n1 until then\n")
    for _ in range(2):
        assert shelf.entries("bad", number) == ((1, FOREVER),)
    assert [problem.line for problem in problems] == [3, 2]
    assert shelf.entries("bad", str) == (("1", FOREVER), ("x", FOREVER))
